"""Orders whose time is over."""

from __future__ import annotations

import datetime as dt

from django.db.models import Exists, OuterRef, Q, QuerySet

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.orders import purchases
from wagtail_kwiga.orders.models import Order, Purchase
from wagtail_kwiga.orders.statuses import UNSETTLED, Status
from wagtail_kwiga.orders.transitions import close_many


def expire_due(now: dt.datetime | None = None, *, batch: int | None = None) -> int:
    """Expire every open order past its ``expires_at``; returns how many. A fixed number of queries per batch.

    A partly paid order does not expire: there is money in it, so a person decides. It goes on their list once, and from then
    on stands in the way of no new purchase (``purchases.set_aside``). Safe to run from several workers.
    """
    now = now or conf.now()
    batch = batch or conf.settings.SWEEP_BATCH
    expired = 0
    while True:
        contacts = list(_due(now).order_by("expires_at").values_list("pk", "contact_id")[:batch])
        if not contacts:
            return expired
        with locking.atomic_write():
            directory.lock_many({contact_id for _, contact_id in contacts})
            orders = list(locking.locked(_due(now).filter(pk__in=[pk for pk, _ in contacts]).order_by("pk")))
            parts = [order for order in orders if order.status == Status.PARTLY_PAID]
            if parts:
                purchases.set_aside(parts, now)
            over = [order for order in orders if order.status in UNSETTLED]
            if over:
                close_many(over, Status.EXPIRED, now=now)
        expired += len(over)


def _due(now: dt.datetime) -> QuerySet[Order]:
    """What is past its time: open orders, and those paid in part of purchases where nothing else waits for money."""
    of_purchase = Order.objects.filter(purchase_id=OuterRef("purchase_id"), status__in=sorted(UNSETTLED))
    is_open = Exists(Purchase.objects.filter(purchases.IS_OPEN, pk=OuterRef("purchase_id")))
    part = Q(is_open, ~Exists(of_purchase), status=Status.PARTLY_PAID)
    return Order.objects.filter(Q(status__in=sorted(UNSETTLED)) | part, expires_at__lte=now)
