"""Refunds of a database that was restored from a backup: what may have been asked for since is in doubt."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments.models import Refund
from wagtail_kwiga.payments.statuses import RefundState


def maybe_asked_for(backup: dt.datetime) -> QuerySet[Refund]:
    """Refunds that were written down in the backup made at ``backup``, and of which it does not say that the provider was called.

    One that was called already is safe: the sweep asks what became of it, and never repeats a call that could pay twice.
    """
    return Refund.objects.filter(state=RefundState.REQUESTED, requested_at__lte=backup)


def put_in_doubt(backup: dt.datetime, now: dt.datetime) -> int:
    """Make them *unknown*, on a person's list, and call no provider about them; returns how many. A fixed number of queries a
    batch."""
    doubted = 0
    while True:
        with locking.atomic_write():
            found = maybe_asked_for(backup).order_by("pk")
            some = dict(found.values_list("pk", "order__contact_id")[: conf.settings.SWEEP_BATCH])
            if not some:
                return doubted
            directory.lock_many(some.values())
            rows = list(locking.locked(found.filter(pk__in=list(some)).select_related("attempt", "order")))
            Refund.objects.filter(pk__in=[row.pk for row in rows]).update(
                state=RefundState.UNKNOWN, next_try_at=None, changed_at=now
            )
            writing.write_many(
                writing.draft(
                    row.order,
                    "payments.refund_unknown",
                    now=now,
                    attention=True,
                    amount=row.money,
                    method=row.attempt.method,
                )
                for row in rows
            )
        doubted += len(rows)
