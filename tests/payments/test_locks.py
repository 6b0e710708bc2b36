"""Everything that moves an order takes its contact's lock first (promises 1, 2 and 7). On PostgreSQL, one session beside another.

A race of two threads is won nearly always, with the lock and without it. So here the other session holds the row for
certain, or is seen to wait for it.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection, transaction

from tests import sessions
from tests.orders.shop import order_for
from tests.payments.shop import codes, flagged, lay_ground, new_attempt, new_order, signed, standing, tell
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import events, locking
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import checkout, order_reminder
from wagtail_kwiga.orders import expiry, transitions
from wagtail_kwiga.orders.events import OrderPaid
from wagtail_kwiga.payments import attempts, ledger, provider_events, registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _ground(_shop):
    lay_ground()


@pytest.fixture
def ada():
    """Known and verified: then money learns nothing of her, and writes nothing into her row."""
    return make_contact("ada@example.com", is_verified=True)


def again(order: m.Order) -> m.Order:
    return m.Order.objects.get(pk=order.pk)


def test_money_waits_for_the_contact(ada):
    order = new_order(contact=ada)
    attempt = new_attempt(order)
    free = new_order(contact=ada, amount="0.00")
    given = new_order(contact=ada)
    ledger.record_payment(order=given, amount=Decimal(60), method="cash", now=START)
    deeds = {
        "a part": lambda: ledger.record_payment(order=again(order), amount=Decimal(1), method="cash", now=START),
        "all": lambda: ledger.record_payment(order=again(order), amount=Decimal(120), method="cash", now=START),
        "a part back": lambda: ledger.record_refund(order=again(given), amount=Decimal(1), now=START),
        "nothing to pay": lambda: ledger.complete_free(again(free), START),
        "an event of money": lambda: see_through(attempt, "confirmed"),
        "an event of none": lambda: see_through(attempt, "failed"),
        "starting to pay": lambda: attempts.start(again(order), method="sandbox", now=START),
    }
    with sessions.held_elsewhere(ada):
        hasty = [name for name, deed in deeds.items() if not sessions.must_wait(deed)]
    assert hasty == []
    assert [name for name, deed in deeds.items() if sessions.must_wait(deed)] == []  # and only while it is held


def test_moves_of_an_order_wait_for_the_contact(ada):
    order, closed, waiting = new_order(contact=ada), new_order(contact=ada), new_order(contact=ada)
    transitions.cancel(closed, now=START)
    transitions.start_processing(waiting, now=START)
    offer = make_offer()
    form = {"name": "Ada", "email": "ada@example.com", "phone": "", "payment_method": "sandbox"}
    deeds = {
        "cancel": lambda: transitions.cancel(again(order), now=START),
        "expire": lambda: transitions.expire(again(order), now=START),
        "supersede": lambda: transitions.supersede(again(order), now=START),
        "reopen": lambda: transitions.reopen(again(closed), now=START),
        "start_processing": lambda: transitions.start_processing(again(order), now=START),
        "back_to_open": lambda: transitions.back_to_open(again(waiting), now=START),
        "expire_due": lambda: expiry.expire_due(after(days=15)),
        "tell_the_buyer": lambda: order_reminder.tell_the_buyer(waiting.pk, START),
        "submit": lambda: checkout.submit(offer=offer, form_data=form, now=START),
        "place_order": lambda: order_for(ada, offer, now=START),
    }
    with sessions.held_elsewhere(ada):
        hasty = [name for name, deed in deeds.items() if not sessions.must_wait(deed)]
    assert hasty == []
    assert [name for name, deed in deeds.items() if sessions.must_wait(deed)] == []


@pytest.mark.parametrize("is_older_first", [True, False])
def test_two_orders_of_one_purchase_paid_at_one_instant(is_older_first):
    """The second waits until the first is told, and so knows that it is the second. Also where the first locks no more than
    its own order: the older one was superseded, and waits for no money."""
    contact, offer = make_contact(is_verified=True), make_offer()
    older = order_for(contact, offer)
    newer = order_for(contact, offer, now=after(minutes=1))
    first, second = (older, newer) if is_older_first else (newer, older)
    heard = []

    def pay(order):
        return ledger.record_payment(order=again(order), amount=Decimal(120), method="cash", now=after(minutes=2))

    events._handlers[OrderPaid].append(heard.append)
    try:
        with sessions.meanwhile() as begin, transaction.atomic(), connection.cursor() as cursor:
            pay(first)
            other = begin(lambda: pay(second))
            waited = sessions.is_waited_for(cursor, other)
    finally:
        events._handlers[OrderPaid].remove(heard.append)
    assert waited
    assert other.exception() is None
    assert [(event.order_id, event.first) for event in heard] == [(first.pk, True), (second.pk, False)]
    assert (standing(older), standing(newer)) == (("paid", Decimal(120)),) * 2
    assert "order.paid_twice" in flagged(second)
    assert "order.paid_twice" not in flagged(first)


def test_an_event_processed_while_its_repetition_waits_has_one_effect():
    order = new_order()
    attempt = new_attempt(order)
    stale = stored(attempt)
    with sessions.meanwhile() as begin, locking.atomic_write(), connection.cursor() as cursor:
        transitions.lock(order)
        other = begin(lambda: provider_events.process(registry.get("sandbox"), stale, now=after(minutes=2)))
        waited = sessions.is_waited_for(cursor, other)
        assert not tell(attempt, now=after(minutes=1)).repeated
    assert waited
    assert (other.result().result, other.result().repeated) == ("applied", True)
    row = m.ProviderEvent.objects.get()
    assert (row.result, row.processed_at) == ("applied", after(minutes=1))
    assert standing(order) == ("paid", Decimal(120))
    assert codes(order).count("payments.received") == 1


def see_through(attempt: m.PaymentAttempt, outcome: str) -> None:
    """Apply an event and raise what stands in its way; a webhook would leave it to the worker."""
    sandbox = registry.get("sandbox")
    provider_events.take(sandbox, sandbox.verify(signed(attempt, outcome)), now=START)


def stored(attempt: m.PaymentAttempt) -> m.ProviderEvent:
    """The event that says *confirmed*, written down but not processed: whoever received it was stopped in between."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(provider_events, "process", stop)
        tell(attempt)
    return m.ProviderEvent.objects.get()


def stop(*args, **given):
    raise KeyboardInterrupt
