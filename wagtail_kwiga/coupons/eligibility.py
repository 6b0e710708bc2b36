"""Does a coupon apply: to this offer, for this person, at this moment?

Two independent gates must agree, as in Kwiga's article “Discount coupons and possible settings”: the coupon's own limits
(validity, lists, offers, uses) and the offer's mode (*none*, *any*, *only these*). Everything is read at the moment of
asking, by the clock and never by what a worker has got round to (promise 5).

The answer about uses is advice: ``coupons.uses.reserve`` decides, under locks.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import models, router
from django.db.models import Count, Exists, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Upper

from wagtail_kwiga import compiled_queries, conf
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.compiled_queries import Param
from wagtail_kwiga.contacts.models import Contact, ListMembership
from wagtail_kwiga.coupons.models import Coupon, CouponUse, OfferAllowedCoupon
from wagtail_kwiga.coupons.reasons import Reason, message
from wagtail_kwiga.formatting.instants import moment_lazy

#: What paste brings along at the ends of a code without anybody seeing it.
_INVISIBLE_ENDS = "\u200b\u2060\ufeff"

#: As many ways as ``_spellings`` finds at most.
_MOST_SPELLINGS = 21


@dataclass(frozen=True)
class Verdict:
    """Whether a coupon applies, and if not, why.

    ``reason`` is a stable code (``reasons.Reason``), ``message`` the buyer's words (lazy; empty when ok). ``coupon`` is
    given whenever the code is known. ``until``: when ok, the earlier of the contact's membership end and the coupon's
    own end (``None``: no end); for ``expired`` and ``ended_for_you`` the instant at which it ended.
    """

    ok: bool
    reason: Reason
    message: Any
    coupon: Coupon | None = None
    until: dt.datetime | None = None


def check(
    *,
    code: str,
    offer: Offer,
    contact: Contact | None = None,
    now: dt.datetime | None = None,
    holding: CouponUse | None = None,
) -> Verdict:
    """Judge what somebody typed as a code for ``offer``. At most two queries; never raises.

    Capitals count like small letters; spaces around are dropped; anything that cannot be a code is *unknown*. Without a
    ``contact`` a list-bound coupon answers ``needs_address`` and names the coupon. ``holding`` is a held use that would
    pass on to the new order: its place counts as the contact's own.
    """
    now = now or conf.now()
    spellings = _spellings(code)
    if not spellings:
        return _no(Reason.UNKNOWN)
    padded = [*spellings, *[spellings[0]] * (_MOST_SPELLINGS - len(spellings))]
    given = {f"spelling{number}": each for number, each in enumerate(padded)}
    found = sorted(_read(given, True, offer, contact, now), key=lambda coupon: (coupon.code != spellings[0], coupon.pk))
    if not found:
        return _no(Reason.UNKNOWN)
    return _judge(found[0], offer, contact, now, holding)


def check_coupon(
    coupon: Coupon,
    *,
    offer: Offer,
    contact: Contact | None = None,
    now: dt.datetime | None = None,
    holding: CouponUse | None = None,
) -> Verdict:
    """``check`` for a coupon at hand. It is read afresh, so a stale object does no harm. At most two queries."""
    now = now or conf.now()
    found = _read({"coupon": coupon.pk}, False, offer, contact, now)
    if not found:
        return _no(Reason.UNKNOWN)
    return _judge(found[0], offer, contact, now, holding)


def discreet(verdict: Verdict, *, is_address_given: bool = True) -> Verdict:
    """``verdict`` as it may be told to somebody who has not shown to be the contact it is about.

    Whether the shop knows a person, whether they are or were on a coupon's list, or have used the coupon, is nobody else's
    business: all of it reads like a code that was made for another address.
    """
    about_people = (Reason.ENDED_FOR_YOU, Reason.USED_BY_YOU)
    is_bound = getattr(verdict.coupon, "fact_has_lists", False)
    if (verdict.reason in about_people and is_bound) or (verdict.reason == Reason.NEEDS_ADDRESS and is_address_given):
        return _no(Reason.OTHER_ADDRESS, verdict.coupon)
    return verdict


def _judge(coupon: Any, offer: Offer, contact: Contact | None, now: dt.datetime, holding: CouponUse | None) -> Verdict:
    """The rules, in the order in which a buyer is best told. Uses come last: strangers learn nothing of them."""
    if not coupon.is_active:
        return _no(Reason.INACTIVE, coupon)
    if coupon.valid_from and now < coupon.valid_from:
        return _no(Reason.NOT_YET, coupon, when=moment_lazy(coupon.valid_from))
    if coupon.valid_until and coupon.valid_until <= now:
        return _no(Reason.EXPIRED, coupon, coupon.valid_until, when=moment_lazy(coupon.valid_until))
    if offer.coupon_mode == Offer.CouponMode.NONE:
        return _no(Reason.OFFER_TAKES_NONE, coupon)
    if offer.coupon_mode == Offer.CouponMode.ONLY and not coupon.fact_named:
        return _no(Reason.OFFER_TAKES_OTHERS, coupon)
    if coupon.fact_has_offers and not coupon.fact_for_offer:
        return _no(Reason.WRONG_OFFER, coupon)
    if coupon.kind == Coupon.Kind.FIXED and coupon.currency != offer.currency:
        return _no(Reason.OTHER_CURRENCY, coupon, theirs=coupon.currency, ours=offer.currency)

    until = _earlier(coupon.valid_until, offer.sales_until)
    if coupon.fact_has_lists:
        if contact is None:
            return _no(Reason.NEEDS_ADDRESS, coupon)
        membership = _membership(coupon, contact, now)
        if membership is None:
            return _no(Reason.OTHER_ADDRESS, coupon)
        if not membership.holds:
            return _no(Reason.ENDED_FOR_YOU, coupon, membership.end, when=moment_lazy(membership.end))
        until = _earlier(until, membership.end)

    held_by_contact = coupon.fact_held_by_contact or (
        holding is not None and holding.coupon_id == coupon.pk and holding.state == CouponUse.State.RESERVED
    )
    # Only spent uses count here: a held one is most often that of the order which the buyer is about to replace.
    mine = coupon.limit_per_contact if contact is not None else None
    if mine is not None and coupon.fact_spent_by_contact >= mine:
        return _no(Reason.USED_BY_YOU, coupon)
    full = coupon.limit_total is not None and coupon.used_count >= coupon.limit_total
    if full and not coupon.fact_reclaimable and not held_by_contact:
        return _no(Reason.USED_UP, coupon)
    return Verdict(True, Reason.OK, message(Reason.OK), coupon, until)


def _no(reason: Reason, coupon: Coupon | None = None, until: dt.datetime | None = None, **facts: Any) -> Verdict:
    return Verdict(False, reason, message(reason, **facts), coupon, until)


# --- what the database knows ------------------------------------------------------------------------------------------


#: What ``_judge`` asks of a coupon beside its own fields.
_FACTS = (
    "fact_has_lists",
    "fact_has_offers",
    "fact_for_offer",
    "fact_named",
    "fact_reclaimable",
    "fact_held_by_contact",
    "fact_spent_by_contact",
)


def _read(which: dict[str, Any], by_code: bool, offer: Offer, contact: Contact | None, now: dt.datetime) -> list[Any]:
    """Coupons with all that ``_judge`` asks about them but the memberships. One query, compiled once in a process: it is
    asked at every look at a page with a coupon, and making its SQL took longer than running it."""
    given = {**which, "offer": offer.pk, "now": now}
    if contact is not None:
        given["contact"] = contact.pk
    names = [field.attname for field in Coupon._meta.concrete_fields]
    found = []
    for row in _question(by_code, contact is not None).rows(**given):
        coupon = Coupon.from_db(router.db_for_write(Coupon), names, row[: len(names)])
        for name, fact in zip(_FACTS, row[len(names) :], strict=True):
            setattr(coupon, name, fact)
        found.append(coupon)
    return found


@cache
def _question(by_code: bool, of_contact: bool) -> compiled_queries.Select:
    def make() -> models.QuerySet[Any]:
        if by_code:
            spelt = [Param(f"spelling{number}", models.CharField()) for number in range(_MOST_SPELLINGS)]
            wanted = Coupon.objects.annotate(folded=Upper("code")).filter(folded__in=[Upper(spelt[0]), *spelt])
        else:
            wanted = Coupon.objects.filter(pk=Param("coupon", models.BigAutoField()))
        fields = [field.attname for field in Coupon._meta.concrete_fields]
        return _with_facts(wanted, of_contact).order_by().values_list(*fields, *_FACTS)

    return compiled_queries.Select(make)


def _with_facts(coupons: models.QuerySet[Coupon], of_contact: bool) -> models.QuerySet[Any]:
    key, now = models.BigAutoField(), Param("now", models.DateTimeField())
    lists = Coupon.contact_lists.through.objects.filter(coupon_id=OuterRef("pk"))
    offers = Coupon.offers.through.objects.filter(coupon_id=OuterRef("pk"))
    held = CouponUse.objects.filter(coupon_id=OuterRef("pk"), state=CouponUse.State.RESERVED)
    coupons = coupons.annotate(
        fact_has_lists=Exists(lists),
        fact_has_offers=Exists(offers),
        fact_for_offer=Exists(offers.filter(offer_id=Param("offer", key))),
        fact_named=Exists(OfferAllowedCoupon.objects.filter(coupon_id=OuterRef("pk"), offer_id=Param("offer", key))),
        fact_reclaimable=Exists(held.filter(reserved_until__lte=now)),
    )
    if not of_contact:
        return coupons.annotate(fact_held_by_contact=Value(False), fact_spent_by_contact=Value(0))
    contact = Param("contact", key)
    spent = (
        CouponUse.objects.filter(coupon_id=OuterRef("pk"), contact_id=contact, state=CouponUse.State.REDEEMED)
        .order_by()
        .values("coupon_id")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return coupons.annotate(
        fact_held_by_contact=Exists(held.filter(contact_id=contact)),
        fact_spent_by_contact=Coalesce(Subquery(spent), 0),
    )


@dataclass(frozen=True)
class _Membership:
    holds: bool
    end: dt.datetime | None


def _membership(coupon: Coupon, contact: Contact, now: dt.datetime) -> _Membership | None:
    """The contact's standing over all lists of the coupon (any of them will do); ``None``: never on one. One query."""
    grants = ListMembership.objects.filter(list__coupons=coupon, contact=contact)
    return _sum_up(grants.values_list("until", "removed_at"), now)


def _sum_up(grants: Iterable[tuple[dt.datetime | None, dt.datetime | None]], now: dt.datetime) -> _Membership | None:
    """Grants as (until, removed_at): the one that ends last speaks for all. When it was added is not asked."""
    ends = [_earlier(until, removed) for until, removed in grants]
    if not ends:
        return None
    if None in ends:
        return _Membership(True, None)
    last = max(end for end in ends if end is not None)
    return _Membership(now < last, last)


def _earlier(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    """The earlier of two ends, ``None`` meaning no end."""
    known = [end for end in (one, other) if end is not None]
    return min(known, default=None)


# --- what somebody typed ----------------------------------------------------------------------------------------------


def _spellings(typed: Any) -> list[str]:
    """The code as typed and the ways in which a database may have folded it; empty for what can be no code.

    ``UPPER`` folds all letters on most PostgreSQL databases but only a–z on SQLite and under the C locale, so the other
    casings of a code with letters beyond ASCII are looked up beside it.
    """
    if not isinstance(typed, str):
        return []
    code = typed.strip().strip(_INVISIBLE_ENDS).strip()
    longest = Coupon._meta.get_field("code").max_length
    if not code or len(code) > longest or any(unicodedata.category(char)[0] == "C" for char in code):
        return []
    spellings = [code]
    for form in (code, unicodedata.normalize("NFC", code)):
        for casing in (form, form.upper(), form.lower(), form.title(), form.capitalize()):
            spellings += [casing, _ascii_upper(casing)]
    return list(dict.fromkeys(spellings))


def _ascii_upper(text: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in text)
