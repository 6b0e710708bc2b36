"""Which worker has a stored event in hand, and when it is tried next."""

from __future__ import annotations

import datetime as dt
import secrets

from django.db.models import Q, QuerySet

from wagtail_kwiga import conf, locking
from wagtail_kwiga.payments.models import ProviderEvent

#: The longest pause between two tries.
LONGEST_PAUSE = dt.timedelta(hours=1)
#: Columns of a row that nobody has in hand, to be written with it.
FREE = {"lease": "", "leased_until": None}


def pause(tries: int) -> dt.timedelta:
    """How long to wait after so many tries: 1, 2, 4 … minutes, at most an hour."""
    doubled = dt.timedelta(minutes=2 ** min(max(tries - 1, 0), 10))
    return min(doubled, LONGEST_PAUSE)


def claim(now: dt.datetime, *, batch: int = 1, only: int | None = None) -> list[ProviderEvent]:
    """Up to ``batch`` stored events whose time has come, for this worker alone; or the one with the key ``only``.

    Each has one try more and a lease; whoever dies in it is replaced when the lease has run out. One query for nothing,
    the same few for any number.
    """
    until = now + dt.timedelta(seconds=conf.settings.LEASE_SECONDS)
    due = _due(now) if only is None else _due(now).filter(pk=only)
    if not due.exists():
        return []
    with locking.atomic_write():
        claimed = list(locking.locked(due.order_by("next_try_at", "pk"), skip=True)[:batch])
        lease = secrets.token_hex(16)
        for event in claimed:
            event.lease, event.leased_until = lease, until
            event.tries += 1
            event.next_try_at = max(until, now + pause(event.tries))
        if claimed:
            ProviderEvent.objects.bulk_update(claimed, ["lease", "leased_until", "tries", "next_try_at"])
    return claimed


def release(events: list[ProviderEvent], now: dt.datetime) -> None:
    """Give back what was claimed and not begun: the next worker may take it at once."""
    if events:
        mine = ProviderEvent.objects.filter(pk__in=[event.pk for event in events], lease=events[0].lease)
        mine.filter(processed_at__isnull=True).update(next_try_at=now, **FREE)


def _due(now: dt.datetime) -> QuerySet[ProviderEvent]:
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    return ProviderEvent.objects.filter(free, next_try_at__lte=now, processed_at__isnull=True)
