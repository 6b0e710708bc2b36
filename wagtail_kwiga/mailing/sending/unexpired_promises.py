"""Promises that mail has told and that have not run out: who holds one that a change would break, and ending them knowingly.

Mail that has not left yet is not meant: it is asked again right before it does (``presend_rules``). Neither is a promise whose
purchase is paid, nor one that does not hold any more as it is. Counting is one query, ending is another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils.translation import ngettext

from wagtail_kwiga import quoting
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ListMembership
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.exceptions import MoneyMismatch
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

Status = OutgoingEmail.Status
#: Mail that somebody has, or may have.
_TOLD = [Status.SENDING, Status.SENT, Status.UNKNOWN]
_EVERYONE, _NOBODY = Q(pk__isnull=False), Q(pk__isnull=True)  # as conditions for mails


@dataclass(frozen=True)
class CouponState:
    """A coupon and what it is tied to, as it is or as it would be saved."""

    coupon: Coupon
    list_ids: frozenset[int] = frozenset()
    offer_ids: frozenset[int] = frozenset()

    @classmethod
    def saved(cls, coupon_id: int) -> CouponState:
        """As the database has it. Three queries."""
        coupon = Coupon.objects.get(pk=coupon_id)
        lists = coupon.list_links.values_list("contact_list_id", flat=True)
        return cls(coupon, frozenset(lists), frozenset(coupon.offer_links.values_list("offer_id", flat=True)))


@dataclass(frozen=True)
class OfferState:
    """An offer, and the coupons that it names under *only these coupons*, as it is or as it would be published."""

    offer: Offer
    coupon_ids: frozenset[int] = frozenset()

    @classmethod
    def saved(cls, offer: Offer) -> OfferState:
        """As the database has it. One query."""
        return cls(offer, frozenset(offer.named_coupons.values_list("coupon_id", flat=True)))


@dataclass(frozen=True)
class Told:
    """So many people were told ``total`` (``None``: no price) until ``until`` at the latest (``None``: without an end)."""

    people: int
    total: Money | None
    until: dt.datetime | None

    def sentence(self) -> str:
        """For the team, in the active language."""
        facts: dict[str, Any] = {"people": self.people}
        if self.total is not None:
            facts["total"] = money_for_reader(self.total)
        if self.until is not None:
            facts["until"] = instants.until(self.until)
        match self.total, self.until:
            case None, None:
                words = ngettext(
                    "%(people)d person was told of the discount.",
                    "%(people)d people were told of the discount.",
                    self.people,
                )
            case None, _until:
                words = ngettext(
                    "%(people)d person was told of the discount until %(until)s.",
                    "%(people)d people were told of the discount until %(until)s.",
                    self.people,
                )
            case _total, None:
                words = ngettext(
                    "%(people)d person was told %(total)s.", "%(people)d people were told %(total)s.", self.people
                )
            case _:
                words = ngettext(
                    "%(people)d person was told %(total)s until %(until)s.",
                    "%(people)d people were told %(total)s until %(until)s.",
                    self.people,
                )
        return words % facts


@dataclass(frozen=True)
class BrokenPromises:
    """The unexpired promises that a change would break. False where it breaks none."""

    told: tuple[Told, ...] = ()
    mails: QuerySet[OutgoingEmail] = field(default_factory=OutgoingEmail.objects.none, compare=False)

    def __bool__(self) -> bool:
        return bool(self.told)

    @property
    def people(self) -> int:
        return sum(one.people for one in self.told)

    @property
    def until(self) -> dt.datetime | None:
        """When the last of them would have run out; ``None``: one of them never."""
        ends = [one.until for one in self.told]
        return None if None in ends else max((end for end in ends if end is not None), default=None)

    def sentences(self) -> str:
        """Who was told what, for the team, in the active language."""
        return " ".join(one.sentence() for one in self.told)

    def end(self, *, by: AbstractBaseUser | None, now: dt.datetime) -> int:
        """End them, with by whose doing it was; returns how many mails. One statement."""
        ended = {"promise_ended_at": now, "promise_ended_by": getattr(by, "pk", None)}
        return OutgoingEmail.objects.filter(pk__in=self.mails.values("pk")).update(**ended)


def of_coupon(before: CouponState, after: CouponState | None, now: dt.datetime) -> BrokenPromises:
    """What would break if a coupon that is as ``before`` became as ``after``; ``None``: if it were deleted.

    Two queries, one where nobody was told anything.
    """
    is_gone = after is None or after.coupon.code.casefold() != before.coupon.code.casefold()

    def prices(rows: Sequence[_Row]) -> _Prices:
        offers = Offer.objects.in_bulk({row["promised_offer"] for row in rows})
        coupons = before.coupon, after.coupon if after is not None else before.coupon
        return lambda row: [_price(offers[row["promised_offer"]], coupon, now) for coupon in coupons]

    return _broken(
        _unexpired(now).filter(promised_coupon=before.coupon.pk),
        was_refused=_coupon_refuses(before, now),
        is_refused=_EVERYONE if after is None or is_gone else _coupon_refuses(after, now),
        prices=prices,
    )


def of_offer(before: OfferState, after: OfferState | None, now: dt.datetime) -> BrokenPromises:
    """The same for an offer; ``None``: if it were no longer sold. Of its promises those count that told an end."""

    def prices(rows: Sequence[_Row]) -> _Prices:
        coupons = Coupon.objects.in_bulk({row["promised_coupon"] for row in rows} - {None})
        offers = before.offer, after.offer if after is not None else before.offer
        return lambda row: [_price(offer, coupons.get(row["promised_coupon"]), now) for offer in offers]

    return _broken(
        _unexpired(now).filter(promised_offer=before.offer.pk, promised_until__isnull=False),
        was_refused=_offer_refuses(before, now),
        is_refused=_EVERYONE if after is None else _offer_refuses(after, now),
        prices=prices,
    )


def of_taking_off(list_id: int, contact_ids: Iterable[int], now: dt.datetime) -> BrokenPromises:
    """The same for taking people off a list, whoever put them on it. One query."""
    return _of_members(list_id, contact_ids, now, kept=_memberships(now).exclude(list=list_id))


def of_another_end(list_id: int, contact_id: int, until: dt.datetime | None, now: dt.datetime) -> BrokenPromises:
    """The same for putting somebody on a list by hand once more, which gives the membership by hand another end. One query."""
    kept = _memberships(now).exclude(list=list_id, source="")
    return _of_members(list_id, [contact_id], now, kept=kept, too_soon=_sooner_than_told(until, now))


def was_ended(contact_id: int, offer_id: int, now: dt.datetime) -> bool:
    """Whether a promise to this person about this offer, which would still hold, was ended knowingly. One query."""
    ended = OutgoingEmail.objects.filter(
        contact_id=contact_id, promised_offer_id=offer_id, promise_ended_at__isnull=False
    )
    return ended.filter(Q(promised_until__isnull=True) | Q(promised_until__gt=now)).exists()


def _of_members(
    list_id: int,
    contact_ids: Iterable[int],
    now: dt.datetime,
    *,
    kept: QuerySet[ListMembership],
    too_soon: Q = _EVERYONE,
) -> BrokenPromises:
    """Of promises with a coupon for this list: those that hold by a membership, and neither by one that is ``kept`` nor by the
    new one, where that ends ``too_soon``. No price changes."""
    return _broken(
        _unexpired(now).filter(
            contact__in=set(contact_ids),
            promised_coupon__list_links__contact_list=list_id,
            promised_coupon__is_active=True,
        ),
        was_refused=Q(_false(Exists(_memberships(now)))),
        is_refused=Q(_false(Exists(kept))) & too_soon,
        prices=lambda _rows: lambda _row: [None, None],
    )


def _memberships(now: dt.datetime) -> QuerySet[ListMembership]:
    """What makes the reader of a mail one for whom its coupon is, for as long as was told."""
    return ListMembership.objects.filter(
        _as_long_as_told(now),
        contact=OuterRef("contact"),
        list__coupon_links__coupon=OuterRef("promised_coupon"),
        removed_at__isnull=True,
    )


def _unexpired(now: dt.datetime) -> QuerySet[OutgoingEmail]:
    """Those that were told and not ended, of people who have not bought meanwhile."""
    is_open = Q(purchase__isnull=True) | Q(purchase__paid_at__isnull=True)
    holds = Q(promised_until__isnull=True) | Q(promised_until__gt=now)
    return OutgoingEmail.objects.filter(holds, is_open, status__in=_TOLD, promise_ended_at__isnull=True)


_GROUP = ("promised_offer", "promised_coupon", "promised_total", "promised_currency")
_Row = dict[str, Any]
#: What a group of promises costs before the change and after it; ``None`` where that cannot be said.
_Prices = Callable[[_Row], list[Money | None]]
_REFUSED_BEFORE, _PERHAPS_DEARER, _REFUSED_NOW = 0, 1, 2


def _broken(
    promises: QuerySet[OutgoingEmail],
    *,
    was_refused: Q,
    is_refused: Q,
    prices: Callable[[Sequence[_Row]], _Prices],
) -> BrokenPromises:
    """What did hold and would hold no more. What refuses is asked of the database, mail by mail; what it costs, of the quoting
    function, for each price that was told."""
    verdict = Case(
        When(was_refused, then=Value(_REFUSED_BEFORE)),
        When(is_refused, then=Value(_REFUSED_NOW)),
        default=Value(_PERHAPS_DEARER),
    )
    mails = promises.annotate(verdict=verdict).exclude(verdict=_REFUSED_BEFORE).order_by()
    groups = mails.values("verdict", *_GROUP).annotate(
        people=Count("contact", distinct=True), last=Max("promised_until")
    )
    rows: list[_Row] = list(groups)
    if not rows:
        return BrokenPromises()
    price_of = prices(rows)
    broken = [row for row in rows if row["verdict"] == _REFUSED_NOW or _becomes_dearer(row, price_of)]
    which = Q(verdict=_REFUSED_NOW)
    for row in broken:
        if row["verdict"] == _PERHAPS_DEARER:
            which |= Q(verdict=_PERHAPS_DEARER, **dict(_is(name, row[name]) for name in _GROUP))
    return BrokenPromises(_told(broken), mails.filter(which)) if broken else BrokenPromises()


def _is(name: str, value: Any) -> tuple[str, Any]:
    return (name, value) if value is not None else (f"{name}__isnull", True)


def _becomes_dearer(row: _Row, price_of: _Prices) -> bool:
    promised = _promised(row)
    if promised is None:
        return False
    was, becomes = (total is not None and _is_worse(total, promised) for total in price_of(row))
    return becomes and not was


def _told(rows: Iterable[_Row]) -> tuple[Told, ...]:
    """One line for each price."""
    found: dict[Money | None, Told] = {}
    for row in rows:
        total, people, until = _promised(row), row["people"], row["last"]
        if (other := found.get(total)) is not None:
            people += other.people
            until = max(until, other.until) if until is not None and other.until is not None else None
        found[total] = Told(people, total, until)
    return tuple(found.values())


def _promised(row: _Row) -> Money | None:
    return Money(row["promised_total"], row["promised_currency"]) if row["promised_total"] is not None else None


def _is_worse(total: Money, promised: Money) -> bool:
    return total.currency != promised.currency or total > promised


def _price(offer: Offer, coupon: Coupon | None, now: dt.datetime) -> Money | None:
    try:
        return quoting.make(offer, coupon, None, now).total
    except MoneyMismatch:  # then the coupon is refused, too
        return None


def _as_long_as_told(now: dt.datetime) -> Q:
    """For memberships, in a question about mails."""
    return Q(until__isnull=True) | Q(until__gt=now, until__gte=OuterRef("promised_until"))


def _sooner_than_told(end: dt.datetime | None, now: dt.datetime) -> Q:
    if end is None:
        return _NOBODY
    return _EVERYONE if end <= now else Q(promised_until__isnull=True) | Q(promised_until__gt=end)


def _coupon_refuses(state: CouponState, now: dt.datetime) -> Q:
    """The mails whose reader this coupon would refuse, by ``coupons.rules``, or sooner than they were told."""
    coupon = state.coupon
    if not coupon.is_active or (coupon.valid_from is not None and coupon.valid_from > now):
        return _EVERYONE
    refuses = _sooner_than_told(coupon.valid_until, now)
    uses = CouponUse.objects.filter(coupon=coupon.pk, contact=OuterRef("contact")).order_by()
    if coupon.limit_total is not None and coupon.used_count >= coupon.limit_total:
        refuses |= Q(_false(Exists(uses.filter(state=CouponUse.State.RESERVED))))
    if coupon.limit_per_contact is not None:
        many = uses.filter(state=CouponUse.State.REDEEMED).values("contact").annotate(number=Count("pk"))
        refuses |= Q(Exists(many.filter(number__gte=coupon.limit_per_contact)))
    if state.list_ids:
        member = ListMembership.objects.filter(
            _as_long_as_told(now),
            contact=OuterRef("contact"),
            list__in=state.list_ids,
            removed_at__isnull=True,
        )
        refuses |= Q(_false(Exists(member)))
    if state.offer_ids:
        refuses |= ~Q(promised_offer__in=state.offer_ids)
    if coupon.kind == Coupon.Kind.FIXED:
        refuses |= ~Q(promised_offer__currency=coupon.currency)
    return refuses


def _offer_refuses(state: OfferState, now: dt.datetime) -> Q:
    """The same for an offer, by its window of sale, its gate and its currency."""
    offer = state.offer
    if selling.why_not_for_sale(offer, now):
        return _EVERYONE
    refuses = _sooner_than_told(offer.sales_until, now)
    if offer.coupon_mode == Offer.CouponMode.NONE:
        refuses |= Q(promised_coupon__isnull=False)
    if offer.coupon_mode == Offer.CouponMode.ONLY:
        refuses |= Q(promised_coupon__isnull=False) & ~Q(promised_coupon__in=state.coupon_ids)
    refuses |= Q(promised_coupon__currency__gt="") & ~Q(promised_coupon__currency=offer.currency)
    return refuses


def _false(found: Exists) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(~found, output_field=BooleanField())
