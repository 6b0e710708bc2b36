"""What tests share: a given instant, and small makers of real rows. No mocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from itertools import count

from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.terms import AccessTerms

#: The instant at which tests begin: a Monday noon in UTC, no clock change near.
START = dt.datetime(2027, 3, 1, 12, 0, tzinfo=dt.UTC)

_serial = count(1)


def after(**span: float) -> dt.datetime:
    """``START`` plus a span, e.g. ``after(minutes=29)``."""
    return START + dt.timedelta(**span)


def make_product(title: str = "Watercolour for beginners", **given) -> m.Product:
    return m.Product.objects.create(title=title, slug=given.pop("slug", f"product-{next(_serial)}"), **given)


def make_offer(*products: m.Product, amount: str = "120.00", currency: str = "EUR", **given) -> m.Offer:
    products = products or (make_product(),)
    offer = m.Offer.objects.create(
        title=given.pop("title", products[0].title),
        amount=Decimal(amount),
        currency=currency,
        state=given.pop("state", m.Offer.State.ON_SALE),
        **given,
    )
    m.OfferProduct.objects.bulk_create(
        m.OfferProduct(offer=offer, product=p, position=place, title=p.title, access_terms=AccessTerms().to_json())
        for place, p in enumerate(products)
    )
    return offer


def make_contact(email: str = "", **given) -> m.Contact:
    return m.Contact.objects.create(
        email=email or f"buyer{next(_serial)}@example.com",
        name=given.pop("name", "Ada Buyer"),
        created_at=given.pop("created_at", START),
        **given,
    )


def make_purchases(
    contacts: Iterable[m.Contact], offer: m.Offer | None, *, now: dt.datetime = START
) -> list[m.Purchase]:
    """One open purchase of ``offer`` for each, written in bulk: for orders that are written in bulk, too."""
    return m.Purchase.objects.bulk_create(m.Purchase(contact=one, offer=offer, opened_at=now) for one in contacts)


def make_list(title: str = "Come back") -> m.ContactList:
    return m.ContactList.objects.create(title=title)


def make_coupon(code: str = "", *, percent: str | None = "15", lists=(), offers=(), **given) -> m.Coupon:
    coupon = m.Coupon.objects.create(
        code=code or f"CODE{next(_serial)}",
        kind="percent" if percent else "fixed",
        percent=Decimal(percent) if percent else None,
        **given,
    )
    coupon.contact_lists.set(lists)
    coupon.offers.set(offers)
    return coupon
