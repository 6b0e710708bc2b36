"""Codes by chance, and what a coupon takes off."""

from __future__ import annotations

from decimal import Decimal

import pytest

from wagtail_kwiga.coupons import codes, discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money


def test_codes_have_no_look_alikes_and_are_what_the_model_takes():
    made = {codes.generate() for _ in range(500)}
    assert len(made) == 500
    for code in made:
        assert len(code) == 8
        assert not set(code) & set("0OQ1IL2Z5S8BUV")
        Coupon._meta.get_field("code").run_validators(code)


def test_length_and_prefix():
    assert codes.generate(4, prefix="COME-").startswith("COME-")
    assert len(codes.generate(40)) == codes.LONGEST == Coupon._meta.get_field("code").max_length
    for length, prefix in ((0, ""), (41, ""), (8, "X" * 33)):
        with pytest.raises(ValueError, match="character"):
            codes.generate(length, prefix)


def test_sizes():
    percent = Coupon(code="A", kind="percent", percent=Decimal("15.00"))
    fixed = Coupon(code="B", kind="fixed", amount=Decimal("20.0000"), currency="EUR")
    assert discounts.discount_of(percent) == Percent(Decimal(15))
    assert discounts.discount_of(fixed) == Fixed(Money(Decimal(20), "EUR"))
    assert discounts.size_text(percent, "en") == "15%"
    assert discounts.size_text(percent, "de").replace("\xa0", " ") == "15 %"
    assert discounts.size_text(fixed, "de").replace("\xa0", " ") == "20,00 €"
    assert discounts.discount_of(percent).off(Money(Decimal(120), "EUR")) == Money(Decimal(18), "EUR")


PERCENT = {"kind": "percent", "percent": Decimal("12.50")}
AMOUNT = {"kind": "fixed", "amount": Decimal(1250), "currency": "EUR"}


@pytest.mark.parametrize(
    ("given", "language", "told", "less"),
    [
        (PERCENT, "en", "12.5%", False),
        (PERCENT, "en", "12%", False),
        (PERCENT, "en", "13%", True),
        (PERCENT, "en", "9%", False),  # as numbers, not as texts
        (PERCENT, "de", "12,5 %", False),  # an ordinary space in the place of one that does not break
        (PERCENT, "de", "15 %", True),
        (PERCENT, "en", "€1.00", True),
        (PERCENT, "en", "", True),
        (AMOUNT, "en", "€1,250.00", False),
        (AMOUNT, "en", "€999.00", False),
        (AMOUNT, "de", "1.250,01 €", True),
        (AMOUNT, "en", "PLN\xa01,000.00", True),
    ],
)
def test_whether_it_takes_off_less_than_was_told(given, language, told, less):
    assert discounts.takes_less(Coupon(code="A", **given), told, language) is less
