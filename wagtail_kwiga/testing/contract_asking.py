"""The contract: what a provider is asked, by us. ``confirm``, ``fetch`` and ``refund`` over a network that fails."""

from __future__ import annotations

import datetime as dt
from typing import Any, NoReturn

import pytest

from wagtail_kwiga import signing
from wagtail_kwiga.models import Order, PaymentAttempt, ProviderEvent, Refund, TimelineEntry
from wagtail_kwiga.payments import polling, provider_events
from wagtail_kwiga.payments.provider import Provider, RefundDone, RefundFailed, RefundSent
from wagtail_kwiga.testing.contract_base import ALIAS, ContractBase, needs
from wagtail_kwiga.testing.gateways import Answer, offline

#: When the sweep comes again, and when the lease of a worker that died has run out.
NEXT_SWEEP, LEASE_OVER = dt.timedelta(minutes=2), dt.timedelta(minutes=20)


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it."""


class AskingContract(ContractBase):
    """``confirm``, ``fetch`` and ``refund``."""

    # --- confirm ----------------------------------------------------------------------------------------------------

    @needs("confirm")
    def test_a_webhook_is_answered_before_the_gateway_is_asked(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        message = self.message(provider, attempt)
        request = self.webhook(provider, [message], now)
        with offline():
            (outcome,) = provider_events.receive(ALIAS, request, now)
        assert outcome.result == ProviderEvent.Result.RECEIVED
        self.assert_unpaid(attempt)
        self.sweep(provider, message, now=now)
        self.assert_paid(attempt)

    @needs("confirm")
    @pytest.mark.parametrize("first", [Answer.NOT_YET, Answer.SILENT])
    def test_what_is_not_confirmed_yet_is_asked_again(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime, first: Answer
    ) -> None:
        message = self.message(provider, attempt)
        (row,) = self.tell(provider, message, now=now, answer=first)
        assert (row.processed_at, row.lease, row.tries) == (None, "", 1)
        self.assert_unpaid(attempt)
        self.sweep(provider, message, now=now + dt.timedelta(days=1) - NEXT_SWEEP)
        self.assert_paid(attempt)

    @needs("confirm")
    def test_what_the_gateway_rejects_is_for_a_person(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        (row,) = self.tell(provider, self.message(provider, attempt), now=now, answer=Answer.REJECTED)
        assert (row.result, row.processed_at) == (ProviderEvent.Result.REVIEW, now)
        self.assert_unpaid(attempt)
        assert TimelineEntry.objects.filter(needs_attention=True).exists()

    @needs("confirm")
    def test_a_crash_between_the_yes_and_our_booking_is_made_good(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        """The gateway has booked and says *already* from then on; the worker that asked it is gone."""
        message = self.message(provider, attempt)
        provider_events.receive(ALIAS, self.webhook(provider, [message], now), now)
        real = self.provider_class.confirm

        def confirm_and_die(*given: Any) -> NoReturn:
            real(*given)
            raise Killed

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(self.provider_class, "confirm", confirm_and_die)
            self.sweep(provider, message, now=now)
        self.assert_unpaid(attempt)
        self.sweep(provider, message, now=now, answer=Answer.ALREADY)
        self.assert_unpaid(attempt)  # the worker that died may only be slow: its lease is honoured
        self.sweep(provider, message, now=now + LEASE_OVER, answer=Answer.ALREADY)
        self.assert_paid(attempt)
        self.sweep(provider, message, now=now + 2 * LEASE_OVER, answer=Answer.ALREADY)
        self.assert_paid(attempt)

    # --- fetch ------------------------------------------------------------------------------------------------------

    @needs("fetch")
    def test_money_of_which_no_webhook_tells_is_found(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        message = self.message(provider, attempt)
        with self.gateway_knows(message):
            for minutes in (0, 5, 10):
                self._poll(provider, attempt, now + dt.timedelta(minutes=minutes))
        self.assert_paid(attempt)

    @needs("fetch", "webhooks")
    def test_what_was_fetched_and_told_is_booked_once(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        message = self.message(provider, attempt)
        with self.gateway_knows(message):
            self._poll(provider, attempt, now)
            self.tell(provider, message, now=now)
            self._poll(provider, attempt, now)
        self.assert_paid(attempt)

    @needs("fetch")
    def test_a_payment_that_the_gateway_does_not_know_is_no_failure(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        assert polling.poll(attempt, now) is False
        self.assert_unpaid(attempt)

    def _poll(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        attempt.refresh_from_db()
        message = self.message(provider, attempt)
        if not provider.needs_confirm:
            polling.poll(attempt, now)
            return
        with self.gateway_answers(message, Answer.YES):
            polling.poll(attempt, now)

    # --- refund -----------------------------------------------------------------------------------------------------

    @needs("refund")
    def test_a_refund_has_an_answer(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        answer = provider.refund(self._refund(provider, attempt, now), now)
        assert isinstance(answer, RefundSent | RefundDone | RefundFailed)
        assert isinstance(answer, RefundFailed) or answer.reference

    @needs("idempotent refund")
    def test_the_same_refund_again_is_the_same_refund(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        """By its token. Another token is another refund."""
        refund, other = self._refund(provider, attempt, now), self._refund(provider, attempt, now)
        first, again, second = (provider.refund(each, now) for each in (refund, refund, other))
        assert not isinstance(first, RefundFailed) and not isinstance(again, RefundFailed)
        assert first.reference == again.reference
        assert isinstance(second, RefundFailed) or second.reference != first.reference

    @needs("fetch refund")
    def test_a_refund_can_be_asked_about(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        refund = self._refund(provider, attempt, now)
        assert provider.fetch_refund(refund, now) is None
        sent = provider.refund(refund, now)
        found = provider.fetch_refund(refund, now)
        assert found is not None and not isinstance(sent, RefundFailed) and not isinstance(found, RefundFailed)
        assert found.reference == sent.reference

    def _refund(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> Refund:
        """A refund of a tenth, written down as before the call; the attempt has been paid."""
        if self.provider_class.verify is not Provider.verify:
            self.tell(provider, self.message(provider, attempt), now=now)
            attempt.refresh_from_db()
        return Refund.objects.create(
            token=signing.random_token(),
            order=Order.objects.get(payments__attempts=attempt),
            attempt=attempt,
            amount=attempt.amount / 10,
            currency=attempt.currency,
            reason="The buyer has changed her mind.",
            requested_at=now,
            changed_at=now,
        )
