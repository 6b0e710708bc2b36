"""Whatever order money, refunds, webhooks and moves come in: the books are the rows, and the status follows the books."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.payments.shop import flagged, new_attempt, new_order, tell
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import InvalidTransition, PaymentRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money

CENTS = st.integers(min_value=1, max_value=15_000)
TOTAL = Decimal("100.00")


class Books(RuleBasedStateMachine):
    attempts = Bundle("attempts")

    def __init__(self):
        super().__init__()
        self.tries = transaction.atomic()
        self.tries.__enter__()
        self.minutes = 0
        #: What a bookkeeper with pencil and paper would have.
        self.money: dict[tuple[str, str], Decimal] = {}
        self.given_back = Decimal(0)
        self.had_paid = False

    def teardown(self):
        transaction.set_rollback(True)
        self.tries.__exit__(None, None, None)

    @initialize()
    def place(self):
        self.order = new_order(amount=str(TOTAL))

    def tick(self):
        self.minutes += 1
        return after(minutes=self.minutes)

    @rule(target=attempts)
    def start(self):
        try:
            return new_attempt(m.Order.objects.get(pk=self.order.pk), now=self.tick())
        except PaymentRefused:
            return multiple()

    @rule(attempt=attempts, outcome=st.sampled_from(["confirmed", "pending", "failed"]), event=st.integers(1, 2))
    def hear(self, attempt, outcome, event):
        tell(attempt, outcome, now=self.tick(), id=f"{attempt.pk}-{outcome}-{event}")
        if outcome == "confirmed":
            self.money.setdefault(("sandbox", attempt.reference), attempt.amount)

    @rule(attempt=attempts, cents=CENTS)
    def hear_of_another_sum(self, attempt, cents):
        tell(attempt, now=self.tick(), id=f"{attempt.pk}-sum-{cents}", amount=cents)
        self.money.setdefault(("sandbox", attempt.reference), Decimal(cents) / 100)

    @rule(attempt=attempts)
    def hear_of_another_currency(self, attempt):
        tell(attempt, now=self.tick(), id=f"{attempt.pk}-pln", currency="PLN")

    @rule(cents=CENTS, number=st.integers(1, 4))
    def receive(self, cents, number):
        key, amount = ("transfer", f"bank-{number}"), Decimal(cents) / 100
        try:
            receipt = ledger.record_payment(
                order=self.order, amount=Money(amount, "EUR"), method=key[0], reference=key[1], now=self.tick()
            )
        except PaymentRefused as refusal:
            assert refusal.code == "reference_used"
            assert self.money[key] != amount
        else:
            assert receipt.new == (key not in self.money)
            assert self.money.setdefault(key, amount) == amount

    @rule(cents=CENTS)
    def refund(self, cents):
        amount, before = Decimal(cents) / 100, m.Order.objects.get(pk=self.order.pk).status
        try:
            ledger.record_refund(order=self.order, amount=Money(amount, "EUR"), now=self.tick())
        except PaymentRefused as refusal:
            assert refusal.code == "too_much"
            assert amount > sum(self.money.values()) - self.given_back
        else:
            self.given_back += amount
            after_it = m.Order.objects.get(pk=self.order.pk).status
            assert after_it in (before, "refunded"), "giving money back revives nothing"

    @rule(
        move=st.sampled_from([transitions.cancel, transitions.expire, transitions.reopen, transitions.start_processing])
    )
    def move(self, move):
        try:
            with transaction.atomic():
                move(self.order, now=self.tick())
        except InvalidTransition:
            pass

    @invariant()
    def the_books_are_the_rows(self):
        if not hasattr(self, "order"):
            return
        order = m.Order.objects.get(pk=self.order.pk)
        confirmed = m.PaymentAttempt.objects.filter(payment__order=order, state="confirmed")
        received = confirmed.order_by().aggregate(sum=Sum("confirmed_amount"))["sum"] or Decimal(0)
        refunded = m.Refund.objects.filter(attempt__payment__order=order).aggregate(sum=Sum("amount"))[
            "sum"
        ] or Decimal(0)
        assert received == sum(self.money.values())
        assert refunded == self.given_back
        assert (order.paid_amount, order.refunded_amount) == (received - refunded, refunded)
        assert m.Payment.objects.filter(order=order).count() <= 1

    @invariant()
    def the_status_follows_the_books(self):
        if not hasattr(self, "order"):
            return
        order = m.Order.objects.get(pk=self.order.pk)
        net = sum(self.money.values()) - self.given_back
        self.had_paid = self.had_paid or net >= TOTAL
        assert (order.paid_at is not None) == self.had_paid
        if net >= TOTAL:
            assert order.status == "paid"
        elif self.had_paid:
            assert order.status in ("paid", "refunded")
        if net > TOTAL:
            assert "order.too_much_money" in flagged(order)
        if self.money and net > 0:
            assert order.status in ("paid", "partly_paid", "cancelled", "refunded")


@pytest.mark.django_db
def test_the_books_always_balance():
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
