"""Whether a mail about an order still has something to say, asked right before it leaves, with its contact locked."""

from __future__ import annotations

import datetime as dt
from typing import cast

from wagtail_kwiga import quoting
from wagtail_kwiga.access import ownership
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.mailing import classification
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why
from wagtail_kwiga.mailing.sending import access_mails, order_mails
from wagtail_kwiga.orders import binding
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, UNSETTLED, Status
from wagtail_kwiga.payments.models import PaymentAttempt

Purpose = OutgoingEmail.Purpose
State = PaymentAttempt.State

#: Built-in mails that tell of an order that waits, because somebody has ordered with its address: in which state.
_REMINDERS = {
    "waiting_price": Status.OPEN,
    "waiting_rest": Status.PARTLY_PAID,
    "waiting_payment": Status.PROCESSING,
}


def objection(email: OutgoingEmail, contact: Contact | None, now: dt.datetime) -> str:
    """Why a mail about an order is not needed any more, or an empty string; ``TOO_LATE`` where it would be needed, and names a price
    that can no longer be paid. One query, two about a payment or what is owned; none for any other mail.

    *Received*: the order is replaced or closed, or paid, and then the receipt says it all. *Under way*: the payment has come to
    an end. *Opened*: something of it was taken away or frozen. *Failed*: it goes on after all, another has begun since, or
    nothing is to be paid any more. *Waiting* and *owned*: it waits, or is owned, no longer.
    """
    if email.purpose == Purpose.ACCESS:
        return Why.ACCESS_CLOSED if access_mails.objection(email, now) else ""
    if email.order_id is None:
        return ""
    if email.purpose == Purpose.SERVICE:
        return _about_reminder(email, contact, now)
    if email.purpose != Purpose.ORDER:
        return ""
    attempt = _attempt_of(email)
    if attempt is None and not email.key.startswith(order_mails.RECEIVED):
        return ""
    order = Order.objects.get(pk=email.order_id)
    if why := _is_over(order):
        return why
    if attempt is not None and _has_moved_on(email.order_id, *attempt):
        return Why.PAYMENT_MOVED_ON
    return Why.TOO_LATE if _asks_too_much(email, order, now) else ""


def _is_over(order: Order) -> str:
    if order.status == Status.PAID:
        return Why.PAID
    return "" if order.status in PAYABLE else Why.ORDER_OVER


def _asks_too_much(email: OutgoingEmail, order: Order, now: dt.datetime) -> bool:
    """Whether the mail says what is to be paid for an order that binds to no price any more, or of which a part is paid by now.
    Where an account was told, the money may arrive until the order expires (promise 7)."""
    names = email.version.placeholders
    if email.key.startswith(order_mails.WAITING) or not classification.tells_order_price(names):
        return False
    if order.status not in UNSETTLED:
        return "payment.amount" in names
    until = order.expires_at if email.context.get("payment.iban") else order.price_binds_until
    return until <= now


def _has_moved_on(order_id: int, attempt_id: int, told: str) -> bool:
    of_order = PaymentAttempt.objects.filter(payment__order=order_id)
    states = dict(of_order.filter(pk__gte=attempt_id).values_list("pk", "state"))
    under_way = State.PENDING in (state for other, state in states.items() if other != attempt_id)
    return states.get(attempt_id) != told or under_way


def _about_reminder(email: OutgoingEmail, contact: Contact | None, now: dt.datetime) -> str:
    """The same for one that somebody got who ordered with an address that has an order, or owns all of it."""
    name = email.version.builtin
    if name == "already_owned":
        offer_id = email.order.offer_id if email.order is not None else None
        owns = offer_id is not None and contact is not None and ownership.owns_all(contact.pk, offer_id, now)
        return "" if owns else Why.ACCESS_CLOSED
    if name not in _REMINDERS:
        return ""
    order = Order.objects.select_related("offer", "coupon_use").get(pk=cast(int, email.order_id))
    if why := _is_over(order):
        return why
    if order.status != _REMINDERS[name]:
        return Why.PAYMENT_MOVED_ON
    if order.status == Status.OPEN and not _is_better_price(order, contact, now):
        return Why.PRICE_OVER
    return ""


def _is_better_price(order: Order, contact: Contact | None, now: dt.datetime) -> bool:
    """Whether ``order`` still holds its price, and a new one would cost more, where there can be one."""
    if not binding.binds(order, now):
        return False
    if order.offer is None or selling.why_not_for_sale(order.offer, now):
        return True
    return binding.is_better(order.total, quoting.make(order.offer, None, contact, now).total)


def _attempt_of(email: OutgoingEmail) -> tuple[int, str] | None:
    """The attempt that a mail is about, and the state that it tells of."""
    for prefix, state in ((order_mails.WAITING, State.PENDING), (order_mails.FAILED, State.FAILED)):
        if email.key.startswith(prefix):
            return int(email.key.removeprefix(prefix)), state
    return None
