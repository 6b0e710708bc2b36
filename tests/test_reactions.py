"""The table of reactions: each of its lines, what may undo a payment, and what may not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from anymail.signals import tracking
from django.db import DatabaseError, connection
from django.db.models.signals import post_delete
from django_q.models import OrmQ
from wagtail import hooks
from wagtail.models import Page
from wagtail.signals import page_published, page_unpublished, published, unpublished

from tests.automations import story as stories
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import new_attempt, tell
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga import reactions
from wagtail_kwiga.access import adjustments, announcing, grants
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import expiry, transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def story():
    return stories.tell()


def test_every_event_of_the_table_is_subscribed_once():
    from wagtail_kwiga import events

    reactions.connect()
    for kind, handlers in reactions.TABLE.items():
        assert [handler for handler in events._handlers[kind] if handler in handlers] == list(handlers)


def test_a_receipt_that_cannot_be_made_does_not_refuse_the_money(monkeypatch):
    order = order_for(make_contact(), make_offer(), language="en")

    def broken(*args, **kwargs):
        raise RuntimeError("no receipt today")

    monkeypatch.setattr(reactions.order_mails, "receipt", broken)
    books_receive(order, "120.00", now=after(minutes=1))
    order.refresh_from_db()
    assert order.status == "paid"
    assert m.AccessGrant.objects.count() == 1
    assert m.TimelineEntry.objects.get(code="order.no_receipt").needs_attention


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["outgoingemail", "emailtemplateversion"])
def test_a_receipt_that_the_database_refuses_does_not_refuse_the_money(table):
    """Such a refusal spoils the transaction it happens in: the money must not stand in that one."""
    order = order_for(make_contact(), make_offer(), language="en")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_receipt() RETURNS trigger LANGUAGE plpgsql AS $$"
            "BEGIN RAISE EXCEPTION 'no receipt today'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER no_receipt BEFORE INSERT ON wagtail_kwiga_{table} EXECUTE FUNCTION no_receipt()"
        )
    books_receive(order, "120.00", now=after(minutes=1))
    order.refresh_from_db()
    assert order.status == "paid"
    assert m.AccessGrant.objects.count() == 1
    assert not m.OutgoingEmail.objects.exists()
    entry = m.TimelineEntry.objects.get(code="order.no_receipt")
    assert entry.needs_attention and "no receipt today" in entry.facts["error"]


def test_access_that_cannot_be_given_undoes_the_move(monkeypatch):
    """The provider is told to come again: money without what it pays for is worse than money an hour late."""
    order = order_for(make_contact(), make_offer())

    def broken(*args, **kwargs):
        raise DatabaseError("no access today")

    monkeypatch.setattr(reactions.grants, "grant_for_order", broken)
    with pytest.raises(DatabaseError):
        books_receive(order, "120.00", now=after(minutes=1))
    order.refresh_from_db()
    assert (order.status, order.paid_amount) == ("open", 0)
    assert not m.OutgoingEmail.objects.exists()


def test_a_part_given_back_leaves_the_access():
    order = order_for(make_contact(), make_offer())
    books_receive(order, "120.00", now=after(minutes=1))
    ledger.record_refund(order=order, amount=Decimal("119.99"), now=after(minutes=2))
    assert m.AccessGrant.objects.get().revoked_at is None
    ledger.record_refund(order=order, amount=Decimal("0.01"), now=after(minutes=3))
    assert m.AccessGrant.objects.get().revoked_at == after(minutes=3)


def test_paid_once_more_after_all_was_given_back_opens_it_once_more():
    order = order_for(make_contact(), make_offer())
    books_receive(order, "120.00", now=after(minutes=1))
    ledger.record_refund(order=order, amount=order.total, now=after(minutes=2))
    books_receive(m.Order.objects.get(), "120.00", now=after(minutes=3), reference="second")
    assert list(m.AccessGrant.objects.order_by("pk").values_list("granted_at", "revoked_at")) == [
        (after(minutes=1), after(minutes=2)),
        (after(minutes=3), None),
    ]
    assert m.OutgoingEmail.objects.filter(purpose="receipt").count() == 1


# --- line by line -----------------------------------------------------------------------------------------------------------


def test_placed_takes_the_person_into_scenarios(story):
    order = story.place()
    assert (story.run_of(order).state, story.run_of(order).due_at) == ("active", after(minutes=30))


def test_paid_ends_runs_and_calls_back_the_mail_that_waits(story):
    """Promise 1: not only does delivery ask once more; what need not go is off the list of what waits."""
    order = story.place()
    engine.run_due(after(minutes=30))
    mail = m.OutgoingEmail.objects.get()
    assert (mail.purpose, mail.status) == ("recovery", "queued")
    books_receive(m.Order.objects.get(), "120.00", now=after(minutes=31))
    mail.refresh_from_db()
    assert (mail.status, mail.why) == ("cancelled", "paid")
    run = story.run_of(order)
    assert (run.state, run.reason, run.ended_at) == ("left", "purchase_paid", after(minutes=31))


def test_paid_calls_back_the_mail_of_a_purchase_of_which_an_older_order_was_paid(story):
    ada = make_contact()
    older = story.place(ada)
    story.place(ada, now=after(minutes=1))
    engine.run_due(after(minutes=31))
    assert m.OutgoingEmail.objects.get().status == "queued"
    books_receive(m.Order.objects.get(pk=older.pk), "120.00", now=after(minutes=32))
    assert m.OutgoingEmail.objects.get(purpose="recovery").status == "cancelled"


def test_paid_opens_what_was_bought_and_sends_the_receipt_at_once(monkeypatch, django_capture_on_commit_callbacks):
    from django_q.brokers import orm
    from django_q.conf import Conf

    monkeypatch.setattr(Conf, "ORM", "default")
    monkeypatch.setattr("django_q.tasks.get_broker", lambda *_: orm.ORM())
    order = order_for(make_contact(), make_offer())
    with django_capture_on_commit_callbacks(execute=True):
        books_receive(order, "120.00", now=after(minutes=1))
    assert m.AccessGrant.objects.get().line.order == order
    mail = m.OutgoingEmail.objects.get()
    assert (mail.key, mail.status, mail.queued_at) == (f"receipt:{order.pk}", "queued", after(minutes=1))
    assert "wagtail_kwiga.tasks.deliver_due" in [row.task["func"] for row in OrmQ.objects.all()]


def test_paid_begins_what_is_about_paid_orders(story):
    stories.write(story, ("wait", {"minutes": 5}), start=stories.stream(("order_paid", {"offers": []})))
    stories.versions.publish(m.Scenario.objects.get(), now=START)
    order = story.place()
    assert not m.Run.objects.exists()
    books_receive(order, "120.00", now=after(minutes=1))
    assert m.Run.objects.get().due_at == after(minutes=6)


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_closed_ends_the_runs(story, status):
    order = story.place()
    if status == "cancelled":
        transitions.cancel(order, now=after(days=40))
    else:
        assert expiry.expire_due(after(days=40)) == 1
    run = story.run_of(order)
    assert (run.state, run.reason, run.ended_at) == ("left", f"order_{status}", after(days=40))


def test_what_happens_to_orders_has_words_for_it():
    order = order_for(make_contact(), make_offer())
    transitions.cancel(order, now=after(minutes=1))
    told = [writing.sentence(entry) for entry in writing.timeline(order).order_by("pk")]
    assert told == ["Order placed: €120.00", "Cancelled"]


# --- what a site hears ---------------------------------------------------------------------------------------------------------


def _placed() -> m.Order:
    return order_for(make_contact(), make_offer())


def _paid() -> m.Order:
    order = _placed()
    books_receive(order, "120.00", now=after(minutes=1))
    return order


def _two() -> tuple[m.Order, m.Order]:
    return _placed(), _placed()


def _to_be_told() -> m.AccessGrant:
    _paid()
    m.AccessGrant.objects.update(announce_at=START)
    return m.AccessGrant.objects.get()


#: hook → what was there before, what happens then, and what each event tells, in order.
HEARD: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], list[Any]]]] = {
    "after_kwiga_order_placed": (
        make_contact,
        lambda contact: order_for(contact, make_offer()),
        lambda contact: [("contact_id", contact.pk)],
    ),
    "after_kwiga_order_paid": (
        _placed,
        lambda order: books_receive(order, "120.00", now=after(minutes=1)),
        lambda order: [("order_id", order.pk)],
    ),
    "after_kwiga_order_closed": (
        _two,
        lambda orders: expiry.expire_due(after(days=40)),
        lambda orders: [("order_id", order.pk) for order in orders],
    ),
    "after_kwiga_order_refunded": (
        _paid,
        lambda order: ledger.record_refund(order=order, amount=Decimal(20), now=after(minutes=2)),
        lambda order: [("whole", False)],
    ),
    "after_kwiga_payment_settled": (
        _placed,
        lambda order: books_receive(order, "120.00", now=after(minutes=1)),
        lambda order: [("payment_id", order.payments.get().pk)],
    ),
    "after_kwiga_payment_failed": (
        lambda: new_attempt(_placed()),
        lambda attempt: tell(attempt, "failed", reason="no cover"),
        lambda attempt: [("attempt_id", attempt.pk)],
    ),
    "after_kwiga_payment_under_way": (
        lambda: new_attempt(_placed()),
        lambda attempt: tell(attempt, "pending"),
        lambda attempt: [("attempt_id", attempt.pk)],
    ),
    "after_kwiga_access_granted": (
        _placed,
        lambda order: books_receive(order, "120.00", now=after(minutes=1)),
        lambda order: [("order_id", order.pk)],
    ),
    "after_kwiga_access_ended": (
        _paid,
        lambda order: grants.revoke(m.AccessGrant.objects.get(), now=after(minutes=2)),
        lambda order: [("order_id", order.pk)],
    ),
    "after_kwiga_access_adjusted": (
        _paid,
        lambda order: adjustments.end(m.AccessGrant.objects.get(), now=after(minutes=2)),
        lambda order: [("order_id", order.pk)],
    ),
    "after_kwiga_access_opened": (
        _to_be_told,
        lambda grant: announcing.announce_due(after(minutes=2)),
        lambda grant: [("at", after(minutes=2))],
    ),
    "after_kwiga_contact_unsubscribed": (
        make_contact,
        lambda contact: consent.unsubscribe(contact, source="link", now=START),
        lambda contact: [("contact_id", contact.pk)],
    ),
}


@pytest.mark.parametrize("name", HEARD)
def test_a_site_hears_of_it_once_it_is_certain(name, django_capture_on_commit_callbacks):
    before, deed, told = HEARD[name]
    subject, heard = before(), []
    with hooks.register_temporarily(name, heard.append), django_capture_on_commit_callbacks(execute=True):
        deed(subject)
        assert heard == []
    expected = told(subject)
    assert [(field, getattr(event, field)) for event, (field, _value) in zip(heard, expected, strict=True)] == expected


def test_every_hook_of_the_table_is_listened_to_here():
    named = {handler.__name__ for handlers in reactions.TABLE.values() for handler in handlers}
    assert {name for name in named if name.startswith("after_kwiga_")} | {"after_kwiga_order_closed"} == set(HEARD)


# --- what it listens to outside ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "sender", "uid"),
    [
        (page_published, None, "wagtail_kwiga.offers.published"),
        (page_unpublished, None, "wagtail_kwiga.offers.unpublished"),
        (post_delete, Page, "wagtail_kwiga.offers.deleted"),
        (published, m.Scenario, "wagtail_kwiga.scenario_published"),
        (unpublished, m.Scenario, "wagtail_kwiga.scenario_unpublished"),
        (tracking, None, "wagtail_kwiga.mailing.sending.anymail_bridge"),
    ],
)
def test_wagtail_and_the_mail_provider_are_listened_to(signal, sender, uid):
    assert signal.disconnect(sender=sender, dispatch_uid=uid), "the app did not connect it when it was ready"
    reactions.connect()
    assert signal.disconnect(sender=sender, dispatch_uid=uid)
    reactions.connect()


def test_a_whole_refund_ends_the_access_it_paid_for_and_no_other():
    offer, contact = make_offer(), make_contact()
    first = order_for(contact, offer)
    books_receive(first, "120.00", now=after(minutes=1))
    second = order_for(contact, offer, now=after(minutes=2))
    books_receive(second, "120.00", now=after(minutes=3))
    ledger.record_refund(order=first, amount=first.total, now=after(minutes=4))
    assert list(m.AccessGrant.objects.filter(revoked_at__isnull=True).values_list("line__order", flat=True)) == [
        second.pk
    ]
    assert not m.OutgoingEmail.objects.filter(purpose="recovery").exists()
