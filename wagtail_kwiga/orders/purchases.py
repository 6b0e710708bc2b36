"""A family: all orders of one contact for one offer since their last purchase.

Coming back makes a new order each time, as Kwiga's article “General information about orders” describes, so one wish to
buy leaves several rows. Recovery, closing and silence hang on the family, never on a single order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, UNSETTLED, Status


def is_paid(family: uuid.UUID) -> bool:
    """Whether any order of the family was ever paid. A refund does not undo that."""
    return Order.objects.filter(family=family, paid_at__isnull=False).exists()


def states(family: Any) -> dict[str, Exists]:
    """Whether an order of the family still waits, has had a part of its money, was ever paid: for annotating a row that
    knows its ``family`` (an ``OuterRef``, say)."""
    orders = Order.objects.filter(family=family).order_by()
    return {
        "family_waits": Exists(orders.filter(status__in=sorted(UNSETTLED))),
        "family_partly_paid": Exists(orders.filter(status=Status.PARTLY_PAID)),
        "family_paid": Exists(orders.filter(paid_at__isnull=False)),
    }


def is_theirs(family: uuid.UUID) -> bool:
    """Whether the purchase stands: some order of the family is paid and was not given back."""
    return Order.objects.filter(family=family, status=Status.PAID).exists()


def paid_among(families: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of ``families`` that are paid, in one query."""
    return set(Order.objects.filter(family__in=list(families), paid_at__isnull=False).values_list("family", flat=True))


def has_several_names(family: uuid.UUID) -> bool:
    """Whether the orders of the purchase were placed under more than one name, or phone number: perhaps not all by its buyer."""
    return Order.objects.filter(family=family).order_by().values("buyer_name", "buyer_phone").distinct()[:2].count() > 1


def newest(family: uuid.UUID) -> Order | None:
    """The order placed last."""
    return Order.objects.filter(family=family).order_by("-placed_at", "-pk").first()


def open_orders(contact_id: int, offer_id: int) -> QuerySet[Order]:
    """What a new order of this pair must reckon with, newest first: orders that wait for money, and the latest of all.

    Each carries ``family_paid``. At most a handful of rows, however often somebody came back.
    """
    pair = Order.objects.filter(contact_id=contact_id, offer_id=offer_id)
    latest = pair.order_by("-placed_at", "-pk").values("pk")[:1]
    paid = Order.objects.filter(family=OuterRef("family"), paid_at__isnull=False)
    return (
        pair.filter(Q(status__in=sorted(PAYABLE)) | Q(pk__in=latest))
        .annotate(family_paid=Exists(paid))
        .order_by("-placed_at", "-pk")
    )


def for_new_order(standing_orders: Iterable[Order]) -> uuid.UUID:
    """The family a new order joins: that of the latest order, or a new one where that purchase is closed."""
    for order in standing_orders:
        return uuid.uuid4() if order.family_paid else order.family  # type: ignore[attr-defined]
    return uuid.uuid4()
