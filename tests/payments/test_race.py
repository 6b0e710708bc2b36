"""Promise 8 under concurrency, on PostgreSQL: ten copies of one webhook at the same moment are one payment."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier, Event

import pytest
from django.db import close_old_connections, connections

from tests.payments.bank import Bank
from tests.payments.shop import codes, flagged, lay_ground, new_attempt, new_order, signed, standing, tell
from tests.support import START, after, make_coupon
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import attempts, ledger, polling, provider_events, refunds
from wagtail_kwiga.pricing.money import Money

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _ground(_shop):
    lay_ground()


def at_once(*jobs):
    """Run the jobs in a thread each, all beginning at the same moment; their answers, errors included."""
    barrier = Barrier(len(jobs))

    def run(job):
        try:
            barrier.wait(timeout=60)
            return job()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@pytest.mark.parametrize("round_number", range(5))
def test_ten_copies_of_one_webhook_have_one_effect(round_number):
    order = new_order(coupon=make_coupon())
    attempt = new_attempt(order)
    request = signed(attempt)
    outcomes = at_once(*[lambda: provider_events.receive("sandbox", request, after(minutes=1))[0]] * 10)
    assert Counter(outcome.repeated for outcome in outcomes) == {False: 1, True: 9}
    assert {outcome.result for outcome in outcomes} == {"applied"}
    assert standing(order) == ("paid", Decimal(102))
    assert codes(order).count("payments.received") == codes(order).count("order.paid") == 1
    assert flagged(order) == []
    assert m.ProviderEvent.objects.count() == 1
    assert m.CouponUse.objects.get().state == "redeemed"


def test_ten_webhooks_of_one_payment_under_ten_names_have_one_effect():
    attempt = new_attempt()
    outcomes = at_once(*[lambda n=n: tell(attempt, id=f"evt_{n}") for n in range(10)])
    assert Counter(outcome.result for outcome in outcomes) == {"applied": 1, "ignored": 9}
    assert standing(attempt.payment.order) == ("paid", Decimal(120))
    assert m.PaymentAttempt.objects.count() == 1


def test_money_by_hand_and_by_webhook_at_the_same_moment_is_booked_once():
    for _ in range(5):
        order = new_order()
        attempt = new_attempt(order)

        def by_hand(order=order, attempt=attempt):
            return ledger.record_payment(
                order=m.Order.objects.get(pk=order.pk),
                amount=Money(Decimal(120), "EUR"),
                method="sandbox",
                reference=attempt.reference,
                now=START,
            )

        answers = at_once(by_hand, lambda attempt=attempt: tell(attempt), by_hand)
        assert not [answer for answer in answers if isinstance(answer, Exception)], answers
        assert standing(order) == ("paid", Decimal(120))


def test_confirmed_pending_and_failed_at_the_same_moment_end_in_paid():
    for _ in range(5):
        attempt = new_attempt()
        answers = at_once(*[lambda o=o, a=attempt: tell(a, o) for o in ("pending", "confirmed", "failed")])
        assert not [answer for answer in answers if isinstance(answer, Exception)], answers
        assert standing(attempt.payment.order) == ("paid", Decimal(120))


def test_paying_against_cancelling_keeps_the_money():
    for _ in range(10):
        order = new_order(coupon=make_coupon(limit_total=1))
        attempt = new_attempt(order)
        at_once(
            lambda attempt=attempt: tell(attempt),
            lambda order=order: transitions.cancel(m.Order.objects.get(pk=order.pk), now=START),
        )
        assert standing(order) == ("paid", Decimal(102))
        use = m.CouponUse.objects.get(pk=order.coupon_use_id)
        assert (use.state, use.over_limit) == ("redeemed", False)


def test_attempts_at_the_same_moment_ask_for_one_sum():
    order = new_order(coupon=make_coupon())
    answers = at_once(*[lambda: attempts.start(m.Order.objects.get(pk=order.pk), method="sandbox", now=START)] * 6)
    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    assert m.Payment.objects.count() == 1
    assert m.PaymentAttempt.objects.count() == 6


def test_starting_against_paying_is_either_started_or_refused():
    for _ in range(5):
        order = new_order()
        attempt = new_attempt(order)
        answers = at_once(
            lambda attempt=attempt: tell(attempt),
            lambda order=order: attempts.start(m.Order.objects.get(pk=order.pk), method="sandbox", now=START),
        )
        odd = [answer for answer in answers if isinstance(answer, Exception) and not isinstance(answer, PaymentRefused)]
        assert not odd, odd
        assert standing(order) == ("paid", Decimal(120))


def test_refunds_at_the_same_moment_never_give_back_too_much():
    order = new_order()
    attempt = ledger.record_payment(order=order, amount=Decimal(120), method="cash", now=START).attempt
    answers = at_once(*[lambda: ledger.record_refund(attempt=attempt, amount=Decimal(50), now=START)] * 4)
    assert Counter(type(answer).__name__ for answer in answers) == {"Repayment": 2, "PaymentRefused": 2}
    assert standing(order) == ("paid", Decimal(20))


def test_two_workers_ask_about_each_attempt_once(providers, monkeypatch):
    from tests.payments.systems import Polled

    asked = []
    monkeypatch.setattr(Polled, "fetch", lambda self, attempt, now: asked.append(attempt.pk))
    providers(polled={"class": "tests.payments.systems.Polled"})
    for _ in range(20):
        new_attempt(method="polled")
    at_once(*[lambda: polling.poll_due(after(minutes=5), batch=3)] * 4)
    assert sorted(asked) == sorted(m.PaymentAttempt.objects.values_list("pk", flat=True))


def test_a_webhook_that_comes_before_the_commit_of_its_attempt():
    """The gateway is quicker than our own transaction: unknown now, money as soon as the sweep looks again."""
    order = new_order()
    template = new_attempt(new_order())
    written, heard = Event(), Event()

    def slow_start():
        with locking.atomic_write():
            started = attempts.start(m.Order.objects.get(pk=order.pk), method="sandbox", now=START)
            written.token = started.attempt.token
            written.set()
            assert heard.wait(timeout=30)
        return started.attempt

    def quick_webhook():
        assert written.wait(timeout=30)
        outcome = tell(template, token=written.token, payment="SBX-QUICK")
        heard.set()
        return outcome

    attempt, outcome = at_once(slow_start, quick_webhook)
    close_old_connections()
    assert (outcome.result, outcome.event.processed_at) == ("unknown", None)
    assert polling.poll_due(after(minutes=2)).settled == 1
    attempt.refresh_from_db()
    assert attempt.state == "confirmed"
    assert standing(order) == ("paid", Decimal(120))


def test_the_sweep_and_the_repetition_of_a_webhook_do_not_both_book_it(monkeypatch):
    attempt = new_attempt()

    def break_down(*args, **given):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        assert tell(attempt).result == "failed"
    at_once(lambda: tell(attempt, now=after(minutes=2)), *[lambda: provider_events.settle_stored(after(minutes=2))] * 3)
    assert standing(attempt.payment.order) == ("paid", Decimal(120))
    assert codes(attempt.payment.order).count("payments.received") == 1


# --- refunds through the gateway


@pytest.fixture
def gateway(providers, tmp_path):
    """A bank that would give back anew at every call, and an order of 120 paid there."""
    options = {"class": "tests.payments.bank.Bank", "folder": str(tmp_path)}
    providers(bank=options)
    order = new_order()
    ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=START)
    return order, Bank("bank", options)


def test_refunds_asked_for_at_once_never_exceed_what_is_there(gateway):
    order, _bank = gateway
    answers = at_once(*[lambda: refunds.request(order=order, amount=Decimal(50), now=START)] * 4)
    assert Counter(type(answer).__name__ for answer in answers) == {"Refund": 2, "PaymentRefused": 2}


def test_a_refund_that_many_send_is_sent_once(gateway):
    order, bank = gateway
    refund = refunds.request(order=order, amount=Decimal(50), now=START)
    answers = at_once(
        *[lambda: refunds.send(m.Refund.objects.get(pk=refund.pk), after(minutes=5))] * 4,
        *[lambda: refunds.sweep(after(minutes=5))] * 4,
    )
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert len(bank.books()) == 1
    assert standing(order) == ("paid", Decimal(70))
    assert m.Transaction.objects.filter(kind="refund").count() == 1


def test_a_refund_told_of_ten_times_at_once_is_booked_once(gateway):
    order, _bank = gateway
    attempt = m.PaymentAttempt.objects.get()
    given = {"attempt": attempt, "amount": Decimal(50), "reference": "re_9", "outcome": "done", "now": START}
    answers = at_once(*[lambda: refunds.reported(**given)] * 5, *[lambda: refunds.reported(**given)] * 5)
    assert Counter(answer.new for answer in answers) == {True: 1, False: 9}
    assert standing(order) == ("paid", Decimal(70))


def test_a_chargeback_told_of_at_once_is_booked_once(gateway):
    order, _bank = gateway
    attempt = m.PaymentAttempt.objects.get()
    given = {"attempt": attempt, "amount": Decimal(120), "reference": "dp_1", "now": START}
    answers = at_once(*[lambda: ledger.record_chargeback(**given)] * 6)
    assert Counter(answer.new for answer in answers) == {True: 1, False: 5}
    assert standing(order) == ("refunded", Decimal(0))
