"""Every visitor page in the base of a site: with an override that maps our blocks, by the setting, and without either."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.journeys import visitors
from tests.offers import making
from tests.payments.test_providers import SANDBOX
from tests.support import START, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import links

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]

#: A base without a block ``content``, whose language is written in stone.
FOREIGN = """<!doctype html><html lang="fr"><head><title>{% block page_title %}{% endblock %}</title>
{% block extra_css %}<link rel="stylesheet" href="/theirs.css">{% endblock %}</head>
<body><nav>their menu</nav><div id="page">{% block inner %}{% endblock %}</div>
<footer>their foot {% block outro %}{% endblock %}</footer>{% block scripts %}<script src="/theirs.js"></script>{% endblock %}
</body></html>"""
MAPPING = """{% extends "foreign.html" %}{% load kwiga_tags %}
{% block page_title %}{% block title %}{{ kwiga_title }}{% endblock %} | Theirs{% endblock %}
{% block extra_css %}{{ block.super }}{% block head_extra %}{% include "wagtail_kwiga/head.html" with titled=True %}{% endblock %}{% endblock %}
{% block inner %}{% block content %}{% endblock %}{% endblock %}
{% block outro %}<div class="kwiga">{% block footer %}{% kwiga_seller %}{% endblock %}</div>{% endblock %}
{% block scripts %}{{ block.super }}{% block body_end %}{% endblock %}{% endblock %}"""
#: A base with the blocks that the setting asks for, and others that bear names of ours too.
NAMED = """<!doctype html><html lang="fr"><head><title>{% block title %}{% endblock %}</title>
{% block head_extra %}<meta name="description" content="their default">{% endblock %}</head>
<body>{% block header %}<nav>their menu</nav>{% endblock %}{% block content %}{% endblock %}
{% block footer %}<footer>their foot</footer>{% endblock %}</body></html>"""
#: Blocks that our pages fill; everything else they bring is their own and stands inside of ``content``.
DOCUMENTED = {"title", "head", "head_extra", "header", "content", "footer", "body_end"}


@pytest.fixture
def put(settings, tmp_path):
    """Write templates of a site; they come before those of apps."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".html")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


@pytest.fixture
def answers(client, settings):
    """Every page of ours, by name; the gateway plays somebody else's page and is none of ours."""

    def get() -> dict[str, str]:
        found = {}
        for name, url in visitors.every_page().items():
            answer = client.get(re.sub(r"^https?://[^/]+", "", url), follow=True)
            if name != "gateway":
                found[name] = answer.content.decode()
        order = order_with(settings, "post", "tests.payments.systems.Posting")
        posted = Client().post(links.pay_url(order, START).removeprefix("http://localhost"), {"method": "post"})
        return {**found, "hand-over": posted.content.decode()}

    return get


def order_with(settings, alias: str, path: str) -> m.Order:
    from tests.orders.shop import order_for

    providers = {**settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"], alias: {**SANDBOX, "class": path}}
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": providers}
    site = making.Site.objects.get(is_default_site=True)
    return order_for(make_contact(), make_offer(currency="PLN"), site=site, language="en")


def test_an_override_maps_our_blocks_onto_any_base(put, answers):
    put(foreign=FOREIGN, wagtail_kwiga__base=MAPPING)
    found = answers()
    assert len(found) > 30
    for name, html in found.items():
        assert "their menu" in html, name
        assert "their foot" in html, name
        assert html.count("<title>") == html.count("<html") == html.count("<body") == 1, name
        title = re.search(r"<title>\s*(.+?) \| Theirs", html)
        assert title, name
        assert title[1].strip(), name
        assert html.index('href="/theirs.css"') < html.index("wagtail_kwiga/kwiga.css") < html.index("</head>"), name
        assert html.index("wagtail_kwiga/kwiga.js") < html.index("</head>"), name
        assert "/theirs.js" in html, name
        assert '<div class="kwiga kwiga-page" lang="' in html, name
        assert "Brush &amp; Paper" in html, name
        if not name.startswith("offer"):
            assert '<meta name="robots" content="noindex">' in html, name
    assert '<div class="kwiga kwiga-page" lang="de">' in found["offer-german"]
    assert '<div class="kwiga kwiga-page" lang="de">' in found["pay-german"]
    assert '<div class="kwiga kwiga-page" lang="en">' in found["pay"]
    for said in (
        'rel="canonical"',
        'hreflang="uk"',
        'property="og:title"',
        'property="og:image"',
        'itemprop="price"',
        'id="order"',
    ):
        assert said in found["offer"], said


def test_a_base_named_by_the_setting_keeps_what_is_its_own(put, answers, settings):
    put(named=NAMED)
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "BASE_TEMPLATE": "named.html"}
    for name, html in answers().items():
        assert "their menu" in html, name
        assert "their foot" in html, name
        assert "their default" not in html, name
        assert html.count("<title>") == 1, name
        assert re.search(r"<title>\s*\S", html), name
        assert "wagtail_kwiga/kwiga.css" in html.split("</head>")[0], name
        assert '<div class="kwiga kwiga-page" lang="' in html, name


def test_without_either_it_is_a_whole_document(answers):
    for name, html in answers().items():
        assert html.startswith("<!doctype html>"), name
        assert re.search(r'<html lang="[a-z]{2}">', html), name
        assert html.rstrip().endswith("</html>"), name
        assert html.count("<main") == html.count("<h1") == 1, name
        assert "Brush &amp; Paper" in html, name


def test_one_include_is_a_whole_head(put, client, seller):
    put(wagtail_kwiga__base="<head>{% include 'wagtail_kwiga/head.html' %}</head>{% block content %}{% endblock %}")
    page = making.make_page(search_description="Four evenings")
    html = client.get(page.url).content.decode()
    assert "<title>Watercolour – School of Watercolour</title>" in html
    for said in (
        'name="description" content="Four evenings"',
        'property="og:description"',
        'product:price:amount" content="120.00"',
    ):
        assert said in html
    assert "<title>This link is not complete</title>" in client.get("/shop/pay/rubbish/").content.decode()


#: A base that says of each page what ``wagtail start`` says of it, and more, in blocks that bear names of its own.
TALKATIVE = """<!doctype html><html><head><title>{% block name %}{% firstof page.seo_title page.title %}{% endblock %}
{% block title_suffix %}- The School{% endblock %}</title>
{% if page.search_description %}<meta name="description" content="{{ page.search_description }}">{% endif %}
<link rel="canonical" href="{{ page.full_url }}"><meta property="og:title" content="{{ page.title }}">
{% block extra_css %}{% endblock %}</head><body>{% block content %}{% endblock %}</body></html>"""
TAKEN = """{% extends "talkative.html" %}{% block name %}{{ kwiga_title }}{% endblock %}
{% block extra_css %}{% include "wagtail_kwiga/head.html" with titled=True %}{% endblock %}"""


def told(html: str) -> dict[str, int]:
    """How often the head says what."""
    head = html.split("</head>")[0]
    return {
        name: len(re.findall(pattern, head))
        for name, pattern in {
            "title": "<title",
            "description": 'name="description"',
            "canonical": 'rel="canonical"',
            "og:title": 'property="og:title"',
        }.items()
    }


def test_our_head_says_nothing_again_that_the_base_says_of_the_page(put, client, seller):
    put(talkative=TALKATIVE, wagtail_kwiga__base=TAKEN)
    page = making.make_page(search_description="Four evenings")
    html = client.get(page.url).content.decode()
    assert told(html) == {"title": 1, "description": 1, "canonical": 1, "og:title": 1}
    title = re.search(r"<title>(.*?)</title>", html, re.DOTALL)
    assert title
    assert " ".join(title[1].split()) == "Watercolour - The School", "the seller is not put behind it as well"
    assert "product:price:amount" in html, "what the base does not say is said"
    assert "wagtail_kwiga/kwiga.css" in html


def test_a_base_that_says_it_only_where_we_do_not(put, client, seller):
    guarded = TALKATIVE.replace("{% if page.search_description %}", "{% if page.search_description and not visit %}")
    put(talkative=guarded, wagtail_kwiga__base=TAKEN)
    html = client.get(making.make_page(search_description="Four evenings").url).content.decode()
    assert told(html)["description"] == 1
    assert "Four evenings" in html.split("</head>")[0]


def test_a_base_that_cannot_be_read_gets_everything_unless_it_is_told(put, client, seller, settings):
    """The name of the outermost template is a variable, so nobody knows what is in it before a page is rendered."""
    parent = '{% extends site.hostname|yesno:"talkative.html,other.html" %}'
    page = making.make_page(search_description="Four evenings")
    put(talkative=TALKATIVE, wagtail_kwiga__base=TAKEN.replace('{% extends "talkative.html" %}', parent))
    html = client.get(page.url).content.decode()
    assert told(html) == {"title": 1, "description": 2, "canonical": 2, "og:title": 2}
    assert "Watercolour – School of Watercolour" in html
    put(wagtail_kwiga__base=TAKEN.replace('{% extends "talkative.html" %}', parent).replace(
        "titled=True", 'titled=True says="description canonical social"'))  # fmt: skip
    settings.TEMPLATES = [*settings.TEMPLATES]  # empties the cached loader
    html = client.get(page.url).content.decode()
    assert told(html) == {"title": 1, "description": 1, "canonical": 1, "og:title": 1}


def test_a_title_that_the_base_does_not_end_ends_with_the_seller(put, client, seller, settings):
    put(named=NAMED)
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "BASE_TEMPLATE": "named.html"}
    assert "<title>Watercolour – School of Watercolour</title>" in client.get(making.make_page().url).content.decode()


def test_the_templates_are_read_once(put, client, seller, monkeypatch):
    """A page costs no reading of templates."""
    from wagtail_kwiga.offers import base_templates

    put(talkative=TALKATIVE, wagtail_kwiga__base=TAKEN)
    page = making.make_page(search_description="Four evenings")
    client.get(page.url)
    assert base_templates.read() is base_templates.read()
    monkeypatch.setattr(base_templates, "_read", lambda layers: pytest.fail("read again"))
    assert client.get(page.url).status_code == 200


def test_our_pages_fill_only_the_documented_blocks():
    from django.template.loader import get_template
    from django.template.loader_tags import BlockNode

    names = [
        "offers/offer_page", "mailing/unsubscribe",
        *(f"payments/{name}" for name in ("pay", "order", "return", "hand_over", "link_fault", "not_payable")),
    ]  # fmt: skip
    for name in names:
        tree = get_template(f"wagtail_kwiga/{name}.html").template.nodelist[0]
        outer = {node.name for node in tree.nodelist if isinstance(node, BlockNode)}
        assert outer <= DOCUMENTED, name
        assert "content" in outer, name
