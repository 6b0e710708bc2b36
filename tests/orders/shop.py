"""Orders made for tests through the public verbs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.orders import placing
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote


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
    now: dt.datetime = START,
    **given,
) -> m.Order:
    return placing.place_order(contact=contact, offer=offer, quote=quote or quote_for(offer, coupon), now=now, **given)


def books_receive(
    order: m.Order, amount: str, *, now: dt.datetime, method: str = "transfer", reference: str = "", **given
):
    return ledger.record_payment(
        order=order, amount=Money(Decimal(amount), order.currency), method=method, reference=reference, now=now, **given
    )
