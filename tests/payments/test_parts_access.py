"""When access opens and closes where an order is paid in parts, charged back and paid again (promise 12)."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from tests.payments.parts import hundred, in_three_parts, opened
from tests.payments.shop import flagged, new_attempt, new_order, tell
from tests.support import START, after, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.access import grants
from wagtail_kwiga.exceptions import CouponRefused
from wagtail_kwiga.payments import attempts, ledger, schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return in_three_parts()


def charge_back(attempt, now, *, reversed=False, reference="dp"):
    attempt.refresh_from_db()
    ledger.record_chargeback(attempt=attempt, amount=Decimal(100), reference=reference, reversed=reversed, now=now)


@pytest.mark.parametrize("way", ["won", "part", "whole"])
def test_access_comes_back_with_the_money_that_was_charged_back(order, way):
    """The first part opened access, and its chargeback took it away, before the order was ever paid as a whole."""
    attempt = new_attempt(order)
    tell(attempt, now=START)
    charge_back(attempt, after(days=1))
    order.refresh_from_db()
    assert (order.status, opened(order)) == ("refunded", 0)
    if way == "won":
        charge_back(attempt, after(days=2), reversed=True)
    elif way == "part":
        tell(new_attempt(order, now=after(days=2)), now=after(days=2))
    else:
        ledger.record_payment(order=order, amount=Decimal(300), method="cash", now=after(days=2))
    order.refresh_from_db()
    assert (order.status, opened(order)) == ("paid" if way == "whole" else "partly_paid", 1)
    if way != "whole":
        ledger.record_payment(order=order, amount=order.outstanding, method="cash", now=after(days=3))
        order.refresh_from_db()
    assert (order.status, opened(order)) == ("paid", 1)


def test_a_part_that_opened_nothing_and_went_is_no_reason_to_open_twice():
    order = new_order(amount="300.00")
    schedule.plan_parts(order, [hundred(0), hundred(1, opens_access=True, amount="200")], START)
    attempt = new_attempt(order)
    tell(attempt, now=START)
    charge_back(attempt, after(days=1))
    tell(attempts.start(order.payments.get(sequence=2), method="sandbox", now=after(days=2)).attempt, now=after(days=2))
    assert opened(order) == 1
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=after(days=3))
    order.refresh_from_db()
    assert (order.status, opened(order)) == ("paid", 1)


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_part_that_is_paid_keeps_the_coupon_until_the_order_ends(in_parts):
    """The hold was for an hour at the gateway; somebody else must not get the last place while the rest is paid as agreed."""
    coupon = make_coupon("LAST", percent=None, amount=Decimal(60), currency="EUR", limit_total=1)
    offer = make_offer(amount="360.00", coupon_mode="any")
    order = new_order(offer=offer, coupon=coupon)
    if in_parts:
        schedule.plan_parts(order, [hundred(0, opens_access=True), hundred(1), hundred(2)], START)
    assert order.coupon_use.reserved_until < after(hours=2)
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=after(minutes=5))
    order.coupon_use.refresh_from_db()
    assert (order.coupon_use.state, order.coupon_use.reserved_until) == ("reserved", order.expires_at)
    with pytest.raises(CouponRefused):
        new_order(offer=offer, coupon=coupon, now=after(days=2))
    ledger.record_payment(order=order, amount=Decimal(200), method="cash", now=after(days=3))
    order.coupon_use.refresh_from_db()
    assert (order.coupon_use.state, order.coupon_use.over_limit) == ("redeemed", False)
    assert flagged(order) == []


def part_of(order, sequence, now):
    """Pay one part, at the gateway; its attempt."""
    attempt = attempts.start(order.payments.get(sequence=sequence), method="sandbox", now=now).attempt
    tell(attempt, now=now)
    return attempt


ORDERS_OF_EVENTS = sorted(
    told
    for told in set(itertools.permutations(["pay 1", "back 1", "again 1", "pay 2"]))
    if told.index("pay 1") < told.index("back 1") < told.index("again 1")
)


@pytest.mark.parametrize("told", ORDERS_OF_EVENTS, ids=", ".join)
def test_access_follows_the_part_that_opens_it_in_whatever_order_things_happen(order, told):
    """Promise 12: the second part neither opens access nor keeps it open, and stands in nobody's way."""
    is_paid, first = False, None
    for hours, what in enumerate(told, start=1):
        now = after(hours=hours)
        if what == "back 1":
            charge_back(first, now)
        elif what == "pay 2":
            part_of(order, 2, now)
        else:
            first = part_of(order, 1, now)
        is_paid = what != "back 1" if what.endswith("1") else is_paid
        assert opened(order) == is_paid, what
    order.refresh_from_db()
    assert (order.status, order.paid_amount) == ("partly_paid", 200)
    part_of(order, 3, after(days=1))
    order.refresh_from_db()
    assert (order.status, opened(order)) == ("paid", 1)


def test_the_rest_at_once_opens_access_again_too(order):
    first = part_of(order, 1, START)
    charge_back(first, after(days=1))
    part_of(order, 2, after(days=2))
    assert opened(order) == 0
    ledger.record_payment(order=order, amount=Decimal(200), method="cash", now=after(days=3))
    assert (order.status, opened(order)) == ("paid", 1)


def test_a_part_that_was_booked_by_mistake_opens_access_when_it_is_really_paid(order, django_user_model):
    clerk = django_user_model.objects.create_user("clerk")
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", by=clerk, now=START)
    for wrong in (60, 0):
        entry = m.Transaction.objects.get(method="cash", kind="charge")
        ledger.correct(entry, to=Decimal(wrong), by=clerk, now=after(hours=1 + wrong))
        assert opened(order) == 0
    ledger.record_payment(order=order, amount=Decimal(300), method="bank", now=after(days=3))
    order.refresh_from_db()
    assert (order.status, opened(order)) == ("paid", 1)


def test_a_chargeback_of_a_part_of_what_was_paid_as_a_whole_closes_nothing_and_opens_nothing_twice(order):
    paid = [part_of(order, number, after(hours=number)) for number in (1, 2, 3)]
    for attempt in paid[:2]:
        charge_back(attempt, after(days=1), reference=f"dp {attempt.pk}")
        assert opened(order) == 1
    for number in (1, 2):
        part_of(order, number, after(days=1 + number))
        assert m.AccessGrant.objects.filter(line__order=order).count() == 1
    order.refresh_from_db()
    assert order.status == "paid"


def test_what_staff_took_away_stays_away(order):
    first = part_of(order, 1, START)
    grants.revoke(m.AccessGrant.objects.get(line__order=order), now=after(hours=1))
    part_of(order, 2, after(hours=2))
    assert opened(order) == 0
    assert first.payment.opens_access
