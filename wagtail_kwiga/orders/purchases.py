"""Purchases: which one an order belongs to, whether it is paid, and what of it still waits for money."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from wagtail_kwiga.orders.models import Order, Purchase
from wagtail_kwiga.orders.statuses import PAYABLE, UNSETTLED, Status


def is_paid(purchase_id: int) -> bool:
    """Whether any order of the purchase was ever paid. A refund does not undo that."""
    return Purchase.objects.filter(pk=purchase_id, paid_at__isnull=False).exists()


def states(purchase_id: Any) -> dict[str, Exists]:
    """Whether an order of the purchase still waits, has had a part of its money, was ever paid: for annotating a row that
    knows its purchase (an ``OuterRef``, say)."""
    orders = Order.objects.filter(purchase_id=purchase_id).order_by()
    return {
        "purchase_waits": Exists(orders.filter(status__in=sorted(UNSETTLED))),
        "purchase_partly_paid": Exists(orders.filter(status=Status.PARTLY_PAID)),
        "purchase_paid": Exists(orders.filter(paid_at__isnull=False)),
    }


def is_theirs(purchase_id: int) -> bool:
    """Whether the purchase stands: some order of it is paid and was not refunded."""
    return Order.objects.filter(purchase_id=purchase_id, status=Status.PAID).exists()


def paid_among(purchase_ids: Iterable[int]) -> set[int]:
    """Those of ``purchase_ids`` that are paid, in one query."""
    return set(Purchase.objects.filter(pk__in=list(purchase_ids), paid_at__isnull=False).values_list("pk", flat=True))


def has_several_names(purchase_id: int) -> bool:
    """Whether the orders of the purchase were placed under more than one name, or phone number: perhaps not all by its buyer."""
    orders = Order.objects.filter(purchase_id=purchase_id).order_by()
    return orders.values("buyer_name", "buyer_phone").distinct()[:2].count() > 1


def newest(purchase_id: int) -> Order | None:
    """The order placed last."""
    return Order.objects.filter(purchase_id=purchase_id).order_by("-placed_at", "-pk").first()


def open_orders(contact_id: int, offer_id: int) -> QuerySet[Order]:
    """What a new order of this pair must reckon with, newest first: orders that wait for money, and the latest of all.

    Each carries ``purchase_paid``. At most a handful of rows, however often somebody came back.
    """
    pair = Order.objects.filter(contact_id=contact_id, offer_id=offer_id)
    latest = pair.order_by("-placed_at", "-pk").values("pk")[:1]
    paid = Purchase.objects.filter(pk=OuterRef("purchase_id"), paid_at__isnull=False)
    return (
        pair.filter(Q(status__in=sorted(PAYABLE)) | Q(pk__in=latest))
        .annotate(purchase_paid=Exists(paid))
        .order_by("-placed_at", "-pk")
    )


def for_new_order(standing: Sequence[Order], *, contact_id: int, offer_id: int | None, now: dt.datetime) -> int:
    """The key of the purchase that a new order joins: that of the latest order, or a new one where that is paid."""
    for order in standing[:1]:
        if not order.purchase_paid:  # type: ignore[attr-defined]
            return order.purchase_id
    return Purchase.objects.create(contact_id=contact_id, offer_id=offer_id, opened_at=now).pk


def note_placed(order: Order) -> None:
    """The order is the purchase's current one."""
    Purchase.objects.filter(pk=order.purchase_id).update(current_order=order)


def note_paid(purchase_id: int, now: dt.datetime) -> bool:
    """The purchase is paid; whether it was not so before."""
    return bool(Purchase.objects.filter(pk=purchase_id, paid_at__isnull=True).update(paid_at=now))
