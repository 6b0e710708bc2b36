"""The only doors to ``Order.status``.

``_transition`` checks the table, writes the row and its timeline; the public verbs take the locks (contact, then order), move,
tell what happened, and touch the coupon's counter last. ``apply_totals`` is called by ``payments.ledger`` alone, which
holds the locks already.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.exceptions import CouponRefused, InvalidTransition
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.orders import purchases
from wagtail_kwiga.orders.events import OrderClosed, OrderPaid, OrderRefunded, OrdersClosed
from wagtail_kwiga.orders.labels import STATUS_LABELS
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import CLOSED_UNPAID, PAYABLE, UNSETTLED, Status, can_transition
from wagtail_kwiga.orders.totals import OrderTotals, Verdict, judge

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_RESERVED = CouponUse.State.RESERVED


def lock(order: Order | int) -> Order:
    """The order's row as it is now, with its contact and then itself locked: ``order`` itself where it came locked from this
    very transaction (``locking.mark_locked``). Call inside ``atomic_write``."""
    if isinstance(order, Order) and locking.is_held(order):
        return order
    pk = order if isinstance(order, int) else order.pk
    contact_id = (
        order.contact_id if isinstance(order, Order) else Order.objects.values_list("contact_id", flat=True).get(pk=pk)
    )
    directory.lock(contact_id)
    return locking.locked(Order.objects.filter(pk=pk)).select_related(None).get()


def start_processing(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """A payment is under way. Does nothing to an order that is not open: money, not news of it, revives a closed one."""
    return _simple(order, Status.PROCESSING, "order.processing", only_from=frozenset({Status.OPEN}), by=by, now=now)


def back_to_open(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """The payment under way came to nothing; the order waits for another."""
    return _simple(order, Status.OPEN, "order.waiting_again", only_from=frozenset({Status.PROCESSING}), by=by, now=now)


def supersede(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """Close an open order in favour of a newer one (``place_order`` does it by itself)."""
    return _close(order, Status.SUPERSEDED, by=by, now=now)


def cancel(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """Close an unpaid order. Its coupon use is given back and its runs end. Raises ``InvalidTransition`` for a paid one."""
    return _close(order, Status.CANCELLED, by=by, now=now)


def expire(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """Close an order whose time is over. ``orders.expiry`` does it for all that are due."""
    return _close(order, Status.EXPIRED, by=by, now=now)


def reopen(order: Order, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> Order:
    """Let a cancelled or expired order be paid after all, at its old price, for another full term.

    Raises ``InvalidTransition`` where the purchase was made meanwhile, another order of the pair is open, or the coupon it was
    agreed with has no use left.
    """
    now = now or conf.now()
    with locking.atomic_write():
        fresh = lock(order)
        if fresh.status not in (Status.CANCELLED, Status.EXPIRED):
            raise InvalidTransition(_("Only a cancelled or expired order can be opened again."))
        if purchases.is_paid(fresh.purchase_id):
            raise InvalidTransition(_("This purchase was made with another order."), code="purchase_paid")
        _mind_rivals(fresh)
        fresh.price_holds_until = now + dt.timedelta(days=conf.settings.PRICE_HOLDS_DAYS)
        fresh.expires_at = now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS)
        fresh.closed_at = None
        _transition(
            fresh,
            Status.PARTLY_PAID if fresh.paid_amount > 0 else Status.OPEN,
            "order.reopened",
            now=now,
            by=by,
            fields=("price_holds_until", "expires_at", "closed_at"),
        )
        if fresh.coupon_use_id:
            try:
                uses.renew(fresh.coupon_use, until=fresh.expires_at, now=now)
            except CouponRefused as refusal:
                raise InvalidTransition(refusal.message, code=refusal.code) from refusal
    return copy_columns(order, fresh)


def apply_totals(
    order: Order,
    totals: OrderTotals,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    payer_known: bool = True,
) -> Order:
    """Take note of the money an order has after one more movement of it.

    For ``payments.ledger`` only; ``order`` is locked, and so is its contact. Money is never refused (promise 7): whatever
    the status, enough of it makes the order paid, closes its siblings and tells ``OrderPaid``; money that is late, double
    or too much is put on a person's list (``orders.totals`` decides). Money stands up for the name and phone on the order,
    unless it is not clear that who paid is who ordered (``payer_known``).
    """
    before = Status(order.status)
    verdict = judge(before, order.total_amount, totals, was_paid=order.paid_at is not None)
    status, becomes_paid = verdict.status, verdict.becomes_paid
    if status == Status.OPEN and before not in UNSETTLED:
        _mind_rivals(order)
    order.paid_amount, order.refunded_amount, order.settled_amount = totals.paid, totals.refunded, totals.settled
    first = becomes_paid and purchases.note_paid(order.purchase_id, now)
    if becomes_paid:
        order.paid_at = now
    if status in (Status.PAID, Status.PARTLY_PAID):
        order.closed_at = None
    if status == before:
        order.save(update_fields=["paid_amount", "refunded_amount", "settled_amount"])
    else:
        _transition(
            order,
            status,
            f"order.{status}",
            now=now,
            by=by,
            received=order.received,
            total=order.total,
            fields=("paid_amount", "refunded_amount", "settled_amount", "paid_at", "closed_at"),
        )
    _flag_odd_money(order, before, verdict, now=now, twice=becomes_paid and not first and totals.money_came)
    if totals.money_went:
        events.publish(
            OrderRefunded(
                order.pk,
                order.contact_id,
                order.offer_id,
                order.purchase_id,
                str(totals.refunded),
                order.currency,
                totals.paid <= 0,
                now,
            )
        )
    if becomes_paid:
        if totals.paid > 0 and payer_known:
            given = {"name": order.buyer_name, "phone": order.buyer_phone}
            Contact.objects.filter(pk=order.contact_id, is_verified=False).update(
                is_verified=True, **{field: value for field, value in given.items() if value}
            )
        siblings = _close_siblings(order, now=now, by=by)
        # A part had come, opened access and gone again: what it opened was taken away with it.
        again = before == Status.REFUNDED or totals.again
        events.publish(
            OrderPaid(order.pk, order.contact_id, order.offer_id, order.purchase_id, now, first, again=again)
        )
        _settle_uses(order, [*siblings, *_closed_elsewhere(order, now)], now=now)
    elif verdict.again:
        events.publish(OrderPaid(order.pk, order.contact_id, order.offer_id, order.purchase_id, now, False, again=True))
        # What is owned once more was closed by that, and gives its coupons back.
        uses.release_many([one.coupon_use_id for one in _closed_elsewhere(order, now) if one.coupon_use_id], now=now)
    elif status == Status.PARTLY_PAID and totals.money_came and order.coupon_use_id:
        # The rest is paid at the price agreed, as long as the order stands: nobody else gets its place before that.
        uses.keep(order.coupon_use_id, until=order.expires_at)
    elif status == Status.REFUNDED and order.paid_at is None and order.coupon_use_id:
        # A part came and went back again: the order ends unpaid, and its coupon has a place for somebody else.
        uses.release_many([order.coupon_use_id], now=now)
    return order


def close_superseded(
    orders: Sequence[Order],
    *,
    hand_on: Order | None = None,
    code: str = "order.superseded",
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    **facts: Any,
) -> list[TimelineEntry]:
    """Close locked ``orders`` for the one about to be placed. For ``orders.placing``, which holds the locks, and which writes
    the timeline entries that this returns, together with its own.

    ``hand_on`` is the order whose coupon use is let go of for the new one to take; it may have been closed before. The uses of
    the others stay as they are: ``placing`` gives them back, in its turn. ``code`` and ``facts`` are what their timelines say.
    A fixed number of queries.
    """
    if hand_on is not None:
        hand_on.coupon_use = None
        Order.objects.filter(pk=hand_on.pk).update(coupon_use=None)
    return _close_as(orders, Status.SUPERSEDED, code, now=now, by=by, **facts)


def close_owned(
    contact_id: int, offer_ids: Collection[int], *, paid_id: int, now: dt.datetime, by: AbstractBaseUser | None = None
) -> int:
    """Cancel the open orders for ``offer_ids`` of the contact's other web purchases: with the order ``paid_id`` they have all
    that is in them. Returns how many.

    Call it with the contact locked, inside ``OrderPaid``: ``apply_totals`` gives the coupons back afterwards, when it is time
    to lock their counters. A part already paid is left to a person. A fixed number of queries.
    """
    if not offer_ids:
        return 0
    paid = Order.objects.only("number", "purchase_id").get(pk=paid_id)
    rows = open_elsewhere(contact_id, paid.purchase_id).filter(offer_id__in=list(offer_ids))
    orders = list(locking.locked(rows.order_by("pk")))
    writing.write_many(_close_as(orders, Status.CANCELLED, "order.owned_now", now=now, by=by, paid=paid.number))
    return len(orders)


def open_elsewhere(contact_id: int, purchase_id: int) -> QuerySet[Order]:
    """The orders that wait for money in the contact's other purchases of the web's own slot."""
    return Order.objects.filter(contact_id=contact_id, purchase__slot="", status__in=sorted(UNSETTLED)).exclude(
        purchase_id=purchase_id
    )


def _close_as(
    orders: Sequence[Order], to: Status, code: str, *, now: dt.datetime, by: AbstractBaseUser | None, **facts: Any
) -> list[TimelineEntry]:
    """Close locked orders as one set and tell it, without touching their coupons; returns what is to be written of it."""
    entries: list[TimelineEntry] = []
    if not orders:
        return entries
    for order in orders:
        _check(order, to)
        entries.append(writing.draft(order, code, now=now, by=by, **facts, was=str(order.status)))
        order.status, order.closed_at = to, now
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(status=to, closed_at=now)
    events.publish(OrdersClosed(tuple(closed_event(order, now) for order in orders), now))
    return entries


def close_many(
    orders: Sequence[Order], status: Status, *, now: dt.datetime, by: AbstractBaseUser | None = None
) -> None:
    """Close locked orders as one set, and give their coupons back: a fixed number of queries, whatever their number."""
    writing.write_many(_close_as(orders, status, f"order.{status}", now=now, by=by))
    uses.release_many([order.coupon_use_id for order in orders if order.coupon_use_id], now=now)


def closed_event(order: Order, now: dt.datetime) -> OrderClosed:
    return OrderClosed(order.pk, order.contact_id, order.offer_id, order.purchase_id, str(order.status), now)


def _mind_rivals(order: Order) -> None:
    """Raise where another order of the purchase waits for money: there is one at a time (promise 2)."""
    rivals = Order.objects.filter(purchase_id=order.purchase_id, status__in=sorted(PAYABLE)).exclude(pk=order.pk)
    if rivals.exists():
        raise InvalidTransition(_("There is a newer open order for the same offer."), code="other_open")


def _check(order: Order, to: Status) -> None:
    if not can_transition(order.status, to):
        raise InvalidTransition(
            _("Order %(number)s is “%(old)s” and cannot become “%(new)s”.")
            % {"number": order.number, "old": STATUS_LABELS[Status(order.status)], "new": STATUS_LABELS[to]},
            old=order.status,
            new=str(to),
        )


def _transition(
    order: Order,
    to: Status,
    code: str,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None,
    fields: Sequence[str] = (),
    **facts: Any,
) -> None:
    _check(order, to)
    facts["was"] = str(order.status)
    order.status = to
    order.save(update_fields=["status", *fields])
    writing.write(order, code, now=now, by=by, **facts)


def _simple(
    order: Order,
    to: Status,
    code: str,
    *,
    only_from: frozenset[Status],
    by: AbstractBaseUser | None,
    now: dt.datetime | None,
) -> Order:
    now = now or conf.now()
    with locking.atomic_write():
        fresh = lock(order)
        if fresh.status in only_from:
            _transition(fresh, to, code, now=now, by=by)
    return copy_columns(order, fresh)


def _close(order: Order, to: Status, *, by: AbstractBaseUser | None, now: dt.datetime | None) -> Order:
    now = now or conf.now()
    with locking.atomic_write():
        fresh = lock(order)
        if fresh.status != to:
            close_many([fresh], to, now=now, by=by)
    return copy_columns(order, fresh)


def copy_columns(order: Order, fresh: Order) -> Order:
    """``order``, the caller's own instance, with the columns of ``fresh``: nobody goes on with a stale status. No query."""
    for field in Order._meta.concrete_fields:
        setattr(order, field.attname, getattr(fresh, field.attname))
    return order


def _flag_odd_money(order: Order, before: Status, verdict: Verdict, *, now: dt.datetime, twice: bool) -> None:
    facts: dict[str, Any] = {"received": order.received, "total": order.total, "was": str(before)}
    if verdict.is_late:
        writing.write(order, "order.late_money", now=now, attention=True, **facts)
    if verdict.is_too_much:
        writing.write(order, "order.too_much_money", now=now, attention=True, **facts)
    if twice:
        writing.write(order, "order.paid_twice", now=now, attention=True, **facts)


def _close_siblings(order: Order, *, now: dt.datetime, by: AbstractBaseUser | None) -> list[Order]:
    """Close what else waits for money in the purchase; a part already paid there is a person's business.

    Returns all that hold a coupon: those just closed, and those that were superseded by nobody knows whom.
    """
    siblings = list(
        locking.locked(
            Order.objects.filter(
                Q(status__in=sorted(PAYABLE)) | Q(status__in=sorted(CLOSED_UNPAID), coupon_use__state=_RESERVED),
                purchase_id=order.purchase_id,
            ).exclude(pk=order.pk)
        )
        .select_related("coupon_use")
        .order_by("pk")
    )
    for sibling in siblings:
        if sibling.status == Status.PARTLY_PAID:
            writing.write(
                sibling, "order.part_left_over", now=now, attention=True, received=sibling.received, paid=order.number
            )
    waiting = [sibling for sibling in siblings if sibling.status in UNSETTLED]
    writing.write_many(_close_as(waiting, Status.CANCELLED, "order.sibling_paid", now=now, by=by, paid=order.number))
    return [sibling for sibling in siblings if sibling.status != Status.PARTLY_PAID]


def _closed_elsewhere(order: Order, now: dt.datetime) -> list[Order]:
    """Orders of other purchases that hold a coupon and were closed in this very move (``close_owned``)."""
    rows = Order.objects.filter(
        contact_id=order.contact_id, status=Status.CANCELLED, closed_at=now, coupon_use__state=_RESERVED
    )
    return list(rows.exclude(purchase_id=order.purchase_id).select_related("coupon_use").order_by("pk"))


def _use_of(order: Order) -> CouponUse:
    return cast(CouponUse, order.coupon_use)  # asked only of those that have one


def _settle_uses(order: Order, siblings: Sequence[Order], *, now: dt.datetime) -> None:
    """Spend the use this order was agreed with, even where it had been handed on; give the siblings' back.

    Last, because it locks the coupon's counter.
    """
    spare = [sibling for sibling in siblings if sibling.coupon_use_id]
    if order.coupon_id:
        mine = order.coupon_use
        if mine is None or mine.state == uses.State.RELEASED:
            donor = next((s for s in spare if _use_of(s).coupon_id == order.coupon_id), None)
            if donor is not None:
                mine = donor.coupon_use
                spare.remove(donor)
                Order.objects.filter(pk=donor.pk).update(coupon_use=None)
        # Counters in the order of their keys, as ``placing`` takes them: two swaps must not wait for one another.
        before = [s for s in spare if _use_of(s).coupon_id < order.coupon_id]
        spare = [s for s in spare if s not in before]
        uses.release_many([cast(int, s.coupon_use_id) for s in before], now=now)
        coupon = cast(Coupon, order.coupon)
        # Spends a held use; one reclaimed meanwhile, perhaps in this very moment, finds another place or goes over the limit.
        mine = uses.redeem_late(mine, coupon, order.contact, now=now)
        if mine.over_limit:
            writing.write(order, "order.coupon_over_limit", now=now, attention=True, coupon=coupon.code)
        if order.coupon_use_id != mine.pk:
            order.coupon_use = mine
            Order.objects.filter(pk=order.pk).update(coupon_use=mine)
    uses.release_many([cast(int, sibling.coupon_use_id) for sibling in spare], now=now)
