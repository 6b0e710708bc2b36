"""Amounts of money as people type them: understood in the reader's own notation, or refused, and never guessed.

``1.234`` is one thousand two hundred and thirty-four to a German and one and a bit to an American; no amount is made of it
before it is known who typed it, and none is rounded to fit its currency.
"""

from __future__ import annotations

import re
from decimal import Decimal

from babel import numbers as babel_numbers

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.pricing.money import fits, quantise

#: Digits with single separators between them. What ``Decimal`` reads besides (``1e5``, ``1_000``, ``NaN``) nobody means by it.
_AMOUNT = re.compile(r"-?[0-9]+(?:[^0-9a-zA-Z_+-][0-9]+)*")
_SPACES = re.compile(r"\s")
#: What keyboards have in the place of the mark that Swiss people separate thousands with, one way or the other.
_APOSTROPHES = ("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def read_amount(text: str, language: str) -> Decimal:
    """The number that ``text`` is in a language: ``1.234,50`` in German is 1234.50.

    Thousands may be separated as the language does, all of them or none; any kind of space counts as that of the language.
    ``language`` is a Django code such as ``pt-br``. Raises ``ValueError`` for anything else, the notation of another
    language included.
    """
    locale = languages.locale_for(language)
    group, point = babel_numbers.get_group_symbol(locale), babel_numbers.get_decimal_symbol(locale)
    typed = text.strip()
    if group.isspace():
        typed = _SPACES.sub(group, typed)
    if group in _APOSTROPHES:
        for mark in _APOSTROPHES:
            typed = typed.replace(mark, group)
    separators = set(re.sub(r"[0-9-]", "", typed))
    if not _AMOUNT.fullmatch(typed) or not separators <= {group, point} or typed.count(point) > 1:
        raise ValueError(f"{text!r} is no amount in {language}")
    whole, _point, fraction = typed.partition(point)
    if group in fraction:
        raise ValueError(f"{text!r} separates digits behind the point")
    # The whole part alone, so that its grouping is judged whatever stands behind the point: "1.234,00" as well as "1.234".
    number = babel_numbers.parse_decimal(whole, locale=locale, strict=True)
    digits = f"{abs(number):f}" + (f".{fraction}" if fraction else "")
    return Decimal(f"-{digits}" if typed.startswith("-") else digits)


def write_amount(amount: Decimal, currency: str, language: str) -> str:
    """``amount`` as ``read_amount`` reads it, for a form: without thousands separators and without a symbol, with all digits
    of its currency, and with more where it has more. ``currency`` may be empty: then no digit is added."""
    point = babel_numbers.get_decimal_symbol(languages.locale_for(language))
    shortest = amount.normalize()
    exact = shortest if shortest.as_tuple().exponent <= 0 else shortest.quantize(Decimal(1))  # type: ignore[operator]  # finite
    if currency and fits(exact, currency):
        exact = quantise(exact, currency)
    return format(exact, "f").replace(".", point)


def example(language: str) -> str:
    """A large amount as people of the language type it: ``1,234.50``."""
    locale = languages.locale_for(language)
    point = babel_numbers.get_decimal_symbol(locale)
    return f"{babel_numbers.format_decimal(1234, locale=locale)}{point}50"
