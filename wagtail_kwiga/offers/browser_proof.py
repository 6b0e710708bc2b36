"""The browser that placed an order, known again by a signed cookie.

It answers one question only: is it the same browser that orders once more, beside money that is on its way or what it has
bought already? It opens no page, and is no login (promise 10). Whoever takes the cookie along learns a few random handles,
which open nothing either.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse

from wagtail_kwiga import signing
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.signing import Purpose

if TYPE_CHECKING:
    from wagtail_kwiga.contacts.models import Contact

COOKIE = "kwiga_orders"
#: As many orders as somebody may be about at a time; the oldest go first.
_MOST = 5
#: Paid orders of one contact among which this browser's are looked for.
_LOOKED_AT = 50


def orders_of(request: HttpRequest, now: dt.datetime) -> tuple[str, ...]:
    """The handles of the orders that this browser has placed lately, oldest first. No query."""
    try:
        kept = signing.read(Purpose.BROWSER, request.COOKIES.get(COOKIE, ""), now).get("orders")
    except BadToken:
        return ()
    return tuple(handle for handle in kept if signing.is_handle(handle))[-_MOST:] if isinstance(kept, list) else ()


class Proof:
    """What shows that it is the buyer who types an address: the link of a mail to it, that this browser placed the order, or
    that the contact's own user is signed in (``user_id``)."""

    def __init__(self, by_mail: bool, orders: Collection[str], user_id: Any = None) -> None:
        self.by_mail, self._orders, self._user_id = by_mail, orders, user_id

    def covers(self, order: Order) -> bool:
        """Whether it is shown for ``order``."""
        return self.by_mail or self._is_of_user(order.contact) or signing.handle_of(order) in self._orders

    def is_of_owner(self, contact: Contact) -> bool:
        """Whether it is shown for ``contact`` as somebody who has bought. At most one query.

        An order of this browser counts once it is paid: a stranger may place one with any address, but learns no more from
        it than its own page shows.
        """
        if self.by_mail or self._is_of_user(contact):
            return True
        if not self._orders:
            return False
        paid = Order.objects.filter(contact=contact.pk, paid_at__isnull=False).order_by("-paid_at")[:_LOOKED_AT]
        return any(signing.handle_of(order) in self._orders for order in paid)

    def _is_of_user(self, contact: Contact) -> bool:
        # A contact that no user is linked to is nobody's who is signed in.
        return self._user_id is not None and contact.user_id == self._user_id


def remember(request: HttpRequest, response: HttpResponse, order: str, now: dt.datetime) -> None:
    """Have the browser carry the handle ``order``, on the answer to the form by which it was placed."""
    kept = [*(each for each in orders_of(request, now) if each != order), order][-_MOST:]
    response.set_cookie(
        COOKIE,
        signing.make(Purpose.BROWSER, now, orders=kept),
        max_age=signing.max_age(Purpose.BROWSER),
        path="/",
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
