"""An order placed once more with another address, because the first one had been mistyped: it takes the place of the first.

Else somebody who has nothing to do with it would be reminded, and perhaps be offered a discount, at the mistyped address. What is
believed is the browser, which carries the handle of the first order (``offers.browser_proof``), and only where the name is the
same: two people may share a browser.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q, QuerySet

from wagtail_kwiga import locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import Status

if TYPE_CHECKING:
    from wagtail_kwiga.journal.models import TimelineEntry
    from wagtail_kwiga.orders.drafts import OrderDraft


def lock_people(handles: Collection[str], email: str) -> tuple[int, ...]:
    """The keys of this browser's open orders that are not of ``email``, their people locked, and whoever has ``email`` as well:
    in the order of their keys, as everywhere. Call it before that contact is locked. One query where there are none."""
    if not handles:
        return ()
    rows = list(_open(Order.objects.filter(token__in=list(handles))).exclude(contact__email=email))
    if rows:
        known = directory.find(email)
        directory.lock_many({row.contact_id for row in rows} | ({known.pk} if known is not None else set()))
    return tuple(row.pk for row in rows)


def lock_mistyped(order_ids: Collection[int], draft: OrderDraft) -> list[Order]:
    """Those of ``order_ids``, whose people are locked, that ``draft`` is placed instead of, locked. One query."""
    if not order_ids or draft.slot or draft.offer is None:
        return []
    lines = OrderLine.objects.filter(order=OuterRef("pk"), is_main=True, product_id__in=draft.main_products)
    rows = _open(Order.objects.filter(pk__in=order_ids)).filter(Q(offer=draft.offer) | Exists(lines))
    rows = rows.exclude(contact=draft.contact).select_related("coupon_use").order_by("pk")
    return [order for order in locking.locked(rows) if _folded(order.buyer_name) == _folded(draft.name)]


def close(mistyped: Sequence[Order], order: Order, now: dt.datetime) -> list[TimelineEntry]:
    """Supersede locked orders by ``order`` of another person; returns what the timelines are to say of it. Their coupons are
    left to the caller. A fixed number of queries."""
    if not mistyped:
        return []
    told = transitions.close_superseded(mistyped, code="order.corrected", number=order.number, now=now)
    Order.objects.filter(pk__in=[one.pk for one in mistyped]).update(superseded_by=order)
    return [*told, writing.draft(order, "order.corrects", now=now, numbers=[one.number for one in mistyped])]


def _open(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Unpaid, no money on its way, and in the web's own row of purchases."""
    return orders.filter(status=Status.OPEN, purchase__slot="")


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
