"""Money and percentages in words that people of a language read."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from babel import numbers as babel_numbers
from babel.numbers import parse_pattern

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.pricing.money import Money, precision

NBSP = "\N{NO-BREAK SPACE}"


@lru_cache(maxsize=2048)  # Babel takes a third of a millisecond, and a shop has few prices
def format_money(money: Money, language: str) -> str:
    """``money`` as a language writes it: ``Money(120, "EUR")`` in German is ``120,00 €``.

    The digits are the currency's own (``pricing.currencies``); where people write fewer and the sum has no more, so many as
    they write: 12990 HUF is ``12 990 Ft`` in Hungarian, 12990.50 HUF keeps both of its digits. Spaces are no-break spaces. ``language`` is a Django code such as ``pt-br``; where Babel does not know it, English is used.
    """
    locale = languages.locale_for(language)
    pattern = locale.currency_formats["standard"].pattern
    symbol = babel_numbers.get_currency_symbol(money.currency, locale=locale)
    # CLDR (tr35 numbers, alphaNextToNumber) wants "CHF 12.00" where "€12.00" needs no space; Babel does not see to it.
    if symbol[-1:].isalpha():
        pattern = re.sub(r"¤(?=[#0])", f"¤{NBSP}", pattern)
    if symbol[:1].isalpha():
        pattern = re.sub(r"(?<=[#0])¤", f"{NBSP}¤", pattern)
    written = parse_pattern(pattern)
    digits = _written_digits(money)
    written.frac_prec = (digits, digits)
    return str(written.apply(money.amount, locale, currency=money.currency, currency_digits=False))


def _written_digits(money: Money) -> int:
    usual = babel_numbers.get_currency_precision(money.currency)
    exact = precision(money.currency)
    return usual if usual < exact and money.amount == round(money.amount, usual) else exact


def money_for_reader(money: Money) -> str:
    """``format_money`` in the active language."""
    return format_money(money, languages.active())


def format_percent(percent: Decimal | int, language: str) -> str:
    """``15`` (hundredths, as in a coupon) in German: ``15 %``. Fractions are kept, zeros behind the point are not."""
    locale = languages.locale_for(language)
    return str(babel_numbers.format_percent(Decimal(percent) / 100, locale=locale, decimal_quantization=False))
