"""The contract: what becomes of what a provider tells. Money is booked once, and only where it is money."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from wagtail_kwiga.models import Order, PaymentAttempt, ProviderEvent
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments.provider import CONFIRMED, FAILED, PENDING, Acknowledgement, Provider
from wagtail_kwiga.payments.statuses import EventKind
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.testing.contract_base import ALIAS, ASKED, ContractBase, needs


class BookingContract(ContractBase):
    """Webhooks that are repeated, out of order, about nobody, or about sums that cannot be."""

    @needs("webhooks")
    def test_money_is_booked_once(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        """The same body again, and the same money in another message."""
        message = self.message(provider, attempt)
        for _ in range(3):
            (row,) = self.tell(provider, message, now=now)
            assert row.result == ProviderEvent.Result.APPLIED
        self.tell(provider, replace(message, number=2), now=now)
        self.assert_paid(attempt)

    @needs("several events")
    def test_two_events_in_one_body(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        other = self.started(provider, now).attempt
        messages = [self.message(provider, attempt), self.message(provider, other, number=2)]
        for _ in range(2):
            rows = self.tell(provider, *messages, now=now)
            assert [row.result for row in rows] == [ProviderEvent.Result.APPLIED] * 2
        assert ProviderEvent.objects.count() == 2
        for each in (attempt, other):
            self.assert_paid(each)

    @needs("failures")
    def test_money_wins_in_any_order(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        other = self.started(provider, now).attempt
        for each, order in ((attempt, (CONFIRMED, FAILED)), (other, (FAILED, CONFIRMED))):
            for outcome in order:
                self.tell(provider, self.message(provider, each, outcome=outcome), now=now)
            self.assert_paid(each)

    @needs("failures")
    def test_a_failure_leaves_the_order_open_and_says_why(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        self.tell(provider, self.message(provider, attempt, outcome=FAILED), now=now)
        self.assert_unpaid(attempt)
        attempt.refresh_from_db()
        assert (attempt.state, bool(attempt.failure_code)) == (PaymentAttempt.State.FAILED, True)

    @needs("pending")
    def test_what_is_under_way_is_not_paid(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        self.tell(provider, self.message(provider, attempt, outcome=PENDING), now=now)
        self.assert_unpaid(attempt)
        assert Order.objects.get(payments__attempts=attempt).status == Status.PROCESSING

    @needs("webhooks")
    @pytest.mark.parametrize("odd", ["another currency", "nothing"])
    def test_sums_that_cannot_be_are_for_a_person(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime, odd: str
    ) -> None:
        other = "USD" if attempt.currency != "USD" else "EUR"
        amount = Money(ASKED, other) if odd == "another currency" else Money(Decimal(0), attempt.currency)
        self.tell(provider, self.message(provider, attempt, amount=amount), now=now)
        self.assert_unpaid(attempt)
        attempt.refresh_from_db()
        assert attempt.state == PaymentAttempt.State.REVIEW

    @needs("webhooks")
    def test_too_little_is_booked_as_what_it_is(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        self.tell(provider, self.message(provider, attempt, amount=Money(Decimal(1), attempt.currency)), now=now)
        order = Order.objects.get(payments__attempts=attempt)
        assert (order.status, order.paid_amount) == (Status.PARTLY_PAID.value, Decimal(1))

    @needs("a mode")
    def test_test_money_is_no_money(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        """Nor is live money taken where only tests are expected."""
        self.tell(provider, self.message(provider, attempt, live=not provider.live), now=now)
        self.assert_unpaid(attempt)

    @needs("webhooks")
    def test_a_payment_that_nobody_knows_is_taken_in(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        """An account shared with another shop, or a webhook that overtakes our own commit."""
        stranger = self.message(provider, attempt, token="nobodys-payment", reference="nobodys-reference")  # noqa: S106
        (row,) = self.tell(provider, stranger, now=now)
        assert (row.result, row.processed_at) == (ProviderEvent.Result.UNKNOWN, None)
        assert isinstance(provider.acknowledge([], now), Acknowledgement)
        self.assert_unpaid(attempt)

    @needs("webhooks")
    def test_looking_at_the_address_has_no_effect(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        address, visitor = reverse("wagtail_kwiga:notify", args=[ALIAS]), Client()
        for look in (visitor.get, visitor.head):
            answer = look(address, {"token": attempt.token, "status": "paid"})
            assert (answer.status_code, answer.content) == (200, b"")
        assert not ProviderEvent.objects.exists()
        self.assert_unpaid(attempt)

    @needs("told refunds")
    def test_a_refund_made_at_the_gateway_is_booked_once(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        self.tell(provider, self.message(provider, attempt), now=now)
        told = self.message(provider, attempt, kind=EventKind.REFUND, number=2, refund_reference="refund-1")
        for number in (2, 2, 3):
            self.tell(provider, replace(told, number=number), now=now)
        order = Order.objects.get(payments__attempts=attempt)
        assert (order.status, order.paid_amount) == (Status.REFUNDED.value, Decimal(0))

    @needs("told disputes")
    def test_money_that_a_bank_takes_back_is_booked_once(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        self.tell(provider, self.message(provider, attempt), now=now)
        told = self.message(provider, attempt, kind=EventKind.DISPUTE, number=2, dispute_reference="dispute-1")
        for number in (2, 2, 3):
            self.tell(provider, replace(told, number=number), now=now)
        assert Order.objects.get(payments__attempts=attempt).paid_amount == 0
