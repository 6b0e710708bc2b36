"""Orders whose time is over."""

from __future__ import annotations

import datetime as dt

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import UNSETTLED, Status
from wagtail_kwiga.orders.transitions import close_many


def expire_due(now: dt.datetime | None = None, *, batch: int | None = None) -> int:
    """Expire every open order past its ``expires_at``; returns how many. A fixed number of queries per batch.

    A partly paid order does not expire: there is money in it, so a person decides. Safe to run from several workers.
    """
    now = now or conf.now()
    batch = batch or conf.settings.SWEEP_BATCH
    expired = 0
    while True:
        due = Order.objects.filter(status__in=sorted(UNSETTLED), expires_at__lte=now)
        contacts = list(due.order_by("expires_at").values_list("pk", "contact_id")[:batch])
        if not contacts:
            return expired
        with locking.atomic_write():
            directory.lock_many({contact_id for _, contact_id in contacts})
            orders = list(locking.locked(due.filter(pk__in=[pk for pk, _ in contacts]).order_by("pk")))
            if orders:
                close_many(orders, Status.EXPIRED, now=now)
        expired += len(orders)
