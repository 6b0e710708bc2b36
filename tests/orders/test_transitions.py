"""The doors to an order's status."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from tests.orders.shop import books_receive, order_for
from tests.support import after, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import InvalidTransition
from wagtail_kwiga.orders import expiry, transitions
from wagtail_kwiga.orders.statuses import TRANSITIONS, Status, can_transition
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return order_for(make_contact(), make_offer())


def attention(order):
    return set(m.TimelineEntry.objects.filter(subject_id=order.pk, needs_attention=True).values_list("code", flat=True))


def test_every_status_is_in_the_table_and_money_reaches_paid_from_everywhere():
    assert set(TRANSITIONS) == set(Status)
    for status in set(Status) - {Status.PAID}:
        assert can_transition(status, Status.PAID)


def test_a_verb_refuses_what_the_table_does_not_allow(order):
    books_receive(order, "120.00", now=after(minutes=1))
    for verb in (transitions.cancel, transitions.expire, transitions.supersede, transitions.reopen):
        with pytest.raises(InvalidTransition):
            verb(order, now=after(minutes=2))
    order.refresh_from_db()
    assert order.status == Status.PAID


def test_the_callers_instance_shows_the_new_status(order):
    stale = m.Order.objects.get(pk=order.pk)
    transitions.cancel(order, now=after(minutes=1))
    assert order.status == Status.CANCELLED
    transitions.start_processing(stale, now=after(minutes=2))
    assert stale.status == Status.CANCELLED


def test_news_of_a_payment_moves_to_and_fro(order):
    transitions.start_processing(order, now=after(minutes=1))
    assert order.status == Status.PROCESSING
    transitions.back_to_open(order, now=after(minutes=2))
    assert order.status == Status.OPEN


def test_closing_twice_writes_once(order):
    for minute in (1, 2, 3):
        transitions.cancel(order, now=after(minutes=minute))
    assert m.TimelineEntry.objects.filter(code="order.cancelled").count() == 1
    assert order.closed_at == after(minutes=1)


def test_cancelling_gives_the_coupon_back_and_reopening_takes_it_again():
    coupon, offer = make_coupon(limit_total=1), make_offer(coupon_mode="any")
    order = order_for(make_contact(), offer, coupon=coupon)
    transitions.cancel(order, now=after(minutes=1))
    coupon.refresh_from_db()
    assert coupon.used_count == 0
    transitions.reopen(order, now=after(minutes=2))
    coupon.refresh_from_db()
    assert (coupon.used_count, order.status, order.closed_at) == (1, Status.OPEN, None)
    assert order.coupon_use.state == "reserved"


def test_reopening_is_refused_when_the_coupon_is_gone_or_another_order_is_open():
    coupon, offer = make_coupon(limit_total=1), make_offer(coupon_mode="any")
    contact = make_contact()
    order = order_for(contact, offer, coupon=coupon)
    transitions.cancel(order, now=after(minutes=1))
    thief = order_for(make_contact(), offer, coupon=coupon, now=after(minutes=2))
    with pytest.raises(InvalidTransition) as refusal:
        transitions.reopen(order, now=after(minutes=3))
    assert refusal.value.code == "used_up"
    transitions.cancel(thief, now=after(minutes=4))
    order_for(contact, offer, now=after(minutes=5))
    with pytest.raises(InvalidTransition) as refusal:
        transitions.reopen(order, now=after(minutes=6))
    assert refusal.value.code == "other_open"


def test_a_reopened_order_has_another_full_term_at_its_old_price():
    offer = make_offer()
    order = order_for(make_contact(), offer)
    m.Offer.objects.update(amount=200)
    transitions.cancel(order, now=after(days=1))
    transitions.reopen(order, now=after(days=20))
    order.refresh_from_db()
    assert (str(order.total), order.closed_at) == ("120.00 EUR", None)
    assert (order.price_holds_until, order.expires_at) == (after(days=27), after(days=34))


@pytest.mark.parametrize("given_back", [False, True])
def test_reopening_is_refused_once_the_purchase_was_made(given_back):
    """A refund does not undo that it was made."""
    contact, offer = make_contact(), make_offer()
    order = transitions.cancel(order_for(contact, offer), now=after(minutes=1))
    bought = order_for(contact, offer, now=after(minutes=2))
    books_receive(bought, "120.00", now=after(minutes=3))
    if given_back:
        ledger.record_refund(order=bought, amount=bought.total, now=after(minutes=4))
    with pytest.raises(InvalidTransition) as refusal:
        transitions.reopen(order, now=after(minutes=5))
    assert refusal.value.code == "purchase_paid"
    order.refresh_from_db()
    assert (order.status, order.closed_at) == (Status.CANCELLED, after(minutes=1))


@pytest.mark.parametrize("state", [Status.OPEN, Status.PROCESSING, Status.PARTLY_PAID])
def test_reopening_is_refused_beside_an_order_that_waits_for_money(state):
    """One that has a part of its money already, and one whose payment is under way, as well."""
    contact, offer = make_contact(), make_offer()
    order = transitions.cancel(order_for(contact, offer), now=after(minutes=1))
    rival = order_for(contact, offer, now=after(minutes=2))
    if state == Status.PROCESSING:
        transitions.start_processing(rival, now=after(minutes=3))
    elif state == Status.PARTLY_PAID:
        books_receive(rival, "20.00", now=after(minutes=3))
    rival.refresh_from_db()
    assert rival.status == state
    with pytest.raises(InvalidTransition) as refusal:
        transitions.reopen(order, now=after(minutes=4))
    assert refusal.value.code == "other_open"
    order.refresh_from_db()
    assert order.status == Status.CANCELLED


def test_orders_for_other_offers_and_of_other_people_do_not_hinder_reopening():
    contact, offer = make_contact(), make_offer()
    order = transitions.cancel(order_for(contact, offer), now=after(minutes=1))
    order_for(contact, make_offer(), now=after(minutes=2))
    books_receive(order_for(make_contact(), offer, now=after(minutes=2)), "20.00", now=after(minutes=3))
    assert transitions.reopen(order, now=after(minutes=4)).status == Status.OPEN


def test_a_cancelled_order_with_a_part_of_its_money_is_reopened_as_partly_paid(order):
    books_receive(order, "50.00", now=after(minutes=1))
    transitions.cancel(order, now=after(minutes=2))
    transitions.reopen(order, now=after(minutes=3))
    assert (order.status, str(order.outstanding)) == (Status.PARTLY_PAID, "70.00 EUR")


@pytest.mark.parametrize("closing", ["cancel", "expire"])
def test_late_money_is_honoured_and_put_on_a_persons_list(order, closing):
    getattr(transitions, closing)(order, now=after(days=1))
    books_receive(order, "120.00", now=after(days=2))
    order.refresh_from_db()
    assert (order.status, order.paid_at, order.closed_at) == (Status.PAID, after(days=2), None)
    assert attention(order) == {"order.late_money"}


def test_part_then_rest(order):
    books_receive(order, "20.00", now=after(minutes=1))
    order.refresh_from_db()
    assert (order.status, str(order.outstanding)) == (Status.PARTLY_PAID, "100.00 EUR")
    books_receive(order, "100.00", now=after(minutes=2))
    order.refresh_from_db()
    assert (order.status, str(order.outstanding)) == (Status.PAID, "0.00 EUR")
    assert not attention(order)


def test_too_much_is_accepted_and_shown(order):
    books_receive(order, "130.00", now=after(minutes=1))
    order.refresh_from_db()
    assert (order.status, order.paid_amount) == (Status.PAID, Decimal("130.0000"))
    assert attention(order) == {"order.too_much_money"}


def test_paying_two_orders_of_one_purchase_is_shown():
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    second = order_for(contact, offer, now=after(minutes=1))
    books_receive(second, "120.00", now=after(minutes=2))
    books_receive(first, "120.00", now=after(minutes=3))
    first.refresh_from_db()
    assert first.status == Status.PAID
    assert attention(first) == {"order.late_money", "order.paid_twice"}


def test_paying_the_older_order_takes_its_coupon_back_from_the_newer():
    contact, offer, coupon = make_contact(), make_offer(coupon_mode="any"), make_coupon(limit_total=1)
    first = order_for(contact, offer, coupon=coupon)
    second = order_for(contact, offer, now=after(minutes=1))
    books_receive(first, "102.00", now=after(minutes=2))
    first.refresh_from_db()
    second.refresh_from_db()
    coupon.refresh_from_db()
    assert (first.status, first.coupon_use.state, second.coupon_use) == (Status.PAID, "redeemed", None)
    assert (coupon.used_count, attention(first)) == (1, {"order.late_money"})


def test_late_money_for_a_coupon_used_up_meanwhile_is_booked_over_the_limit():
    offer, coupon = make_offer(coupon_mode="any"), make_coupon(limit_total=1)
    order = order_for(make_contact(), offer, coupon=coupon)
    transitions.cancel(order, now=after(minutes=1))
    other = order_for(make_contact(), offer, coupon=coupon, now=after(minutes=2))
    books_receive(other, "102.00", now=after(minutes=3))
    books_receive(order, "102.00", now=after(minutes=4))
    order.refresh_from_db()
    assert order.status == Status.PAID
    assert order.coupon_use.over_limit
    assert "order.coupon_over_limit" in attention(order)


def test_a_part_given_back_revives_no_closed_order(order):
    """50 of 120 arrive, it is cancelled, 20 go back, and 10 more: it stays cancelled, until money arrives."""
    books_receive(order, "50.00", now=after(minutes=1))
    transitions.cancel(order, now=after(minutes=2))
    for minute, amount, left in ((3, "20.00", "30.00 EUR"), (4, "10.00", "20.00 EUR")):
        ledger.record_refund(order=order, amount=Decimal(amount), now=after(minutes=minute))
        order.refresh_from_db()
        assert (order.status, str(order.received), order.closed_at) == (Status.CANCELLED, left, after(minutes=2))
    assert not attention(order)
    books_receive(order, "5.00", now=after(minutes=5))
    order.refresh_from_db()
    assert (order.status, str(order.received), order.closed_at) == (Status.PARTLY_PAID, "25.00 EUR", None)
    assert attention(order) == {"order.late_money"}


def test_the_last_of_a_part_given_back_ends_a_closed_order_as_refunded(order):
    books_receive(order, "50.00", now=after(minutes=1))
    transitions.cancel(order, now=after(minutes=2))
    ledger.record_refund(order=order, amount=Decimal("50.00"), now=after(minutes=3))
    order.refresh_from_db()
    assert (order.status, order.paid_amount, order.paid_at) == (Status.REFUNDED, 0, None)


def test_a_part_left_over_in_an_order_whose_sibling_was_paid_is_shown():
    """Its order is not closed with the others: the money in it is a person's business."""
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    second = order_for(contact, offer, now=after(minutes=1))
    books_receive(first, "20.00", now=after(minutes=2))
    books_receive(second, "120.00", now=after(minutes=3))
    first.refresh_from_db()
    assert (first.status, str(first.received), first.closed_at) == (Status.PARTLY_PAID, "20.00 EUR", None)
    assert attention(first) == {"order.late_money", "order.part_left_over"}
    told = m.TimelineEntry.objects.get(code="order.part_left_over")
    assert (told.subject_id, told.at, told.facts["paid"]) == (first.pk, after(minutes=3), second.number)
    assert not attention(second)


def test_paying_closes_every_sibling_that_has_no_money():
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    second = order_for(contact, offer, now=after(minutes=1))
    books_receive(first, "120.00", now=after(minutes=2))
    second.refresh_from_db()
    assert (second.status, second.closed_at) == (Status.CANCELLED, after(minutes=2))
    assert attention(first) == {"order.late_money"}


# --- coupons of siblings ----------------------------------------------------------------------------------------------


def test_paying_an_older_order_without_a_coupon_frees_the_coupon_of_the_newer():
    offer, coupon, contact = make_offer(coupon_mode="any"), make_coupon(limit_total=1), make_contact()
    first = order_for(contact, offer)
    second = order_for(contact, offer, coupon=coupon, now=after(minutes=1))
    books_receive(first, "120.00", now=after(minutes=2))
    second.refresh_from_db()
    coupon.refresh_from_db()
    assert (second.status, second.coupon_use.state, coupon.used_count) == (Status.CANCELLED, "released", 0)
    assert order_for(make_contact(), offer, coupon=coupon, now=after(minutes=3)).coupon_use.state == "reserved"


@pytest.mark.parametrize("is_lower", [True, False])
def test_paying_an_older_order_frees_another_coupon_of_the_newer(is_lower):
    """Whichever of the two counters comes first."""
    offer, contact = make_offer(coupon_mode="any"), make_contact()
    low, high = make_coupon(limit_total=1), make_coupon(limit_total=1)
    paid_with, freed = (high, low) if is_lower else (low, high)
    first = order_for(contact, offer, coupon=paid_with)
    order_for(contact, offer, coupon=freed, now=after(minutes=1))
    books_receive(first, "102.00", now=after(minutes=2))
    paid_with.refresh_from_db()
    freed.refresh_from_db()
    first.refresh_from_db()
    assert (paid_with.used_count, freed.used_count, first.coupon_use.state) == (1, 0, "redeemed")
    assert order_for(make_contact(), offer, coupon=freed, now=after(minutes=3)).coupon_use.state == "reserved"


def test_two_orders_of_one_purchase_with_one_coupon_spend_one_use():
    """The older was cancelled, its use given back; paying it takes over that of the newer, and does not need a second."""
    offer, coupon, contact = make_offer(coupon_mode="any"), make_coupon(limit_total=1), make_contact()
    first = transitions.cancel(order_for(contact, offer, coupon=coupon), now=after(minutes=1))
    second = order_for(contact, offer, coupon=coupon, now=after(minutes=2))
    use = second.coupon_use
    books_receive(first, "102.00", now=after(minutes=3))
    for row in (first, second, coupon):
        row.refresh_from_db()
    assert (first.coupon_use, first.coupon_use.state, second.coupon_use) == (use, "redeemed", None)
    assert (coupon.used_count, first.coupon_use.over_limit) == (1, False)


def test_expiry_takes_what_is_due_and_leaves_money_alone():
    offer, coupon = make_offer(coupon_mode="any"), make_coupon()
    old = [order_for(make_contact(), offer, coupon=coupon) for _ in range(3)]
    part = order_for(make_contact(), offer)
    books_receive(part, "1.00", now=after(minutes=1))
    young = order_for(make_contact(), offer, now=after(days=2))
    assert expiry.expire_due(after(days=14)) == 3
    assert expiry.expire_due(after(days=14)) == 0
    assert set(m.Order.objects.filter(pk__in=[o.pk for o in old]).values_list("status", flat=True)) == {"expired"}
    part.refresh_from_db()
    young.refresh_from_db()
    coupon.refresh_from_db()
    assert (part.status, young.status, coupon.used_count) == (Status.PARTLY_PAID, Status.OPEN, 0)


def test_the_expiry_sweep_costs_the_same_for_one_and_for_many(django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    offer = make_offer()

    def cost(number):
        for _ in range(number):
            order_for(make_contact(), offer)
        with CaptureQueriesContext(connection) as queries:
            assert expiry.expire_due(after(days=15)) == number
        return len(queries)

    assert cost(1) == cost(25)


def test_the_table_has_no_move_to_itself():
    for old, new in itertools.product(Status, Status):
        if old == new:
            assert not can_transition(old, new)
