"""Naming coupons on an offer, and telling staff where the two gates never agree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support import START, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import eligibility, gates
from wagtail_kwiga.exceptions import KwigaError

pytestmark = pytest.mark.django_db

ANY, ONLY, NONE = m.Offer.CouponMode.ANY, m.Offer.CouponMode.ONLY, m.Offer.CouponMode.NONE


def codes(subject) -> list[str]:
    return sorted(fault.code for fault in gates.conflicts(subject))


def named(offer) -> set[int]:
    return set(m.OfferAllowedCoupon.objects.filter(offer=offer).values_list("coupon_id", flat=True))


def test_naming_is_setting():
    offer, other = make_offer(coupon_mode=ONLY), make_offer(coupon_mode=ONLY)
    one, two, three = make_coupon(), make_coupon(), make_coupon()
    gates.name_coupons(other, [one.pk])
    gates.name_coupons(offer, [one.pk, two.pk])
    kept = m.OfferAllowedCoupon.objects.get(offer=offer, coupon=two)
    gates.name_coupons(offer, [two.pk, three.pk, 999_999])
    assert named(offer) == {two.pk, three.pk}
    assert m.OfferAllowedCoupon.objects.get(offer=offer, coupon=two) == kept, "what stays is not written anew"
    gates.name_coupons(offer, [])
    assert (named(offer), named(other)) == (set(), {one.pk})


def test_the_story_has_no_disagreements():
    offer = make_offer(coupon_mode=ONLY)
    coupon = make_coupon(lists=[make_list()])
    gates.name_coupons(offer, [coupon.pk])
    assert codes(offer) == codes(coupon) == []


def test_an_offer_that_takes_none_or_others():
    offer = make_offer(coupon_mode=NONE)
    coupon = make_coupon(offers=[offer])
    assert codes(offer) == codes(coupon) == ["offer_takes_none"]
    m.Offer.objects.filter(pk=offer.pk).update(coupon_mode=ONLY)
    offer.refresh_from_db()
    assert codes(coupon) == ["offer_takes_others"]
    assert codes(offer) == ["names_none", "offer_takes_others"]


def test_a_coupon_limited_to_other_offers():
    offer = make_offer(coupon_mode=ONLY)
    coupon = make_coupon(offers=[make_offer(coupon_mode=ANY)])
    gates.name_coupons(offer, [coupon.pk])
    assert codes(offer) == codes(coupon) == ["wrong_offer"]
    (fault,) = gates.conflicts(offer)
    assert (fault.coupon, fault.offer) == (coupon, offer)
    assert offer.title in str(fault.message) and coupon.code in str(fault.message)


def test_another_currency_and_an_inactive_coupon():
    offer = make_offer(coupon_mode=ONLY)
    fixed = make_coupon(percent=None, amount=Decimal(10), currency="USD")
    sleeping = make_coupon(is_active=False)
    gates.name_coupons(offer, [fixed.pk, sleeping.pk])
    assert codes(offer) == ["inactive", "other_currency"]
    assert (codes(fixed), codes(sleeping)) == (["other_currency"], ["inactive"])


def test_a_coupon_that_no_offer_takes():
    coupon = make_coupon()
    make_offer(coupon_mode=NONE)
    assert codes(coupon) == ["nowhere"]
    offer = make_offer(coupon_mode=ANY)
    assert codes(coupon) == []
    assert codes(make_coupon(percent=None, amount=Decimal(1), currency="USD")) == ["nowhere"]
    m.Offer.objects.filter(pk=offer.pk).update(state="withdrawn")
    assert codes(coupon) == ["nowhere"]


def test_rows_of_a_mode_left_behind_name_nothing():
    offer = make_offer(coupon_mode=ONLY)
    coupon = make_coupon()
    gates.name_coupons(offer, [coupon.pk])
    m.Offer.objects.filter(pk=offer.pk).update(coupon_mode=NONE)
    offer.refresh_from_db()
    assert codes(offer) == []
    assert codes(coupon) == ["nowhere"]


def test_what_is_told_is_what_buyers_meet():
    """Each fault between a coupon and an offer is the reason that ``check`` gives for the pair."""
    for mode in (NONE, ONLY, ANY):
        for chooses in ("this", "other", "none"):
            for names in (True, False):
                offer, other = make_offer(coupon_mode=mode), make_offer(coupon_mode=ANY)
                coupon = make_coupon(offers={"this": [offer], "other": [other], "none": []}[chooses])
                gates.name_coupons(offer, [coupon.pk] if names else [])
                verdict = eligibility.check_coupon(coupon, offer=offer, now=START)
                told = {f.code for f in gates.conflicts(coupon) if f.offer == offer}
                told_by_offer = {f.code for f in gates.conflicts(offer) if f.coupon == coupon}
                assert told == told_by_offer
                if verdict.ok:
                    assert not told
                elif chooses == "this" or (names and mode == ONLY):
                    assert verdict.reason in told


@pytest.mark.parametrize("many", [1, 12])
def test_the_number_of_queries_does_not_grow(many, django_assert_max_num_queries):
    offers = [make_offer(coupon_mode=NONE) for _ in range(many)]
    coupon = make_coupon(offers=offers)
    with django_assert_max_num_queries(4):
        assert len(gates.conflicts(coupon)) == many
    for _ in range(many):
        make_coupon(offers=[offers[0]])
    with django_assert_max_num_queries(4):
        assert len(gates.conflicts(offers[0])) == many + 1


# --- which offers take a coupon, and which coupons an offer takes ---------------------------------------------------------


def test_taking_and_taken_are_two_sides_of_what_buyers_meet():
    """For every pair of gates, kinds and limits: an offer is among ``taking`` exactly where no gate is in the way."""
    in_the_way = {"offer_takes_none", "offer_takes_others", "wrong_offer", "other_currency"}
    other = make_offer(coupon_mode=ANY)
    for mode in (NONE, ONLY, ANY):
        for chooses in ("this", "other", "both", "none"):
            for names in (True, False):
                for currency in (None, "EUR", "USD"):
                    offer = make_offer(coupon_mode=mode)
                    size = (
                        {"percent": "15"} if currency is None else {"percent": None, "amount": 5, "currency": currency}
                    )
                    offers = {"this": [offer], "other": [other], "both": [offer, other], "none": []}[chooses]
                    coupon = make_coupon(offers=offers, **size)
                    gates.name_coupons(offer, [coupon.pk] if names else [])
                    met = eligibility.check_coupon(coupon, offer=offer, now=START).reason not in in_the_way
                    assert (offer in gates.taking(coupon)) is met
                    assert (coupon in gates.taken_by(offer)) is met


# --- mending --------------------------------------------------------------------------------------------------------------


def test_each_disagreement_names_its_remedy():
    offer, empty = make_offer(coupon_mode=NONE), make_offer(coupon_mode=ONLY)
    told = {fault.code: fault.remedy for fault in gates.conflicts(make_coupon(offers=[offer, empty]))}
    assert told == {"offer_takes_none": "name_coupon", "offer_takes_others": "name_coupon"}
    fixed = make_coupon(percent=None, amount=Decimal(10), currency="USD", is_active=False, offers=[make_offer()])
    gates.name_coupons(empty, [fixed.pk])
    told = {fault.code: fault.remedy for fault in gates.conflicts(empty) if fault.coupon == fixed}
    assert told == {"inactive": "activate_coupon", "other_currency": "", "wrong_offer": "widen_coupon"}
    assert {fault.remedy for fault in gates.conflicts(make_coupon())} == {""}


def test_a_sleeping_coupon_is_woken_once():
    offer, coupon = make_offer(coupon_mode=ONLY), make_coupon(is_active=False)
    assert gates.fix("inactive", coupon, offer) is True
    assert gates.fix("inactive", coupon, offer) is False
    coupon.refresh_from_db()
    assert coupon.is_active


def test_a_coupon_is_widened_and_never_narrowed():
    offer, elsewhere = make_offer(coupon_mode=ONLY), make_offer(coupon_mode=ANY)
    coupon = make_coupon(offers=[elsewhere])
    assert gates.fix("wrong_offer", coupon, offer) is True
    assert gates.fix("wrong_offer", coupon, offer) is False
    assert set(coupon.offers.all()) == {offer, elsewhere}
    everywhere = make_coupon()
    assert gates.fix("wrong_offer", everywhere, offer) is False
    assert not everywhere.offers.exists(), "a coupon for every offer must not become one for this offer only"


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("offer_takes_none", "on_the_page"),
        ("offer_takes_others", "on_the_page"),
        ("other_currency", "no_remedy"),
        ("nowhere", "no_remedy"),
        ("names_none", "no_remedy"),
        ("nonsense", "no_remedy"),
    ],
)
def test_what_is_not_the_coupons_to_mend_is_refused(code, refusal):
    offer, coupon = make_offer(coupon_mode=NONE), make_coupon(is_active=False)
    with pytest.raises(KwigaError) as told:
        gates.fix(code, coupon, offer)
    assert told.value.code == refusal
    assert str(told.value)
    coupon.refresh_from_db()
    assert (coupon.is_active, coupon.offers.count()) == (False, 0)
