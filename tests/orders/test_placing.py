"""Placing: one purchase has one open order, and its terms are frozen (promises 2, 3 and 4)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from wagtail import hooks

from tests.orders.shop import CONFIRMATION, books_receive, order_for, quote_for
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, CouponRefused, OrderRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.statuses import Status

pytestmark = pytest.mark.django_db


def test_an_order_freezes_title_price_terms_and_buyer():
    offer = make_offer(make_product("Ink"), make_product("Paper"), amount="100.01", title="Ink and paper")
    order = order_for(make_contact(name="Ada Buyer", phone="+48 1"), offer)
    offer.title, offer.amount = "Dearer", Decimal(500)
    offer.save()
    order.refresh_from_db()
    assert (order.title, str(order.total), order.status) == ("Ink and paper", "100.01 EUR", Status.OPEN)
    assert (order.buyer_name, order.buyer_phone) == ("Ada Buyer", "+48 1")
    assert order.price_holds_until == after(days=7)
    assert order.expires_at == after(days=14)
    assert [line.amount for line in order.lines.all()] == [Decimal("50.0100"), Decimal("50.0000")]


def test_coming_back_makes_a_new_order_that_replaces_the_open_one():
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    second = order_for(contact, offer, now=after(minutes=5))
    first.refresh_from_db()
    assert (first.status, first.superseded_by, first.closed_at) == (Status.SUPERSEDED, second, after(minutes=5))
    assert second.status == Status.OPEN
    assert first.purchase_id == second.purchase_id


def test_a_processing_order_may_be_replaced_and_its_money_is_honoured():
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    transitions.start_processing(first, now=after(minutes=1))
    second = order_for(contact, offer, now=after(minutes=2))
    books_receive(first, "120.00", now=after(minutes=3))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.PAID, Status.CANCELLED)


def test_a_partly_paid_order_is_finished_not_replaced():
    contact, offer = make_contact(), make_offer()
    order = order_for(contact, offer)
    books_receive(order, "20.00", now=after(minutes=1))
    with pytest.raises(AlreadyPartlyPaid) as refusal:
        order_for(contact, offer, now=after(minutes=2))
    assert refusal.value.facts["order"] == order.pk
    assert m.Order.objects.count() == 1


def test_a_purchase_closes_itself_and_the_next_order_begins_a_new_one():
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    books_receive(first, "120.00", now=after(minutes=1))
    second = order_for(contact, offer, now=after(days=40))
    assert second.purchase_id != first.purchase_id


def test_two_offers_of_one_contact_are_two_purchases():
    contact = make_contact()
    one, other = order_for(contact, make_offer()), order_for(contact, make_offer())
    assert one.purchase_id != other.purchase_id
    assert {one.status, other.status} == {Status.OPEN}


def test_the_database_itself_refuses_a_second_open_order():
    contact, offer = make_contact(), make_offer()
    order = order_for(contact, offer)
    order.pk, order.number, order.token = None, "OTHER", "other"
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save(force_insert=True)


def test_a_held_coupon_passes_to_the_newer_order_that_brings_none():
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", limit_total=1)
    first = order_for(contact, offer, coupon=coupon)
    second = order_for(contact, offer, now=after(minutes=5))
    first.refresh_from_db()
    assert str(second.total) == "102.00 EUR"
    assert second.coupon_use.state == "reserved"
    assert first.coupon_use is None
    coupon.refresh_from_db()
    assert coupon.used_count == 1


def test_the_same_coupon_typed_again_needs_no_second_use():
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", limit_total=1, limit_per_contact=1)
    order_for(contact, offer, coupon=coupon)
    second = order_for(contact, offer, coupon=coupon, now=after(minutes=5))
    assert str(second.total) == "102.00 EUR"
    assert m.CouponUse.objects.filter(state="reserved").count() == 1


def test_another_coupon_gives_the_first_one_back():
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    spring, summer = make_coupon("SPRING"), make_coupon("SUMMER", percent="50")
    order_for(contact, offer, coupon=spring)
    second = order_for(contact, offer, coupon=summer, now=after(minutes=5))
    spring.refresh_from_db()
    assert (spring.used_count, str(second.total)) == (0, "60.00 EUR")


def test_a_coupon_that_ended_meanwhile_does_not_pass_on():
    contact, offer, members = make_contact(), make_offer(coupon_mode="any"), make_list()
    coupon = make_coupon("MEMBERS", lists=[members])
    lists.add(members, contact, until=after(hours=1), now=START)
    order_for(contact, offer, coupon=coupon)
    second = order_for(contact, offer, now=after(hours=2))
    coupon.refresh_from_db()
    assert (str(second.total), second.coupon_use, coupon.used_count) == ("120.00 EUR", None, 0)


@pytest.mark.parametrize(("microseconds", "total"), [(-1, "102.00 EUR"), (0, "120.00 EUR")])
def test_a_coupon_that_ended_passes_on_until_the_instant_at_which_its_hold_ends(microseconds, total):
    """The hold was taken while the discount was theirs; it lasts for its hour, and is not made longer."""
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", valid_until=after(minutes=1))
    first = order_for(contact, offer, coupon=coupon)
    ends = first.coupon_use.reserved_until
    second = order_for(contact, offer, now=ends + dt.timedelta(microseconds=microseconds))
    coupon.refresh_from_db()
    assert str(second.total) == total
    assert m.CouponUse.objects.get().reserved_until == ends
    assert coupon.used_count == (1 if microseconds else 0)


def test_a_used_up_coupon_refuses_and_nothing_is_written():
    offer, coupon = make_offer(coupon_mode="any"), make_coupon("ONE", limit_total=1)
    order_for(make_contact(), offer, coupon=coupon)
    before = (m.Order.objects.count(), m.TimelineEntry.objects.count(), m.CouponUse.objects.count())
    with pytest.raises(CouponRefused) as refusal:
        order_for(make_contact(), offer, quote=quote_for(offer, coupon))
    assert refusal.value.code == "used_up"
    assert (m.Order.objects.count(), m.TimelineEntry.objects.count(), m.CouponUse.objects.count()) == before


@pytest.mark.parametrize("state", ["draft", "withdrawn"])
def test_what_is_not_for_sale_cannot_be_ordered_by_a_visitor_but_by_staff(state):
    offer, contact = make_offer(state=state), make_contact()
    with pytest.raises(OrderRefused):
        order_for(contact, offer)
    assert order_for(contact, offer, origin="staff").status == Status.OPEN


def test_a_site_may_veto():
    def veto(event):
        raise OrderRefused("Not today.", code="veto")

    with hooks.register_temporarily("before_kwiga_place_order", veto), pytest.raises(OrderRefused, match="Not today"):
        order_for(make_contact(), make_offer())
    assert not m.Order.objects.exists()


def test_a_transfer_holds_its_coupon_until_the_order_expires():
    offer, coupon = make_offer(coupon_mode="any"), make_coupon()
    order = order_for(make_contact(), offer, coupon=coupon, method="transfer")
    assert order.coupon_use.reserved_until == order.expires_at
    other = order_for(make_contact(), offer, coupon=coupon)
    assert other.coupon_use.reserved_until == START + dt.timedelta(hours=1)


def test_the_number_of_queries_is_fixed():
    contact, offer, coupon = make_contact(), make_offer(coupon_mode="any"), make_coupon()
    quote = quote_for(offer, coupon)
    order_for(make_contact(), offer, quote=quote)  # a mail with a discount is settled once
    with CaptureQueriesContext(
        connection,
    ) as queries:
        order_for(contact, offer, quote=quote, confirmation=True)
    statements = [
        q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "DELETE FROM"))
    ]
    assert len(statements) <= 13 + CONFIRMATION, "\n".join(statements)
