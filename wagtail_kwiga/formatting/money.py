"""Money and percentages in words that people of a language read."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from babel import numbers as babel_numbers

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.pricing.money import Money

NBSP = "\N{NO-BREAK SPACE}"


@lru_cache(maxsize=2048)  # Babel takes a third of a millisecond, and a shop has few prices
def format_money(money: Money, language: str) -> str:
    """``money`` as a language writes it: ``Money(120, "EUR")`` in German is ``120,00 €``.

    The digits are the currency's own, spaces are no-break spaces. ``language`` is a Django code such as ``pt-br``; where Babel does not know it, English is used.
    """
    locale = languages.locale_for(language)
    pattern = locale.currency_formats["standard"].pattern
    symbol = babel_numbers.get_currency_symbol(money.currency, locale=locale)
    # CLDR (tr35 numbers, alphaNextToNumber) wants "CHF 12.00" where "€12.00" needs no space; Babel does not see to it.
    if symbol[-1:].isalpha():
        pattern = re.sub(r"¤(?=[#0])", f"¤{NBSP}", pattern)
    if symbol[:1].isalpha():
        pattern = re.sub(r"(?<=[#0])¤", f"{NBSP}¤", pattern)
    return str(babel_numbers.format_currency(money.amount, money.currency, format=pattern, locale=locale))


def money_for_reader(money: Money) -> str:
    """``format_money`` in the active language."""
    return format_money(money, languages.active())


def format_percent(percent: Decimal | int, language: str) -> str:
    """``15`` (hundredths, as in a coupon) in German: ``15 %``. Fractions are kept, zeros behind the point are not."""
    locale = languages.locale_for(language)
    return str(babel_numbers.format_percent(Decimal(percent) / 100, locale=locale, decimal_quantization=False))
