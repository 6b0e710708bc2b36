"""Counters of coupons are locked in the order of their keys, whatever is done with two of them: nobody deadlocks.

Another session holds the lower counter. Whoever needs both must come to wait for it, and must not hold the higher one yet.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import sessions
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.locking import atomic_write
from wagtail_kwiga.orders import expiry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture
def coupons() -> tuple[m.Coupon, m.Coupon]:
    low, high = make_coupon("LOW"), make_coupon("HIGH")
    assert low.pk < high.pk
    return low, high


def takes_the_lower_first(coupons: tuple[m.Coupon, m.Coupon], deed: Callable[[], object]) -> bool:
    low, high = coupons
    # The row of the lower one moves behind the other, so that a plan which reads the table meets the higher one first.
    m.Coupon.objects.filter(pk=low.pk).update(note="moved")
    with sessions.meanwhile() as begin, sessions.another_session() as cursor:
        sessions.lock(cursor, low)
        other = begin(deed)
        assert sessions.is_waited_for(cursor, other), other.exception()
        is_higher_free = sessions.is_free(high)
    other.result()
    return is_higher_free


def test_swapping_one_coupon_for_another(coupons):
    offer = make_offer(coupon_mode="any")
    for before, then in (coupons, coupons[::-1]):
        contact = make_contact()
        order_for(contact, offer, coupon=before)
        assert takes_the_lower_first(
            coupons, lambda c=contact, t=then: order_for(c, offer, coupon=t, now=after(minutes=1))
        ), (before, then)


def test_paying_an_order_while_a_newer_one_holds_another_coupon(coupons):
    offer = make_offer(coupon_mode="any")
    for paid_with, freed in (coupons, coupons[::-1]):
        contact = make_contact(is_verified=True)
        older = order_for(contact, offer, coupon=paid_with)
        order_for(contact, offer, coupon=freed, now=after(minutes=1))
        assert takes_the_lower_first(
            coupons, lambda o=older: books_receive(m.Order.objects.get(pk=o.pk), "102", now=after(minutes=2))
        ), (paid_with, freed)


def test_giving_back_a_set_and_expiring_a_set_of_orders(coupons):
    held = [uses.reserve(coupon, make_contact(), until=after(hours=1), now=START) for coupon in coupons]
    assert takes_the_lower_first(coupons, lambda: uses.release_many([use.pk for use in held], now=START))
    for coupon in coupons[::-1]:
        order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    assert takes_the_lower_first(coupons, lambda: expiry.expire_due(after(days=15)))
    for coupon in coupons:
        coupon.refresh_from_db()
        assert coupon.used_count == 0


def test_a_counter_is_locked_after_the_contact(coupons):
    """Whoever waits for a hot coupon's counter holds no more than its own rows; whoever waits for a contact holds no counter."""
    low, _high = coupons
    ada, offer = make_contact(is_verified=True), make_offer(coupon_mode="any")  # of whom money learns nothing
    order = order_for(ada, offer, coupon=low)

    def hold_by_hand():
        with atomic_write():
            uses.reserve(low, directory.lock(ada.pk), until=after(hours=1), now=after(hours=2))

    for deed in (
        lambda: order_for(ada, make_offer(coupon_mode="any"), coupon=low, now=after(hours=2)),
        lambda: books_receive(m.Order.objects.get(pk=order.pk), "102", now=after(minutes=1)),
        hold_by_hand,
    ):
        with sessions.meanwhile() as begin, sessions.another_session() as cursor:
            sessions.lock(cursor, ada)
            other = begin(deed)
            assert sessions.is_waited_for(cursor, other), other.exception()
            assert sessions.is_free(low)
        other.exception()
