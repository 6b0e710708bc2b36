"""What a coupon takes off, as a value and in words. A constraint of the table sees to it that the field of its kind is filled."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import cast

from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import typed_amounts
from wagtail_kwiga.formatting.money import format_money, format_percent
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money

#: The number in a size: digits, and what stands between two of them.
_NUMBER = re.compile(r"[0-9](?:.*[0-9])?")


def discount_of(coupon: Coupon) -> Percent | Fixed:
    """The coupon's discount for ``pricing``. Whether it applies at all is ``eligibility``'s question."""
    if coupon.kind == Coupon.Kind.FIXED:
        return Fixed(Money(cast(Decimal, coupon.amount), coupon.currency))
    return Percent(cast(Decimal, coupon.percent))


def size_text(coupon: Coupon, language: str) -> str:
    """The size in words of ``language``: “15%”, “20,00 €”."""
    if coupon.kind == Coupon.Kind.FIXED:
        return format_money(Money(cast(Decimal, coupon.amount), coupon.currency), language)
    return format_percent(cast(Decimal, coupon.percent), language)


def takes_less(coupon: Coupon, told: str, language: str) -> bool:
    """Whether the coupon takes off less than ``told``, a ``size_text`` of it from before, or something that cannot be compared: a
    percentage is no amount, and euros are no zloty."""
    now, told = (" ".join(text.split()) for text in (size_text(coupon, language), told))
    if now == told or _NUMBER.sub("", now) != _NUMBER.sub("", told):
        return now != told
    try:
        return _number(now, language) < _number(told, language)
    except ValueError:
        return True


def _number(size: str, language: str) -> Decimal:
    found = _NUMBER.search(size)
    return typed_amounts.read_amount(found.group() if found else "", language)
