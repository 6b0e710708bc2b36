"""Purchases: which one an order joins, whether it is paid, and what of it still waits for money."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from wagtail_kwiga import events, locking, signing
from wagtail_kwiga.coupons.models import CouponUse
from wagtail_kwiga.exceptions import OrderRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.events import PurchasesJoined
from wagtail_kwiga.orders.models import Order, OrderLine, Purchase
from wagtail_kwiga.orders.statuses import PAYABLE, UNSETTLED, Status

#: A purchase that a new order may still join (the condition of ``kwiga_purchase_one_open``).
IS_OPEN = Q(paid_at__isnull=True, closed_at__isnull=True, joined_into__isnull=True, set_aside_at__isnull=True)


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


def is_slot_paid(contact_id: int, slot: str) -> bool:
    """Whether the contact has paid a purchase of that slot: what was deliberately added there is done."""
    return Purchase.objects.filter(contact_id=contact_id, slot=slot, paid_at__isnull=False).exists()


def paid_order(purchase_id: int) -> Order | None:
    """The order by which the purchase stands paid; ``None`` where it is unpaid, or paid back."""
    return Order.objects.filter(purchase_id=purchase_id, status=Status.PAID).order_by("-paid_at", "-pk").first()


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


def new_slot() -> str:
    """A slot that nothing else has: for what somebody wants once more, beside what is open."""
    return signing.random_token()[:16]


@dataclass(frozen=True)
class OpenPurchase:
    """A purchase that a new order might join, as ``which_to_join`` sees it."""

    id: int
    opened_at: dt.datetime
    #: The offer chosen at present.
    offer_id: int | None
    #: What its newest order is about, and any order of it that is paid in part: the products of their main lines.
    product_ids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Join:
    """The purchase that an order joins (``None``: a new one begins), and those whose orders move over to it."""

    into: int | None = None
    emptied: tuple[int, ...] = ()


def which_to_join(
    open_purchases: Iterable[OpenPurchase], *, offer_id: int | None, product_ids: Set[int], given: int | None = None
) -> Join:
    """The purchase of an order that is about ``product_ids``: pure, over the open ones of one contact and slot.

    It is the one that is about one of them, or whose offer it is; of several the one that was opened first,
    and the others move over to it. ``given`` names the one to join whatever it is about; the others move over all the same,
    so that no two open purchases are about one product.
    """
    about = [
        one
        for one in open_purchases
        if one.id != given and (one.product_ids & product_ids or (offer_id is not None and one.offer_id == offer_id))
    ]
    ids = [one.id for one in sorted(about, key=lambda one: (one.opened_at, one.id))]
    if given is not None:
        ids.insert(0, given)
    return Join(ids[0], tuple(ids[1:])) if ids else Join()


@dataclass(frozen=True)
class Standing:
    """What a new order must reckon with: the contact's open purchases of one slot that it might join, and of their orders,
    newest first, those that wait for money, those that hold a coupon, and the newest of each."""

    purchases: tuple[OpenPurchase, ...] = ()
    orders: tuple[Order, ...] = ()


def standing(
    contact_id: int, slot: str = "", *, offer_id: int | None, product_ids: Set[int], given: int | None = None
) -> Standing:
    """``Standing`` for an order of ``offer_id`` about ``product_ids``, with the orders locked. Call it with the contact locked.

    The database picks the purchases: those of that offer, those that any order of theirs ever was about one of the products,
    and the ``given`` one. That is all that ``which_to_join`` may say yes to, and a bound: whoever has ten thousand other
    purchases open makes no placing heavier. One query, however much there is.
    """
    about = Q(pk=given) | Q(offer_id=offer_id, offer_id__isnull=False)
    if product_ids:
        lines = OrderLine.objects.filter(order__purchase=OuterRef("pk"), is_main=True, product_id__in=product_ids)
        about |= Q(Exists(lines))
    later = Order.objects.filter(purchase_id=OuterRef("purchase_id")).order_by("-placed_at", "-pk")
    rows = (
        Order.objects.filter(purchase__in=Purchase.objects.filter(IS_OPEN, about, contact_id=contact_id, slot=slot))
        .filter(
            Q(status__in=sorted(PAYABLE))
            | Q(coupon_use__state=CouponUse.State.RESERVED)
            | Q(pk=Subquery(later.values("pk")[:1]))
        )
        .annotate(
            main=FilteredRelation("lines", condition=Q(lines__is_main=True)),
            main_product=F("main__product_id"),
            purchase_opened_at=F("purchase__opened_at"),
            purchase_offer=F("purchase__offer_id"),
        )
        .select_related("coupon_use__coupon")
        .order_by("-placed_at", "-pk")
    )
    orders: dict[int, Order] = {}
    newest: dict[int, Any] = {}
    products: dict[int, set[int]] = defaultdict(set)
    for row in locking.locked(rows):
        orders.setdefault(row.pk, row)
        newest.setdefault(row.purchase_id, row)
        is_told = newest[row.purchase_id].pk == row.pk or row.status == Status.PARTLY_PAID
        if is_told and row.main_product is not None:
            products[row.purchase_id].add(row.main_product)
    found = tuple(
        OpenPurchase(pk, row.purchase_opened_at, row.purchase_offer, frozenset(products[pk]))
        for pk, row in newest.items()
    )
    return Standing(found, tuple(orders.values()))


def slot_of(purchase_id: int, contact_id: int) -> str:
    """The slot of a purchase that an order of the contact may join. Raises ``OrderRefused`` (``purchase_closed``)."""
    slot = (
        Purchase.objects.filter(IS_OPEN, pk=purchase_id, contact_id=contact_id).values_list("slot", flat=True).first()
    )
    if slot is None:
        raise OrderRefused(_("This purchase is closed. Please begin a new one."), code="purchase_closed")
    return slot


def begin(*, contact_id: int, offer_id: int | None, slot: str, now: dt.datetime) -> int:
    """The key of a new purchase."""
    return Purchase.objects.create(contact_id=contact_id, offer_id=offer_id, slot=slot, opened_at=now).pk


def merge(join: Join, *, contact_id: int, now: dt.datetime) -> None:
    """Move all orders of ``join.emptied`` to ``join.into``, close those purchases, and tell ``PurchasesJoined``.

    What was joined into one of them earlier points to the new one too: nobody has to follow two steps. Call it with the
    contact locked and no order of the emptied ones open or processing. Two statements.
    """
    if not join.emptied or join.into is None:
        return
    Purchase.objects.filter(Q(pk__in=join.emptied) | Q(joined_into__in=join.emptied)).update(
        joined_into=join.into, closed_at=Coalesce("closed_at", Value(now, Purchase._meta.get_field("closed_at")))
    )
    Order.objects.filter(purchase__in=join.emptied).update(purchase_id=join.into)
    events.publish(PurchasesJoined(contact_id, join.emptied, join.into, now))


def set_aside(orders: Sequence[Order], now: dt.datetime) -> None:
    """Put orders that were paid in part long ago on a person's list; their purchases no longer stand in the way of a new one.

    Two statements, however many there are.
    """
    Purchase.objects.filter(pk__in={order.purchase_id for order in orders}, set_aside_at__isnull=True).update(
        set_aside_at=now
    )
    writing.write_many(
        writing.draft(order, "order.part_overdue", now=now, attention=True, received=order.received, total=order.total)
        for order in orders
    )


def note_placed(order: Order) -> None:
    """The order is the purchase's current one, and its offer the one chosen at present."""
    Purchase.objects.filter(pk=order.purchase_id).update(current_order=order, offer_id=order.offer_id)


def paid_before(order: Order) -> Order | None:
    """The latest order of another purchase of the web's own slot that stands paid, for money, and shares a product with
    ``order``. One query."""
    products = OrderLine.objects.filter(order=order.pk).values("product_id")
    others = Order.objects.filter(
        contact_id=order.contact_id, status=Status.PAID, total_amount__gt=0, purchase__slot=""
    )
    return (
        others.exclude(purchase_id=order.purchase_id)
        .filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"), product_id__in=products)))
        .order_by("-paid_at", "-pk")
        .first()
    )


def note_paid(purchase_id: int, now: dt.datetime) -> bool:
    """The purchase is paid; whether it was not so before."""
    return bool(Purchase.objects.filter(pk=purchase_id, paid_at__isnull=True).update(paid_at=now))
