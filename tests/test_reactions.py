"""The table of reactions: what may undo a payment, and what may not."""

from __future__ import annotations

import pytest

from tests.orders.shop import books_receive, order_for
from tests.support import after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga import reactions

pytestmark = pytest.mark.django_db


def test_every_event_of_the_table_is_subscribed_once():
    from wagtail_kwiga import events

    reactions.connect()
    for kind, handlers in reactions.TABLE.items():
        assert [handler for handler in events._handlers[kind] if handler in handlers] == list(handlers)


def test_a_receipt_that_cannot_be_made_does_not_refuse_the_money(monkeypatch):
    order = order_for(make_contact(), make_offer(), language="en")

    def broken(*args, **kwargs):
        raise RuntimeError("no receipt today")

    monkeypatch.setattr(reactions.outbox, "send_receipt", broken)
    books_receive(order, "120.00", now=after(minutes=1))
    order.refresh_from_db()
    assert order.status == "paid"
    assert m.AccessGrant.objects.count() == 1
    assert m.TimelineEntry.objects.get(code="order.no_receipt").needs_attention


def test_a_whole_refund_ends_the_access_it_paid_for_and_no_other():
    from wagtail_kwiga.payments import books

    offer, contact = make_offer(), make_contact()
    first = order_for(contact, offer)
    books_receive(first, "120.00", now=after(minutes=1))
    second = order_for(contact, offer, now=after(minutes=2))
    books_receive(second, "120.00", now=after(minutes=3))
    books.refund(order=first, amount=first.total, now=after(minutes=4))
    assert list(m.AccessGrant.objects.filter(revoked_at__isnull=True).values_list("line__order", flat=True)) == [
        second.pk
    ]
    assert not m.OutgoingEmail.objects.filter(purpose="recovery").exists()
