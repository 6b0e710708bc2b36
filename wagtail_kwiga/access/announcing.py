"""Telling people that something has opened: because its day has come, or because staff gave it.

When it is to be told stands on the grant (``AccessGrant.announce_at``), so that no queue can lose it. Nobody is told of what they
cannot open: what was taken away or frozen meanwhile is passed over.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.access import grant_times
from wagtail_kwiga.access.events import AccessOpened, OpenedGrant
from wagtail_kwiga.access.models import AccessGrant


def announce_due(now: dt.datetime | None = None, *, batch: int | None = None) -> int:
    """Tell ``AccessOpened`` of every grant whose ``announce_at`` has come, and clear that in the same transaction; returns how
    many were told of. Five queries a batch, one where nothing is due. Safe to run from several workers."""
    now = now or conf.now()
    size = batch or conf.settings.SWEEP_BATCH
    told = 0
    while _due(now).exists():
        with locking.atomic_write():
            taken, opened = take(_due(now), now, batch=size)
            if not taken:  # another worker has them
                break
            if opened:
                events.publish(AccessOpened(tuple(opened), now))
        told += len(opened)
    return told


def announce_again(grant_ids: list[int], now: dt.datetime) -> int:
    """Have those of the grants told of by the next sweep; returns how many. For a mail that speaks of others, too, which are
    not open any more. One query."""
    return AccessGrant.objects.filter(pk__in=grant_ids).update(announce_at=now)


def untold(before: dt.datetime, now: dt.datetime) -> QuerySet[AccessGrant]:
    """Grants given at ``before`` at the latest that are still to be told of by ``now``."""
    return _due(now).filter(granted_at__lte=before)


def take(grants: QuerySet[AccessGrant], now: dt.datetime, *, batch: int) -> tuple[int, list[OpenedGrant]]:
    """Clear ``announce_at`` of some of ``grants``, and tell nobody; returns of how many, and those that are open. Call it within a
    transaction. Four queries, one where there are none."""
    ids = list(locking.locked(grants.order_by("announce_at", "pk"), skip=True).values_list("pk", flat=True)[:batch])
    if not ids:
        return 0, []
    opened = _open_ones(ids, now)
    AccessGrant.objects.filter(pk__in=ids).update(announce_at=None)
    return len(ids), opened


def open_among(grant_ids: list[int], now: dt.datetime) -> set[int]:
    """Those of the grants by which something may be opened at ``now``. One query."""
    return {one.grant_id for one in _open_ones(grant_ids, now)}


def _due(now: dt.datetime) -> QuerySet[AccessGrant]:
    # ``announce_at`` is compared, so it is not null: said aloud, because that is what the index is made of.
    return AccessGrant.objects.filter(announce_at__isnull=False, announce_at__lte=now)


def _open_ones(ids: list[int], now: dt.datetime) -> list[OpenedGrant]:
    found = []
    for held in grant_times.with_times(AccessGrant.objects.filter(pk__in=ids)):
        times = held.view.times
        if any(begin <= now and (end is None or now < end) for begin, end in times.open):
            found.append(OpenedGrant(held.pk, held.contact_id, held.product_id, times.ends_at))
    return found
