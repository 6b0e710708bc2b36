"""What a provider's event means for its attempt. The caller (``payments.provider_events``) has contact, order and attempt locked.

An attempt only moves forward::

    started ──▶ pending ──▶ confirmed          confirmed is final
       │  ╲       │  ▲         ▲
       │   ╲      ▼  │         │               money is taken from every state
       │    ╲──▶ failed ───────┤
       └──▶ abandoned ─────────┘               review waits for a person, or for money in order
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from wagtail_kwiga import events
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import attempts, ledger, refund_states, refunds
from wagtail_kwiga.payments.events import PaymentFailed, PaymentUnderWay
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent
from wagtail_kwiga.payments.provider import CONFIRMED, FAILED, PENDING, Provider, ReportedEvent
from wagtail_kwiga.payments.statuses import EventKind, FailureCode, Outcome
from wagtail_kwiga.pricing.money import Money

State = PaymentAttempt.State
Result = ProviderEvent.Result

_MAY_BECOME_PENDING = frozenset({State.STARTED, State.FAILED, State.ABANDONED})
_MAY_BECOME_FAILED = frozenset({State.STARTED, State.PENDING, State.ABANDONED})
#: An event's outcome → the word of ``payments.refunds``.
_REFUND_WORDS: dict[Outcome, refunds.ReportedOutcome] = {CONFIRMED: "done", PENDING: "pending", FAILED: "failed"}


@dataclass(frozen=True)
class Applied:
    """``result`` for the event's row, and one line for people who read it. *Unknown* means: nothing was done, try again."""

    result: str
    detail: str = ""


def apply(provider: Provider, event: ReportedEvent, attempt: PaymentAttempt, *, now: dt.datetime) -> Applied:
    """Do what ``event`` says to ``attempt`` and its order. Raises whatever booking raises; then nothing was done."""
    wrong_mode = _wrong_mode(provider, event, attempt)
    if wrong_mode:
        if event.outcome == CONFIRMED:
            return _needs_review(attempt, wrong_mode, now)
        return Applied(Result.IGNORED, "Of the other mode (live or test).")
    match event.kind:
        case EventKind.PAYMENT:
            return _payment(provider, event, attempt, now)
        case EventKind.REFUND:
            return _refund(event, attempt, now)
        case EventKind.DISPUTE:
            return _dispute(event, attempt, now)
        case EventKind.MANDATE:
            return Applied(Result.IGNORED, "Mandates are remembered; nothing acts on them.")


def reject(attempt: PaymentAttempt, why: str, *, now: dt.datetime) -> Applied:
    """Put in front of a person what the provider told first and then did not confirm. Nothing is booked."""
    return _needs_review(attempt, f"the provider did not confirm it: {why}", now)


def _wrong_mode(provider: Provider, event: ReportedEvent, attempt: PaymentAttempt) -> str:
    """Why the money of an event is not of the attempt's kind, real or test; empty where it is.

    Real money that was asked for is money, though the provider is set to tests meanwhile; test money is none, though it was
    asked for before the provider went live.
    """
    if event.live and not attempt.is_live:
        return "live money where only tests are expected"
    return "test money" if not event.live and (attempt.is_live or provider.live) else ""


def _payment(provider: Provider, event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    if event.outcome == CONFIRMED:
        return _confirmed(event, attempt, now)
    if event.outcome == PENDING:
        return _pending(provider, event, attempt, now)
    return _failed(event, attempt, now)


def _refund(event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    """A refund is booked by ``payments.refunds``, whoever made it. News that overtakes the payment itself waits for it."""
    if attempt.state != State.CONFIRMED:
        return Applied(Result.UNKNOWN, "The payment that was refunded has not arrived here.")
    known = refund_states.match(attempt, event.refund_reference, event.refund_token)
    money = event.amount or (
        known.money if known is not None else None
    )  # that a refund failed may be told without a sum
    why = _wrong_sum(money, attempt)
    if money is None or why:
        return _needs_review(attempt, why, now)
    refunds.reported(
        attempt=attempt,
        amount=money,
        reference=event.refund_reference,
        token=event.refund_token,
        outcome=_REFUND_WORDS[event.outcome],
        now=now,
    )
    return Applied(Result.APPLIED)


def _dispute(event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    """Money that the buyer's bank takes back, or gives up again."""
    order, reference = attempt.payment.order, event.dispute_reference or event.reference
    if event.outcome == PENDING:
        facts: dict[str, Any] = {"method": attempt.method, "reference": reference}
        writing.write(order, "payments.dispute_opened", now=now, attention=True, **facts)
        return Applied(Result.APPLIED)
    if attempt.state != State.CONFIRMED:
        return Applied(Result.UNKNOWN, "The payment that is disputed has not arrived here.")
    why = _wrong_sum(event.amount, attempt)
    if event.amount is None or why:
        return _needs_review(attempt, why, now)
    ledger.record_chargeback(
        attempt=attempt, amount=event.amount, reference=reference, reversed=event.outcome == FAILED, now=now
    )
    return Applied(Result.APPLIED)


def _wrong_sum(money: Money | None, attempt: PaymentAttempt) -> str:
    """Why a sum that an event names cannot be of this attempt; empty where it can."""
    order = attempt.payment.order
    if money is None or money.amount <= 0:
        return "it names no amount"
    if money.currency != attempt.currency or money.currency != order.currency:
        return f"{money} where {Money(attempt.amount, attempt.currency)} was asked for"
    return ""


def _confirmed(event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    order, money = attempt.payment.order, event.amount
    why = _wrong_sum(money, attempt)
    if money is None or why:
        return _needs_review(attempt, why, now)
    reference = event.reference or attempt.reference
    twin = _holder_of(attempt, reference)
    if twin is None and attempt.state == State.CONFIRMED and not event.reference:
        twin = attempt  # a provider without references says it again
    if twin is not None and twin.state == State.CONFIRMED and not (event.reference and _is_undone(twin)):
        return _said_again(order, attempt, twin, money, now)
    if twin is not None and twin.pk != attempt.pk and not _is_undone(twin):
        return _needs_review(attempt, f"reference {reference} belongs to another attempt", now)
    facts: dict[str, Any] = {"method": attempt.method, "amount": money, "reference": reference}
    if details := _details(event, attempt):
        PaymentAttempt.objects.filter(pk=attempt.pk).update(**details)
    if attempt.state == State.CONFIRMED and not _is_undone(attempt):
        ledger.record_payment(
            order=order, amount=money, method=attempt.method, reference=reference, now=now, attempt=attempt
        )
        writing.write(order, "payments.twice", now=now, attention=True, **facts)
        return Applied(Result.APPLIED, "Money twice for one attempt; booked.")
    asked = Money(attempt.amount, attempt.currency)
    ledger.record_payment(
        order=order, amount=money, method=attempt.method, reference=reference, now=now, attempt=attempt
    )
    if money != asked:
        writing.write(order, "payments.other_amount", now=now, attention=True, asked=asked, **facts)
        return Applied(Result.APPLIED, f"{money} instead of {asked}; booked.")
    return Applied(Result.APPLIED)


def _is_undone(attempt: PaymentAttempt) -> bool:
    """Whether money was booked for it by hand and corrected away: then what the provider tells of is not booked yet."""
    return attempt.state == State.CONFIRMED and not attempt.confirmed_amount


def _said_again(order: Order, attempt: PaymentAttempt, twin: PaymentAttempt, money: Money, now: dt.datetime) -> Applied:
    booked = Money(twin.confirmed_amount, twin.currency)
    if twin.payment.order_id == order.pk and booked == money:
        return Applied(Result.IGNORED, "Booked already.")
    writing.write(
        order,
        "payments.says_other_amount",
        now=now,
        attention=True,
        method=attempt.method,
        amount=money,
        booked=booked,
        reference=twin.reference,
    )
    return Applied(Result.IGNORED, f"Reference {twin.reference} was booked already, with {booked}.")


def _pending(provider: Provider, event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    if attempt.state not in _MAY_BECOME_PENDING:
        return Applied(Result.IGNORED, f"The attempt is {attempt.state}.")
    order = attempt.payment.order
    _learn(attempt, event)
    attempt.state, attempt.changed_at = State.PENDING, now
    attempt.next_poll_at = attempts.next_poll(now, now) if provider.is_polled else None
    attempt.save(update_fields=["state", "changed_at", "next_poll_at", *_LEARNED])
    writing.write(
        order, "payments.pending", now=now, method=attempt.method, amount=Money(attempt.amount, attempt.currency)
    )
    if order.status == Status.OPEN:
        transitions.start_processing(order, now=now)
    events.publish(PaymentUnderWay(order.pk, attempt.pk, now))
    return Applied(Result.APPLIED)


def _failed(event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    if attempt.state not in _MAY_BECOME_FAILED:
        return Applied(Result.IGNORED, f"The attempt is {attempt.state}.")
    order = attempt.payment.order
    _learn(attempt, event)
    attempt.state, attempt.changed_at, attempt.next_poll_at = State.FAILED, now, None
    attempt.failure_code = event.failure_code or FailureCode.UNKNOWN
    attempt.failure_message = event.failure_message[:255]
    attempt.save(update_fields=["state", "changed_at", "next_poll_at", *_LEARNED])
    writing.write(
        order,
        "payments.failed",
        now=now,
        method=attempt.method,
        code=attempt.failure_code,
        why=attempt.failure_message,
    )
    leave_processing(order, now)
    code = FailureCode(attempt.failure_code)
    events.publish(PaymentFailed(order.pk, attempt.pk, code, attempt.failure_message, now))
    return Applied(Result.APPLIED)


def leave_processing(order: Order, now: dt.datetime) -> None:
    """Let ``order`` wait for a payment again where none is under way any more."""
    under_way = PaymentAttempt.objects.filter(payment__order=order.pk, state=State.PENDING)
    if order.status == Status.PROCESSING and not under_way.exists():
        transitions.back_to_open(order, now=now)


def _needs_review(attempt: PaymentAttempt, why: str, now: dt.datetime) -> Applied:
    """Put an event in front of a person: it may not be money of this order at all."""
    if attempt.state != State.CONFIRMED:
        attempt.state, attempt.changed_at, attempt.next_poll_at = State.REVIEW, now, None
        attempt.save(update_fields=["state", "changed_at", "next_poll_at"])
    writing.write(
        attempt.payment.order, "payments.needs_review", now=now, attention=True, method=attempt.method, why=why
    )
    return Applied(Result.REVIEW, f"Needs review: {why}.")


def _holder_of(attempt: PaymentAttempt, reference: str) -> PaymentAttempt | None:
    """The attempt of the same method that goes by ``reference``: this one, another, or none."""
    if not reference:
        return None
    if attempt.reference == reference:
        return attempt
    others = PaymentAttempt.objects.filter(method=attempt.method, reference=reference)
    return others.select_related("payment").first()


_LEARNED = ("reference", "channel", "external_ids", "failure_code", "failure_message")


def _learn(attempt: PaymentAttempt, event: ReportedEvent) -> None:
    """Note on ``attempt`` what ``event`` tells beside its outcome. The caller saves ``_LEARNED``."""
    if not attempt.reference and _holder_of(attempt, event.reference) is None:
        attempt.reference = event.reference
    for column, value in _details(event, attempt).items():
        setattr(attempt, column, value)


def _details(event: ReportedEvent, attempt: PaymentAttempt) -> dict[str, Any]:
    """Columns of ``attempt`` that ``event`` changes. A failure of before is over with whatever comes after it."""
    changed: dict[str, Any] = {}
    if event.channel and event.channel != attempt.channel:
        changed["channel"] = event.channel
    if event.external_ids:
        changed["external_ids"] = {**attempt.external_ids, **event.external_ids}
    if attempt.failure_code:
        changed |= {"failure_code": "", "failure_message": ""}
    return changed
