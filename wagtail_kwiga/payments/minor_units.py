"""Whole cents at the edge. Money lives as an exact decimal everywhere else; only an adapter speaks in minor units."""

from __future__ import annotations

from decimal import Decimal

from wagtail_kwiga.pricing.money import Money, precision


def to_minor(money: Money) -> int:
    """``Money("19.99", "EUR")`` → 1999, ``Money("500", "JPY")`` → 500, ``Money("1.234", "KWD")`` → 1234."""
    return int(money.amount.scaleb(precision(money.currency)))


def from_minor(units: int, currency: str) -> Money:
    """The reverse of ``to_minor``. Raises ``TypeError`` for anything that is not a whole number of a named currency."""
    if isinstance(units, bool) or not isinstance(units, int) or not isinstance(currency, str):
        raise TypeError("minor units are whole numbers of a currency")
    return Money(Decimal(units).scaleb(-precision(currency)), currency)
