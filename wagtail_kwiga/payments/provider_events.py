"""The one entry for what providers say: verify → remember once → (confirm) → lock → compare → apply.

An event may come early, late, repeated or out of order (promise 8). It is stored in a transaction of its own before
anything is done with it, with its meaning in our words, so that a crash in between loses nothing: the provider's
repetition or ``settle_stored`` goes on from the row. A webhook is answered as soon as its events are stored, whatever
becomes of them.

Where applying needs the provider's own yes first (``Provider.confirm``), a worker asks for it: it claims the row, asks
outside every lock, and writes the yes down before it books. ``payments.applying`` decides what an event means.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connections
from django.views.decorators.debug import sensitive_variables

from wagtail_kwiga import background, conf, locking, newer_release, redaction
from wagtail_kwiga.exceptions import ConfigurationFault, NewerVersion, PaymentRefused, ProviderUnavailable
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.acting import Actor, acting_as
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import applying, event_leasing, event_store, provider_text, registry
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent
from wagtail_kwiga.payments.provider import (
    CONFIRMED,
    Confirmed,
    NotYet,
    Provider,
    Rejected,
    ReportedEvent,
    WebhookRequest,
)
from wagtail_kwiga.payments.serialization import from_json, to_json

logger = logging.getLogger("wagtail_kwiga.payments")

Result = ProviderEvent.Result

#: How long an unknown payment may still turn up (an event can overtake our own commit), and a broken event is retried.
UNKNOWN_FOR = dt.timedelta(hours=1)
STUCK_FOR = dt.timedelta(hours=24)
#: Events of one body that are applied in its own request; the others wait for the worker.
AT_ONCE = 10
#: How long a webhook waits for an order that somebody has locked before it leaves its event to the worker (PostgreSQL).
PATIENCE = dt.timedelta(seconds=3)


@dataclass(frozen=True)
class EventOutcome:
    """What became of one event. ``repeated``: it had been processed before, and nothing was done."""

    event: ProviderEvent
    result: str
    repeated: bool = False


@sensitive_variables("request", "reported")
def receive(alias: str, request: WebhookRequest, now: dt.datetime | None = None) -> tuple[EventOutcome, ...]:
    """Take in a webhook of the provider ``alias``: an outcome for each event of its body.

    Events that need the provider's yes are left to the worker; the others are applied here. Raises ``PaymentRefused``
    (``unknown_method``) for an alias that is not enabled and ``BadSignature`` for a webhook that is not beyond doubt; then
    nothing was written. Everything else, an unknown payment and a fault of ours too, is an outcome and deserves a friendly
    answer: the events are stored, and ``settle_stored`` sees them through.
    """
    now = now or request.at or conf.now()
    provider = registry.get(alias)
    reported = verified(provider, request, now)
    return receive_verified(provider, reported, request, now)


def verified(provider: Provider, request: WebhookRequest, now: dt.datetime) -> tuple[ReportedEvent, ...]:
    """What ``request`` says, where it comes from ``provider`` beyond doubt. Raises ``BadSignature``."""
    if request.at is None:
        request = WebhookRequest(request.method, request.body, request.headers, request.query, at=now)
    return tuple(provider.verify(request))


@sensitive_variables("request", "reported")
def receive_verified(
    provider: Provider, reported: Sequence[ReportedEvent], request: WebhookRequest, now: dt.datetime
) -> tuple[EventOutcome, ...]:
    """The second half of ``receive``: remember, and apply what needs neither the network nor a long wait."""
    stored = event_store.store(provider, reported, body=request.body, headers=_kept(provider, request), now=now)
    return tuple(_at_once(provider, event, now, left=AT_ONCE - place) for place, event in enumerate(stored))


def take(
    provider: Provider,
    reported: Sequence[ReportedEvent],
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    now: dt.datetime,
) -> tuple[EventOutcome, ...]:
    """Remember and see through what the provider said when we asked it (``fetch``), with its yes where that is needed.

    Outside any transaction. Raises whatever stands in the way; what was not reached is stored.
    """
    stored = event_store.store(provider, reported, body=body, headers=headers or {}, now=now)
    return tuple(_see_through(provider, event, now) for event in stored)


@acting_as(Actor.PROVIDER)
def process(
    provider: Provider,
    stored: ProviderEvent,
    *,
    now: dt.datetime,
    rejected: str = "",
    patience: dt.timedelta | None = None,
) -> EventOutcome:
    """Apply a stored event once, however many try. Raises whatever stands in the way, and notes it on the row.

    An event that the provider has yet to confirm is left alone, unless it has ``rejected`` it.
    """
    event = from_json(stored.meaning)
    try:
        with locking.atomic_write():
            _wait_at_most(patience)
            attempt = _locked_attempt(provider, event)
            row = locking.locked(ProviderEvent.objects.filter(pk=stored.pk)).get()
            if row.processed_at is not None:
                return EventOutcome(row, row.result, repeated=True)
            if attempt is None:
                return _postpone(row, Result.UNKNOWN, "No such payment here.", now)
            unconfirmed = provider.needs_confirm and row.confirmed_at is None and not rejected
            if unconfirmed or row.meaning != stored.meaning:  # somebody else is at it
                return EventOutcome(row, row.result)
            if rejected:
                verdict = applying.reject(attempt, rejected, now=now)
            else:
                verdict = applying.apply(provider, event, attempt, now=now)
            row.attempt = attempt
            if verdict.result == Result.UNKNOWN:
                return _postpone(row, verdict.result, verdict.detail, now)
            row.processed_at, row.next_try_at = now, None
            row.lease, row.leased_until = "", None
            row.result, row.detail = verdict.result, provider_text.cleaned(verdict.detail)[:255]
            row.save(update_fields=["attempt", "processed_at", "result", "detail", *_CLAIM])
    except Exception as fault:
        if not _is_impatience(fault):
            _note_failure(stored, fault, now)
        raise
    return EventOutcome(row, row.result)


_CLAIM = ["lease", "leased_until", "next_try_at"]


def settle(event_id: int, now: dt.datetime | None = None) -> EventOutcome | None:
    """See one stored event through, as a worker's task; ``None`` where it is done, not due, or in other hands."""
    now = now or conf.now()
    claimed = event_leasing.claim(now, only=event_id)
    return _settle_claimed(claimed[0], now) if claimed else None


def settle_stored(now: dt.datetime | None = None, *, batch: int = 100, seconds: float | None = None) -> int:
    """See stored events through: those to be confirmed, those left by a crash, those that overtook our own commit.

    Returns how many were processed. What cannot be processed for a day, and money for a payment that stays unknown for an
    hour, goes on a person's list and is left at that. Begins no more after ``seconds``.
    """
    now = now or conf.now()
    budget = conf.settings.SWEEP_SECONDS if seconds is None else seconds
    ends = time.monotonic() + budget
    claimed = event_leasing.claim(now, batch=batch)
    settled = 0
    for place, stored in enumerate(claimed):
        if place and time.monotonic() >= ends:
            event_leasing.release(claimed[place:], now)
            break
        outcome = _settle_claimed(stored, now)
        settled += outcome.event.processed_at is not None and outcome.result not in (Result.UNKNOWN, Result.FAILED)
    return settled


def _settle_claimed(stored: ProviderEvent, now: dt.datetime) -> EventOutcome:
    try:
        outcome = _confirm_and_process(registry.get(stored.method), stored, now)
    except PaymentRefused as fault:  # the provider was taken out of the settings
        _note_failure(stored, fault, now)
        outcome = EventOutcome(stored, Result.FAILED)
    except NewerVersion as fault:
        return _leave_to_newer(stored, fault, now)
    except ProviderUnavailable as fault:
        logger.warning("%s does not answer about event %s: %s", stored.method, stored.event_id, fault)
        outcome = EventOutcome(stored, Result.FAILED)
    except Exception:
        logger.exception("Event %s of %s could not be processed", stored.event_id, stored.method)
        outcome = EventOutcome(stored, Result.FAILED)
    if outcome.event.processed_at is None:
        patience = UNKNOWN_FOR if outcome.result == Result.UNKNOWN else STUCK_FOR
        if now - stored.received_at >= patience:
            _give_up(stored, outcome.result, now)
    return outcome


def _leave_to_newer(stored: ProviderEvent, fault: NewerVersion, now: dt.datetime) -> EventOutcome:
    """Only a newer release can apply it, and so it waits for a newer worker, for as long as it takes: it may be money."""
    stored.result, stored.detail = Result.RECEIVED, f"Left to a newer version: {fault}"[:255]
    _free(stored, now + newer_release.RETRY_AFTER)
    if newer_release.has_waited_too_long(stored.received_at, now):
        since = now - newer_release.TOLD_AGAIN_AFTER
        if not writing.told_since(ProviderEvent, [stored.pk], "payments.event_newer", since):
            writing.write(stored, "payments.event_newer", now=now, attention=True, method=stored.method)
    return EventOutcome(stored, stored.result)


def _at_once(provider: Provider, stored: ProviderEvent, now: dt.datetime, *, left: int) -> EventOutcome:
    """Apply an event in the request that brought it, where that needs neither the network nor a long wait."""
    if stored.processed_at is not None:
        return EventOutcome(stored, stored.result, repeated=True)
    if left <= 0 or (provider.needs_confirm and stored.confirmed_at is None):
        background.enqueue("settle_provider_event", stored.pk)
        return EventOutcome(stored, stored.result)
    try:
        return process(provider, stored, now=now, patience=PATIENCE)
    except Exception as fault:
        if _is_impatience(fault):
            background.enqueue("settle_provider_event", stored.pk)
            return EventOutcome(stored, Result.RECEIVED)
        logger.exception("Event %s of %s could not be processed yet", stored.event_id, stored.method)
        return EventOutcome(stored, Result.FAILED)


def _see_through(provider: Provider, stored: ProviderEvent, now: dt.datetime) -> EventOutcome:
    if stored.processed_at is not None:
        return EventOutcome(stored, stored.result, repeated=True)
    if provider.needs_confirm and stored.confirmed_at is None:
        claimed = event_leasing.claim(now, only=stored.pk)
        return _confirm_and_process(provider, claimed[0], now) if claimed else EventOutcome(stored, stored.result)
    return process(provider, stored, now=now)


def _confirm_and_process(provider: Provider, stored: ProviderEvent, now: dt.datetime) -> EventOutcome:
    """Ask for the provider's yes where it is needed and not there yet, then apply. The caller has claimed the row."""
    rejected = ""
    if provider.needs_confirm and stored.confirmed_at is None:
        event = from_json(stored.meaning)
        attempt = _attempt(provider, event)
        if attempt is not None:
            answer = _asked(provider, event, attempt, stored, now)
            if isinstance(answer, NotYet):
                return _not_yet(stored, answer, now)
            if isinstance(answer, Rejected):
                rejected = answer.message or "without a reason"
            else:
                _write_down_yes(stored, answer, now)
    return process(provider, stored, now=now, rejected=rejected)


def _asked(
    provider: Provider, event: ReportedEvent, attempt: PaymentAttempt, stored: ProviderEvent, now: dt.datetime
) -> Any:
    try:
        answer = provider.confirm(event, attempt, now)
    except Exception as fault:
        _note_failure(stored, fault, now)
        raise
    if not isinstance(answer, Confirmed | NotYet | Rejected):
        raise ConfigurationFault(f"{type(provider).__name__}.confirm must return Confirmed, NotYet or Rejected.")
    return answer


def _write_down_yes(stored: ProviderEvent, answer: Confirmed, now: dt.datetime) -> None:
    """In a transaction of its own, before anything is booked: a fault in booking must not cost another question."""
    stored.confirmed_at = now
    if answer.event is not None:
        stored.meaning, stored.kind = to_json(answer.event), answer.event.kind
    with locking.atomic_write():
        still = ProviderEvent.objects.filter(pk=stored.pk, processed_at__isnull=True)
        still.update(confirmed_at=now, meaning=stored.meaning, kind=stored.kind)


def _not_yet(stored: ProviderEvent, answer: NotYet, now: dt.datetime) -> EventOutcome:
    after = event_leasing.pause(stored.tries) if answer.retry_after is None else answer.retry_after
    stored.result, stored.detail = Result.RECEIVED, "The provider says: not yet."
    _free(stored, now + max(after, dt.timedelta(seconds=1)))
    return EventOutcome(stored, stored.result)


def _postpone(row: ProviderEvent, result: str, detail: str, now: dt.datetime) -> EventOutcome:
    row.result, row.detail = result, provider_text.cleaned(detail)[:255]
    row.next_try_at = now + event_leasing.pause(row.tries)
    row.lease, row.leased_until = "", None
    row.save(update_fields=["attempt", "result", "detail", *_CLAIM])
    return EventOutcome(row, row.result)


def _free(stored: ProviderEvent, next_try_at: dt.datetime) -> None:
    with locking.atomic_write():
        still = ProviderEvent.objects.filter(pk=stored.pk, processed_at__isnull=True)
        still.update(next_try_at=next_try_at, result=stored.result, detail=stored.detail, **event_leasing.FREE)


def _attempt(provider: Provider, event: ReportedEvent) -> PaymentAttempt | None:
    """The attempt that an event speaks of, by our token or else by the provider's reference."""
    own = PaymentAttempt.objects.filter(method=provider.alias).select_related("payment__order")
    known: PaymentAttempt | None = own.filter(token=event.attempt_token).first() if event.attempt_token else None
    if known is None and event.reference:
        known = own.filter(reference=event.reference).first()
    return known


def _locked_attempt(provider: Provider, event: ReportedEvent) -> PaymentAttempt | None:
    """The same, with its contact, its order and then itself locked."""
    known = _attempt(provider, event)
    if known is None:
        return None
    order = transitions.lock(known.payment.order)
    locking.mark_locked(order)  # the ledger, under the same locks, need not take them once more
    attempt = locking.locked(PaymentAttempt.objects.filter(pk=known.pk)).select_related("payment").get()
    attempt.payment.order = order
    return attempt


def _wait_at_most(patience: dt.timedelta | None) -> None:
    """Have this transaction give up on a lock after ``patience``; whoever is in a transaction already waits as it does."""
    connection = connections[ProviderEvent.objects.db]
    if patience is not None and connection.vendor == "postgresql" and len(connection.atomic_blocks) == 1:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {int(patience.total_seconds() * 1000)}")


def _is_impatience(fault: Exception) -> bool:
    """Whether a lock was not to be had in time (PostgreSQL's *lock not available*)."""
    return isinstance(fault, OperationalError) and getattr(fault.__cause__, "sqlstate", "") == "55P03"


def _kept(provider: Provider, request: WebhookRequest) -> dict[str, str]:
    return {name: request.header(name) for name in provider.kept_headers if request.header(name)}


def _note_failure(stored: ProviderEvent, fault: Exception, now: dt.datetime) -> None:
    stored.result = Result.FAILED
    stored.detail = provider_text.cleaned(redaction.redact(f"{type(fault).__name__}: {fault}"))[:255]
    try:
        _free(stored, now + event_leasing.pause(stored.tries))
    except Exception:
        logger.exception("Could not note why event %s was not processed", stored.pk)


def _give_up(stored: ProviderEvent, result: str, now: dt.datetime) -> None:
    event = from_json(stored.meaning)
    with locking.atomic_write():
        row = locking.locked(ProviderEvent.objects.filter(pk=stored.pk, processed_at__isnull=True)).first()
        if row is None:
            return
        row.processed_at, row.result, row.next_try_at = now, result, None
        row.lease, row.leased_until = "", None
        row.save(update_fields=["processed_at", "result", *_CLAIM])
        # Of a payment that was never ours (an account shared with another shop) only money given our kind of token matters.
        if result != Result.UNKNOWN:
            writing.write(row, "payments.event_stuck", now=now, attention=True, method=row.method, why=row.detail)
        elif event.outcome == CONFIRMED and (event.attempt_token or row.attempt_id):
            writing.write(
                row, "payments.unknown_money", now=now, attention=True, method=row.method,
                amount=event.amount, reference=event.reference,
            )  # fmt: skip
