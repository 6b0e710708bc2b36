"""Coming back by the button of a mail: what the link may show, and what is known and so not asked again.

The link is not a login (promise 10): it shows the address and the name, which the mail itself shows, and the discount. It
never shows the phone number, it only knows that there is one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wagtail_kwiga import signing
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import BadToken, KwigaError
from wagtail_kwiga.orders import links
from wagtail_kwiga.signing import Purpose

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.orders.models import Order


@dataclass(frozen=True)
class Resume:
    """Somebody follows the link of a mail about ``order``; ``coupon`` is what the mail promised."""

    token: str
    order: Order
    coupon: Coupon | None

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
    return Resume(token, order, coupon)


def read_for(offer: Offer, token: str, now: dt.datetime) -> Resume | None:
    """``read``, for a page that may be shown without it: ``None`` for a bad token and for one about another offer."""
    try:
        resume = read(token, now)
    except BadToken:
        return None
    return resume if resume.order.offer_id == offer.pk else None
