"""B. Placing an order: the whole request, and the verbs alone."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.test import Client

from benchmarks.measuring import Cost, Pair, Work, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import Shop, clock, new_email, offer_of
from tests.offers.making import fields_of
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import placing
from wagtail_kwiga.orders.drafts import OrderDraft
from wagtail_kwiga.payments import registry

TITLE = "B. Checkout: contact, order, line, timeline, a run enrolled, a coupon taken"
FLOOR = "Floor: the same rows by hand with the ORM, in one transaction, no rule asked; for the request, in a plain Wagtail page."
AIM = "at most 14 queries by the verbs, at least 0.4 of the floor's rate"


class Refused(Exception):
    """The coupon of the floor has no place left."""


def by_hand(offer_id: int, email: str, code: str, *, contact_id: int | None = None) -> None:
    """The floor: what the page needs, written down, with the hot row last. Supersedes nothing, holds nothing, asks nobody."""
    now = clock()
    with transaction.atomic():
        offer = m.Offer.objects.get(pk=offer_id)
        coupon = m.Coupon.objects.get(code=code) if code else None
        contact = m.Contact.objects.alias(address=Lower("email")).filter(address=email.lower()).first()
        if contact is None:
            contact = m.Contact.objects.create(email=email, name="Ada Buyer", created_at=now)
        off = offer.amount * coupon.percent / 100 if coupon else 0
        purchase = m.Purchase.objects.create(contact=contact, offer=offer, opened_at=now)
        order = m.Order.objects.create(
            purchase=purchase,
            number=secrets.token_hex(8), token=secrets.token_urlsafe(32), contact=contact, offer=offer,
            title=offer.title, currency=offer.currency, list_amount=offer.amount, discount_amount=off,
            total_amount=offer.amount - off, coupon=coupon, language="en", placed_at=now,
            price_holds_until=now + dt.timedelta(days=7), expires_at=now + dt.timedelta(days=14),
        )  # fmt: skip
        sold = m.OfferProduct.objects.filter(offer=offer)[0]
        m.OrderLine.objects.create(
            order=order, product_id=sold.product_id, title=sold.title, amount=order.total_amount,
            list_amount=order.list_amount, discount_amount=order.discount_amount,
        )  # fmt: skip
        m.TimelineEntry.objects.create(
            subject_type=ContentType.objects.get_for_model(m.Order), subject_id=order.pk, code="order.placed", at=now
        )
        scenario = m.Scenario.objects.defer("start", "steps").get()
        m.Run.objects.create(
            scenario=scenario, version_id=scenario.version_id, contact=contact, order=order, purchase_id=order.purchase_id,
            language="en", entry_key=f"unpaid:{order.purchase_id}", position="wait", entered_at=now,
            due_at=now + dt.timedelta(minutes=30), stepped_at=now,
        )  # fmt: skip
        if coupon:
            free = Q(limit_total__isnull=True) | Q(used_count__lt=F("limit_total"))
            if not m.Coupon.objects.filter(free, pk=coupon.pk).update(used_count=F("used_count") + 1):
                raise Refused


def by_verbs(shop: Shop, email: str, *, offer: m.Offer | None = None, coupon: m.Coupon | None = None) -> None:
    """The same through the package: the public verbs in one transaction, as ``offers.checkout`` calls them."""
    now = clock()
    with locking.atomic_write():
        contact = directory.get_or_create_contact(email=email, name="Ada Buyer", language="en", now=now)
        quote = quoting.quote(offer=offer or shop.offer, coupon=coupon, contact=contact, now=now)
        draft = OrderDraft.for_offer(
            offer or shop.offer, contact=contact, quote=quote, method=registry.get("sandbox"), site=shop.site,
            language="en", name="Ada Buyer",
        )  # fmt: skip
        placing.place_order(draft, now=now)


def post(url: str, *, one_browser: bool = False, **given: str) -> Work:
    """Send the form of the page at ``url``, each time as somebody new unless ``email`` is given, and from a browser of their own.

    With ``one_browser`` another address under the same name is one that was mistyped before, and replaces that order.
    """
    client = Client()
    sent = {**fields_of(client.get(url)), "name": "Ada Buyer", "phone": "+48 600 100 200", **given}

    def send() -> None:
        browser = client if one_browser else Client()
        response = browser.post(url, {**sent, "email": given.get("email") or new_email()})
        assert response.status_code == 302, (response.status_code, response.content[:2000])

    return send


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    code = shop.coupon.code
    yield "by hand, no coupon", _cost(lambda: by_hand(shop.offer.pk, new_email(), ""))
    yield "by hand, with a coupon", _cost(lambda: by_hand(shop.offer.pk, new_email(), code))
    yield "the verbs, no coupon", _cost(lambda: by_verbs(shop, new_email()))
    yield "the verbs, with a coupon", _cost(lambda: by_verbs(shop, new_email(), coupon=shop.coupon))
    back = new_email()
    by_verbs(shop, back, coupon=shop.coupon)
    yield "the verbs, somebody who comes back (the older order is superseded)", _cost(lambda: by_verbs(shop, back))
    for products in (5, 20):
        many = offer_of(shop, products)
        yield (
            f"the verbs, an offer of {products} products that no scenario watches",
            _cost(lambda many=many: by_verbs(shop, new_email(), offer=many)),
        )
    yield "whole request, a plain page by hand, with a coupon", _cost(post(shop.plain_with_form.url, coupon=code))
    yield "whole request, no coupon (limits, order, payment begun)", _cost(post(shop.page.url))
    yield "whole request, with a coupon", _cost(post(shop.page.url, coupon=code))
    yield "whole request, the address corrected in the same browser", _cost(post(shop.page.url, one_browser=True))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair]]:
    code, rounds = shop.coupon.code, scale.checkouts
    yield (
        "the verbs, no coupon",
        paired(rounds, lambda: by_hand(shop.offer.pk, new_email(), ""), lambda: by_verbs(shop, new_email())),
    )
    yield (
        "the verbs, with a coupon",
        paired(
            rounds,
            lambda: by_hand(shop.offer.pk, new_email(), code),
            lambda: by_verbs(shop, new_email(), coupon=shop.coupon),
        ),
    )
    floor = post(shop.plain_with_form.url)
    yield "whole request, no coupon", paired(rounds, floor, post(shop.page.url))
    floor = post(shop.plain_with_form.url, coupon=code)
    yield "whole request, with a coupon", paired(rounds, floor, post(shop.page.url, coupon=code))


def _cost(work: Work) -> Cost:
    """The second time: content types and site paths are known then, as they are in a server that runs."""
    work()
    return cost_of(work)
