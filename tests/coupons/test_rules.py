"""The rules by themselves, over facts that no database has: what stands in them where nobody says, and what may be promised."""

from __future__ import annotations

import pytest

from tests.support import START, after
from wagtail_kwiga.coupons import rules
from wagtail_kwiga.coupons.rules import CouponFacts, CustomerFacts, Links, OfferFacts

OFFER = OfferFacts(1, "EUR")


def test_where_nothing_is_said_nothing_is_limited():
    assert CouponFacts() == CouponFacts(
        is_active=True,
        valid_from=None,
        valid_until=None,
        currency="",
        limit_total=None,
        used_count=0,
        has_expired_reservation=False,
        limit_per_contact=None,
    )
    assert OfferFacts(1, "EUR") == OfferFacts(1, "EUR", "any", "", None)
    assert Links() == Links(has_lists=False, has_offers=False, is_for_offer=False, is_named=False)
    assert CustomerFacts() == CustomerFacts(membership_ends=(), redeemed=0, has_reservation=False)
    assert rules.judge(CouponFacts(), OFFER, Links(), CustomerFacts(), START) == rules.Verdict(rules.Reason.OK)


@pytest.mark.parametrize(
    ("coupon", "offer", "reason"),
    [
        (None, OFFER, "unknown"),
        (None, None, "unknown"),
        (CouponFacts(), None, "not_for_sale"),
        (CouponFacts(is_active=False), OfferFacts(1, "EUR", not_for_sale="withdrawn"), "not_for_sale"),
        (CouponFacts(is_active=False), OFFER, "inactive"),
        (CouponFacts(), OFFER, "ok"),
    ],
)
def test_a_promise_needs_the_coupon_the_offer_and_the_sale(coupon, offer, reason):
    """The checkout does not ask about the sale: staff may sell what visitors cannot buy."""
    verdict = rules.judge_promise(coupon, offer, Links(), CustomerFacts(), START)
    assert (verdict.reason, verdict.ok) == (reason, reason == "ok")
    if coupon is not None and offer is not None and offer.not_for_sale:
        assert rules.judge(coupon, offer, Links(), CustomerFacts(), START).reason == "inactive"


@pytest.mark.parametrize(
    ("coupon", "verdict"),
    [
        (CouponFacts(limit_total=3, used_count=2), None),
        (CouponFacts(limit_total=3, used_count=3), rules.Verdict(rules.Reason.USED_UP)),
        (CouponFacts(limit_total=3, used_count=3, has_expired_reservation=True), None),
        (CouponFacts(limit_total=None, used_count=3), None),
        (CouponFacts(limit_total=0, valid_until=START), rules.Verdict(rules.Reason.EXPIRED, START)),
        (CouponFacts(valid_from=after(seconds=1)), rules.Verdict(rules.Reason.NOT_YET)),
        (CouponFacts(is_active=False, valid_from=after(seconds=1)), rules.Verdict(rules.Reason.INACTIVE)),
    ],
)
def test_what_keeps_a_coupon_from_working_for_anybody(coupon, verdict):
    assert rules.hindrance(coupon, START) == verdict


@pytest.mark.parametrize(
    ("mode", "currency", "links", "conflicts"),
    [
        ("any", "", {}, []),
        ("any", "EUR", {}, []),
        ("any", "PLN", {}, ["other_currency"]),
        ("none", "", {"is_named": True}, ["offer_takes_none"]),
        ("only", "", {}, ["offer_takes_others"]),
        ("only", "", {"is_named": True}, []),
        ("any", "", {"has_offers": True}, ["wrong_offer"]),
        ("any", "", {"has_offers": True, "is_for_offer": True}, []),
        ("only", "PLN", {"has_offers": True}, ["offer_takes_others", "wrong_offer", "other_currency"]),
    ],
)
def test_where_the_gates_disagree_every_reason_is_told(mode, currency, links, conflicts):
    offer = OfferFacts(1, "EUR", mode)
    found = list(rules.gate_conflicts(CouponFacts(currency=currency), offer, Links(**links)))
    assert found == conflicts
    verdict = rules.judge(CouponFacts(currency=currency), offer, Links(**links), None, START)
    assert verdict.reason == (conflicts or ["ok"])[0]


def test_of_several_ends():
    assert rules.earlier(None, after(hours=2), after(hours=1)) == after(hours=1)
    assert rules.earlier(None, None) is None
    assert rules.latest([after(hours=1), after(hours=2)]) == after(hours=2)
    assert rules.latest([after(hours=1), None]) is None


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        (None, "used_up"),
        (CustomerFacts(), "used_up"),
        (CustomerFacts(has_reservation=True), "ok"),
        (CustomerFacts(redeemed=1, has_reservation=True), "ok"),
        (CustomerFacts(redeemed=2, has_reservation=True), "used_by_you"),
    ],
)
def test_the_last_place_is_theirs_who_hold_it(customer, reason):
    coupon = CouponFacts(limit_total=1, used_count=1, limit_per_contact=2)
    assert rules.judge(coupon, OFFER, Links(), customer, START).reason == reason


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((), rules.Verdict(rules.Reason.OTHER_ADDRESS)),
        ((after(hours=5),), rules.Verdict(rules.Reason.OK, after(hours=5))),
        ((after(hours=5), after(hours=6)), rules.Verdict(rules.Reason.OK, after(hours=6))),
        ((after(hours=5), None), rules.Verdict(rules.Reason.OK, after(hours=9))),
        ((after(hours=20),), rules.Verdict(rules.Reason.OK, after(hours=9))),
        ((after(microseconds=1),), rules.Verdict(rules.Reason.OK, after(microseconds=1))),
        ((START,), rules.Verdict(rules.Reason.ENDED_FOR_YOU, START)),
        ((after(hours=-2), after(hours=-1)), rules.Verdict(rules.Reason.ENDED_FOR_YOU, after(hours=-1))),
    ],
)
def test_a_list_holds_for_its_people_until_the_earliest_of_all_ends(ends, verdict):
    """Who is not known is asked for an address, and of several memberships the one that ends last counts."""
    coupon, offer = CouponFacts(valid_until=after(hours=10)), OfferFacts(1, "EUR", sales_until=after(hours=9))
    links = Links(has_lists=True)
    assert rules.judge(coupon, offer, links, None, START) == rules.Verdict(rules.Reason.NEEDS_ADDRESS)
    found = rules.judge(coupon, offer, links, CustomerFacts(membership_ends=ends), START)
    assert found == verdict and found.reason in ("ok", "other_address", "ended_for_you")
    assert rules.judge(coupon, offer, Links(), None, START) == rules.Verdict(rules.Reason.OK, after(hours=9))


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (after(microseconds=-1), rules.Verdict(rules.Reason.NOT_YET)),
        (START, rules.Verdict(rules.Reason.OK, after(hours=1))),
        (after(hours=1, microseconds=-1), rules.Verdict(rules.Reason.OK, after(hours=1))),
        (after(hours=1), rules.Verdict(rules.Reason.EXPIRED, after(hours=1))),
    ],
)
def test_a_coupon_works_from_its_first_instant_and_no_more_at_its_last(at, verdict):
    coupon = CouponFacts(valid_from=START, valid_until=after(hours=1))
    assert rules.judge(coupon, OFFER, Links(), None, at) == verdict
