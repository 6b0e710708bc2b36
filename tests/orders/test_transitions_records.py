"""What a move leaves on the timeline and tells others, and money that comes and goes in parts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import order_for
from tests.support import after, make_contact, make_coupon, make_offer
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.events import OrderPaid, OrderRefunded
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.orders.totals import OrderTotals

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return order_for(make_contact(), make_offer())


def money(order, received, refunded="0", *, minute, **given):
    """As the ledger does it: locked, and all money of the order in one sum."""
    received, refunded = Decimal(received), Decimal(refunded)
    with locking.atomic_write():
        fresh = transitions.lock(order.pk)
        totals = OrderTotals(
            received - refunded,
            refunded,
            settled=min(received, fresh.total_amount),
            money_came=received > fresh.paid_amount + fresh.refunded_amount,
            money_went=refunded > fresh.refunded_amount,
            was_given_back=refunded > 0,
        )
        return transitions.apply_totals(fresh, totals, now=after(minutes=minute), **given)


@pytest.mark.parametrize(
    ("verbs", "code", "status"),
    [
        (["start_processing"], "order.processing", Status.PROCESSING),
        (["start_processing", "back_to_open"], "order.waiting_again", Status.OPEN),
        (["cancel"], "order.cancelled", Status.CANCELLED),
        (["expire"], "order.expired", Status.EXPIRED),
        (["supersede"], "order.superseded", Status.SUPERSEDED),
        (["cancel", "reopen"], "order.reopened", Status.OPEN),
    ],
)
def test_each_move_is_on_record_with_who_and_when(order, django_user_model, verbs, code, status):
    boss = django_user_model.objects.create_user("boss")
    for minute, verb in enumerate(verbs, start=1):
        getattr(transitions, verb)(order, by=boss, now=after(minutes=minute))
    last = writing.timeline(order).last()
    assert (last.code, last.at, last.by) == (code, after(minutes=len(verbs)), boss)
    assert order.status == status


def test_closing_for_a_newer_order_is_told_at_its_instant(order, told):
    with locking.atomic_write():
        transitions.close_superseded([transitions.lock(order)], now=after(minutes=3))
    (closed,) = told
    assert (closed.at, [(one.order_id, one.status, one.at) for one in closed.orders]) == (
        after(minutes=3),
        [(order.pk, "superseded", after(minutes=3))],
    )


def test_reopening_keeps_the_use_that_it_has():
    coupon = make_coupon()
    order = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    use = order.coupon_use_id
    transitions.cancel(order, now=after(minutes=1))
    transitions.reopen(order, now=after(minutes=2))
    order.refresh_from_db()
    assert order.coupon_use_id == use


def test_a_move_writes_its_own_fields_only(order):
    """Whoever holds the order for a moment must not put back what others wrote meanwhile."""
    m.Order.objects.filter(pk=order.pk).update(buyer_name="Corrected")
    transitions._transition(order, Status.PROCESSING, "order.processing", now=after(minutes=1), by=None)
    assert m.Order.objects.get(pk=order.pk).buyer_name == "Corrected"


def test_a_part_that_comes_and_goes_back_frees_the_coupon(told):
    coupon = make_coupon(limit_total=1)
    order = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    assert money(order, "10", minute=1).status == Status.PARTLY_PAID
    assert money(order, "10", "10", minute=2).status == Status.REFUNDED
    coupon.refresh_from_db()
    assert coupon.used_count == 0
    (refund,) = told
    expected = OrderRefunded(
        order.pk, order.contact_id, order.offer_id, order.purchase_id, "10", "EUR", True, after(minutes=2)
    )
    assert refund == expected


def test_giving_a_part_back_is_told_once_and_the_order_stays_paid(order, told):
    money(order, "120", minute=1)
    assert money(order, "120", "20", minute=2).status == Status.PAID
    money(order, "120", "20", minute=3)
    refunds = [event for event in told if isinstance(event, OrderRefunded)]
    assert [(event.refunded, event.at) for event in refunds] == [("20", after(minutes=2))]


def test_new_money_after_a_refund_pays_again(order, told):
    money(order, "120", minute=1)
    assert money(order, "120", "120", minute=2).status == Status.REFUNDED
    assert money(order, "240", "120", minute=3).status == Status.PAID
    paid = [event for event in told if isinstance(event, OrderPaid)]
    assert [(event.again, event.at) for event in paid] == [(False, after(minutes=1)), (True, after(minutes=3))]
    assert (paid[1].order_id, paid[1].contact_id, paid[1].offer_id, paid[1].purchase_id) == (
        order.pk, order.contact_id, order.offer_id, order.purchase_id,
    )  # fmt: skip


def test_money_stands_up_for_the_buyer_unless_it_is_not_clear_who_paid():
    for known, verified in (({}, True), ({"payer_known": False}, False)):
        order = order_for(make_contact(), make_offer())
        m.Contact.objects.filter(pk=order.contact_id).update(is_verified=False)
        money(order, "120", minute=1, **known)
        assert m.Contact.objects.get(pk=order.contact_id).is_verified is verified
