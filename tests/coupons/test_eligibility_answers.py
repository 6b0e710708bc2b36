"""What else stands in an answer: the coupon it is about, at its own edges, and what a stranger is told of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import eligibility, uses
from wagtail_kwiga.coupons.reasons import message
from wagtail_kwiga.coupons.rules import Reason

pytestmark = pytest.mark.django_db

ANY, ONLY, NONE = m.Offer.CouponMode.ANY, m.Offer.CouponMode.ONLY, m.Offer.CouponMode.NONE


def check(code, offer, contact=None, now=START, **given):
    return eligibility.check(code=code, offer=offer, contact=contact, now=now, **given)


def _spent(coupon, contact):
    uses.redeem(uses.reserve(coupon, contact, until=after(hours=1), now=START), now=START)


def test_every_refusal_of_a_known_code_names_the_coupon():
    ada, offer, other = make_contact(), make_offer(coupon_mode=ANY), make_offer(coupon_mode=ANY)
    people = make_list()
    once = make_coupon("once", limit_per_contact=1)
    _spent(once, ada)
    cases = {
        Reason.INACTIVE: (make_coupon("off", is_active=False), offer),
        Reason.NOT_YET: (make_coupon("soon", valid_from=after(hours=1)), offer),
        Reason.EXPIRED: (make_coupon("late", valid_until=START), offer),
        Reason.OFFER_TAKES_NONE: (make_coupon("closed"), make_offer(coupon_mode=NONE)),
        Reason.OFFER_TAKES_OTHERS: (make_coupon("unnamed"), make_offer(coupon_mode=ONLY)),
        Reason.WRONG_OFFER: (make_coupon("elsewhere", offers=[other]), offer),
        Reason.OTHER_CURRENCY: (make_coupon("dollars", percent=None, amount=Decimal(5), currency="USD"), offer),
        Reason.OTHER_ADDRESS: (make_coupon("theirs", lists=[people]), offer),
        Reason.USED_BY_YOU: (once, offer),
        Reason.USED_UP: (make_coupon("full", limit_total=0), offer),
    }
    told = {reason: check(coupon.code, where, ada) for reason, (coupon, where) in cases.items()}
    assert {reason: verdict.reason for reason, verdict in told.items()} == {reason: reason for reason in cases}
    assert [reason for reason, verdict in told.items() if verdict.coupon != cases[reason][0]] == []
    assert not any(verdict.ok for verdict in told.values())


def test_an_answer_at_hand_is_about_that_contact():
    ada, ben, offer = make_contact(), make_contact(), make_offer(coupon_mode=ANY)
    coupon = make_coupon("EACH", limit_per_contact=1)
    _spent(coupon, ada)
    assert eligibility.check_coupon(coupon, offer=offer, contact=ada, now=START).reason == Reason.USED_BY_YOU
    assert eligibility.check_coupon(coupon, offer=offer, contact=ben, now=START).ok


def test_the_place_that_would_pass_on_counts_for_a_coupon_at_hand():
    ada, ben, offer = make_contact(), make_contact(), make_offer(coupon_mode=ANY)
    coupon, another = make_coupon("LAST", limit_total=1), make_coupon("OTHER", limit_total=1)
    held = uses.reserve(coupon, ada, until=after(hours=1), now=START)
    elsewhere = uses.reserve(another, ada, until=after(hours=1), now=START)

    def at_hand(**given):
        return eligibility.check_coupon(coupon, offer=offer, contact=ben, now=START, **given)

    assert at_hand().reason == Reason.USED_UP
    assert at_hand(holding=held).ok
    assert at_hand(holding=elsewhere).reason == Reason.USED_UP, "a place of another coupon is none of this one"
    uses.redeem(held, now=START)
    assert at_hand(holding=held).reason == Reason.USED_UP, "a place that is spent does not pass on"


def test_the_end_told_is_also_that_of_the_sale():
    coupon = make_coupon("SALE", valid_until=after(hours=9))
    offer = make_offer(coupon_mode=ANY, sales_until=after(hours=4))
    assert check(coupon.code, offer).until == after(hours=4)
    assert check(coupon.code, make_offer(coupon_mode=ANY, sales_until=after(hours=12))).until == after(hours=9)


def test_the_longest_code_works():
    make_coupon("X" * 40)
    assert check("x" * 40, make_offer(coupon_mode=ANY)).ok


# --- what a stranger is told ------------------------------------------------------------------------------------------


def _bound(limit=None):
    people, offer = make_list(), make_offer(coupon_mode=ANY)
    return people, offer, make_coupon(f"FOR{people.pk}", lists=[people], limit_per_contact=limit)


def _is_hidden(verdict, coupon) -> bool:
    shown = eligibility.discreet(verdict)
    told = shown.ok, shown.reason, shown.coupon, shown.until, str(shown.message)
    return told == (False, Reason.OTHER_ADDRESS, coupon, None, str(message(Reason.OTHER_ADDRESS)))


def test_that_it_ended_for_somebody_is_nobody_elses_business():
    people, offer, coupon = _bound()
    ada = make_contact()
    lists.add(people, ada, until=after(hours=1), now=START)
    verdict = check(coupon.code, offer, ada, now=after(hours=2))
    assert verdict.reason == Reason.ENDED_FOR_YOU
    assert _is_hidden(verdict, coupon)


def test_that_somebody_used_a_coupon_of_a_list_is_not_told():
    people, offer, coupon = _bound(limit=1)
    ada = make_contact()
    lists.add(people, ada, now=START)
    _spent(coupon, ada)
    verdict = check(coupon.code, offer, ada)
    assert verdict.reason == Reason.USED_BY_YOU
    assert _is_hidden(verdict, coupon)


def test_that_somebody_used_a_coupon_for_all_is_told():
    ada, offer, coupon = make_contact(), make_offer(coupon_mode=ANY), make_coupon("ALL", limit_per_contact=1)
    _spent(coupon, ada)
    verdict = check("ALL", offer, ada)
    assert verdict.reason == Reason.USED_BY_YOU
    assert eligibility.discreet(verdict) is verdict


def test_an_address_that_the_shop_does_not_know_reads_like_another_one():
    _, offer, coupon = _bound()
    verdict = check(coupon.code, offer)
    assert verdict.reason == Reason.NEEDS_ADDRESS
    assert _is_hidden(verdict, coupon)
    assert eligibility.discreet(verdict, is_address_given=False) is verdict


@pytest.mark.parametrize("given", [{}, {"is_active": False}, {"valid_until": START}, {"limit_total": 0}])
def test_all_else_is_told_to_everybody(given):
    make_coupon("OPEN", **given)
    verdict = check("OPEN", make_offer(coupon_mode=ANY), make_contact())
    assert eligibility.discreet(verdict) is verdict
    unknown = check("NO SUCH CODE", make_offer(coupon_mode=ANY))
    assert eligibility.discreet(unknown) is unknown


def test_a_percentage_takes_off_in_any_currency_whatever_its_row_still_says():
    """Whoever made an amount into a percentage may have left the currency of the amount behind."""
    coupon = make_coupon("TENTH", percent=10, currency="USD")
    assert check(coupon.code, make_offer(coupon_mode=ANY, currency="EUR")).ok
