"""A gateway that wants to be asked before it books: remembered first, asked outside every lock, by one worker, until it is so."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.payments import clock
from tests.payments.shop import flagged, new_attempt, new_order, standing
from tests.payments.verification import Gateway, VerifyingProvider
from tests.processes import ROOT, environment
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga import tasks
from wagtail_kwiga.payments import event_leasing, polling, provider_events, registry
from wagtail_kwiga.payments.provider import CONFIRMED, Confirmed, NotYet
from wagtail_kwiga.payments.serialization import from_json
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.testing import Answer, Message, ProviderContract

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway():
    with Gateway() as running:
        yield running


class TestVerifying(ProviderContract):
    provider_class = VerifyingProvider
    outcomes = frozenset({CONFIRMED})
    tells_mode = False

    @pytest.fixture
    def options(self, gateway):
        self.gateway = gateway
        return gateway.options

    def webhook(self, provider, messages, now):
        (message,) = messages
        return self.gateway.webhook(message, now)

    @contextmanager
    def gateway_answers(self, message, answer):
        before = self.gateway.says.get(message.token, Answer.YES)
        self.gateway.says[message.token] = answer
        yield
        self.gateway.says[message.token] = before

    @contextmanager
    def gateway_knows(self, message):
        self.gateway.paid[message.token] = self.gateway.told(message)
        yield


# --- the same in the shop of these tests ------------------------------------------------------------------------------


@pytest.fixture
def attempt(gateway, providers):
    providers(verifying={"class": "tests.payments.verification.VerifyingProvider", **gateway.options})
    return new_attempt(new_order(amount="120.00"), method="verifying")


def said(attempt: m.PaymentAttempt) -> Message:
    return Message(token=attempt.token, reference="ORD-1", amount=Money(attempt.amount, attempt.currency), live=True)


def post(gateway: Gateway, attempt: m.PaymentAttempt):
    return Client().post("/shop/notify/verifying/", gateway.webhook(said(attempt), START).body, "application/json")


def event() -> m.ProviderEvent:
    return m.ProviderEvent.objects.get()


def test_the_webhook_is_answered_at_once_and_the_sweep_books(gateway, attempt):
    answer = post(gateway, attempt)
    assert (answer.status_code, answer.content, gateway.asked) == (200, b"OK", [])
    assert (event().result, event().next_try_at, event().tries) == ("received", START, 0)
    assert polling.poll_due(START).settled == 1
    assert standing(attempt.payment.order) == ("paid", attempt.amount)
    row = event()
    assert (row.result, row.confirmed_at, row.processed_at) == ("applied", START, START)
    assert (row.lease, row.leased_until, row.next_try_at, row.tries) == ("", None, None, 1)
    assert gateway.asked == [attempt.token]


def test_a_worker_is_told_of_it(gateway, attempt, monkeypatch, django_capture_on_commit_callbacks):
    told = []
    monkeypatch.setattr("wagtail_kwiga.background._enqueue_now", lambda task, ids: told.append((task, ids)))
    with django_capture_on_commit_callbacks(execute=True):
        post(gateway, attempt)
    assert told == [("settle_provider_event", (event().pk,))]
    getattr(tasks, told[0][0])(*told[0][1], now=after(minutes=1))
    assert standing(attempt.payment.order)[0] == "paid"
    assert tasks.settle_provider_event(event().pk, now=after(minutes=2)) is None
    assert len(gateway.asked) == 1


def test_a_repetition_asks_nobody_and_books_nothing(gateway, attempt):
    for _ in range(3):
        assert post(gateway, attempt).status_code == 200
    assert (gateway.asked, standing(attempt.payment.order)) == ([], ("open", 0))
    stale = event()
    assert provider_events.process(registry.get("verifying"), stale, now=START).result == "received"
    assert standing(attempt.payment.order) == ("open", 0)


def test_what_is_in_hand_is_left_alone_until_the_lease_is_over(gateway, attempt):
    post(gateway, attempt)
    assert [row.pk for row in event_leasing.claim(START)] == [event().pk]
    assert event().leased_until == after(minutes=2) and len(event().lease) == 32
    assert event_leasing.claim(after(seconds=119)) == []
    assert provider_events.settle(event().pk, after(seconds=119)) is None
    assert gateway.asked == []
    assert provider_events.settle(event().pk, after(minutes=2)).result == "applied"
    assert event().tries == 2


def test_not_yet_is_asked_ever_less_often_and_after_a_day_by_a_person(gateway, attempt):
    gateway.says[attempt.token] = Answer.NOT_YET
    post(gateway, attempt)
    asked = []
    for minute in [*range(200), *range(200, 60 * 26, 20)]:
        before = len(gateway.asked)
        provider_events.settle_stored(after(minutes=minute))
        if len(gateway.asked) > before:
            asked.append(minute)
    assert asked[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert len(asked) < 35
    assert (event().result, event().detail) == ("received", "The provider says: not yet.")
    assert (event().processed_at is not None, event().next_try_at) == (True, None)
    assert flagged(event()) == ["payments.event_stuck"]
    assert standing(attempt.payment.order) == ("open", 0)


def test_the_provider_may_say_when_to_ask_again(gateway, attempt, monkeypatch):
    post(gateway, attempt)
    later = NotYet(retry_after=after(hours=3) - START)
    monkeypatch.setattr(VerifyingProvider, "confirm", lambda *given: later)
    provider_events.settle_stored(START)
    assert (event().next_try_at, event().lease) == (after(hours=3), "")


def test_a_rejected_payment_is_booked_by_nobody_and_seen(gateway, attempt):
    gateway.says[attempt.token] = Answer.REJECTED
    post(gateway, attempt)
    provider_events.settle_stored(START)
    attempt.refresh_from_db()
    assert (event().result, event().confirmed_at, attempt.state) == ("review", None, "review")
    assert "wrong amount" in event().detail
    assert flagged(attempt.payment.order) == ["payments.needs_review"]


def test_asking_may_tell_more_than_the_webhook(gateway, attempt, monkeypatch):
    """A gateway whose webhook says only *look here*: what it answers takes the place of what was told."""
    post(gateway, attempt)
    real = VerifyingProvider.confirm

    def confirm(self, told, asked, now):
        assert isinstance(real(self, told, asked, now), Confirmed)
        return Confirmed(dataclasses.replace(told, channel="blik", external_ids={"statement": "S-9"}))

    monkeypatch.setattr(VerifyingProvider, "confirm", confirm)
    provider_events.settle_stored(START)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.channel, attempt.external_ids) == ("confirmed", "blik", {"statement": "S-9"})
    assert from_json(event().meaning).channel == "blik"


def test_a_yes_is_kept_where_booking_fails(gateway, attempt, monkeypatch):
    """The gateway is asked once, however often booking has to be tried."""

    def break_down(*given, **named):
        raise RuntimeError("power cut")

    post(gateway, attempt)
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        assert provider_events.settle_stored(START) == 0
    assert (event().result, event().confirmed_at, event().next_try_at) == ("failed", START, after(minutes=1))
    assert provider_events.settle_stored(after(minutes=1)) == 1
    assert (len(gateway.asked), standing(attempt.payment.order)[0]) == (1, "paid")


def test_a_gateway_that_does_not_answer_is_asked_again_after_a_pause(gateway, attempt):
    post(gateway, attempt)
    gateway.says[attempt.token] = Answer.SILENT
    assert provider_events.settle(event().pk, START).result == "failed"
    assert event().detail.startswith("ProviderUnavailable: ")
    assert (event().next_try_at, event().lease, event().leased_until) == (after(minutes=1), "", None)
    gateway.says[attempt.token] = Answer.YES
    assert provider_events.settle(event().pk, after(minutes=1)).result == "applied"


def test_what_is_fetched_is_confirmed_as_well(gateway, attempt):
    gateway.paid[attempt.token] = gateway.told(said(attempt))
    assert polling.poll(attempt, after(minutes=5)) is True
    assert (gateway.asked, standing(attempt.payment.order)[0]) == ([attempt.token], "paid")


def test_a_pass_costs_the_same_for_one_and_for_many(gateway, attempt, django_assert_num_queries):
    """Claiming; what follows is one order's work each."""
    with django_assert_num_queries(1):
        assert provider_events.settle_stored(START) == 0
    post(gateway, attempt)
    template = event()
    with CaptureQueriesContext(connection) as one:
        event_leasing.claim(START, batch=50)
    m.ProviderEvent.objects.bulk_create(
        m.ProviderEvent(method="verifying", event_id=f"e{n}", received_at=START, next_try_at=START, meaning=template.meaning)
        for n in range(40)
    )  # fmt: skip
    with django_assert_num_queries(len(one)):
        assert len(event_leasing.claim(START, batch=50)) == 40


def test_a_pass_that_has_no_time_left_gives_back_what_it_has_not_begun(gateway, attempt):
    others = [new_attempt(new_order(), method="verifying") for _ in range(3)]
    for each in (attempt, *others):
        post(gateway, each)
    assert provider_events.settle_stored(START, seconds=0) == 1
    assert m.ProviderEvent.objects.filter(lease="", next_try_at=START, processed_at=None).count() == 3
    assert provider_events.settle_stored(START, batch=2) == 2
    assert provider_events.settle_stored(START) == 1


@pytest.mark.django_db(transaction=True)
def test_the_gateway_is_asked_outside_every_transaction(gateway, attempt, monkeypatch):
    seen = []
    real = VerifyingProvider.confirm

    def confirm(self, *given):
        seen.append(connection.in_atomic_block)
        return real(self, *given)

    monkeypatch.setattr(VerifyingProvider, "confirm", confirm)
    post(gateway, attempt)
    provider_events.settle_stored(START)
    assert (seen, standing(attempt.payment.order)[0]) == ([False], "paid")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_ask_once(gateway, attempt):
    post(gateway, attempt)
    gateway.swallows_yes = True  # the first one waits for its answer

    def work():
        try:
            provider_events.settle_stored(START)
        finally:
            connection.close()

    first = threading.Thread(target=work)
    first.start()
    wait_for(lambda: gateway.asked)
    assert provider_events.settle_stored(START) == 0
    gateway.let_go.set()
    first.join(30)
    assert (gateway.asked, standing(attempt.payment.order)[0]) == ([attempt.token], "paid")


# --- killed between the gateway's yes and our booking ------------------------------------------------------------------

WORKER = """
import datetime, json, sys
import django
from django.conf import settings
django.setup()
settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"verifying": json.loads(sys.argv[1])}}
from wagtail_kwiga.payments import provider_events
provider_events.settle_stored(datetime.datetime.fromisoformat(sys.argv[2]))
"""


def wait_for(condition, seconds: float = 40) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.02)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["the yes is on its way", "the yes has come"])
def test_a_worker_that_is_killed_after_the_yes_is_replaced(gateway, attempt, providers, tmp_path, moment):
    """A real process and a real SIGKILL. The gateway has booked; the money is booked here once, and nobody looks."""

    marker = tmp_path / "yes"
    entry = {"class": "tests.payments.verification.VerifyingProvider", **gateway.options}
    dying = {**entry, "class": "tests.payments.verification.StandsStillAfterYes", "marker": str(marker)}
    on_its_way = moment == "the yes is on its way"
    gateway.swallows_yes = on_its_way
    post(gateway, attempt)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(entry if on_its_way else dying), START.isoformat()],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: gateway.verified if on_its_way else marker.exists())
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait(timeout=20) == -signal.SIGKILL
    gateway.swallows_yes = False
    gateway.let_go.set()
    row = event()
    assert (row.processed_at, row.confirmed_at, row.tries, bool(row.lease)) == (None, None, 1, True)
    assert gateway.verified == {attempt.token}
    assert standing(attempt.payment.order) == ("open", 0)
    assert polling.poll_due(after(minutes=1)).settled == 0  # it may only be slow
    assert post(gateway, attempt).status_code == 200  # nor does the gateway's repetition take it out of its hands
    assert standing(attempt.payment.order) == ("open", 0)
    clock.put(after(minutes=2))
    assert polling.poll_due(after(minutes=2)).settled == 1
    assert standing(attempt.payment.order) == ("paid", attempt.amount)
    assert gateway.asked == [attempt.token] * 2  # the second answer was: already verified
    assert polling.poll_due(after(minutes=40)).settled == 0
    assert m.Transaction.objects.count() == 1
    assert flagged(attempt.payment.order) == []
