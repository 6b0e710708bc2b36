"""From the sent form to the order and the way to pay it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import consent, directory, limits
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.exceptions import KwigaError, OrderRefused
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import placing
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.payments import attempts, books, registry
from wagtail_kwiga.payments.provider import Handover, Provider
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote

if TYPE_CHECKING:
    from wagtail.models import Site

    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.contacts.models import Contact
    from wagtail_kwiga.offers.resuming import Resume
    from wagtail_kwiga.orders.models import Order


class PriceChanged(OrderRefused):
    """It costs more now than the page showed; ``facts["quote"]`` is today's price. Nothing was ordered."""

    code = "price_changed"


@dataclass(frozen=True)
class Result:
    """The order placed and the attempt to pay it; ``started`` is ``None`` where there is nothing to pay.

    ``trouble`` says why paying could not be begun (the provider did not answer); the order stands all the same.
    """

    order: Order
    started: attempts.Started | None = None
    trouble: KwigaError | None = None

    @property
    def next(self) -> Handover | None:
        """What the buyer does next: a redirect, a form to post on, instructions, or nothing."""
        return self.started.next if self.started else None


def submit(
    *,
    offer: Offer,
    form_data: Mapping[str, Any],
    code: str = "",
    resume: Resume | None = None,
    shown: Money | None = None,
    site: Site | None = None,
    language: str = "",
    title: str = "",
    ip: str = "",
    now: dt.datetime | None = None,
) -> Result:
    """Place an order from cleaned form data and begin to pay it.

    ``form_data``: name, email, phone, payment_method, terms, promo. ``code`` is a coupon code as typed. ``shown`` is the
    total the visitor saw: more than that is never charged (``PriceChanged``). Where ``resume`` is of the very address, what
    is held already is not asked again.

    Raises ``TooManyAttempts``, ``CouponRefused`` and ``OrderRefused`` (``AlreadyPartlyPaid``, ``PriceChanged`` among them);
    then nothing was written but the count of tries.
    """
    now = now or conf.now()
    email = directory.normalise(form_data["email"])
    _count(email, ip, code, now)
    known = resume if resume is not None and resume.is_of(email) else None
    provider = None
    with locking.atomic_write():
        contact = directory.remember(
            email=email, name=form_data["name"], phone=form_data.get("phone", ""), language=language, now=now
        )
        # ``place_order`` locks the contact. What is asked before may be overtaken, but never wrongly: limits of a coupon
        # are decided when it is held, and nobody is charged more than the quote says.
        if why := selling.why_not_for_sale(offer, now):
            raise OrderRefused(selling.message(why, offer), code=why)
        quote = price(offer=offer, code=code, contact=contact, now=now)
        if shown is not None and (shown.currency != quote.currency or quote.total > shown):
            raise PriceChanged(_("The price has changed since you opened this page."), quote=quote)
        if not quote.is_free:
            provider = choose_provider(offer, form_data.get("payment_method", ""), quote.currency, site)
        if quote.is_free:  # a receipt goes out at once, to whatever address was typed
            limits.check(f"free:{email}", limit=2, now=now, window_minutes=limits.LONGEST_WINDOW_MINUTES)
        if form_data.get("promo"):
            consent.agree(contact, source="checkout", now=now)
        order = placing.place_order(
            contact=contact,
            offer=offer,
            quote=quote,
            payment_method=provider.alias if provider else "",
            payment_kind=provider.kind if provider else PaymentKind.NONE,
            site=site,
            language=language,
            title=title,
            name=form_data["name"],
            phone=form_data.get("phone", "") or (known.phone if known else ""),
            agreed_terms=bool(form_data.get("terms")),
            now=now,
        )
        if provider is None or not order.total_amount:
            # In the same transaction: a free order is never left waiting for a payment that nobody will make.
            return Result(books.settle_free(order, now).order)
    return _begin_to_pay(order, provider.alias, now)


def price(*, offer: Offer, code: str, contact: Contact | None, now: dt.datetime) -> Quote:
    """The quote for what was typed as a code, if anything. Raises ``CouponRefused``."""
    if not code:
        return quoting.quote(offer=offer, contact=contact, now=now)
    return quoting.quote_for(eligibility.check(code=code, offer=offer, contact=contact, now=now), offer, contact, now)


def choose_provider(offer: Offer, method: str, currency: str, site: Site | None) -> Provider:
    """The way to pay that was chosen, or the only one there is. Raises ``OrderRefused``."""
    offered = registry.available(offer, currency=currency, site=site)
    if not offered:
        raise OrderRefused(
            _("There is no way to pay here yet, so this cannot be ordered. Please write to us."), code="no_method"
        )
    if not method and len(offered) == 1:
        return offered[0]
    for provider in offered:
        if provider.alias == method:
            return provider
    raise OrderRefused(_("Please choose how to pay."), code="unknown_method")


def count_code(ip: str, now: dt.datetime) -> None:
    """Count a try of a coupon code from ``ip``; an unknown one is not counted. Raises ``TooManyAttempts``."""
    if ip:
        limits.check(f"coupon:ip:{ip}", limit=conf.settings.COUPON_TRIES_PER_IP, now=now)


def _count(email: str, ip: str, code: str, now: dt.datetime) -> None:
    """Outside the transaction of the order, so that a refused try counts as well."""
    if ip:
        limits.check(f"checkout:ip:{ip}", limit=conf.settings.CHECKOUTS_PER_IP, now=now)
    limits.check(f"checkout:address:{email}", limit=conf.settings.CHECKOUTS_PER_ADDRESS, now=now)
    if code:
        count_code(ip, now)


def _begin_to_pay(order: Order, method: str, now: dt.datetime) -> Result:
    """After commit: the provider may talk to the network, and the order stands whatever becomes of it."""
    try:
        return Result(order, attempts.start(order, method=method, now=now))
    except KwigaError as fault:
        return Result(order, trouble=fault)
