"""Does a coupon apply: to this offer, for this person, at this moment?

Two independent gates must agree, as in Kwiga's article “Discount coupons and possible settings”: the coupon's own limits
(validity, lists, offers, uses) and the offer's mode (*none*, *any*, *only these*). Everything is read at the moment of
asking, by the clock and never by what a worker has got round to (promise 5).

The rules themselves stand in ``coupons.rules``; here they are asked about rows, and answered in words for the buyer. The
answer about uses is advice: ``coupons.uses.reserve`` decides, under locks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.db import models, router
from django.db.models import Count, Exists, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Upper

from wagtail_kwiga import compiled_queries, conf
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.compiled_queries import Param
from wagtail_kwiga.contacts.models import Contact, ListMembership
from wagtail_kwiga.coupons import rules
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit, CouponOfferLimit, CouponUse, OfferAllowedCoupon
from wagtail_kwiga.coupons.reasons import message
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.formatting.instants import moment_lazy, until_lazy

#: What paste brings along at the ends of a code without anybody seeing it.
_INVISIBLE_ENDS = "\u200b\u2060\ufeff"

#: As many ways as ``_spellings`` finds at most.
_MOST_SPELLINGS = 21


@dataclass(frozen=True)
class Verdict:
    """Whether a coupon applies, and if not, why.

    ``reason`` is a stable code (``rules.Reason``), ``message`` the buyer's words (lazy; empty when ok). ``coupon`` is
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


@dataclass(frozen=True)
class Held:
    """Whether a held use may pass on to another order, and whether it may then be held longer than it is."""

    passes: bool
    may_renew: bool = False


def check_held(use: CouponUse, *, offer: Offer, contact: Contact, now: dt.datetime) -> Held:
    """Judge whether a use that is held for ``contact`` may pass on to an order of ``offer``. At most two queries.

    The hold protects what was true when it was taken against time and lists: as long as it lasts, the use passes although
    the coupon or the membership has ended. It protects nothing against the gates: neither against what this offer takes, nor
    against the offers and the currency that the coupon is for.
    """
    found = _read({"coupon": use.coupon_id}, False, offer, contact, now)
    if not found:
        return Held(False)
    coupon = found[0]
    facts = facts_of(coupon, has_expired_reservation=coupon.fact_reclaimable)
    if any(rules.gate_conflicts(facts, gate_of_offer(offer), _links_of(coupon))):
        return Held(False)
    verdict = _judge(coupon, offer, contact, now, use)
    return Held(verdict.ok or now < use.reserved_until, verdict.ok)


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
    """Ask the rules about a coupon of ``_read``, and put their answer into words. One query where it has lists."""
    links = _links_of(coupon)
    facts, customer = facts_of(coupon, has_expired_reservation=coupon.fact_reclaimable), None
    if contact is not None:
        passes_on = holding is not None and holding.coupon_id == coupon.pk and holding.state == CouponUse.State.RESERVED
        customer = rules.CustomerFacts(
            redeemed=coupon.fact_spent_by_contact, has_reservation=coupon.fact_held_by_contact or passes_on
        )
    verdict = rules.judge(facts, gate_of_offer(offer), links, customer, now)
    if verdict.reason is Reason.OTHER_ADDRESS and customer is not None and contact is not None:
        # All that comes before the lists is met, so now their rows are worth a query.
        customer = dataclasses.replace(customer, membership_ends=_membership_ends(coupon, contact))
        verdict = rules.judge(facts, gate_of_offer(offer), links, customer, now)
    return _told(verdict, coupon, offer)


def _links_of(coupon: Any) -> rules.Links:
    """How a coupon of ``_read`` is tied to lists and offers."""
    return rules.Links(
        has_lists=coupon.fact_has_lists,
        has_offers=coupon.fact_has_offers,
        is_for_offer=coupon.fact_for_offer,
        is_named=coupon.fact_named,
    )


def facts_of(coupon: Coupon, *, has_expired_reservation: bool) -> rules.CouponFacts:
    """The row as the rules see it. No query."""
    return rules.CouponFacts(**limits_of(coupon, has_expired_reservation=has_expired_reservation))


def limits_of(coupon: Coupon, *, has_expired_reservation: bool) -> dict[str, Any]:
    """The fields of ``CouponFacts``, for whoever keeps them together with others of his own. No query."""
    return {
        "is_active": coupon.is_active,
        "valid_from": coupon.valid_from,
        "valid_until": coupon.valid_until,
        "currency": coupon.currency if coupon.kind == Coupon.Kind.FIXED else "",
        "limit_total": coupon.limit_total,
        "used_count": coupon.used_count,
        "has_expired_reservation": has_expired_reservation,
        "limit_per_contact": coupon.limit_per_contact,
    }


def facts_of_offer(offer: Offer, now: dt.datetime) -> rules.OfferFacts:
    """The row as the rules see it at ``now``. No query."""
    return dataclasses.replace(gate_of_offer(offer), not_for_sale=selling.why_not_for_sale(offer, now) or "")


def gate_of_offer(offer: Offer) -> rules.OfferFacts:
    """The row as the rules see it where nobody asks whether it is for sale. No query."""
    return rules.OfferFacts(offer.pk, offer.currency, str(offer.coupon_mode), sales_until=offer.sales_until)


def _told(verdict: rules.Verdict, coupon: Coupon, offer: Offer) -> Verdict:
    """The answer of the rules with the words for it."""
    facts: dict[str, Any] = {}
    match verdict.reason:
        case Reason.NOT_YET:
            facts = {"when": moment_lazy(cast(dt.datetime, coupon.valid_from))}
        case Reason.EXPIRED | Reason.ENDED_FOR_YOU:
            facts = {"when": until_lazy(cast(dt.datetime, verdict.until))}
        case Reason.OTHER_CURRENCY:
            facts = {"theirs": coupon.currency, "ours": offer.currency}
    return Verdict(verdict.ok, verdict.reason, message(verdict.reason, **facts), coupon, verdict.until)


def _no(reason: Reason, coupon: Coupon | None = None) -> Verdict:
    return Verdict(False, reason, message(reason), coupon)


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
            wanted: models.QuerySet[Any] = Coupon.objects.annotate(folded=Upper("code")).filter(
                folded__in=[Upper(spelt[0]), *spelt]
            )
        else:
            wanted = Coupon.objects.filter(pk=Param("coupon", models.BigAutoField()))
        fields = [field.attname for field in Coupon._meta.concrete_fields]
        return _with_facts(wanted, of_contact).order_by().values_list(*fields, *_FACTS)

    return compiled_queries.Select(make)


def _with_facts(coupons: models.QuerySet[Coupon], of_contact: bool) -> models.QuerySet[Any]:
    key, now = models.BigAutoField(), Param("now", models.DateTimeField())
    lists = CouponListLimit.objects.filter(coupon_id=OuterRef("pk"))
    offers = CouponOfferLimit.objects.filter(coupon_id=OuterRef("pk"))
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


def _membership_ends(coupon: Coupon, contact: Contact) -> tuple[rules.End, ...]:
    """The end of every grant that the contact ever had on a list of the coupon. When it was added is not asked. One query."""
    grants = ListMembership.objects.filter(list__coupons=coupon, contact=contact)
    return tuple(rules.earlier(*ends) for ends in grants.values_list("until", "removed_at"))


# --- what somebody typed ----------------------------------------------------------------------------------------------


def _spellings(typed: Any) -> list[str]:
    """The code as typed and the ways in which a database may have folded it; empty for what can be no code.

    ``UPPER`` folds all letters on most PostgreSQL databases but only a–z on SQLite and under the C locale, so the other
    casings of a code with letters beyond ASCII are looked up beside it.
    """
    if not isinstance(typed, str):
        return []
    code = typed.strip().strip(_INVISIBLE_ENDS).strip()
    longest = cast(int, Coupon._meta.get_field("code").max_length)
    if not code or len(code) > longest or any(unicodedata.category(char)[0] == "C" for char in code):
        return []
    spellings = [code]
    for form in (code, unicodedata.normalize("NFC", code)):
        for casing in (form, form.upper(), form.lower(), form.title(), form.capitalize()):
            spellings += [casing, _ascii_upper(casing)]
    return list(dict.fromkeys(spellings))


def _ascii_upper(text: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in text)
