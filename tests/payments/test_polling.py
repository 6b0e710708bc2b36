"""Webhooks get lost: the provider is asked, in time, by one worker, and its answer goes through the same door."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.payments.shop import bank_data, codes, flagged, new_attempt, new_order, tell
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import attempts, polling, registry
from wagtail_kwiga.payments.attempts import next_poll

pytestmark = pytest.mark.django_db

POLLED = "tests.payments.systems.Polled"
TRANSFER = "wagtail_kwiga.payments.providers.transfer.TransferProvider"


def next_poll_at(attempt: m.PaymentAttempt) -> dt.datetime | None:
    attempt.refresh_from_db()
    return attempt.next_poll_at


def test_the_moments_to_ask():
    assert next_poll(START, START) == after(minutes=5)
    assert next_poll(START, after(minutes=5)) == after(minutes=30)
    assert next_poll(START, after(hours=2)) == after(hours=3)
    assert next_poll(START, after(hours=3)) == after(hours=24)
    assert next_poll(START, after(hours=24)) is None


def test_an_attempt_is_asked_about_four_times_and_then_abandoned(providers):
    providers(polled={"class": POLLED})
    attempt = new_attempt(method="polled")
    asked = []
    for minute in [*range(60), *range(60, 60 * 30, 10)]:
        if polling.poll_due(after(minutes=minute)).polled:
            asked.append(minute)
    assert asked == [5, 30, 180, 1440]
    attempt.refresh_from_db()
    assert (attempt.state, attempt.next_poll_at, attempt.poll_count) == ("abandoned", None, 4)
    assert codes(attempt.payment.order)[-1] == "payments.abandoned"
    assert flagged(attempt.payment.order) == []


def test_a_payment_under_way_for_a_day_is_a_persons_business(providers):
    providers(polled={"class": POLLED, "outcome": "pending"})
    attempt = new_attempt(method="polled")
    order = attempt.payment.order
    assert polling.poll_due(after(minutes=5)).changed == 1
    order.refresh_from_db()
    assert order.status == "processing"
    assert next_poll_at(attempt) == after(minutes=10)
    for minutes in (10, 35, 185, 1445):
        assert polling.poll_due(after(minutes=minutes)).changed == 0
    attempt.refresh_from_db()
    assert (attempt.state, attempt.next_poll_at) == ("pending", None)
    assert flagged(order) == ["payments.pending_long"]


@pytest.mark.parametrize(("outcome", "status"), [("confirmed", "paid"), ("failed", "open")])
def test_an_answer_is_applied_like_a_webhook(providers, outcome, status):
    providers(polled={"class": POLLED, "outcome": outcome})
    attempt = new_attempt(method="polled")
    summary = polling.poll_due(after(minutes=5))
    assert (summary.polled, summary.changed, summary.failed) == (1, 1, 0)
    order = m.Order.objects.get(pk=attempt.payment.order_id)
    assert order.status == status
    assert next_poll_at(attempt) is None
    assert m.ProviderEvent.objects.get().result == "applied"
    assert polling.poll_due(after(hours=30)).polled == 0
    assert "1 asked, 1 changed" in str(summary)


def test_a_gateway_that_cannot_be_asked_is_not_but_its_time_runs_out(providers):
    """What never began is abandoned, what is under way is a person's business; a transfer waits for as long as its order."""
    providers(mute={"class": "tests.payments.systems.Mute"}, transfer={"class": TRANSFER})
    bank_data()
    begun, under_way = new_attempt(method="mute"), new_attempt(method="mute")
    announced = new_attempt(method="transfer")
    m.PaymentAttempt.objects.filter(pk=under_way.pk).update(state="pending")
    for minutes in (5, 30, 180, 1440):
        assert polling.poll_due(after(minutes=minutes)).failed == 0
    for attempt in (begun, under_way, announced):
        attempt.refresh_from_db()
    assert (begun.state, under_way.state, announced.state) == ("abandoned", "pending", "started")
    assert flagged(under_way.payment.order) == ["payments.pending_long"]
    assert announced.next_poll_at is None


def test_a_worker_that_was_away_asks_once_not_four_times(providers):
    providers(polled={"class": POLLED})
    attempt = new_attempt(method="polled")
    polling.poll_due(after(hours=4))
    assert next_poll_at(attempt) == after(hours=24)
    other = new_attempt(method="polled")
    polling.poll_due(after(hours=30))
    other.refresh_from_db()
    assert (other.state, other.poll_count) == ("abandoned", 1)


@pytest.mark.parametrize("name", ["Away", "Broken"])
def test_a_silent_provider_harms_nobody_else_and_is_asked_again(providers, name, caplog):
    providers(polled={"class": POLLED, "outcome": "confirmed"}, far={"class": f"tests.payments.systems.{name}"})
    order = new_order()
    far = m.PaymentAttempt.objects.create(
        payment=new_attempt(order, method="polled").payment,
        method="far",
        token="far",
        amount=120,
        currency="EUR",
        started_at=START,
        changed_at=START,
        next_poll_at=after(minutes=1),
    )
    summary = polling.poll_due(after(minutes=5))
    assert (summary.polled, summary.changed, summary.failed) == (2, 1, 1)
    assert next_poll_at(far) == after(minutes=30)
    polling.poll_due(after(hours=24))
    assert next_poll_at(far) == after(hours=24, minutes=2)
    for pass_number in range(20):
        polling.poll_due(after(hours=25 + pass_number))
    far.refresh_from_db()
    assert (far.state, far.next_poll_at) == ("abandoned", None)
    assert far.poll_count <= 12


def test_a_worker_that_dies_while_asking_is_replaced(providers, monkeypatch):
    providers(polled={"class": POLLED, "outcome": "confirmed"})
    attempt = new_attempt(method="polled")

    def die(*args):
        raise KeyboardInterrupt

    for moment in (after(minutes=5), after(hours=25)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(polling, "poll", die)
            polling.poll_due(moment)
    assert next_poll_at(attempt) == after(hours=25, minutes=2)
    assert polling.poll_due(after(hours=25, minutes=2)).changed == 1


def test_a_provider_taken_out_of_the_settings_is_let_go(providers):
    providers(polled={"class": POLLED})
    attempt = new_attempt(method="polled")
    providers()
    assert polling.poll_due(after(minutes=5)).failed == 0
    polling.poll_due(after(hours=24))
    attempt.refresh_from_db()
    assert attempt.state == "abandoned"


def test_the_sweep_finishes_stored_webhooks(monkeypatch):
    attempt = new_attempt()

    def break_down(*args, **given):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        tell(attempt)
    assert polling.poll_due(after(minutes=2)).settled == 1
    assert m.Order.objects.get().status == "paid"


def test_time_runs_out(providers):
    providers(polled={"class": POLLED})
    for _ in range(3):
        new_attempt(method="polled")
    assert polling.poll_due(after(minutes=5), batch=1, seconds=0).polled == 1
    assert polling.poll_due(after(minutes=5), batch=1).polled == 2


def test_claiming_costs_the_same_for_one_and_for_many(providers, django_assert_num_queries):
    providers()
    order = new_order()
    payment = m.Payment.objects.create(order=order, amount=1, currency="EUR", due_at=START, reference="R")
    m.PaymentAttempt.objects.bulk_create(
        m.PaymentAttempt(
            payment=payment, method="x", token=f"t{n}", amount=1, currency="EUR",
            started_at=START, changed_at=START, next_poll_at=START,
        )
        for n in range(40)
    )  # fmt: skip
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as one:
        polling._claim(after(minutes=1), 1)
    with django_assert_num_queries(len(one)):
        assert len(polling._claim(after(minutes=1), 50)) == 39


# --- what is in flight


def test_payments_under_way_by_order(django_assert_num_queries):
    quiet, busy, done = new_order(), new_order(), new_order()
    new_attempt(quiet)
    tell(new_attempt(busy), "pending", now=after(minutes=3))
    tell(new_attempt(busy), "pending", now=after(minutes=2))
    paid = new_attempt(done)
    tell(paid, "pending")
    tell(paid, now=after(minutes=4))
    with django_assert_num_queries(1):
        assert polling.in_flight([quiet.pk, busy.pk, done.pk]) == {busy.pk: after(minutes=2)}
    assert polling.in_flight([]) == {}


# --- the sandbox's late webhook


def test_a_late_webhook_comes_twelve_minutes_later():
    attempt = new_attempt()
    sandbox = registry.get("sandbox")
    sandbox.choose(attempt, "late", after(minutes=1))
    for minutes in (5, 12):
        assert polling.poll_due(after(minutes=minutes)).polled == 0
    assert m.Order.objects.get().status == "open"
    assert polling.poll_due(after(minutes=13)).changed == 1
    order = m.Order.objects.get()
    assert (order.status, order.paid_at) == ("paid", after(minutes=13))
    assert next_poll_at(attempt) is None


def test_a_webhook_lost_on_its_way_is_fetched():
    attempt = new_attempt()
    registry.get("sandbox").choose(attempt, "success", after(minutes=1))
    assert polling.poll(attempt, after(minutes=2))
    assert not polling.poll(attempt, after(minutes=3))
    assert m.Order.objects.get().status == "paid"


def test_attempts_of_a_transfer_are_never_asked_about():
    from tests.payments.shop import bank_data

    bank_data()
    attempt = attempts.start(new_order(), method="transfer", now=START).attempt
    assert polling.poll_due(after(days=3)).polled == 0
    assert not polling.poll(attempt, after(days=3))
