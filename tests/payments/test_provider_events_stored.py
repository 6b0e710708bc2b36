"""Before, in between and after: webhooks that overtake us, and crashes between storing and applying. Nothing is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.payments.shop import flagged, new_attempt, new_order, standing, tell
from tests.support import after
from wagtail_kwiga import events
from wagtail_kwiga import models as m
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


def break_down(*args, **given):
    raise RuntimeError("power cut")


def test_a_crash_between_storing_and_applying_loses_nothing(order, attempt, monkeypatch):
    """The repetition of the provider finishes it."""
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        assert tell(attempt).result == "failed"
    stored = m.ProviderEvent.objects.get()
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
    stored.refresh_from_db()
    assert stored.processed_at == after(hours=24)


def test_a_refusing_reaction_undoes_the_money_and_asks_the_provider_to_come_again(order, attempt, monkeypatch):
    from wagtail_kwiga.orders.events import OrderPaid

    with monkeypatch.context() as patch:
        patch.setitem(events._handlers, OrderPaid, [break_down])
        assert tell(attempt).result == "failed"
    assert standing(order) == ("open", Decimal(0))
    tell(attempt, now=after(minutes=1))
    assert standing(order) == ("paid", Decimal(120))
