"""Somebody orders with the address of a purchase that money is on its way to, that stands at a better price than today's, or of
somebody who has it all already, and nobody knows whether it is the buyer.

So the page tells nothing, and whoever reads that address's mail is told where the order is, or the way in. A stranger who
types it neither sees what somebody owns nor replaces what somebody is paying, and brings at most one mail a day.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from wagtail_kwiga import background, locking
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.orders import purchases, transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status

#: The built-in mail for each state of an order in which somebody may be kept waiting at the door.
_MAILS = {
    Status.OPEN: "waiting_price",
    Status.PARTLY_PAID: "waiting_rest",
    Status.PROCESSING: "waiting_payment",
}
_ONE_EVERY = dt.timedelta(hours=24)


def tell_the_buyer(order_id: int, now: dt.datetime) -> OutgoingEmail | None:
    """Queue "your order is waiting" to the address of the order, in its language, with the link to go on.

    At most one for an order in 24 hours, decided under the contact's lock. ``None`` where one went not long ago, or the
    order has moved on meanwhile. Suppressed addresses and made-up ones are respected like everywhere (``mailing.sending.outbox``).
    """
    with locking.atomic_write():
        order = transitions.lock(order_id)
        name = _MAILS.get(Status(order.status))
        if name is None or _told(order).filter(queued_at__gt=now - _ONE_EVERY).exists():
            return None
        mail = outbox.queue(
            key=f"waiting:{order.pk}:{now:%Y%m%d%H%M%S}",
            purpose=OutgoingEmail.Purpose.SERVICE,
            version=versions.builtin(name, order.language, now=now),
            situation=Situation(contact=order.contact, order=order, site=order.site, language=order.language, now=now),
            now=now,
        )
        background.enqueue("deliver_due")
    return mail


def tell_the_owner(order: Order, now: dt.datetime) -> OutgoingEmail | None:
    """Queue "you have this already" to the address of ``order``, just placed by nobody knows whom for what its contact owns:
    with the way in, and the link by which they may order it once more knowingly.

    At most one for a contact in 24 hours; ``None`` where one went not long ago. The caller holds the contact's lock.
    """
    about = purchases.paid_before(order) or order
    told = OutgoingEmail.objects.filter(contact=order.contact_id, key__startswith=f"owned:{order.contact_id}:")
    if told.filter(queued_at__gt=now - _ONE_EVERY).exists():
        return None
    mail = outbox.queue(
        key=f"owned:{order.contact_id}:{now:%Y%m%d%H%M%S}",
        purpose=OutgoingEmail.Purpose.SERVICE,
        version=versions.builtin("already_owned", order.language, now=now),
        situation=Situation(contact=order.contact, order=about, site=order.site, language=order.language, now=now),
        now=now,
    )
    background.enqueue("deliver_due")
    return mail


def _told(order: Order) -> QuerySet[OutgoingEmail]:
    return OutgoingEmail.objects.filter(order=order, key__startswith=f"waiting:{order.pk}:")
