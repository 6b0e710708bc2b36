"""Before, in between and after: webhooks that overtake us, and crashes between storing and applying. Nothing is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import OperationalError

from tests.payments.shop import flagged, new_attempt, new_order, standing, tell
from tests.support import after
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import provider_events

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


@pytest.fixture
def attempt(order):
    return new_attempt(order)


def test_a_webhook_that_overtakes_our_own_commit_is_applied_when_the_attempt_is_there(order, attempt):
    token, reference = attempt.token, attempt.reference
    m.PaymentAttempt.objects.filter(pk=attempt.pk).update(token="not-yet", reference="")
    early = tell(attempt)
    assert (early.result, early.event.processed_at) == ("unknown", None)
    assert provider_events.settle_stored(after(minutes=2)) == 0
    m.PaymentAttempt.objects.filter(pk=attempt.pk).update(token=token, reference=reference)
    assert provider_events.settle_stored(after(seconds=30)) == 0
    assert provider_events.settle_stored(after(minutes=3)) == 1
    assert standing(order) == ("paid", Decimal(120))
    assert provider_events.settle_stored(after(minutes=4)) == 0


def test_money_for_a_payment_that_stays_unknown_reaches_a_person(attempt):
    tell(attempt, token="stranger", payment="SBX-UNKNOWN")
    tell(attempt, "failed", token="stranger", payment="SBX-UNKNOWN")
    tell(attempt, id="evt_shared", token="", payment="SBX-UNKNOWN")
    assert provider_events.settle_stored(after(minutes=59)) == 0
    provider_events.settle_stored(after(minutes=60))
    money, failure, shared = (
        m.ProviderEvent.objects.get(event_id=event)
        for event in (f"evt_{attempt.pk}_confirmed", f"evt_{attempt.pk}_failed", "evt_shared")
    )
    assert flagged(money) == ["payments.unknown_money"]
    assert flagged(failure) == flagged(shared) == []
    assert not m.ProviderEvent.objects.filter(processed_at=None).exists()
    assert {event.result for event in (money, failure, shared)} == {"unknown"}
    (told,) = writing.timeline(money)
    assert (told.at, told.facts["reference"], money.processed_at) == (
        after(minutes=60),
        "SBX-UNKNOWN",
        after(minutes=60),
    )


def break_down(*args, **given):
    raise RuntimeError("power cut")


def test_a_crash_between_storing_and_applying_loses_nothing(order, attempt, monkeypatch):
    """The repetition of the provider finishes it."""
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        outcome = tell(attempt)
    stored = m.ProviderEvent.objects.get()
    assert (outcome.result, outcome.event, outcome.repeated) == ("failed", stored, False)
    assert (stored.result, stored.processed_at) == ("failed", None)
    assert stored.detail == "RuntimeError: power cut"
    assert standing(order) == ("open", Decimal(0))
    attempt.refresh_from_db()
    assert attempt.state == "started"
    again = tell(attempt, now=after(minutes=1))
    assert (again.result, again.repeated) == ("applied", False)
    assert standing(order) == ("paid", Decimal(120))


def test_a_crash_is_made_good_also_where_the_provider_never_repeats(order, attempt, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        assert tell(attempt).result == "failed"
        assert provider_events.settle_stored(after(minutes=2)) == 0
        assert "could not be processed" in caplog.text
    assert provider_events.settle_stored(after(minutes=3)) == 1
    assert standing(order) == ("paid", Decimal(120))


def test_a_webhook_that_never_goes_through_reaches_a_person_after_a_day(attempt, providers, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        assert tell(attempt).result == "failed"
    providers()
    provider_events.settle_stored(after(hours=23))
    stored = m.ProviderEvent.objects.get()
    assert stored.processed_at is None
    provider_events.settle_stored(after(hours=24))
    assert flagged(stored) == ["payments.event_stuck"]
    assert writing.timeline(stored).get().at == after(hours=24)
    stored.refresh_from_db()
    assert (stored.processed_at, stored.next_try_at, stored.lease, stored.leased_until) == (
        after(hours=24), None, "", None,
    )  # fmt: skip


def test_what_was_processed_meanwhile_is_not_given_up(order, attempt, monkeypatch):
    """The sweep read it a day late; the provider's repetition was quicker."""
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        stale = tell(attempt).event
    tell(attempt, now=after(hours=23))
    provider_events._give_up(stale, "failed", after(hours=24))
    stored = m.ProviderEvent.objects.get()
    assert (stored.result, stored.processed_at, flagged(stored)) == ("applied", after(hours=23), [])


class NoLockInTime(Exception):
    """What PostgreSQL's driver raises below Django's ``OperationalError`` when ``lock_timeout`` is over."""

    sqlstate = "55P03"


def test_an_order_that_stays_locked_leaves_its_event_to_the_worker(order, attempt, monkeypatch):
    """Neither a failure nor a try: the very state that ``tests/payments/test_event_kinds.py`` brings about with a real lock."""
    enqueued = []
    monkeypatch.setattr("wagtail_kwiga.background.enqueue", lambda task, *ids: enqueued.append((task, *ids)))

    def locked_by_somebody(*args, **given):
        raise OperationalError("canceling statement due to lock timeout") from NoLockInTime()

    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", locked_by_somebody)
        outcome = tell(attempt)
    stored = m.ProviderEvent.objects.get()
    assert (outcome.result, outcome.event, outcome.repeated) == ("received", stored, False)
    assert (stored.result, stored.detail, stored.processed_at) == ("received", "", None)
    assert enqueued == [("settle_provider_event", stored.pk)]
    assert provider_events.settle(stored.pk, after(minutes=1)).result == "applied"
    assert standing(order) == ("paid", Decimal(120))


def test_a_refusing_reaction_undoes_the_money_and_asks_the_provider_to_come_again(order, attempt, monkeypatch):
    from wagtail_kwiga.orders.events import OrderPaid

    with monkeypatch.context() as patch:
        patch.setitem(events._handlers, OrderPaid, [break_down])
        assert tell(attempt).result == "failed"
    assert standing(order) == ("open", Decimal(0))
    tell(attempt, now=after(minutes=1))
    assert standing(order) == ("paid", Decimal(120))
