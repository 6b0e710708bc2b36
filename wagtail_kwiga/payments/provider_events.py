"""The one door for what providers say: verify → remember once → lock → compare → apply → answer.

A notice may come early, late, repeated or out of order (promise 8). It is stored in a transaction of its own before
anything is done with it, with its meaning in our words, so that a crash in between loses nothing: the provider's
repetition or ``settle_stored`` goes on from the row. ``payments.applying`` decides what a notice means for its attempt.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.views.decorators.debug import sensitive_variables

from wagtail_kwiga import conf, locking, redaction
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import applying, registry
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent
from wagtail_kwiga.payments.provider import CONFIRMED, Provider, ReportedEvent, WebhookRequest
from wagtail_kwiga.pricing.money import Money

logger = logging.getLogger("wagtail_kwiga.payments")

Result = ProviderEvent.Result

#: Key in ``ProviderEvent.headers`` under which the notice is kept in our own words. No header begins with a colon.
MEANING = ":notice"
#: A notice nobody has processed is left to whoever received it for this long.
LEAVE_ALONE = dt.timedelta(minutes=1)
#: How long an unknown payment may still turn up (a notice can overtake our own commit), and a broken notice is retried.
UNKNOWN_FOR = dt.timedelta(hours=1)
STUCK_FOR = dt.timedelta(hours=24)


@dataclass(frozen=True)
class EventOutcome:
    """What became of a notice. ``repeated``: it had been processed before, and nothing was done."""

    notice: ProviderEvent
    result: str
    repeated: bool = False


@sensitive_variables("request", "kept")
def receive(alias: str, request: WebhookRequest, now: dt.datetime | None = None) -> EventOutcome:
    """Take in a notice for the provider ``alias``.

    Raises ``PaymentRefused`` (``unknown_method``) for an alias that is not enabled and ``BadSignature`` for a notice that is
    not beyond doubt; then nothing was written. Whatever processing raises passes through, with the notice stored for
    another try. Everything else, an unknown payment too, is an outcome and deserves a friendly answer.
    """
    now = now or request.at or conf.now()
    provider = registry.get(alias)
    if request.at is None:
        request = WebhookRequest(request.method, request.body, request.headers, request.query, at=now)
    notice = provider.verify(request)
    kept = {name: request.header(name) for name in provider.kept_headers if request.header(name)}
    return take(provider, notice, body=request.body, headers=kept, now=now)


@sensitive_variables("body", "headers")
def take(
    provider: Provider,
    notice: ReportedEvent,
    *,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    now: dt.datetime,
) -> EventOutcome:
    """Remember and apply a notice that is beyond doubt: verified, or fetched from the provider itself."""
    event_id = notice.event_id or hashlib.sha256(body).hexdigest()
    if len(event_id) > 200:
        event_id = hashlib.sha256(event_id.encode()).hexdigest()
    with locking.atomic_write():
        stored, _made = ProviderEvent.objects.get_or_create(
            method=provider.alias,
            event_id=event_id,
            defaults={
                "body": _text(body),
                "headers": {**(headers or {}), MEANING: _to_json(notice)},
                "received_at": now,
            },
        )
    if stored.processed_at is not None:
        return EventOutcome(stored, stored.result, repeated=True)
    return process(provider, stored, now=now)


def process(provider: Provider, stored: ProviderEvent, *, now: dt.datetime) -> EventOutcome:
    """Apply a stored notice once, however many try. Raises whatever stands in the way, and notes it on the row."""
    notice = _from_json(stored.headers[MEANING])
    try:
        with locking.atomic_write():
            attempt = _locked_attempt(provider, notice)
            row = locking.locked(ProviderEvent.objects.filter(pk=stored.pk)).get()
            if row.processed_at is not None:
                return EventOutcome(row, row.result, repeated=True)
            if attempt is None:
                row.result, row.detail = Result.UNKNOWN, "No such payment here."
                row.save(update_fields=["result", "detail"])
                return EventOutcome(row, row.result)
            verdict = applying.apply(provider, notice, attempt, now=now)
            row.attempt, row.processed_at = attempt, now
            row.result, row.detail = verdict.result, verdict.detail[:255]
            row.save(update_fields=["attempt", "processed_at", "result", "detail"])
    except Exception as fault:
        _note_failure(stored, fault)
        raise
    return EventOutcome(row, row.result)


def settle_stored(now: dt.datetime | None = None, *, batch: int = 100) -> int:
    """Process stored notices that nobody finished: after a crash, or because they overtook our own commit.

    Returns how many were processed. What cannot be processed for a day, and money for a payment that stays unknown for an
    hour, goes on a person's list and is left at that.
    """
    now = now or conf.now()
    waiting = ProviderEvent.objects.filter(processed_at__isnull=True, received_at__lte=now - LEAVE_ALONE)
    settled = 0
    for stored in waiting.order_by("received_at", "pk")[:batch]:
        try:
            outcome = process(registry.get(stored.method), stored, now=now)
        except PaymentRefused:
            outcome = EventOutcome(stored, Result.FAILED)  # the provider was taken out of the settings
        except Exception:
            logger.exception("Notice %s of %s could not be processed", stored.event_id, stored.method)
            outcome = EventOutcome(stored, Result.FAILED)
        if outcome.result not in (Result.UNKNOWN, Result.FAILED):
            settled += 1
        elif now - stored.received_at >= (UNKNOWN_FOR if outcome.result == Result.UNKNOWN else STUCK_FOR):
            _give_up(stored, outcome.result, now)
    return settled


def _locked_attempt(provider: Provider, notice: ReportedEvent) -> PaymentAttempt | None:
    """The attempt a notice speaks of, with its contact, its order and then itself locked."""
    own = PaymentAttempt.objects.filter(method=provider.alias).select_related("payment__order")
    known = own.filter(token=notice.attempt_token).first() if notice.attempt_token else None
    if known is None and notice.reference:
        known = own.filter(reference=notice.reference).first()
    if known is None:
        return None
    order = transitions.lock(known.payment.order)
    attempt = locking.locked(PaymentAttempt.objects.filter(pk=known.pk)).select_related("payment").get()
    attempt.payment.order = order
    return attempt


def _note_failure(stored: ProviderEvent, fault: Exception) -> None:
    try:
        with locking.atomic_write():
            ProviderEvent.objects.filter(pk=stored.pk, processed_at__isnull=True).update(
                result=Result.FAILED,
                detail=redaction.redact(f"{type(fault).__name__}: {fault}").replace("\x00", "")[:255],
            )
    except Exception:
        logger.exception("Could not note why notice %s was not processed", stored.pk)


def _give_up(stored: ProviderEvent, result: str, now: dt.datetime) -> None:
    notice = _from_json(stored.headers[MEANING])
    with locking.atomic_write():
        row = locking.locked(ProviderEvent.objects.filter(pk=stored.pk, processed_at__isnull=True)).first()
        if row is None:
            return
        row.processed_at, row.result = now, result
        row.save(update_fields=["processed_at", "result"])
        # Of a payment that was never ours (an account shared with another shop) only money given our kind of token matters.
        if result == Result.FAILED:
            writing.write(row, "payments.notice_stuck", now=now, attention=True, method=row.method, why=row.detail)
        elif notice.outcome == CONFIRMED and notice.attempt_token:
            writing.write(
                row, "payments.unknown_money", now=now, attention=True, method=row.method,
                amount=notice.amount, reference=notice.reference,
            )  # fmt: skip


def _text(body: bytes) -> str:
    """The body as text that every database takes; bytes that are no text as base64, said so in front."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\x00"
    return "base64:" + base64.b64encode(body).decode() if "\x00" in text else text


def _to_json(notice: ReportedEvent) -> dict[str, Any]:
    money = notice.amount
    return {
        "event_id": notice.event_id,
        "attempt_token": notice.attempt_token,
        "reference": notice.reference,
        "outcome": notice.outcome,
        "amount": str(money.amount) if money is not None else None,
        "currency": money.currency if money is not None else None,
        "live": notice.live,
        "raw": json.loads(json.dumps(dict(notice.raw), default=str).replace("\\u0000", "")),
    }


def _from_json(kept: Mapping[str, Any]) -> ReportedEvent:
    amount = None if kept["amount"] is None else Money(Decimal(kept["amount"]), kept["currency"])
    return ReportedEvent(
        kept["event_id"], kept["attempt_token"], kept["reference"], kept["outcome"], amount, kept["live"], kept["raw"]
    )
