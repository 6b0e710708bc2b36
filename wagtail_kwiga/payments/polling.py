"""Asking providers ourselves, because webhooks get lost, and telling which orders have a payment under way."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Min

from wagtail_kwiga import conf, locking
from wagtail_kwiga.exceptions import PaymentRefused, ProviderUnavailable
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import attempts, provider_events, refunds, registry
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent
from wagtail_kwiga.payments.provider import ReportedEvent, WebhookRequest
from wagtail_kwiga.payments.refunds import RefundSummary
from wagtail_kwiga.pricing.money import Money

logger = logging.getLogger("wagtail_kwiga.payments")

State = PaymentAttempt.State
_WAITING = (State.STARTED, State.PENDING)


@dataclass(frozen=True)
class PollSummary:
    """One pass: attempts asked about, those that moved, those whose provider did not answer, stored events processed,
    and refunds brought nearer to their end (``payments.refunds``)."""

    polled: int = 0
    changed: int = 0
    failed: int = 0
    settled: int = 0
    refunds: RefundSummary = field(default_factory=RefundSummary)

    def __str__(self) -> str:
        polled = (
            f"{self.polled} asked, {self.changed} changed, {self.failed} failed, {self.settled} stored events processed"
        )
        return f"{polled}, {self.refunds}" if self.refunds.tried else polled


def in_flight(order_ids: Iterable[int]) -> dict[int, dt.datetime]:
    """Those of the orders that have a payment under way, or in need of review, and since when. One query."""
    unsettled = [State.PENDING, State.REVIEW]
    pending = PaymentAttempt.objects.filter(payment__order__in=list(order_ids), state__in=unsettled)
    return dict(pending.order_by().values_list("payment__order_id").annotate(since=Min("changed_at")))


def poll_due(now: dt.datetime | None = None, *, batch: int = 50, seconds: float | None = None) -> PollSummary:
    """Ask about every attempt whose time has come (``attempts.POLL_AFTER``), and finish stored events nobody finished.

    Several workers share the work: an attempt is claimed with its next moment written before its provider is asked, so a
    worker that dies costs one asking. Answers are applied like the events of webhooks. Stops taking more after ``seconds``.
    """
    now = now or conf.now()
    budget = conf.settings.SWEEP_SECONDS if seconds is None else seconds
    ends = time.monotonic() + budget
    settled = provider_events.settle_stored(now, seconds=budget)
    refunded = refunds.sweep(now, batch=batch, seconds=budget)
    polled = changed = failed = 0
    while True:
        claimed = _claim(now, batch)
        for attempt, last in claimed:
            polled += 1
            try:
                changed += poll(attempt, now)
            except ProviderUnavailable as fault:
                failed += 1
                logger.warning("%s does not answer about attempt %s: %s", attempt.method, attempt.pk, fault)
                last = last and attempt.next_poll_at is None
            except Exception:
                failed += 1
                logger.exception("Asking about attempt %s of %s failed", attempt.pk, attempt.method)
                last = last and attempt.next_poll_at is None
            if last:
                _let_go(attempt, now)
        if len(claimed) < batch or time.monotonic() >= ends:
            return PollSummary(polled, changed, failed, settled, refunded)


def poll(attempt: PaymentAttempt, now: dt.datetime | None = None) -> bool:
    """Ask the provider how ``attempt`` stands and apply the answer; whether it moved. Outside any transaction.

    A provider that is no longer set up has nothing new to tell: False. Raises ``ProviderUnavailable`` and whatever
    applying raises.
    """
    now = now or conf.now()
    try:
        provider = registry.get(attempt.method)
    except PaymentRefused:
        return False
    answer = provider.fetch(attempt, now) if provider.can_fetch else None
    if answer is None:
        return False
    if isinstance(answer, WebhookRequest):
        reported, body = provider_events.verified(provider, answer, now), answer.body
    else:
        reported, body = ((answer,) if isinstance(answer, ReportedEvent) else tuple(answer)), b""
    outcomes = provider_events.take(provider, reported, body=body, now=now)
    return any(outcome.result == ProviderEvent.Result.APPLIED and not outcome.repeated for outcome in outcomes)


def _claim(now: dt.datetime, batch: int) -> list[tuple[PaymentAttempt, bool]]:
    """Due attempts for this worker alone, each with whether this is its last asking.

    Each gets its next moment first. The last asking gets a lease, so that a worker that dies in it is replaced; whoever
    has died or failed in it too often leaves no moment at all.
    """
    lease = now + dt.timedelta(seconds=conf.settings.LEASE_SECONDS)
    claimed = []
    with locking.atomic_write():
        due = (
            PaymentAttempt.objects.filter(next_poll_at__lte=now)
            .select_related("payment__order")
            .order_by("next_poll_at", "pk")
        )
        for attempt in locking.locked(due, skip=True)[:batch]:
            further = attempts.next_poll(attempt.changed_at, now)
            tired = attempt.poll_count >= len(attempts.POLL_AFTER) + conf.settings.MAX_ATTEMPTS
            attempt.poll_count += 1
            attempt.next_poll_at = max(further, lease) if further else (None if tired else lease)
            claimed.append((attempt, further is None))
        PaymentAttempt.objects.bulk_update([attempt for attempt, _last in claimed], ["next_poll_at", "poll_count"])
    return claimed


def _let_go(attempt: PaymentAttempt, now: dt.datetime) -> None:
    """After the last asking: what never began is abandoned, what is still under way is a person's business."""
    with locking.atomic_write():
        order = transitions.lock(attempt.payment.order)
        row = locking.locked(PaymentAttempt.objects.filter(pk=attempt.pk)).get()
        if row.state not in _WAITING or row.next_poll_at != attempt.next_poll_at:
            return
        row.next_poll_at = None
        if row.state == State.STARTED:
            row.state, row.changed_at = State.ABANDONED, now
            writing.write(order, "payments.abandoned", now=now, method=row.method)
        else:
            writing.write(
                order,
                "payments.pending_long",
                now=now,
                attention=True,
                method=row.method,
                amount=Money(row.amount, row.currency),
            )
        row.save(update_fields=["next_poll_at", "state", "changed_at"])
