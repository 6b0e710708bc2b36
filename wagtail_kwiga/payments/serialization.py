"""A provider's event in our words ↔ JSON: the form in which it waits to be applied (``ProviderEvent.meaning``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from wagtail_kwiga.exceptions import NewerVersion
from wagtail_kwiga.payments import provider_text
from wagtail_kwiga.payments.provider import Outcome, ReportedEvent
from wagtail_kwiga.pricing.money import Money

#: Raised when an older release would misread what is kept. What it merely does not know it leaves out.
SCHEMA = 1

_AS_THEY_ARE = (
    "event_id",
    "attempt_token",
    "reference",
    "outcome",
    "live",
    "kind",
    "failure_code",
    "failure_message",
    "refund_token",
    "refund_reference",
    "dispute_reference",
    "channel",
)


def to_json(event: ReportedEvent) -> dict[str, Any]:
    """``event`` as JSON that every database takes."""
    money = event.amount
    kept = {
        "schema": SCHEMA,
        **{name: getattr(event, name) for name in _AS_THEY_ARE},
        "amount": str(money.amount) if money is not None else None,
        "currency": money.currency if money is not None else None,
        "external_ids": dict(event.external_ids),
        "raw": dict(event.raw),
    }
    plain: dict[str, Any] = provider_text.cleaned(json.loads(json.dumps(kept, default=str)))
    return plain


def from_json(kept: Mapping[str, Any]) -> ReportedEvent:
    """The reverse of ``to_json``. Raises ``NewerVersion`` for what a newer release has kept."""
    if kept.get("schema", SCHEMA) > SCHEMA or kept["outcome"] not in set(Outcome):
        raise NewerVersion(f"A newer version has kept this event ({kept.get('outcome')!r}).")
    amount = None if kept["amount"] is None else Money(Decimal(kept["amount"]), kept["currency"])
    return ReportedEvent(
        amount=amount,
        external_ids=kept["external_ids"],
        raw=kept["raw"],
        **{name: kept[name] for name in _AS_THEY_ARE},
    )
