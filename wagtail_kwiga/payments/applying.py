"""What a verified notice means for its attempt. The caller (``payments.provider_events``) holds contact, order and attempt locked.

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

from wagtail_kwiga import events
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import attempts, ledger
from wagtail_kwiga.payments.events import PaymentFailed
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent
from wagtail_kwiga.payments.provider import CONFIRMED, PENDING, Provider, ReportedEvent
from wagtail_kwiga.pricing.money import Money

State = PaymentAttempt.State
Result = ProviderEvent.Result

_MAY_BECOME_PENDING = frozenset({State.STARTED, State.FAILED, State.ABANDONED})
_MAY_BECOME_FAILED = frozenset({State.STARTED, State.PENDING, State.ABANDONED})


@dataclass(frozen=True)
class Applied:
    """``result`` for the notice's row, and one line for people who read it."""

    result: str
    detail: str = ""


def apply(provider: Provider, notice: ReportedEvent, attempt: PaymentAttempt, *, now: dt.datetime) -> Applied:
    """Do what ``notice`` says to ``attempt`` and its order. Raises whatever booking raises; then nothing was done."""
    if notice.live != provider.live:
        if notice.outcome == CONFIRMED:
            return _hold(attempt, "test money" if provider.live else "live money where only tests are expected", now)
        return Applied(Result.IGNORED, "Of the other mode (live or test).")
    if notice.outcome == CONFIRMED:
        return _confirmed(notice, attempt, now)
    if notice.outcome == PENDING:
        return _pending(provider, notice, attempt, now)
    return _failed(notice, attempt, now)


def _confirmed(notice: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    order, money = attempt.payment.order, notice.amount
    if money is None or money.amount <= 0:
        return _hold(attempt, "it names no amount", now)
    if money.currency != attempt.currency or money.currency != order.currency:
        return _hold(attempt, f"{money} where {Money(attempt.amount, attempt.currency)} was asked for", now)
    reference = notice.reference or attempt.reference
    twin = _holder_of(attempt, reference)
    if twin is None and attempt.state == State.CONFIRMED and not notice.reference:
        twin = attempt  # a provider without references says it again
    if twin is not None and twin.state == State.CONFIRMED:
        return _said_again(order, attempt, twin, money, now)
    if twin is not None and twin.pk != attempt.pk:
        return _hold(attempt, f"reference {reference} belongs to another attempt", now)
    facts = {"method": attempt.method, "amount": money, "reference": reference}
    if attempt.state == State.CONFIRMED:
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


def _pending(provider: Provider, notice: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    if attempt.state not in _MAY_BECOME_PENDING:
        return Applied(Result.IGNORED, f"The attempt is {attempt.state}.")
    order = attempt.payment.order
    _learn(attempt, notice)
    attempt.state, attempt.changed_at = State.PENDING, now
    attempt.next_poll_at = attempts.next_poll(now, now) if provider.can_fetch else None
    attempt.save(update_fields=["state", "changed_at", "next_poll_at", "reference"])
    writing.write(
        order, "payments.pending", now=now, method=attempt.method, amount=Money(attempt.amount, attempt.currency)
    )
    if order.status == Status.OPEN:
        transitions.start_processing(order, now=now)
    return Applied(Result.APPLIED)


def _failed(notice: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Applied:
    if attempt.state not in _MAY_BECOME_FAILED:
        return Applied(Result.IGNORED, f"The attempt is {attempt.state}.")
    order = attempt.payment.order
    why = str(notice.raw.get("reason") or "")[:200]
    _learn(attempt, notice)
    attempt.state, attempt.changed_at, attempt.next_poll_at = State.FAILED, now, None
    attempt.save(update_fields=["state", "changed_at", "next_poll_at", "reference"])
    writing.write(order, "payments.failed", now=now, method=attempt.method, why=why)
    leave_processing(order, now)
    events.publish(PaymentFailed(order.pk, attempt.pk, why, now))
    return Applied(Result.APPLIED)


def leave_processing(order: Order, now: dt.datetime) -> None:
    """Let ``order`` wait for a payment again where none is under way any more."""
    under_way = PaymentAttempt.objects.filter(payment__order=order.pk, state=State.PENDING)
    if order.status == Status.PROCESSING and not under_way.exists():
        transitions.back_to_open(order, now=now)


def _hold(attempt: PaymentAttempt, why: str, now: dt.datetime) -> Applied:
    """Put a notice in front of a person: it may not be money of this order at all."""
    if attempt.state != State.CONFIRMED:
        attempt.state, attempt.changed_at, attempt.next_poll_at = State.REVIEW, now, None
        attempt.save(update_fields=["state", "changed_at", "next_poll_at"])
    writing.write(attempt.payment.order, "payments.held", now=now, attention=True, method=attempt.method, why=why)
    return Applied(Result.REVIEW, f"Held: {why}.")


def _holder_of(attempt: PaymentAttempt, reference: str) -> PaymentAttempt | None:
    """The attempt of the same method that goes by ``reference``: this one, another, or none."""
    if not reference:
        return None
    if attempt.reference == reference:
        return attempt
    others = PaymentAttempt.objects.filter(method=attempt.method, reference=reference)
    return others.select_related("payment").first()


def _learn(attempt: PaymentAttempt, notice: ReportedEvent) -> None:
    if not attempt.reference and _holder_of(attempt, notice.reference) is None:
        attempt.reference = notice.reference
