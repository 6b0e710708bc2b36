"""Writing down what a provider said, once, before anything is done with it."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence

from wagtail_kwiga import locking, upserts
from wagtail_kwiga.payments import provider_text
from wagtail_kwiga.payments.models import ProviderEvent
from wagtail_kwiga.payments.provider import Provider, ReportedEvent
from wagtail_kwiga.payments.serialization import to_json

#: How long an event is left to the request that took it in before the sweep looks at it.
LEAVE_ALONE = dt.timedelta(minutes=1)


def event_keys(events: Sequence[ReportedEvent], body: bytes) -> list[str]:
    """What each event of one body is remembered by: the provider's own id, else a hash of the body.

    Where several would be remembered by the same, the later ones bear their position too: losing one could be losing money.
    """
    found: list[str] = []
    body_hash = ""
    for position, event in enumerate(events):
        key = event.event_id
        if not key:
            key = body_hash = body_hash or hashlib.sha256(body or _spelled(events)).hexdigest()
        if key in found:
            key = f"{key}#{position}"
        found.append(provider_text.handle(key))
    return found


def store(
    provider: Provider,
    events: Sequence[ReportedEvent],
    *,
    body: bytes,
    headers: Mapping[str, str],
    now: dt.datetime,
) -> list[ProviderEvent]:
    """The rows of ``events`` in their order, made where they are new, and committed. A repetition costs one look.

    An event that needs the provider's yes is due for the worker at once, every other one when its own request has had time
    to apply it.
    """
    if not events:
        return []
    named = dict(zip(event_keys(events, body), events, strict=True))
    due = now if provider.needs_confirm else now + LEAVE_ALONE
    with locking.atomic_write():
        known = _known(provider, named)
        new = [
            ProviderEvent(
                method=provider.alias,
                event_id=key,
                kind=event.kind,
                position=position,
                meaning=to_json(event),
                headers=provider_text.cleaned(dict(headers)) if position == 0 else {},
                body=_text(body) if position == 0 else "",
                received_at=now,
                next_try_at=due,
            )
            for position, (key, event) in enumerate(named.items())
            if key not in known
        ]
        written = [row for row in new if upserts.insert_or_ignore(row)]
        known |= {row.event_id: row for row in written}
        if len(written) < len(new):  # somebody else takes in the same body at this moment
            known = _known(provider, named)
    return [known[key] for key in named]


def _known(provider: Provider, named: Mapping[str, ReportedEvent]) -> dict[str, ProviderEvent]:
    rows = ProviderEvent.objects.filter(method=provider.alias, event_id__in=list(named))
    return {row.event_id: row for row in rows}


def _spelled(events: Sequence[ReportedEvent]) -> bytes:
    """What was asked for came without a body: its words stand in for it."""
    return json.dumps([to_json(event) for event in events], sort_keys=True).encode()


def _text(body: bytes) -> str:
    """The body as text that every database takes; bytes that are no text as base64, said so in front."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\x00"
    return "base64:" + base64.b64encode(body).decode() if "\x00" in text else text
