"""Whatever order money, refunds, chargebacks, corrections, webhooks and moves come in: what an order says is a sum of the
ledger's rows, its parts are filled with it, and its status follows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import transaction
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
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import InvalidTransition, PaymentRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import ledger, refunds, schedule
from wagtail_kwiga.payments.schedule import PartDraft
from wagtail_kwiga.pricing.money import Money


def total_of(rows, column="amount"):
    """Added up here: SQLite adds decimals as floats."""
    return sum(rows.values_list(column, flat=True), Decimal(0))


CENTS = st.integers(min_value=1, max_value=15_000)
TOTAL = Decimal("100.00")


class Books(RuleBasedStateMachine):
    attempts = Bundle("attempts")

    def __init__(self):
        super().__init__()
        self.tries = transaction.atomic()
        self.tries.__enter__()
        self.minutes = 0
        #: What a bookkeeper with pencil and paper would have: each movement of money, as [kind, amount].
        self.paper: list[list] = []
        #: By the handle of what came.
        self.money: dict[tuple[str, str], list] = {}
        self.panel: dict[int, list] = {}
        self.disputes: dict[tuple[int, bool], Decimal] = {}
        self.had_paid = False
        self.outstanding = TOTAL

    def teardown(self):
        transaction.set_rollback(True)
        self.tries.__exit__(None, None, None)

    @initialize(in_parts=st.booleans())
    def place(self, in_parts):
        self.clerk = User.objects.create_user(f"clerk-{id(self)}")
        self.order = new_order(amount=str(TOTAL))
        if in_parts:
            month = dt.timedelta(days=30)
            drafts = [PartDraft(Decimal(amount), START + month, opens_access=True) for amount in (40, 35, 25)]
            schedule.plan_parts(self.order, drafts, START)

    def tick(self):
        self.minutes += 1
        return after(minutes=self.minutes)

    def note(self, kind, amount):
        row = [kind, amount]
        self.paper.append(row)
        return row

    def came(self, key, amount):
        if key not in self.money:
            self.money[key] = self.note("charge", amount)

    def added_up(self):
        """net, given back, owed still: the rule of the house in six lines."""
        net = given = held = Decimal(0)
        is_undone = is_back = False
        for kind, amount in self.paper:
            if not amount:
                continue
            net += amount if kind in ("charge", "won") else -amount
            if kind == "charge":
                held, is_undone = (amount if is_undone else held + amount), False
            elif kind == "refund":
                given, is_back = given + amount, True
                held -= min(amount, max(held - TOTAL, 0))
                is_undone = is_undone or net <= 0
            else:
                held += amount if kind == "won" else -amount
                is_back = is_back or kind == "back"
        filled = min(max(held, Decimal(0)), TOTAL)
        return net, given, filled, is_undone, is_back

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
            self.came(("sandbox", attempt.reference), attempt.amount)

    @rule(attempt=attempts, cents=CENTS)
    def hear_of_another_sum(self, attempt, cents):
        tell(attempt, now=self.tick(), id=f"{attempt.pk}-sum-{cents}", amount=cents)
        self.came(("sandbox", attempt.reference), Decimal(cents) / 100)

    @rule(attempt=attempts)
    def hear_of_another_currency(self, attempt):
        tell(attempt, now=self.tick(), id=f"{attempt.pk}-pln", currency="PLN")

    @rule(cents=CENTS, number=st.integers(1, 4))
    def receive(self, cents, number):
        key, amount = ("transfer", f"bank-{number}"), Decimal(cents) / 100
        if key in self.money and not self.money[key][1]:
            del self.money[key]  # what was corrected to nothing bars nothing: the same transfer may be recorded anew
        try:
            receipt = ledger.record_payment(
                order=self.order, amount=Money(amount, "EUR"), method=key[0], reference=key[1], by=self.clerk,
                now=self.tick(),
            )  # fmt: skip
        except PaymentRefused as refusal:
            assert refusal.code == "reference_used"
            assert self.money[key][1] != amount
        else:
            assert receipt.new == (key not in self.money)
            self.came(key, amount)
            assert self.money[key][1] == amount

    @rule(cents=CENTS)
    def refund(self, cents):
        amount, before = Decimal(cents) / 100, m.Order.objects.get(pk=self.order.pk).status
        try:
            ledger.record_refund(order=self.order, amount=Money(amount, "EUR"), now=self.tick())
        except PaymentRefused as refusal:
            assert refusal.code == "too_much"
            assert amount > self.can_go_back()
        else:
            self.note("refund", amount)
            after_it = m.Order.objects.get(pk=self.order.pk).status
            assert after_it in (before, "refunded"), "giving money back revives nothing"

    def can_go_back(self):
        """What is there of each attempt; one that was charged back twice over takes nothing from the others."""
        left = Counter()
        for attempt, amount in m.Transaction.objects.filter(order=self.order.pk).values_list("attempt", "amount"):
            left[attempt] += amount
        return sum((max(each, Decimal(0)) for each in left.values()), Decimal(0))

    @rule(cents=CENTS)
    def refund_through_the_gateway(self, cents):
        amount = Decimal(cents) / 100
        try:
            requested = refunds.request_each(order=self.order, amount=Money(amount, "EUR"), now=self.tick())
        except PaymentRefused as refusal:
            assert refusal.code in ("too_much", "refund_by_hand")
        else:
            assert amount <= self.can_go_back()
            for row in requested:
                assert refunds.send(row, self.tick()).state == "done"
            self.note("refund", amount)

    @rule(
        attempt=attempts, number=st.integers(1, 3), cents=CENTS, outcome=st.sampled_from(["done", "pending", "failed"])
    )
    def hear_of_a_refund_in_the_panel(self, attempt, number, cents, outcome):
        if not m.PaymentAttempt.objects.filter(pk=attempt.pk, state="confirmed").exists():
            return
        known = self.panel.get((attempt.pk, number))
        told = refunds.reported(
            attempt=attempt, amount=Money(Decimal(cents) / 100, "EUR"), reference=f"re_{number}", outcome=outcome,
            now=self.tick(),
        )  # fmt: skip
        assert not (known and told.new), "what is done stays as it is"
        if outcome == "done" and not known:
            self.panel[attempt.pk, number] = self.note("refund", Decimal(cents) / 100)

    @rule(attempt=attempts, number=st.integers(1, 2), cents=CENTS, is_won=st.booleans())
    def hear_of_a_dispute(self, attempt, number, cents, is_won):
        if not m.PaymentAttempt.objects.filter(pk=attempt.pk, state="confirmed").exists():
            return
        amount, key = Decimal(cents) / 100, (attempt.pk, number)
        told = ledger.record_chargeback(
            attempt=attempt, amount=Money(amount, "EUR"), reference=f"dp_{attempt.pk}_{number}", reversed=is_won,
            now=self.tick(),
        )  # fmt: skip
        is_new = (*key, is_won) not in self.disputes and (not is_won or (*key, False) in self.disputes)
        assert told.new == is_new
        if is_new:
            self.disputes[(*key, is_won)] = amount
            self.note("won" if is_won else "back", amount)

    @rule(number=st.integers(1, 4), cents=CENTS | st.just(0))
    def set_an_entry_right(self, number, cents):
        # The latest of that reference: one that was recorded anew bears a number behind it.
        entries = m.Transaction.objects.filter(order=self.order.pk, kind="charge")
        entry = entries.filter(reference__regex=rf"^bank-{number}(#\d+)?$").order_by("-pk").first()
        if entry is None:
            return
        if ("transfer", f"bank-{number}") not in self.money:
            return
        row, right = self.money["transfer", f"bank-{number}"], Decimal(cents) / 100
        try:
            with transaction.atomic():
                ledger.correct(entry, to=Money(right, "EUR"), by=self.clerk, now=self.tick())
        except PaymentRefused as refusal:
            assert refusal.code == "same_amount"
            assert right == row[1]
        else:
            row[1] = right
            self.had_paid_before = self.had_paid
            self.outstanding = TOTAL  # it may be owed again

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
        net, given, filled, is_undone, _is_back = self.added_up()
        rows = m.Transaction.objects.filter(order=order)
        assert order.paid_amount == net == total_of(rows)
        assert order.refunded_amount == given
        assert ledger.totals(order) == (net + given, given)
        assert total_of(m.Refund.objects.filter(order=order, state="done")) == given
        confirmed = m.PaymentAttempt.objects.filter(payment__order=order, state="confirmed")
        came = sum(amount for kind, amount in self.paper if kind == "charge")
        assert total_of(confirmed, "confirmed_amount") == came
        parts = list(order.payments.order_by("sequence"))
        assert sum(part.paid_amount for part in parts) == (filled if parts else 0)
        for part in parts:
            assert (part.state == "paid") == (part.paid_amount == part.amount and not is_undone)
        owed = Decimal(0) if is_undone else TOTAL - filled
        assert order.outstanding.amount == owed
        if self.paper and self.paper[-1][0] == "refund":
            assert owed <= self.outstanding, "a refund never raises what is owed"
        self.outstanding = owed

    @invariant()
    def the_status_follows_the_books(self):
        if not hasattr(self, "order"):
            return
        order = m.Order.objects.get(pk=self.order.pk)
        net, _given, filled, is_undone, is_back = self.added_up()
        is_paid = net > 0 and filled == TOTAL and not is_undone
        self.had_paid = self.had_paid or is_paid
        assert (order.paid_at is not None) == self.had_paid
        if is_paid:
            assert order.status == "paid"
        else:
            assert order.status != "paid"
        if net <= 0 and is_back:
            assert order.status == "refunded"
        elif net > 0:
            assert order.status in ("paid", "partly_paid", "cancelled", "refunded")
        if net > TOTAL and self.paper[-1][0] == "charge":
            assert "order.too_much_money" in flagged(order)
        grants = m.AccessGrant.objects.filter(line__order=order, revoked_at=None)
        assert grants.exists() or not is_paid
        assert not (grants.exists() and order.status == "refunded")


@pytest.mark.django_db
def test_the_books_always_balance():
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
