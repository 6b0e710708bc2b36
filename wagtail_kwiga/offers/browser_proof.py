"""The browser that placed an order, known again by a signed cookie.

It answers one question only: is it the same browser that orders once more beside money that is on its way? It opens no
page, shows nothing, and is no login (promise 10). Whoever takes the cookie along learns a few numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.http import HttpRequest, HttpResponse

from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.orders import links
from wagtail_kwiga.orders.models import Order

COOKIE = "kwiga_orders"
#: No link of ours takes a token of this purpose.
_PURPOSE = "browser"
#: As many orders as somebody may be about at a time; the oldest go first.
_MOST = 5
_DAYS = 14


def orders_of(request: HttpRequest, now: dt.datetime) -> tuple[int, ...]:
    """The keys of the orders that this browser has placed lately, oldest first. No query."""
    try:
        kept = links.read(_PURPOSE, request.COOKIES.get(COOKIE, ""), now).get("orders")
    except BadToken:
        return ()
    return tuple(key for key in kept if type(key) is int)[-_MOST:] if isinstance(kept, list) else ()


class Proof:
    """What shows that it is the buyer who types an address: the link of a mail to it, or that this browser placed the order."""

    def __init__(self, by_mail: bool, order_ids: Collection[int]) -> None:
        self.by_mail, self._order_ids = by_mail, order_ids

    def covers(self, order: Order) -> bool:
        """Whether it is shown for ``order``."""
        return self.by_mail or order.pk in self._order_ids


def remember(request: HttpRequest, response: HttpResponse, order_id: int, now: dt.datetime) -> None:
    """Have the browser carry ``order_id``, on the answer to the form by which it was placed."""
    kept = [*(key for key in orders_of(request, now) if key != order_id), order_id][-_MOST:]
    response.set_cookie(
        COOKIE,
        links.make(_PURPOSE, expires=now + dt.timedelta(days=_DAYS), orders=kept),
        max_age=dt.timedelta(days=_DAYS),
        path="/",
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
