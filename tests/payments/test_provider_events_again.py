"""What comes after the money, or beside it: stale rows, other currencies and modes, other providers' ids. Promises 7 and 8."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.payments.shop import codes, flagged, new_attempt, new_order, standing, tell
from tests.payments.test_providers import SANDBOX
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import ledger, provider_events, registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


@pytest.fixture
def attempt(order):
    return new_attempt(order)


# --- two providers that number in the same way ------------------------------------------------------------------------


@pytest.fixture
def two(providers):
    """An attempt at each of two providers, which may be two accounts at one."""
    providers(card=SANDBOX, wallet=SANDBOX)
    return new_attempt(method="card"), new_attempt(method="wallet")


def test_the_same_id_from_two_providers_is_two_events(two):
    outcomes = [tell(attempt, id="evt_1") for attempt in two]
    assert [(outcome.result, outcome.repeated) for outcome in outcomes] == [("applied", False)] * 2
    assert [standing(attempt.payment.order) for attempt in two] == [("paid", Decimal(120))] * 2
    assert sorted(m.ProviderEvent.objects.values_list("method", "event_id")) == [
        ("card", "evt_1"),
        ("wallet", "evt_1"),
    ]
    assert [tell(attempt, id="evt_1").repeated for attempt in two] == [True, True]


def test_the_same_reference_at_two_providers_is_two_payments(two):
    card, wallet = two
    assert tell(card, payment="P-1").result == "applied"
    assert tell(wallet, payment="P-1").result == "applied"
    assert standing(wallet.payment.order) == ("paid", Decimal(120))
    assert flagged(wallet.payment.order) == []


@pytest.mark.parametrize("known_by", ["token", "payment"])
def test_an_event_finds_attempts_of_its_own_provider_only(two, known_by):
    """Whoever holds the key of one account says nothing about the payments of the other."""
    card, wallet = two
    theirs = (
        {"token": card.token, "payment": "W-1"} if known_by == "token" else {"token": "", "payment": card.reference}
    )
    assert tell(wallet, **theirs).result == "unknown"
    assert standing(card.payment.order) == ("open", Decimal(0))


# --- after the money --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [{"currency": "USD"}, {"live": True}, {"amount": None}, {"amount": 0}],
    ids=["another currency", "another mode", "no amount", "nothing"],
)
def test_an_odd_event_takes_nothing_from_what_was_confirmed(order, attempt, odd):
    """It waits for a person, and the sum is what it was: also when it is added up anew for the next movement of money."""
    tell(attempt)
    outcome = tell(attempt, id="evt_odd", now=after(minutes=1), **odd)
    attempt.refresh_from_db()
    assert (outcome.result, attempt.state, attempt.changed_at) == ("review", "confirmed", START)
    assert ledger.totals(order) == (Decimal(120), Decimal(0))
    assert flagged(order) == ["payments.needs_review"]
    ledger.record_refund(order=order, amount=Decimal(20), now=after(minutes=2))
    assert standing(order) == ("paid", Decimal(100))


def test_a_reference_of_another_attempt_takes_nothing_from_what_was_confirmed(order, attempt):
    other = new_attempt(order)
    tell(attempt)
    assert tell(attempt, id="evt_odd", payment=other.reference).result == "review"
    attempt.refresh_from_db()
    assert (attempt.state, ledger.totals(order)[0]) == ("confirmed", Decimal(120))


def test_an_event_in_the_other_mode_that_brings_no_money_changes_nothing(order, attempt):
    """Neither before the money nor after it, and nobody is asked to look at it."""
    for outcome in ("pending", "failed"):
        assert tell(attempt, outcome, live=True).result == "ignored"
    attempt.refresh_from_db()
    assert attempt.state == "started"
    tell(attempt)
    for outcome in ("pending", "failed"):
        assert tell(attempt, outcome, live=True, id=f"evt_late_{outcome}").result == "ignored"
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == []


def test_an_event_held_for_review_is_asked_about_no_more(attempt):
    m.PaymentAttempt.objects.filter(pk=attempt.pk).update(next_poll_at=after(minutes=5))
    tell(attempt, currency="USD", now=after(minutes=1))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.changed_at, attempt.next_poll_at) == ("review", after(minutes=1), None)


# --- a row read before somebody else processed it ---------------------------------------------------------------------


def break_down(*args, **given):
    raise RuntimeError("power cut")


def stored_but_not_processed(attempt, outcome, monkeypatch) -> m.ProviderEvent:
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.payments.applying.apply", break_down)
        assert tell(attempt, outcome).result == "failed"
    return m.ProviderEvent.objects.get()


@pytest.mark.parametrize("outcome", ["confirmed", "failed"])
def test_a_stale_row_is_looked_at_again_under_the_lock(order, attempt, outcome, monkeypatch):
    """The sweep read it, then the provider's repetition was quicker; and more was told since."""
    stale = stored_but_not_processed(attempt, outcome, monkeypatch)
    assert stale.processed_at is None
    assert not tell(attempt, outcome, now=after(minutes=1)).repeated
    tell(attempt, "pending", now=after(minutes=2))
    attempt.refresh_from_db()
    before = (attempt.state, standing(order), codes(order))
    assert before[0] == ("confirmed" if outcome == "confirmed" else "pending")
    again = provider_events.process(registry.get("sandbox"), stale, now=after(minutes=3))
    assert (again.result, again.repeated) == ("applied", True)
    stored = m.ProviderEvent.objects.get(pk=stale.pk)
    assert (stored.processed_at, stored.result) == (after(minutes=1), "applied")
    attempt.refresh_from_db()
    assert (attempt.state, standing(order), codes(order)) == before


def test_a_stale_row_of_an_unknown_payment_that_was_settled_meanwhile_stays_settled(attempt):
    tell(attempt, token="stranger", payment="SBX-UNKNOWN")
    stale = m.ProviderEvent.objects.get()
    provider_events.settle_stored(after(hours=1))
    again = provider_events.process(registry.get("sandbox"), stale, now=after(hours=2))
    assert (again.result, again.repeated) == ("unknown", True)
    stale.refresh_from_db()
    assert stale.processed_at == after(hours=1)


def test_a_failure_is_not_noted_on_a_row_that_was_processed(attempt, monkeypatch):
    stale = stored_but_not_processed(attempt, "confirmed", monkeypatch)
    tell(attempt, now=after(minutes=1))
    provider_events._note_failure(stale, RuntimeError("too late"), after(minutes=2))
    stale.refresh_from_db()
    assert (stale.result, stale.detail) == ("applied", "")
