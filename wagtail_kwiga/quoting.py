"""What somebody would pay now for an offer. One function for the page, the checkout, the engine and delivery, so that none of
them names a price that another does not honour. (Public as ``offers.quoting``.)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wagtail_kwiga import conf, hooks
from wagtail_kwiga.coupons import discounts, eligibility
from wagtail_kwiga.exceptions import CouponRefused
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.contacts.models import Contact
    from wagtail_kwiga.coupons.models import Coupon


@dataclass(frozen=True)
class QuoteDraft:
    """What a quote is made of; handed to the hook ``construct_kwiga_quote``, which returns it or a changed one.

    A site changes ``list_price`` or ``discount`` (``dataclasses.replace``). ``contact`` is ``None`` while the visitor has
    given no address: a price that depends on the person must not become higher once the address is known, because the
    checkout never charges more than the page showed.
    """

    offer: Offer
    list_price: Money
    discount: Percent | Fixed | None
    coupon: Coupon | None
    contact: Contact | None
    now: dt.datetime


def quote(
    *, offer: Offer, coupon: Coupon | None = None, contact: Contact | None = None, now: dt.datetime | None = None
) -> Quote:
    """List price, discount and total of ``offer``, with ``coupon`` if one is given.

    Raises ``CouponRefused`` (``code`` is the reason, ``facts["verdict"]`` the whole answer) where the coupon does not apply.
    """
    now = now or conf.now()
    if coupon is None:
        return make(offer, None, contact, now)
    return quote_for(eligibility.check_coupon(coupon, offer=offer, contact=contact, now=now), offer, contact, now)


def quote_for(verdict: eligibility.Verdict, offer: Offer, contact: Contact | None, now: dt.datetime) -> Quote:
    """The quote with the coupon of a ``verdict`` that has just been given. Raises ``CouponRefused`` where it says no."""
    if not verdict.ok:
        raise CouponRefused(verdict.message, code=str(verdict.reason), verdict=verdict)
    return make(offer, verdict.coupon, contact, now)


def make(offer: Offer, coupon: Coupon | None, contact: Contact | None, now: dt.datetime) -> Quote:
    discount = discounts.discount_of(coupon) if coupon is not None else None
    draft = QuoteDraft(offer, offer.price, discount, coupon, contact, now)
    draft = hooks.transform("construct_kwiga_quote", draft)
    return make_quote(
        draft.list_price,
        draft.discount,
        coupon_id=coupon.pk if coupon is not None else None,
        coupon_code=coupon.code if coupon is not None else "",
    )
