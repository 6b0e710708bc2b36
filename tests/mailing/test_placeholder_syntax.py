"""The syntax of placeholders, and that values never become code."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.mailing.placeholder_syntax import Token

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NASTY = st.one_of(
    TEXT,
    st.sampled_from(["{{ coupon.code }}", "{{", "}}", '<b title="x">', "a & b", "\r\nBcc: x@y.z", "&#123;{", "$1 \\1"]),
)


@pytest.mark.parametrize(
    ("written", "name", "default"),
    [
        ("{{ contact.first_name }}", "contact.first_name", ""),
        ("{{contact.first_name}}", "contact.first_name", ""),
        ('{{ contact.first_name | default: "there" }}', "contact.first_name", "there"),
        ("{{ contact.first_name|default:'my friend' }}", "contact.first_name", "my friend"),
        ("{{ contact.first_name | default: “there” }}", "contact.first_name", "there"),
        ("{{ contact.first_name | default: „da“ }}", "contact.first_name", "da"),
        ("{{\u00a0pay_url\u00a0}}", "pay_url", ""),
    ],
)
def test_what_is_a_placeholder(written, name, default):
    assert list(placeholder_syntax.found_in(f"a {written} b")) == [Token(name, default)]
    assert placeholder_syntax.malformed_in(written) == []


@pytest.mark.parametrize(
    "written",
    [
        "{{ order.user.password }}",
        "{{ order.cancel() }}",
        "{{ contact.name | upper }}",
        '{{ contact.name | default: "a" | upper }}',
        "{{ _private }}",
        "{{ Contact.Name }}",
        "{{ contact.__class__ }}",
        "{{ contact.name",
        "contact.name }}",
        "{{}}",
        '{{ contact.name | default: "<b>" }}',
        "{{ contact.name }",
    ],
)
def test_what_is_none_is_found(written):
    assert not list(placeholder_syntax.found_in(written))
    assert placeholder_syntax.malformed_in(f"a {written} b")


@given(value=NASTY, default=st.text("abc xyzü&'", max_size=20).map(str.strip))
def test_a_value_stands_in_html_exactly_as_it_is(value, default):
    default = default.replace("'", "").strip()
    source = placeholder_syntax.to_html(f"A < B {Token('contact.name', default)} & so on")
    filled = placeholder_syntax.fill_html(source, {"contact.name": value, "coupon.code": "SECRET"})
    expected = f"A < B {value or default} & so on"
    assert html.unescape(filled.replace("<br>", "\n")) == html.unescape(html.escape(expected))
    assert "SECRET" not in filled
    assert "<b" not in filled.replace("<br>", "")


@given(value=NASTY, other=NASTY)
def test_filling_is_one_pass(value, other):
    """A name that is itself a placeholder stays a name."""
    source = "{{ contact.name }}/{{ coupon.code }}"
    values = {"contact.name": value, "coupon.code": other}
    assert placeholder_syntax.fill_text(source, values) == f"{value}/{other}"


@given(text=TEXT)
def test_escaped_text_never_forms_a_placeholder(text):
    assert "{{" not in placeholder_syntax.escape_html(text)
    assert placeholder_syntax.fill_html(
        placeholder_syntax.escape_html(text), {"a": "x"}
    ) == placeholder_syntax.escape_html(text)


@given(text=TEXT)
def test_html_of_text_shows_the_text(text):
    shown = "".join(str(part) for part in [html.unescape(placeholder_syntax.to_html(text))])
    if not list(placeholder_syntax.found_in(text)):
        assert shown == html.unescape(html.escape(text))


@given(text=st.text(max_size=400))
def test_a_header_is_one_line_and_short(text):
    line = placeholder_syntax.one_line(text)
    assert len(line) <= 255
    assert not any(character in line for character in "\r\n\x00\x0b\x0c\x85\u2028\u2029\u202e")
    assert line.splitlines() in ([line], [])


def test_plain_keeps_line_breaks_only_where_asked():
    assert placeholder_syntax.plain("a\r\nb\x00\tc") == "a b c"
    assert placeholder_syntax.plain("a \r\n  b\x00\n", lines=True) == "a\nb"
    assert placeholder_syntax.fill_html("{{ seller.address }}", {"seller.address": "a\nb"}) == "a<br>b"


def test_where_values_must_not_stand_only_defaults_do():
    assert (
        placeholder_syntax.without('{{ contact.first_name | default: "You" }}, hello {{ order.number }}')
        == "You, hello"
    )


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        ("{{ contact.first_name }}, your place is free", "Your place is free"),
        ("Dear {{ contact.first_name }}, hello.", "Dear, hello."),
        ("Your place is free, {{ contact.first_name }}!", "Your place is free!"),
        ("Hello {{ contact.first_name }}!", "Hello!"),
        ("One. {{ contact.first_name }}, two", "One. Two"),
        ("A {{ contact.first_name }} b", "A  b"),
        ('{{ contact.first_name | default: "there" }}, hello', "there, hello"),
    ],
)
def test_an_empty_value_takes_its_comma_along(source, filled):
    assert placeholder_syntax.fill_text(source, {"contact.first_name": ""}) == filled
    assert placeholder_syntax.fill_html(placeholder_syntax.to_html(source), {}) == filled
    html = f"<p>{placeholder_syntax.to_html(source)}</p>"
    assert placeholder_syntax.fill_html(html, {"contact.first_name": ""}) == f"<p>{filled}</p>"


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        ("مرحبا {{ contact.name }}، أهلا", "مرحبا، أهلا"),
        ("{{ contact.name }}， 你好", "你好"),
        ("你好， {{ contact.name }}！", "你好！"),
        ("こんにちは {{ contact.name }}。", "こんにちは。"),
    ],
)
def test_the_comma_of_another_script_goes_along_too(source, filled):
    assert placeholder_syntax.fill_text(source, {}) == filled


def test_a_value_that_is_there_keeps_every_sign():
    assert placeholder_syntax.fill_text("{{ contact.first_name }}, x", {"contact.first_name": "Ada"}) == "Ada, x"
