"""Rich text: safe, with whole placeholders, and as plain text."""

from __future__ import annotations

import re

import pytest
from django.utils import translation
from hypothesis import example, given
from hypothesis import strategies as st

from wagtail_kwiga.mailing import placeholder_syntax, richtext


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<p>{{ contact.<b>first_name</b> }}</p>", "<p><b>{{ contact.first_name }}</b></p>"),
        ("<p><b>{{</b> contact.first_name }}</p>", "<p><b>{{ contact.first_name }}</b></p>"),
        ("<p><b>Hi {{ contact.first</b>_name }}!</p>", "<p><b>Hi {{ contact.first_name }}</b>!</p>"),
        ("<p>{{ coupon.<i>code }} is</i> yours</p>", "<p><i>{{ coupon.code }} is</i> yours</p>"),
        (
            '<p>{{ contact.first_name | default: "my <b>dear</b>" }}</p>',
            '<p><b>{{ contact.first_name | default: "my dear" }}</b></p>',
        ),
        (
            "<p>{{ contact.first_name | default: &quot;you&quot; }}</p>",
            '<p>{{ contact.first_name | default: "you" }}</p>',
        ),
    ],
)
def test_formatting_inside_braces_survives_around_the_placeholder(source, html):
    assert _bare(richtext.render(source).html) == html


def test_no_placeholder_reaches_across_paragraphs():
    rich = richtext.render("<p>{{ coupon.</p><p>code }}</p>")
    assert not list(placeholder_syntax.found_in(rich.html))


@pytest.mark.parametrize(
    "source",
    [
        "<p>x<script>alert(1)</script></p>",
        '<p onclick="x()">x</p>',
        '<p><img src=x onerror="alert(1)">x</p>',
        '<p><a href="javascript:alert(1)">x</a></p>',
        '<p><a href="data:text/html,x">x</a></p>',
        '<p><a href="//evil.example/x">x</a></p>',
        '<p><a href="https://a.example/{{ contact.name }}">x</a></p>',
        "<p><style>p{}</style>x<iframe src='https://evil.example'></iframe></p>",
    ],
)
def test_what_a_mail_must_not_contain_is_gone(source):
    html = richtext.render(source).html
    assert _bare(html) in ("<p>x</p>", "<p></p>x")


def test_links():
    rich = richtext.render(
        '<p><a href="/lessons/?a=1&amp;b=2">lessons</a>, <a href="https://x.example">https://x.example</a>,'
        ' <a href="mailto:a@b.example">write</a>, <a href="{{ pay_url }}">pay</a>, {{ resume_url }}</p>',
        link_style="color:red",
    )
    assert '<a href="{{ site.root }}/lessons/?a=1&amp;b=2" style="color:red">lessons</a>' in rich.html
    assert '<a href="{{ pay_url }}" style="color:red">pay</a>' in rich.html
    assert '<a href="{{ resume_url }}" style="color:red">{{ resume_url }}</a>' in rich.html
    assert rich.text == (
        "lessons ({{ site.root }}/lessons/?a=1&b=2), https://x.example, write (mailto:a@b.example),"
        " pay ({{ pay_url }}), {{ resume_url }}"
    )


def test_plain_text_has_paragraphs_and_lists():
    rich = richtext.render(
        "<p>One &amp; <b>two</b></p><ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol><li>x</li><li>y</li></ol><p>End<br/>!</p>"
    )
    assert rich.text == "One & two\n\n- a\n- b\n  - c\n\n1. x\n2. y\n\nEnd\n!"


PIECE = st.sampled_from(
    [
        "{{",
        "}}",
        " contact.",
        "first_name ",
        '| default: "x"',
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<p>",
        "</p>",
        "<br/>",
        "&lt;",
        "&amp;",
        "<a href='https://x.example'>",
        "</a>",
        "wörter",
        "{",
        "}",
        "<ul><li>",
        "</li></ul>",
        "{{ pay_url }}",
    ]
)


@example("{{first_name <p>}}")
@example("{<p>{pay_url }}")
@example("{{{pay_url }<ul><li>}}}")
@given(st.lists(PIECE, max_size=25).map("".join))
def test_any_soup_gives_balanced_allowed_markup_with_known_placeholders_only(source):
    rich = richtext.render(source)
    open_tags: list[str] = []
    for tag in re.findall(r"<(/?[a-z]+)", rich.html):
        if tag == "br":
            continue
        assert tag.removeprefix("/") in richtext.TAGS
        if tag.startswith("/"):
            assert open_tags.pop() == tag[1:]
        else:
            open_tags.append(tag)
    assert not open_tags
    # The same placeholders in both parts, whatever formatting cut through them (a clickable link names its target twice).
    in_html = {token.name for token in placeholder_syntax.found_in(rich.html)}
    assert in_html == {token.name for token in placeholder_syntax.found_in(rich.text)}
    # What is no placeholder cannot become one when values are put in.
    assert "{{" not in placeholder_syntax.PATTERN.sub("", rich.html)


def _bare(html: str) -> str:
    return re.sub(r' style="[^"]*"', "", html)


def test_lists_are_indented_on_the_side_where_lines_begin():
    assert "padding:0 0 0 22px" in richtext.render("<ul><li>a</li></ul>").html
    with translation.override("ar"):
        html = richtext.render("<ul><li>a</li></ul><ol><li>b</li></ol>").html
    assert html.count("padding:0 22px 0 0") == 2 and "22px;" not in html and "0 0 0 22px" not in html
