"""What each verb of the ledger leaves on record: who did it, when, with which words, and on the list of a person or not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.payments.shop import new_attempt, new_order
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_user("clerk")


@pytest.fixture
def order():
    return new_order(amount="120.00")


def told(order, code):
    """Of the one entry with ``code``: when, by whom, whether it asks for a person, and its facts."""
    entry = writing.timeline(order).get(code=code)
    return entry.at, entry.by, entry.needs_attention, entry.facts


def eur(amount: str) -> dict[str, str]:
    return {"money": amount, "currency": "EUR"}


def test_money_by_hand(order, staff):
    attempt = ledger.record_payment(
        order=order, amount=Decimal(120), method="cash", reference="till-7", by=staff, now=after(hours=1)
    ).attempt
    assert told(order, "payments.received") == (
        after(hours=1), staff, False, {"amount": eur("120.00"), "method": "cash", "reference": "till-7"},
    )  # fmt: skip
    attempt.refresh_from_db()
    assert (attempt.amount, attempt.currency, attempt.started_at, attempt.changed_at, attempt.next_poll_at) == (
        120, "EUR", after(hours=1), after(hours=1), None,
    )  # fmt: skip
    assert (attempt.origin, attempt.reference, len(attempt.token) > 20) == ("recorded", "till-7", True)
    entry = m.Transaction.objects.get()
    assert (entry.kind, entry.method, entry.reference, entry.at, entry.by) == (
        "charge", "cash", "till-7", after(hours=1), staff,
    )  # fmt: skip


def test_money_ends_the_asking_after_its_attempt(order):
    attempt = new_attempt(order)
    m.PaymentAttempt.objects.filter(pk=attempt.pk).update(next_poll_at=after(minutes=5))
    ledger.record_payment(order=order, amount=Decimal(120), method="sandbox", attempt=attempt, now=after(minutes=2))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.changed_at, attempt.next_poll_at) == ("confirmed", after(minutes=2), None)


def test_money_given_back(order, staff):
    paid = ledger.record_payment(order=order, amount=Decimal(120), method="cash", by=staff, now=START).attempt
    (refund,) = ledger.record_refund(
        attempt=paid, amount=Decimal(20), reference="r-1", reason="kindness", by=staff, now=after(hours=2)
    ).refunds
    refund.refresh_from_db()
    assert (refund.order, refund.attempt, refund.amount, refund.currency) == (order, paid, 20, "EUR")
    assert (refund.state, refund.reference, refund.reason, refund.by) == ("done", "r-1", "kindness", staff)
    assert (refund.requested_at, refund.changed_at, len(refund.token) > 20) == (after(hours=2), after(hours=2), True)
    at, by, attention, facts = told(order, "payments.refunded")
    assert (at, by, attention) == (after(hours=2), staff, False)
    assert facts == {"amount": eur("20.00"), "method": "cash", "reason": "kindness"}
    entry = m.Transaction.objects.get(kind="refund")
    assert (entry.at, entry.by) == (after(hours=2), staff)


@pytest.mark.parametrize(
    ("reversed", "code"), [(False, "payments.charged_back"), (True, "payments.chargeback_reversed")]
)
def test_money_taken_and_returned_by_the_buyers_bank(order, reversed, code):
    paid = ledger.record_payment(order=order, amount=Decimal(120), method="cash", now=START).attempt
    ledger.record_chargeback(attempt=paid, amount=Decimal(50), reference="dp_1", now=after(days=1))
    if reversed:
        ledger.record_chargeback(attempt=paid, amount=Decimal(50), reference="dp_1", reversed=True, now=after(days=2))
    at = after(days=2) if reversed else after(days=1)
    facts = {"method": "cash", "amount": eur("50.00"), "reference": "dp_1"}
    assert told(order, code) == (at, None, True, facts)
    entry = m.Transaction.objects.order_by("pk").last()
    assert (entry.at, entry.attempt, entry.method, entry.amount) == (at, paid, "cash", 50 if reversed else -50)


def test_a_dispute_that_was_won_before_anything_was_taken(order):
    paid = ledger.record_payment(order=order, amount=Decimal(120), method="cash", now=START).attempt
    ledger.record_chargeback(attempt=paid, amount=Decimal(50), reference="dp_1", reversed=True, now=after(days=1))
    assert told(order, "payments.dispute_won") == (
        after(days=1), None, True, {"method": "cash", "amount": eur("50.00"), "reference": "dp_1"},
    )  # fmt: skip


def test_a_dispute_told_with_another_sum(order):
    paid = ledger.record_payment(order=order, amount=Decimal(120), method="cash", now=START).attempt
    for amount in (50, 60):
        ledger.record_chargeback(attempt=paid, amount=Decimal(amount), reference="dp_1", now=after(days=1))
    assert told(order, "payments.says_other_amount") == (
        after(days=1), None, True,
        {"booked": eur("50.00"), "method": "cash", "amount": eur("60.00"), "reference": "dp_1"},
    )  # fmt: skip


def test_an_entry_set_right(order, staff):
    ledger.record_payment(order=order, amount=Decimal(1200), method="cash", by=staff, now=START)
    entry = m.Transaction.objects.get()
    for hours, amount in ((1, 130), (2, 120)):
        ledger.correct(entry, to=Decimal(amount), reason=f"it is {amount}", by=staff, now=after(hours=hours))
    first, second = writing.timeline(order).filter(code="payments.corrected")
    assert first.facts == {"was": eur("1200.00"), "amount": eur("130.00"), "reason": "it is 130"}
    assert second.facts == {"was": eur("130.00"), "amount": eur("120.00"), "reason": "it is 120"}
    assert [(each.at, each.by) for each in (first, second)] == [(after(hours=1), staff), (after(hours=2), staff)]
    row = m.Transaction.objects.order_by("pk").last()
    assert (row.kind, row.attempt, row.refund, row.method, row.corrects, row.amount, row.at, row.by) == (
        "adjustment", entry.attempt, None, "cash", entry, -10, after(hours=2), staff,
    )  # fmt: skip


def test_a_refund_set_right(order, staff):
    ledger.record_payment(order=order, amount=Decimal(120), method="cash", by=staff, now=START)
    (refund,) = ledger.record_refund(order=order, amount=Decimal(20), by=staff, now=START).refunds
    entry = m.Transaction.objects.get(kind="refund")
    row = ledger.correct(entry, to=Decimal(5), by=staff, now=after(hours=1))
    refund.refresh_from_db()
    assert (refund.state, refund.amount, refund.changed_at, refund.failure_message) == ("done", 5, after(hours=1), "")
    assert (row.amount, row.refund, row.attempt, row.corrects) == (15, refund, refund.attempt, entry)
    ledger.correct(entry, to=Decimal(0), reason="x" * 300, by=staff, now=after(hours=2))
    refund.refresh_from_db()
    assert (refund.state, refund.amount, refund.failure_message) == ("failed", 5, "x" * 255)
    assert refund.changed_at == after(hours=2)


def test_a_free_order_is_taken_by_whoever_lets_it_through(staff):
    order = new_order(amount="0.00")
    ledger.complete_free(order, after(minutes=1), by=staff)
    entry = writing.timeline(order).get(code="order.paid")
    assert (entry.at, entry.by) == (after(minutes=1), staff)
