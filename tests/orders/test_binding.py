"""The price that a standing order binds to (promise 3)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import OrderRefused
from wagtail_kwiga.orders import binding, transitions
from wagtail_kwiga.orders.placing import CheaperOrderStands, OrderUnderWay
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


def known(order: m.Order) -> bool:
    return True


def unknown(order: m.Order) -> bool:
    return False


@pytest.fixture
def offer():
    return make_offer(amount="120.00", coupon_mode="any")


@pytest.fixture
def standing(offer):
    return order_for(make_contact(), offer)


def again(standing, offer, vouch, now=after(minutes=5), **given):
    offer.refresh_from_db()
    return order_for(standing.contact, offer, vouch=vouch, now=now, **given)


def dearer(offer):
    m.Offer.objects.filter(pk=offer.pk).update(amount=200)


def test_a_dearer_order_for_the_same_offer_is_not_placed_unasked(standing, offer):
    dearer(offer)
    with pytest.raises(CheaperOrderStands) as refused:
        again(standing, offer, known)
    assert refused.value.facts["order"] == standing.pk
    standing.refresh_from_db()
    assert (standing.status, m.Order.objects.count()) == ("open", 1)


def test_a_discount_that_stands_is_better_than_a_smaller_one(offer):
    """84.00 with 30 % stands; the mail offers 15 %."""
    standing = order_for(make_contact(), offer, coupon=make_coupon(percent="30"))
    with pytest.raises(CheaperOrderStands):
        again(standing, offer, known, coupon=make_coupon(percent="15"))
    assert again(standing, offer, known, coupon=make_coupon(percent="40")).total_amount == 72


def test_whoever_cannot_show_that_they_are_the_buyer_does_not_replace_it(standing, offer):
    dearer(offer)
    with pytest.raises(OrderUnderWay) as refused:
        again(standing, offer, unknown)
    assert refused.value.facts["order"] == standing.pk
    standing.refresh_from_db()
    assert standing.status == "open"


@pytest.mark.parametrize("amount", ["120.00", "119.99"])
def test_at_the_same_price_or_a_better_one_a_new_order_takes_its_place(standing, offer, amount):
    m.Offer.objects.filter(pk=offer.pk).update(amount=Decimal(amount))
    assert again(standing, offer, unknown).purchase_id == standing.purchase_id
    standing.refresh_from_db()
    assert standing.status == "superseded"


def test_what_another_currency_costs_nobody_can_compare(standing, offer):
    m.Offer.objects.filter(pk=offer.pk).update(currency="PLN", amount=119)
    with pytest.raises(CheaperOrderStands):
        again(standing, offer, known)


def test_another_plan_is_another_choice(standing, offer):
    product = m.Product.objects.get(offer_products__offer=offer)
    both = make_offer(product, amount="300.00")
    newer = again(standing, both, known)
    assert (newer.total_amount, newer.purchase_id) == (300, standing.purchase_id)


def test_staff_and_the_sites_own_code_place_what_they_say(standing, offer):
    dearer(offer)
    assert again(standing, offer, None).total_amount == 200


def _paid(order):
    m.Order.objects.filter(pk=order.pk).update(status="paid")


def _coupon_went(order):
    coupon = make_coupon()
    use = m.CouponUse.objects.create(
        coupon=coupon, contact=order.contact, state="released", reserved_at=START, reserved_until=START
    )
    m.Order.objects.filter(pk=order.pk).update(coupon=coupon, coupon_use=use)


@pytest.mark.parametrize(
    ("change", "now", "holds"),
    [
        (lambda order: None, START, True),
        (lambda order: transitions.start_processing(order, now=START), START, True),
        (lambda order: None, after(days=7, seconds=-1), True),
        (lambda order: None, after(days=7), False),
        (lambda order: m.Order.objects.filter(pk=order.pk).update(expires_at=after(days=1)), after(days=1), False),
        (lambda order: transitions.cancel(order, now=START), START, False),
        (_paid, START, False),
        (_coupon_went, START, False),
    ],
    ids=["open", "processing", "to the last second", "not after it", "nor longer than it stands", "cancelled", "paid",
         "its coupon went to somebody else"],
)  # fmt: skip
def test_how_long_it_binds(standing, change, now, holds):
    assert conf.settings.PRICE_HOLDS_DAYS == 7
    change(standing)
    fresh = m.Order.objects.get(pk=standing.pk)
    assert binding.binds(fresh, now) is holds
    assert binding.binding(m.Order.objects.all(), now).exists() is holds


def test_once_it_no_longer_binds_todays_price_is_ordered(standing, offer):
    dearer(offer)
    assert again(standing, offer, unknown, now=after(days=7)).total_amount == 200


def test_comparing():
    euro = [Money(Decimal(amount), "EUR") for amount in (119, 120, 121)]
    assert [binding.is_better(one, euro[1]) for one in euro] == [True, False, False]
    assert issubclass(CheaperOrderStands, OrderRefused)
