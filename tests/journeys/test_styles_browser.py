"""Neither side restyles the other: our pages in the base of a site with a stylesheet of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.visitors import all_blocks, bank_data, picture
from tests.offers import making
from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon
from wagtail_kwiga.orders import links

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]

BASE = """{% load wagtailcore_tags %}<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{% block page_title %}{% endblock %}</title>
{% block styles %}{% endblock %}</head><body>
<header class="site"><h1>The site</h1><nav><ul><li><a href="/">Home</a></li></ul></nav>
<form><label>Search <input name="q"></label><button>Find</button></form></header>
<main class="site">{% block inner %}{% endblock %}</main>
<footer class="site"><p>The site's foot</p><dl><dt>a</dt><dd>b</dd></dl></footer></body></html>"""
MAPPING = """{% extends "their_base.html" %}{% block page_title %}{% block title %}{{ kwiga_title }}{% endblock %}{% endblock %}
{% block styles %}{% block head_extra %}{% include "wagtail_kwiga/head.html" with titled=True %}{% endblock %}{% endblock %}
{% block inner %}{% block content %}{% endblock %}{% endblock %}"""
#: What sites write of plain elements: a reset, and loud wishes.
HOSTILE = """
* { margin: 0; padding: 0; border: 0; vertical-align: baseline; }
button, input, select, textarea { background: hotpink; color: yellow; border: 5px dashed lime; border-radius: 0; padding: 20px;
  font: 30px serif; width: 40px; height: 90px; text-transform: uppercase; letter-spacing: .5em; box-shadow: 0 0 9px red;
  appearance: none; float: right; margin: 30px; opacity: .5; }
h1, h2, h3 { color: red; font: italic 9px cursive; text-transform: uppercase; margin: 50px; text-align: center; border: 1px solid; }
p, li, dt, dd, label, legend, summary, strong, s, span, small { color: red; font: italic 40px cursive; text-align: right; }
a, a:hover { color: red; background: yellow; text-decoration: none; display: block; padding: 2em; }
ul, ol { list-style: square; } label { display: inline; float: left; width: 10em; } fieldset { border: 9px solid; float: left; }
section { padding: 90px; background: black; } header { position: fixed; } form { display: flex; background: blue; }
figure, details { margin: 40px; background: red; } dl { display: flex; } img, iframe, video { width: 10px; height: 10px; }
*:focus { outline: 0; }
"""
#: The computed style of everything in our parts but the editor's running text.
OURS = """() => Object.fromEntries([...document.querySelectorAll('.kwiga-own, .kwiga-own *')]
  .filter(each => !each.closest('.kwiga-prose') && each.checkVisibility())
  .map((each, place) => [place + ' ' + each.tagName + '.' + each.className,
       Object.fromEntries([...getComputedStyle(each)].map(name => [name, getComputedStyle(each)[name]]))]))"""
THEIRS = OURS.replace(
    "'.kwiga-own, .kwiga-own *'", "'html, body, .site, .site > *:not(.kwiga), header *, footer *'"
).replace("!each.closest('.kwiga-prose') && ", "")


@pytest.fixture
def pages(browser, live_server, settings, tmp_path) -> list[str]:
    (tmp_path / "their_base.html").write_text(BASE)
    (tmp_path / "wagtail_kwiga").mkdir()
    (tmp_path / "wagtail_kwiga" / "base.html").write_text(MAPPING)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    bank_data()
    make_coupon("SPRING", percent="20")
    page = making.make_page(body=all_blocks(picture()), coupon_mode="any")
    order = order_for(make_contact(), making.offer_of(page))
    return [f"{live_server.url}{page.url}?coupon=SPRING", links.pay_url(order), links.order_url(order)]


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 900}, locale="en-GB")
    yield context.new_page()
    context.close()


#: How far down something hidden lies: the site's own text above it may be longer.
PLACE = {"top", "bottom", "inset-block-start", "inset-block-end"}


def differences(before: dict, after: dict) -> list[tuple]:
    assert before.keys() == after.keys()
    return [
        (element, name, value, after[element][name])
        for element, style in before.items()
        for name, value in style.items()
        if value != after[element][name] and name not in PLACE
    ]


def test_a_sites_rules_for_plain_elements_leave_our_parts_alone(pages, tab):
    for address in pages:
        tab.goto(address)
        assert tab.locator("header.site h1").inner_text() == "The site"
        before = tab.evaluate(OURS)
        assert len(before) > 15
        tab.add_style_tag(content=HOSTILE)
        assert tab.locator("header.site h1").evaluate("each => getComputedStyle(each).color") == "rgb(255, 0, 0)"
        found = differences(before, tab.evaluate(OURS))
        assert not found, "\n".join(map(str, found))


def test_our_stylesheet_leaves_the_site_alone(pages, tab):
    tab.goto(pages[0])
    tab.add_style_tag(content=HOSTILE)
    before = tab.evaluate(THEIRS)
    assert len(before) > 15
    tab.evaluate("document.querySelector('link[href*=\"kwiga.css\"]').disabled = true")
    moved = {"block-size", "height", "perspective-origin", "transform-origin"}  # the page is longer without its style
    after = tab.evaluate(THEIRS)
    assert [each for each in differences(before, after) if each[1] not in moved] == []


def test_a_site_gets_its_way_where_it_wants_to(pages, tab):
    tab.goto(pages[1])
    button = tab.locator("button.kwiga-button")
    tab.add_style_tag(content=".kwiga { --kwiga-accent: rgb(1, 2, 3); --kwiga-radius: 0px; }")
    expect(button).to_have_css("background-color", "rgb(1, 2, 3)")  # the colour moves there within a moment
    expect(button).to_have_css("border-radius", "0px")


FONT = "each => getComputedStyle(each).fontFamily"


def test_type_is_that_of_the_site_in_its_own_base(pages, tab):
    """Text and headings of every kind, in the parts that are ours as well; a font that is named counts."""
    tab.goto(pages[0])
    tab.add_style_tag(content="body { font-family: Georgia, 'A site' }")
    for part in ("h1", ".kwiga-hero .kwiga-lead", ".kwiga-prose h2", ".kwiga-prose p", "#order-heading", "#order dd", "#order label",
                 "#order button.kwiga-button >> nth=-1", "#order input[type=email]"):  # fmt: skip
        assert tab.locator(f".kwiga {part}").first.evaluate(FONT) == 'Georgia, "A site"', part
    tab.add_style_tag(content=".kwiga { --kwiga-font-display: 'A display'; --kwiga-font: 'A text'; }")
    for part, font in (
        ("h1", "A display"),
        ("#order-heading", "A display"),
        ("#order dd", "A text"),
        (".kwiga-prose p", "A text"),
    ):
        assert tab.locator(f".kwiga {part}").first.evaluate(FONT) == f'"{font}"', part


def test_our_own_document_has_a_type_of_its_own(pages, tab, tmp_path, settings):
    (tmp_path / "wagtail_kwiga" / "base.html").unlink()
    settings.TEMPLATES = [*settings.TEMPLATES]  # empties the cached loader
    tab.goto(pages[0])
    assert "Georgia" in tab.locator("#order-heading").evaluate(FONT)
    assert "system-ui" in tab.locator("#order dd").first.evaluate(FONT)


#: Everything that may be loaded or run, but from nowhere: no stylesheet, no script, no inline style.
STRICT = "default-src 'none'; form-action 'self'"


@pytest.mark.parametrize("with_stylesheet", [True, False])
def test_the_field_that_only_programs_fill_in_is_hidden_with_any_stylesheet_and_none(pages, tab, with_stylesheet):
    def strictly(route):
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": STRICT})

    if not with_stylesheet:
        tab.route("**/*", lambda route: strictly(route) if route.request.is_navigation_request() else route.abort())
    tab.goto(pages[0])
    display = tab.locator("#order").evaluate("each => getComputedStyle(each).display")
    assert display == ("grid" if with_stylesheet else "block")
    if with_stylesheet:
        tab.add_style_tag(content=HOSTILE)
    field = tab.locator("#order input[name=website]")
    expect(field).to_have_count(1)
    expect(field).to_be_hidden()
    expect(tab.get_by_label("Leave this empty")).to_be_hidden()
    assert "Leave this empty" not in tab.locator("#order").inner_text()
    told = tab.locator("#order").aria_snapshot()
    assert "E-mail address" in told, "what a screen reader says of the form"
    assert "Leave this empty" not in told
    stops = []
    for _press in range(60):
        tab.keyboard.press("Tab")
        stops.append(tab.evaluate("document.activeElement.getAttribute('name')"))
    assert "email" in stops
    assert "website" not in stops


def test_a_program_that_fills_in_every_field_is_told_apart(pages, tab):
    """It reads the markup and sends what it has made up; what a browser sends of the hidden field is empty."""
    tab.goto(pages[0])
    sent = tab.evaluate("Object.fromEntries(new FormData(document.querySelector('#order form')))")
    assert sent["website"] == ""
    tab.evaluate("""() => { for (const field of document.querySelectorAll('#order input:not([type=hidden], [type=radio])'))
        field.value = field.type === 'email' ? 'program@example.com' : 'https://spam.example'; }""")
    tab.locator("#order form").evaluate("form => form.submit()")
    tab.wait_for_load_state()
    assert "filled in by a program" in tab.locator("#order").inner_text()


def test_a_layer_named_before_ours_may_change_anything(pages, tab, tmp_path):
    wanted = "<style>@layer shop, kwiga; @layer shop { .kwiga-button { padding: 1px !important; } }</style>"
    base = tmp_path / "their_base.html"
    base.write_text(BASE.replace("{% block styles %}", wanted + "{% block styles %}"))
    tab.goto(pages[1])
    assert tab.locator("button.kwiga-button").evaluate("each => getComputedStyle(each).padding") == "1px"


def test_light_or_dark_goes_by_the_page_around(pages, browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(pages[1])
    ink = "() => getComputedStyle(document.querySelector('.kwiga-own')).color"
    assert page.evaluate(ink) == "rgb(27, 35, 32)"  # a site that knows no dark is light, whoever looks
    page.add_style_tag(content=":root { color-scheme: light dark; }")
    assert page.evaluate(ink) == "rgb(236, 239, 236)"
    context.close()
