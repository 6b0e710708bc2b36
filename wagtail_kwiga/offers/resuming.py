"""Coming back by the button of a mail: what the link may show, and what is known and so not asked again.

The link is not a login (promise 10): it shows the address and the name, which the mail itself shows, and the discount. It
never shows the phone number, it only knows that there is one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wagtail_kwiga import quoting, signing
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import BadToken, CouponRefused, KwigaError
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.orders import binding, links
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import UNSETTLED
from wagtail_kwiga.signing import Purpose

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Resume:
    """Somebody follows the link of a mail about ``order``; ``coupon`` is what the mail promised, ``is_coupon_gone`` says that it
    promised one that was deleted."""

    token: str
    order: Order
    coupon: Coupon | None
    is_coupon_gone: bool = False

    @property
    def email(self) -> str:
        return self.order.contact.email

    @property
    def name(self) -> str:
        return self.order.contact.name

    @property
    def phone(self) -> str:
        """The number on record, for the order to be placed; never for a page."""
        return self.order.contact.phone or self.order.buyer_phone

    def is_of(self, email: str) -> bool:
        """Whether ``email``, as typed, is the address that got the mail."""
        try:
            return directory.normalise(email) == self.email
        except KwigaError:
            return False


def read(token: str, now: dt.datetime) -> Resume:
    """What a resume token stands for. Two queries. Raises ``BadToken``."""
    order, payload = links.order_of(Purpose.RESUME, token, now)
    coupon = signing.with_handle(Coupon.objects.all(), payload.get("coupon")).first()
    return Resume(token, order, coupon, is_coupon_gone=coupon is None and bool(payload.get("coupon")))


def read_for(offer: Offer, token: str, now: dt.datetime) -> Resume | None:
    """``read``, for a page that may be shown without it: ``None`` for a bad token and for one about another offer."""
    try:
        resume = read(token, now)
    except BadToken:
        return None
    return resume if resume.order.offer_id == offer.pk else None


def is_promise_broken(resume: Resume, verdict: eligibility.Verdict | None, now: dt.datetime) -> bool:
    """Whether what the mail promised was ended by the team, or its coupon is gone or no longer works; ``verdict`` is what is
    said to the coupon. One query at most."""
    if resume.is_coupon_gone or (resume.coupon is not None and verdict is not None and not verdict.ok):
        return True
    offer_id = resume.order.offer_id
    return offer_id is not None and unexpired_promises.was_ended(resume.order.contact_id, offer_id, now)


def better_order(resume: Resume, now: dt.datetime) -> Order | None:
    """The order that whoever follows the link is led to instead of the page: the one of its purchase that stands, for the same
    offer, at a better price than the page would show (promise 3), or at any where the offer is not for sale any more. ``None``
    where there is none.

    No query for a link about the order that stands, unless that is cheaper than the offer without any coupon.
    """
    order, offer = resume.order, resume.order.offer
    if offer is None:
        return None
    standing = _standing(order, offer, now)
    if selling.why_not_for_sale(offer, now):
        return standing
    # A coupon makes nothing dearer: it is judged only where the normal price is not as good as what stands.
    if standing is None or not binding.is_better(standing.total, _today(order, offer, None, now)):
        return None
    if resume.coupon is None or binding.is_better(standing.total, _today(order, offer, resume.coupon, now)):
        return standing
    return None


def _standing(order: Order, offer: Offer, now: dt.datetime) -> Order | None:
    if order.status in UNSETTLED:  # there is one at a time (promise 2)
        return order if binding.binds(order, now) else None
    orders = Order.objects.filter(purchase_id=order.purchase_id, offer=offer)
    return binding.binding(orders, now).select_related("contact").first()


def _today(order: Order, offer: Offer, coupon: Coupon | None, now: dt.datetime) -> Money:
    """What the page shows to whoever comes by the link of ``order``."""
    try:
        return quoting.quote(offer=offer, coupon=coupon, contact=order.contact, now=now).total
    except CouponRefused:
        return quoting.quote(offer=offer, contact=order.contact, now=now).total
