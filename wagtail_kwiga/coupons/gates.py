"""The two gates between a coupon and an offer: writing the offer's side, and finding where the two disagree.

A coupon that can never apply is the commonest mistake, so the admin shows disagreements on both sides (DESIGN 6). What
is told here holds for everybody at every moment; who is on a list today or how many uses are left is no disagreement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import locking
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.models import Coupon, OfferCoupon
from wagtail_kwiga.coupons.reasons import Reason


@dataclass(frozen=True)
class Disagreement:
    """One coupon and one offer that name each other in vain; either is ``None`` where the fault concerns no single one.

    ``code`` is stable, ``message`` is for staff (lazy).
    """

    code: str
    message: Any
    coupon: Coupon | None
    offer: Offer | None


#: A coupon that no offer takes, and an offer that takes only named coupons and names none.
NOWHERE = "nowhere"
NAMES_NONE = "names_none"

_WORDS: dict[str, Any] = {
    Reason.OFFER_TAKES_NONE: _("The coupon {coupon} is made for the offer “{offer}”, which takes no coupons."),
    Reason.OFFER_TAKES_OTHERS: _("The coupon {coupon} is made for the offer “{offer}”, which takes only others."),
    Reason.WRONG_OFFER: _("The offer “{offer}” names the coupon {coupon}, which is limited to other offers."),
    Reason.OTHER_CURRENCY: _("The coupon {coupon} takes off {theirs}, the price of the offer “{offer}” is in {ours}."),
    Reason.INACTIVE: _("The offer “{offer}” names the coupon {coupon}, which is not active."),
    NOWHERE: _("No offer takes the coupon {coupon}: choose it on an offer page, or let the offer take any coupon."),
    NAMES_NONE: _("The offer “{offer}” takes only the coupons it names, and names none."),
}


def name_coupons(offer: Offer, coupon_ids: Iterable[int]) -> None:
    """Make the coupons that ``offer`` names under *only these* exactly those of ``coupon_ids``.

    Ids that no coupon has are left out. Repeating it changes nothing.
    """
    wanted = set(coupon_ids)
    with locking.atomic_write():
        rows = OfferCoupon.objects.filter(offer=offer)
        named = set(rows.values_list("coupon_id", flat=True))
        if gone := named - wanted:
            rows.filter(coupon_id__in=gone).delete()
        if new := wanted - named:
            known = Coupon.objects.filter(pk__in=new).order_by("pk").values_list("pk", flat=True)
            OfferCoupon.objects.bulk_create(
                [OfferCoupon(offer=offer, coupon_id=pk) for pk in known], ignore_conflicts=True
            )


def disagreements(subject: Offer | Coupon) -> list[Disagreement]:
    """Where the gates of a coupon and its offers, or of an offer and its coupons, never agree. At most four queries."""
    return _of_offer(subject) if isinstance(subject, Offer) else _of_coupon(subject)


def _of_offer(offer: Offer) -> list[Disagreement]:
    named = set(OfferCoupon.objects.filter(offer=offer).values_list("coupon_id", flat=True))
    if offer.coupon_mode != Offer.CouponMode.ONLY:
        named = set()  # rows left over from another mode name nothing
    coupons = Coupon.objects.filter(Q(pk__in=named) | Q(offers=offer)).distinct().prefetch_related("offers")
    found = [
        fault
        for coupon in coupons
        for fault in _between(coupon, offer, coupon.pk in named, {chosen.pk for chosen in coupon.offers.all()})
    ]
    if offer.coupon_mode == Offer.CouponMode.ONLY and not named:
        found.append(_fault(NAMES_NONE, None, offer))
    return found


def _of_coupon(coupon: Coupon) -> list[Disagreement]:
    named = set(
        OfferCoupon.objects.filter(coupon=coupon, offer__coupon_mode=Offer.CouponMode.ONLY).values_list(
            "offer_id", flat=True
        )
    )
    chosen = set(coupon.offers.values_list("pk", flat=True))
    offers = Offer.objects.filter(pk__in=named | chosen)
    found = [fault for offer in offers for fault in _between(coupon, offer, offer.pk in named, chosen)]
    if not named and not chosen:
        takes_any = Offer.objects.filter(coupon_mode=Offer.CouponMode.ANY).exclude(state=Offer.State.WITHDRAWN)
        if coupon.kind == Coupon.Kind.FIXED:
            takes_any = takes_any.filter(currency=coupon.currency)
        if not takes_any.exists():
            found.append(_fault(NOWHERE, coupon, None))
    return found


def _between(coupon: Coupon, offer: Offer, named: bool, chosen: set[int]) -> list[Disagreement]:
    """What keeps apart a coupon and an offer of which one at least names the other; ``chosen``: the coupon's offers."""
    codes: list[str] = []
    if offer.coupon_mode == Offer.CouponMode.NONE:
        codes.append(Reason.OFFER_TAKES_NONE)
    elif offer.coupon_mode == Offer.CouponMode.ONLY and not named:
        codes.append(Reason.OFFER_TAKES_OTHERS)
    if named and chosen and offer.pk not in chosen:
        codes.append(Reason.WRONG_OFFER)
    if coupon.kind == Coupon.Kind.FIXED and coupon.currency != offer.currency:
        codes.append(Reason.OTHER_CURRENCY)
    if named and not coupon.is_active:
        codes.append(Reason.INACTIVE)
    return [_fault(code, coupon, offer) for code in codes]


def _fault(code: str, coupon: Coupon | None, offer: Offer | None) -> Disagreement:
    facts: dict[str, Any] = {}
    if coupon is not None:
        facts |= {"coupon": coupon.code, "theirs": coupon.currency}
    if offer is not None:
        facts |= {"offer": offer.title, "ours": offer.currency}
    return Disagreement(code, format_lazy(_WORDS[code], **facts), coupon, offer)
