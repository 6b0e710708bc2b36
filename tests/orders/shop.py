"""Orders made for tests through the public verbs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.orders import placing
from wagtail_kwiga.orders.drafts import Method, OrderDraft, PaymentMethod
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote

#: Queries that the mail *order received* costs an order that is paid by a link (``tests/mailing/sending/test_order_mails.py``).
CONFIRMATION = 10


def quote_for(offer: m.Offer, coupon: m.Coupon | None = None) -> Quote:
    if coupon is None:
        return make_quote(offer.price)
    return make_quote(offer.price, discounts.discount_of(coupon), coupon_id=coupon.pk, coupon_code=coupon.code)


def order_for(
    contact: m.Contact,
    offer: m.Offer,
    *,
    coupon: m.Coupon | None = None,
    quote: Quote | None = None,
    method: PaymentMethod | str | None = None,
    now: dt.datetime = START,
    by: Any = None,
    vouch: Callable[[m.Order], bool] | None = None,
    confirmation: bool = False,
    **given: Any,
) -> m.Order:
    """``given`` are fields of the draft; ``method`` may be an alias, and is a transfer where it is called so.

    The outbox is left as if the mail *order received* had gone out long ago, unless ``confirmation`` asks for it: who tests
    another mail counts that one. Orders through the door of the web (``tests.offers.making.order``) always have it.
    """
    draft = OrderDraft.for_offer(
        offer, contact=contact, quote=quote or quote_for(offer, coupon), method=way_to_pay(method), **given
    )
    order = placing.place_order(draft, by=by, vouch=vouch, now=now)
    if not confirmation:
        m.OutgoingEmail.objects.filter(key=f"order_received:{order.pk}").delete()
    return order


def way_to_pay(method: PaymentMethod | str | None) -> PaymentMethod | None:
    if not isinstance(method, str):
        return method
    return Method(method, PaymentKind.TRANSFER if method == "transfer" else PaymentKind.ONLINE)


def books_receive(
    order: m.Order, amount: str, *, now: dt.datetime, method: str = "transfer", reference: str = "", **given
):
    return ledger.record_payment(
        order=order, amount=Money(Decimal(amount), order.currency), method=method, reference=reference, now=now, **given
    )


def fresh(row):
    """The row as it stands in the database now."""
    return type(row).objects.get(pk=row.pk)


def nobody(order: m.Order) -> bool:
    """The answer to ``vouch`` for a stranger."""
    return False
