"""The two gates between a coupon and an offer: writing the offer's side, and finding where the two disagree.

A coupon that can never apply is the commonest mistake, so the admin shows disagreements on both sides. What
is told here holds for everybody at every moment; who is on a list today or how many uses are left is no disagreement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.log_actions import log

from wagtail_kwiga import locking
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import eligibility, rules
from wagtail_kwiga.coupons.models import Coupon, CouponOfferLimit, OfferAllowedCoupon
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.exceptions import KwigaError

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: The action under which mending stands in a coupon's history; ``backoffice.coupons.gates`` gives it words.
LOG_ACTION = "wagtail_kwiga.mend_gate"


class Fix(StrEnum):
    """What would make a coupon and an offer agree. ``""``: nothing that could be done without asking a person."""

    NONE = ""
    #: The offer names the coupon. It stands on the offer's page, so ``offers.coupon_gate`` does it.
    NAME_COUPON = "name_coupon"
    #: The coupon works for the offer as well, beside those it is limited to.
    WIDEN_COUPON = "widen_coupon"
    #: The coupon is made active.
    ACTIVATE_COUPON = "activate_coupon"


_REMEDIES: dict[str, Fix] = {
    Reason.OFFER_TAKES_NONE: Fix.NAME_COUPON,
    Reason.OFFER_TAKES_OTHERS: Fix.NAME_COUPON,
    Reason.WRONG_OFFER: Fix.WIDEN_COUPON,
    Reason.INACTIVE: Fix.ACTIVATE_COUPON,
}


@dataclass(frozen=True)
class Conflict:
    """One coupon and one offer that name each other in vain; either is ``None`` where the fault concerns no single one.

    ``code`` is stable, ``message`` is for staff (lazy).
    """

    code: str
    message: Any
    coupon: Coupon | None
    offer: Offer | None

    @property
    def remedy(self) -> Fix:
        """What would mend it, if anything can by itself."""
        return _REMEDIES.get(self.code, Fix.NONE)


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
        rows = OfferAllowedCoupon.objects.filter(offer=offer)
        named = set(rows.values_list("coupon_id", flat=True))
        if gone := named - wanted:
            rows.filter(coupon_id__in=gone).delete()
        if new := wanted - named:
            known = Coupon.objects.filter(pk__in=new).order_by("pk").values_list("pk", flat=True)
            OfferAllowedCoupon.objects.bulk_create(
                [OfferAllowedCoupon(offer=offer, coupon_id=pk) for pk in known], ignore_conflicts=True
            )


def taking(coupon: Coupon) -> QuerySet[Offer]:
    """The offers whose gate lets ``coupon`` in and that the coupon is for, on sale or not. Its validity is not asked."""
    offers = Offer.objects.filter(
        Q(coupon_mode=Offer.CouponMode.ANY)
        | Q(coupon_mode=Offer.CouponMode.ONLY, pk__in=OfferAllowedCoupon.objects.filter(coupon=coupon).values("offer"))
    )
    chosen = CouponOfferLimit.objects.filter(coupon=coupon)
    if chosen.exists():
        offers = offers.filter(pk__in=chosen.values("offer"))
    if coupon.kind == Coupon.Kind.FIXED:
        offers = offers.filter(currency=coupon.currency)
    return offers


def taken_by(offer: Offer) -> QuerySet[Coupon]:
    """The coupons that ``offer`` lets in and that are for it, active or not."""
    if offer.coupon_mode == Offer.CouponMode.NONE:
        return Coupon.objects.none()
    coupons = Coupon.objects.filter(Q(kind=Coupon.Kind.PERCENT) | Q(currency=offer.currency))
    if offer.coupon_mode == Offer.CouponMode.ONLY:
        coupons = coupons.filter(pk__in=OfferAllowedCoupon.objects.filter(offer=offer).values("coupon"))
    limited = CouponOfferLimit.objects.all()
    return coupons.filter(Q(pk__in=limited.filter(offer=offer).values("coupon")) | ~Q(pk__in=limited.values("coupon")))


def fix(
    code: str, coupon: Coupon, offer: Offer, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> bool:
    """Change the *coupon's* side so that it agrees with ``offer``. Returns whether anything had to be changed.

    Only what ``code`` names is changed, and only while they still disagree about it. Raises ``KwigaError``: code
    ``on_the_page`` where the offer's page would have to change (``offers.coupon_gate.name_coupon``), ``no_remedy`` where a
    person must decide.
    """
    remedy = _REMEDIES.get(code, Fix.NONE)
    if remedy == Fix.NAME_COUPON:
        raise KwigaError(_("The offer's coupons are chosen on its page."), code="on_the_page")
    if remedy == Fix.NONE:
        raise KwigaError(_("Nothing can mend this by itself."), code="no_remedy")
    with locking.atomic_write():
        locking.locked(Coupon.objects.filter(pk=coupon.pk)).get()
        if remedy == Fix.ACTIVATE_COUPON:
            is_news = bool(Coupon.objects.filter(pk=coupon.pk, is_active=False).update(is_active=True))
        else:
            chosen = set(CouponOfferLimit.objects.filter(coupon=coupon).values_list("offer_id", flat=True))
            # A coupon that is for every offer by now must not become one for this offer only.
            is_news = bool(chosen) and offer.pk not in chosen
            if is_news:
                CouponOfferLimit.objects.create(coupon=coupon, offer=offer)
        if is_news:
            log(instance=coupon, action=LOG_ACTION, user=by, content_changed=True, data=log_data(remedy, offer))
    return is_news


def log_data(remedy: Fix, offer: Offer) -> dict[str, str]:
    """What the history of a coupon keeps about a mending."""
    return {"remedy": str(remedy), "offer": offer.title}


def conflicts(subject: Offer | Coupon) -> list[Conflict]:
    """Where the gates of a coupon and its offers, or of an offer and its coupons, never agree. At most four queries."""
    return _of_offer(subject) if isinstance(subject, Offer) else _of_coupon(subject)


def _of_offer(offer: Offer) -> list[Conflict]:
    named = set(OfferAllowedCoupon.objects.filter(offer=offer).values_list("coupon_id", flat=True))
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


def _of_coupon(coupon: Coupon) -> list[Conflict]:
    named = set(
        OfferAllowedCoupon.objects.filter(coupon=coupon, offer__coupon_mode=Offer.CouponMode.ONLY).values_list(
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


def _between(coupon: Coupon, offer: Offer, named: bool, chosen: set[int]) -> list[Conflict]:
    """What keeps apart a coupon and an offer of which one at least names the other; ``chosen``: the coupon's offers."""
    facts, about = eligibility.facts_of(coupon, has_expired_reservation=False), eligibility.gate_of_offer(offer)
    links = rules.Links(has_offers=bool(chosen), is_for_offer=offer.pk in chosen, is_named=named)
    codes: list[str] = [*rules.gate_conflicts(facts, about, links)]
    if named and not coupon.is_active:
        codes.append(Reason.INACTIVE)
    return [_fault(code, coupon, offer) for code in codes]


def _fault(code: str, coupon: Coupon | None, offer: Offer | None) -> Conflict:
    facts: dict[str, Any] = {}
    if coupon is not None:
        facts |= {"coupon": coupon.code, "theirs": coupon.currency}
    if offer is not None:
        facts |= {"offer": offer.title, "ours": offer.currency}
    return Conflict(code, format_lazy(_WORDS[code], **facts), coupon, offer)
