"""Whether a mail about an order still has something to say, asked right before it leaves, with its contact locked."""

from __future__ import annotations

import datetime as dt

from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why
from wagtail_kwiga.mailing.sending import access_mails, order_mails
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, Status
from wagtail_kwiga.payments.models import PaymentAttempt

Purpose = OutgoingEmail.Purpose
State = PaymentAttempt.State


def objection(email: OutgoingEmail, now: dt.datetime) -> str:
    """Why a mail about an order is not needed any more, or an empty string. One query, two about a payment; none for any other
    mail.

    *Received*: the order is replaced or closed, or paid, and then the receipt says it all. *Under way*: the payment has come to
    an end. *Opened*: something of it was taken away or frozen. *Failed*: it goes on after all, another has begun since, or nothing is to be paid any more.
    """
    if email.purpose == Purpose.ACCESS:
        return Why.ACCESS_CLOSED if access_mails.objection(email, now) else ""
    if email.purpose != Purpose.ORDER or email.order_id is None:
        return ""
    attempt = _attempt_of(email)
    if attempt is None and not email.key.startswith(order_mails.RECEIVED):
        return ""
    status = Order.objects.filter(pk=email.order_id).values_list("status", flat=True).first()
    if status == Status.PAID:
        return Why.PAID
    if status not in PAYABLE:
        return Why.ORDER_OVER
    if attempt is None:
        return ""
    pk, wanted = attempt
    of_order = PaymentAttempt.objects.filter(payment__order=email.order_id)
    states = dict(of_order.filter(pk__gte=pk).values_list("pk", "state"))
    under_way = State.PENDING in (state for other, state in states.items() if other != pk)
    return Why.PAYMENT_MOVED_ON if states.get(pk) != wanted or under_way else ""


def _attempt_of(email: OutgoingEmail) -> tuple[int, str] | None:
    """The attempt that a mail is about, and the state that it tells of."""
    for prefix, state in ((order_mails.WAITING, State.PENDING), (order_mails.FAILED, State.FAILED)):
        if email.key.startswith(prefix):
            return int(email.key.removeprefix(prefix)), state
    return None
