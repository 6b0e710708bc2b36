"""THE table: what happened → what the package does about it.

The only place where a lower room's doings reach an upper room. Everything here runs inside the transaction of what
happened, in this order; a handler that raises undoes the whole move (access carries a promise, so the provider is told
to come again), except enrolment, which guards itself: a broken scenario never refuses money.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction

from wagtail_kwiga import background, events, hooks
from wagtail_kwiga.access import grants, ownership
from wagtail_kwiga.access.events import AccessAdjusted, AccessEnded, AccessGranted, AccessOpened
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.automations.editing import publishing as scenario_publishing
from wagtail_kwiga.automations.running import enrolment
from wagtail_kwiga.contacts.events import ContactUnsubscribed
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import reasons, suppression
from wagtail_kwiga.mailing.authoring import unsendable
from wagtail_kwiga.mailing.sending import access_mails, anymail_bridge, order_mails, outbox
from wagtail_kwiga.offers import public_listings
from wagtail_kwiga.offers import publishing as offer_publishing
from wagtail_kwiga.orders import purchases, transitions
from wagtail_kwiga.orders.events import OrderPaid, OrderPlaced, OrderRefunded, OrdersClosed, PurchasesJoined
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Origin, Status
from wagtail_kwiga.payments import presentation, schedule
from wagtail_kwiga.payments.events import PaymentFailed, PaymentSettled, PaymentUnderWay

logger = logging.getLogger("wagtail_kwiga.reactions")


def _note_bought_twice(event: OrderPaid | PaymentSettled) -> None:
    """Before access is given: whether the buyer had all of it, and had paid for it. An extension, an upgrade or a further
    consultation adds something; staff and those who added one more knew what they did."""
    if isinstance(event, OrderPaid) and not event.first:  # ``order.paid_twice`` says it
        return
    order = Order.objects.select_related("purchase").get(pk=event.order_id)
    if order.offer_id is None or order.origin != Origin.WEB or order.purchase.slot or not order.total_amount:
        return
    earlier = purchases.paid_before(order)
    # What they have by this very order, since a part of it was paid, was asked about then.
    if earlier is None or AccessGrant.objects.filter(line__order=order.pk).exists():
        return
    if ownership.owns_all(order.contact_id, order.offer_id, event.at):
        writing.write(order, "order.bought_twice", now=event.at, attention=True, earlier=earlier.number)


def _grant_access(event: OrderPaid) -> None:
    order = Order.objects.select_related("offer").get(pk=event.order_id)
    given = grants.grant_for_order(order, now=event.at, again=event.again)
    if not given and not (order.offer is not None and order.offer.sells_no_access):
        writing.write(order, "order.opens_nothing", now=event.at, attention=True)


def _close_owned(event: OrderPaid) -> None:
    """The contact's other open orders for what they have all of now."""
    others = transitions.open_elsewhere(event.contact_id, event.purchase_id).exclude(offer=None).order_by()
    if pairs := set(others.values_list("contact_id", "offer_id")):
        owned = {offer_id for _contact, offer_id in ownership.owned_offers(pairs, event.at)}
        transitions.close_owned(event.contact_id, owned, paid_id=event.order_id, now=event.at)


def _grant_access_for_part(event: PaymentSettled) -> None:
    """Access begins with the part that opens it. An order that is paid as a whole is answered by ``OrderPaid``."""
    if not event.opens_access:
        return
    order = Order.objects.filter(pk=event.order_id, status=Status.PARTLY_PAID).first()
    if order is not None:
        _note_bought_twice(event)
        # Of an order that was paid as a whole once, a chargeback of a part closes nothing.
        grants.grant_for_order(order, now=event.at, again=event.again and order.paid_at is None)


def _silence(event: OrderPaid) -> None:
    outbox.cancel_recovery(event.purchase_id, now=event.at, why=reasons.Why.PAID)


def _join_mail(event: PurchasesJoined) -> None:
    outbox.join_purchases(event.joined, event.into)


def _send_receipt(event: OrderPaid) -> None:
    """Queue the receipt. One that cannot be made goes on a person's list; it never refuses the money it is about."""
    _mail(event.order_id, "order.no_receipt", lambda order: order_mails.receipt(order, event.at), event.at)


def _send_order_received(event: OrderPlaced) -> None:
    """Queue what was ordered and how to pay (promise 14). A mail that cannot be made never refuses the order."""
    _mail(event.order_id, "order.no_confirmation", lambda order: order_mails.order_received(order, event.at), event.at)


def _tell_under_way(event: PaymentUnderWay) -> None:
    def queue(order: Order) -> None:
        order_mails.payment_waiting(order, event.attempt_id, event.at)

    _mail(event.order_id, "order.no_mail", queue, event.at)


def _tell_failed(event: PaymentFailed) -> None:
    def queue(order: Order) -> None:
        order_mails.payment_failed(order, event.attempt_id, event.code, event.at)

    _mail(event.order_id, "order.no_mail", queue, event.at)


def _tell_opened(event: AccessOpened) -> None:
    """Queue the mails in the transaction that clears ``announce_at``: neither is there without the other."""
    access_mails.access_opened(event.grants, event.at)
    background.enqueue("deliver_due")


def _mail(order_id: int, trouble: str, queue: Callable[[Order], object], now: dt.datetime) -> None:
    order = order_mails.read(order_id)
    try:
        with transaction.atomic():
            queue(order)
    except Exception as error:
        logger.exception("No mail could be queued about order %s", order.number)
        writing.write(order, trouble, now=now, attention=True, error=str(error)[:200])
    background.enqueue("deliver_due")


def _end_access(event: OrderRefunded) -> None:
    """Access ends with all of the money, and, of an order that was never paid as a whole, with that of the part that opened
    it: whatever else was paid before or after (promise 12)."""
    if event.whole or schedule.waits_for_opening_part(event.order_id):
        grants.end_for_order(event.order_id, now=event.at)


def _hook(name: str) -> Callable[[Any], None]:
    def tell(event: Any) -> None:
        hooks.notify(name, event)

    tell.__name__ = name
    return tell


def _tell_each_closed(event: OrdersClosed) -> None:
    for order in event.orders:
        hooks.notify("after_kwiga_order_closed", order)


TABLE: dict[type, tuple[Callable[[Any], None], ...]] = {
    PurchasesJoined: (enrolment.on_purchases_joined, _join_mail),
    OrderPlaced: (enrolment.on_order_placed, _send_order_received, _hook("after_kwiga_order_placed")),
    OrderPaid: (
        _note_bought_twice,
        _grant_access,
        _close_owned,
        enrolment.on_order_paid,
        _silence,
        _send_receipt,
        _hook("after_kwiga_order_paid"),
    ),
    OrdersClosed: (enrolment.on_orders_closed, _tell_each_closed),
    OrderRefunded: (_end_access, enrolment.on_order_refunded, _hook("after_kwiga_order_refunded")),
    PaymentSettled: (_grant_access_for_part, _hook("after_kwiga_payment_settled")),
    PaymentUnderWay: (_tell_under_way, _hook("after_kwiga_payment_under_way")),
    PaymentFailed: (
        _tell_failed,
        _hook("after_kwiga_payment_failed"),
    ),
    AccessGranted: (_hook("after_kwiga_access_granted"),),
    AccessEnded: (_hook("after_kwiga_access_ended"),),
    AccessAdjusted: (_hook("after_kwiga_access_adjusted"),),
    AccessOpened: (_tell_opened, _hook("after_kwiga_access_opened")),
    ContactUnsubscribed: (_hook("after_kwiga_contact_unsubscribed"),),
}


def connect() -> None:
    """Subscribe the table, and follow Wagtail's publishing and listing. Called once, when the app is ready."""
    for kind, handlers in TABLE.items():
        for handler in handlers:
            events.subscribe(kind, handler)
    events.subscribe_to_all(enrolment.on_event)
    presentation.register_note(suppression.note_for_buyer)
    offer_publishing.connect()
    public_listings.connect()
    unsendable.connect()
    scenario_publishing.connect()
    anymail_bridge.connect()
