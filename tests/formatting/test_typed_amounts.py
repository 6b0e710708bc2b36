"""Typed amounts: understood in the reader's notation or refused, never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel import numbers as babel_numbers
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.strategies import money
from wagtail_kwiga.formatting.languages import locale_for
from wagtail_kwiga.formatting.typed_amounts import example, read_amount, write_amount

LANGUAGES = ["en", "de", "es", "pl", "uk", "fr", "pt-br", "hi", "de-ch", "ar", "sv"]
languages = st.sampled_from(LANGUAGES)


@pytest.mark.parametrize(
    ("text", "language", "amount"),
    [
        ("1234.5", "en", "1234.5"),
        ("1,234.50", "en", "1234.50"),
        ("1,234", "en", "1234"),
        ("1.234", "en", "1.234"),
        ("1.234", "de", "1234"),
        ("1.234,50", "de", "1234.50"),
        ("1,234", "de", "1.234"),
        (" 12,5 ", "de", "12.5"),
        ("1 234,50", "pl", "1234.50"),
        ("1\N{NO-BREAK SPACE}234,50", "uk", "1234.50"),
        ("1\N{NARROW NO-BREAK SPACE}234,50", "pl", "1234.50"),
        ("1'234.50", "de-ch", "1234.50"),
        ("1\N{RIGHT SINGLE QUOTATION MARK}234.50", "de-ch", "1234.50"),
        ("12,34,567", "hi", "1234567"),
        ("0", "en", "0"),
        ("-5", "en", "-5"),
    ],
)
def test_an_amount_is_read_as_its_reader_writes_it(text, language, amount):
    assert str(read_amount(text, language)) == amount


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("120.50", "de"), ("120.50", "pl"), ("1.234", "uk"), ("120,50", "en"), ("1,23", "en"), ("12,34,567", "en"),
        ("1,234,5", "en"), ("1234,567", "en"), ("1.234,50", "en"), ("1,234.50", "de"), ("1.2.3", "en"), ("0,123", "en"),
        ("1,234.567,8", "en"), ("1 234", "en"), ("1'234", "en"), ("1e5", "en"), ("1_000", "en"), ("NaN", "en"), ("Infinity", "en"),
        ("", "en"), (".", "en"), (".5", "en"), ("5.", "en"), ("--5", "en"), ("1-2", "en"), ("€5", "en"), ("٥", "ar"), ("５", "en"),
    ],
)  # fmt: skip
def test_what_the_reader_would_not_write_is_refused(text, language):
    with pytest.raises(ValueError, match=r"is no amount|separates digits|not a properly formatted|not a valid"):
        read_amount(text, language)


@given(money(), languages)
def test_what_a_form_shows_is_read_as_the_same_amount(sum_, language):
    assert read_amount(write_amount(sum_.amount, sum_.currency, language), language) == sum_.amount


@given(st.decimals(0, 10**10, allow_nan=False, places=4), languages)
def test_what_babel_writes_is_read_as_the_same_amount(amount, language):
    locale = locale_for(language)
    assert (
        read_amount(babel_numbers.format_decimal(amount, locale=locale, decimal_quantization=False), language) == amount
    )


@given(st.text("0123456789.,-'’  \u00a0\u202f", max_size=14) | st.text(max_size=8), languages)
def test_any_text_is_understood_the_way_it_is_written_back_or_refused(text, language):
    """Whatever is not refused is, up to spaces, quotes and zeros, what somebody of that language writes for the number."""
    try:
        amount = read_amount(text, language)
    except ValueError:
        return
    assert amount.is_finite()
    locale = locale_for(language)
    point = babel_numbers.get_decimal_symbol(locale)
    plain = write_amount(amount, "", language).lstrip("-")
    grouped = babel_numbers.format_decimal(abs(amount), locale=locale, decimal_quantization=False)
    typed = text.strip().removeprefix("-")
    if point in typed:
        typed = typed.rstrip("0").removesuffix(point)
    assert _bare(typed).lstrip("0") in {_bare(plain).lstrip("0"), _bare(grouped).lstrip("0")}


def _bare(text: str) -> str:
    return "".join(" " if letter.isspace() else "'" if letter == "’" else letter for letter in text)


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        ("1234.5000", "EUR", "de", "1234,50"),
        ("120.0000", "JPY", "en", "120"),
        ("120.0000", "", "en", "120"),
        ("1.2345", "EUR", "en", "1.2345"),
        ("1000", "", "en", "1000"),
    ],
)
def test_a_form_shows_the_digits_of_the_currency_and_loses_none(amount, currency, language, shown):
    assert write_amount(Decimal(amount), currency, language) == shown


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "1,234.50"), ("de", "1.234,50"), ("pl", "1\N{NO-BREAK SPACE}234,50")]
)
def test_the_example_is_one(language, shown):
    assert example(language) == shown
    assert read_amount(shown, language) == Decimal("1234.50")
