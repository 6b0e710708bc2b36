"""The base that visitor pages stand in, as a site may have written it: in real template files, with the real loaders."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from wagtail_kwiga.checks.base_template import check_base_template
from wagtail_kwiga.offers import base_templates

HEAD = "<head><title>{% block title %}{% endblock %}</title>{% block head_extra %}{% endblock %}</head>"
GOOD = HEAD + "<body>{% block content %}{% endblock %}</body>"
#: The base that ``wagtail start`` makes, as far as it matters here.
STARTED = """{% load static wagtailcore_tags wagtailuserbar %}<!DOCTYPE html><html lang="en"><head>
<title>{% block title %}{% if page.seo_title %}{{ page.seo_title }}{% else %}{{ page.title }}{% endif %}{% endblock %}
{% block title_suffix %}{% wagtail_site as current_site %}{% if current_site and current_site.site_name %}- {{ current_site.site_name }}{% endif %}{% endblock %}
</title>
{% if page.search_description %}<meta name="description" content="{{ page.search_description }}" />{% endif %}
{% block extra_css %}{% endblock %}</head>
<body class="{% block body_class %}{% endblock %}">{% wagtailuserbar %}{% block content %}{% endblock %}{% block extra_js %}{% endblock %}</body></html>"""


@pytest.fixture
def site(settings, tmp_path):
    """A site with these templates; the keyword ``base`` is what ``BASE_TEMPLATE`` names. Answers with what is found."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]

    def check(**files: str):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".html")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        if "base" in files:
            settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "BASE_TEMPLATE": "base.html"}
        settings.TEMPLATES = [*settings.TEMPLATES]  # a change of the setting empties Django's cached loader
        messages = check_base_template(None)
        assert all(message.hint for message in messages)
        return messages

    return check


def ids(messages) -> list[str]:
    return [message.id.removeprefix("wagtail_kwiga.") for message in messages]


def test_ours_is_fine():
    assert check_base_template(None) == []


@pytest.mark.parametrize(
    "base",
    [
        GOOD,
        "{% if request %}" + GOOD + "{% endif %}",
        GOOD.replace("{% block content %}{% endblock %}", "{% block body %}{% block content %}{% endblock %}{% endblock %}"),
        GOOD.replace("{% block content %}", "{% for n in '12' %}{% with a=n %}{% block content %}").replace(
            "</body>", "{% endwith %}{% endfor %}</body>"
        ),
        GOOD.replace("<body>", "<body>{% load i18n cache %}{% cache 9 x %}{% spaceless %}").replace(
            "</body>", "{% endspaceless %}{% endcache %}</body>"
        ),
    ],
)  # fmt: skip
def test_a_base_with_what_our_pages_fill(site, base):
    assert site(base=base) == []


def test_blocks_may_stand_in_a_parent_and_in_a_block_of_the_base(site):
    assert site(
        base="{% extends 'grand.html' %}{% block main %}<main>{% block content %}{% endblock %}</main>{% endblock %}",
        grand="{% extends 'outermost.html' %}{% block html_head %}{{ block.super }}{% block head_extra %}{% endblock %}{% endblock %}",
        outermost="<head>{% block html_head %}<title>{% block title %}{% endblock %}</title>{% endblock %}</head>{% block main %}{% endblock %}",
    ) == []  # fmt: skip


def test_no_content(site):
    (message,) = site(base=GOOD.replace("block content", "block main"))
    assert message.id == "wagtail_kwiga.E020"
    assert message.is_serious()
    assert "wagtail_kwiga/base.html → base.html" in message.msg
    assert "head_extra, main, title" in message.msg
    assert "{% block content %}" in message.hint
    assert "base.html" in message.hint


def test_no_head(site):
    (message,) = site(base=GOOD.replace("{% block head_extra %}{% endblock %}", ""))
    assert message.id == "wagtail_kwiga.W020"
    assert not message.is_serious()
    assert "{% block head_extra %}{% endblock %}" in message.hint


def test_no_title(site):
    assert ids(site(base=GOOD.replace("{% block title %}{% endblock %}", "The site"))) == ["W021"]


def test_nothing_at_all(site):
    assert ids(site(base="<html><body>{{ page.title }}</body></html>")) == ["E020", "W020", "W021"]


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        # A block is shown only where the innermost version of the block around it shows it.
        (GOOD.replace("{% block content %}", "{% block main %}{% block content %}{% endblock %}"),
         "{% extends 'parent.html' %}{% block main %}something else{% endblock %}"),
        # Text and blocks beside those of the parent are printed nowhere.
        (HEAD, "{% extends 'parent.html' %}{% block content %}{% endblock %}"),
        (GOOD.replace("{% block content %}{% endblock %}", "{% include 'included.html' %}"), "{% extends 'parent.html' %}"),
    ],
)  # fmt: skip
def test_a_block_that_is_there_and_never_shown(site, parent, child):
    found = site(base=child, parent=parent, included="{% block content %}{% endblock %}")
    assert ids(found) == ["E020"]


def test_a_block_kept_by_block_super_is_shown(site):
    found = site(
        base="{% extends 'parent.html' %}{% block main %}{{ block.super }}<hr>{% endblock %}",
        parent=HEAD + "{% block main %}{% block content %}{% endblock %}{% endblock %}",
    )
    assert found == []


def test_names_that_are_not_literal_are_left_alone(site):
    assert site(base="{% extends page.base %}") == []
    assert site(base="{% extends 'parent.html' %}", parent="{% extends which|default:'x.html' %}") == []


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"base": "{% extends 'gone.html' %}"}, ["'gone.html'", "'base.html' extends", "TemplateDoesNotExist"]),
        ({"base": "{% extends 'parent.html' %}", "parent": "{% block content %}"}, ["'parent.html'", "'base.html' extends"]),
        ({"base": "{% block content %}{% no_such_tag %}"}, ["'base.html'", "TemplateSyntaxError", "no_such_tag"]),
        ({"base": "{% load no_such_library %}"}, ["'base.html'", "no_such_library"]),
        ({"base": "{% extends 'base.html' %}"}, ["'base.html'", "TemplateDoesNotExist"]),
        ({"base": "{% extends 'wagtail_kwiga/base.html' %}"}, ["'wagtail_kwiga/base.html'", "TemplateDoesNotExist"]),
        ({"wagtail_kwiga__base": "{% extends 'gone.html' %}"}, ["'gone.html'", "'wagtail_kwiga/base.html' extends"]),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_told_and_does_not_crash(site, files, named):
    (message,) = site(**files)
    assert message.id == "wagtail_kwiga.E007"
    for words in named:
        assert words in message.msg


def test_a_name_that_nothing_bears(settings):
    settings.WAGTAIL_KWIGA = {"BASE_TEMPLATE": "no/such.html"}
    (message,) = check_base_template(None)
    assert message.id == "wagtail_kwiga.E007"
    assert "'no/such.html'" in message.msg


def test_bytes_that_are_no_text(site, tmp_path):
    site(base=GOOD)
    (tmp_path / "base.html").write_bytes(b"\xff\xfe{% block content %}")
    (message,) = site()
    assert message.id == "wagtail_kwiga.E007"
    assert "UnicodeDecodeError" in message.msg


def test_a_setting_of_the_wrong_type_is_for_another_check(settings):
    settings.WAGTAIL_KWIGA = {"BASE_TEMPLATE": 7}
    assert check_base_template(None) == []


class TestOwnMapping:
    """A site's own ``wagtail_kwiga/base.html``."""

    def test_the_base_of_wagtail_start_by_the_documented_mapping(self, site):
        mapping = """{% extends "started.html" %}
            {% block title %}{{ kwiga_title }}{% endblock %}
            {% block extra_css %}{% include "wagtail_kwiga/head.html" with titled=True %}{% endblock %}"""
        assert site(started=STARTED, wagtail_kwiga__base=mapping) == []
        base = base_templates.current()
        assert base.ends_titles
        assert base.says == {"description"}
        assert base.says_always == frozenset()

    def test_the_stylesheet_may_come_by_a_template_of_the_site(self, site):
        found = site(
            wagtail_kwiga__base="<head>{% block title %}{{ kwiga_title }}{% endblock %}{% include 'shop_head.html' %}</head>"
            "{% block content %}{% endblock %}",
            shop_head="{% load static %}<link rel='stylesheet' href='{% static \"wagtail_kwiga/kwiga.css\" %}'>",
        )
        assert found == []

    def test_a_mapping_that_forgets(self, site):
        assert ids(site(wagtail_kwiga__base='{% extends "started.html" %}', started=STARTED)) == ["W020", "W021"]

    def test_two_titles(self, site):
        mapping = (
            '{% extends "started.html" %}{% block extra_css %}{% include "wagtail_kwiga/head.html" %}{% endblock %}'
        )
        (message,) = site(started=STARTED, wagtail_kwiga__base=mapping)
        assert message.id == "wagtail_kwiga.W022"
        assert "titled=True" in message.hint


class TestTwice:
    @pytest.mark.parametrize(
        ("tag", "told"),
        [
            ('<meta content="Our school" name="description">', "description"),
            ('<meta name="description" content="{{ settings.seo.text }}">', "description"),
            ("<link href='https://example.com/' rel='canonical'>", "canonical"),
            ('<meta property="og:title" content="The school">', "og:title"),
        ],
    )
    def test_what_is_not_of_the_page(self, site, tag, told):
        (message,) = site(base=GOOD.replace("<head>", "<head>" + tag))
        assert message.id == "wagtail_kwiga.W023"
        assert told in message.msg
        assert "{% if not visit %}" in message.hint

    @pytest.mark.parametrize(
        "written",
        [
            '{% if not visit %}<meta name="description" content="Our school">{% endif %}',
            '{% if page and not visit %}<meta name="description" content="Our school">{% endif %}',
            '{% if visit %}{% else %}<meta name="description" content="Our school">{% endif %}',
            '<!-- <meta name="description" content="Our school"> -->',
            '{% block meta %}{% if page.search_description %}<meta name="description" content="{{ page.search_description }}">{% endif %}{% endblock %}',
            '<meta name="description" content="{% firstof page.search_description page.title %}">',
            '<meta name="twitter:description" content="Our school">',
        ],
    )  # fmt: skip
    def test_what_is_not_twice(self, site, written):
        assert site(base=GOOD.replace("<head>", "<head>" + written)) == []

    def test_a_drawing_has_no_title_of_the_page(self, site):
        drawn = '<head>{% include "wagtail_kwiga/head.html" %}</head><body><svg><title>Our sign</title></svg>{% block content %}{% endblock %}</body>'
        assert site(wagtail_kwiga__base=drawn) == []


def test_the_check_is_one_of_those_that_django_runs(site):
    site(base="<html></html>")
    found = [message.id for message in run_checks(tags=["wagtail_kwiga"])]
    assert {"wagtail_kwiga.E020", "wagtail_kwiga.W020", "wagtail_kwiga.W021"} <= set(found)
