"""What an offer costs, with coupons and with a site's own ideas."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from wagtail import hooks

from tests.support import START, make_coupon, make_list, make_offer
from wagtail_kwiga.exceptions import CouponRefused
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.pricing.discounts import Percent
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


def test_without_a_coupon_it_is_the_price():
    offer = make_offer(amount="120.00")
    quote = quoting.quote(offer=offer, now=START)
    assert (quote.total, quote.discount, quote.coupon_id) == (Money(Decimal(120), "EUR"), Money.zero("EUR"), None)


def test_with_a_coupon():
    coupon = make_coupon("SPRING", percent="15")
    quote = quoting.quote(offer=make_offer(coupon_mode="any"), coupon=coupon, now=START)
    assert (quote.total.amount, quote.coupon_id, quote.coupon_code) == (102, coupon.pk, "SPRING")


def test_a_coupon_that_does_not_apply_says_why():
    people = make_list()
    coupon = make_coupon(lists=[people])
    with pytest.raises(CouponRefused) as refusal:
        quoting.quote(offer=make_offer(coupon_mode="any"), coupon=coupon, now=START)
    assert refusal.value.code == "needs_address"
    assert refusal.value.facts["verdict"].coupon == coupon


def test_a_site_may_shape_the_quote():
    def night_price(draft):
        return replace(draft, discount=Percent(Decimal(50))) if draft.coupon is None else None

    offer = make_offer(coupon_mode="any")
    coupon = make_coupon(percent="15")
    with hooks.register_temporarily("construct_kwiga_quote", night_price):
        assert quoting.quote(offer=offer, now=START).total.amount == 60
        assert quoting.quote(offer=offer, coupon=coupon, now=START).total.amount == 102


def test_the_number_of_queries(django_assert_max_num_queries):
    coupon = make_coupon(percent="15")
    offer = make_offer(coupon_mode="any")
    with django_assert_max_num_queries(0):
        quoting.quote(offer=offer, now=START)
    with django_assert_max_num_queries(2):
        quoting.quote(offer=offer, coupon=coupon, now=START)
