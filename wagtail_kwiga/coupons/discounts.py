"""What a coupon takes off, as a value and in words. A constraint of the table sees to it that the field of its kind is filled."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting.money import format_money, format_percent
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money


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
