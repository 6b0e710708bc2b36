"""Is this coupon good for this person and this offer at this instant? The one place where that is said.

Plain Python over frozen facts: no database, no clock, neither Django nor Wagtail. The page asks for one coupon
(``coupons.eligibility``), the engine for every run of a batch (``automations.core.snapshots``), delivery right before a
mail leaves (``mailing.sending.presend_checks``), and the admin for where the two gates disagree (``coupons.gates``). Each
loads the facts in its own fixed number of queries and none has rules of its own, so a mail cannot promise what the
checkout refuses (promise 5).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

#: The instant at which something ends; ``None``: it has no end.
End = dt.datetime | None

#: The offer's side of the gate, in the words of ``catalogue.Offer.CouponMode``.
TAKES_ANY, TAKES_NONE, TAKES_NAMED = "any", "none", "only"


class Reason(StrEnum):
    """Why a coupon applies or does not. ``coupons.reasons`` has the words for buyers."""

    OK = "ok"
    UNKNOWN = "unknown"
    NOT_FOR_SALE = "not_for_sale"
    INACTIVE = "inactive"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    OFFER_TAKES_NONE = "offer_takes_none"
    OFFER_TAKES_OTHERS = "offer_takes_others"
    WRONG_OFFER = "wrong_offer"
    OTHER_CURRENCY = "other_currency"
    NEEDS_ADDRESS = "needs_address"
    OTHER_ADDRESS = "other_address"
    ENDED_FOR_YOU = "ended_for_you"
    USED_BY_YOU = "used_by_you"
    USED_UP = "used_up"


@dataclass(frozen=True, kw_only=True)
class CouponFacts:
    """The coupon's own limits, whoever asks and for whatever offer."""

    is_active: bool = True
    valid_from: dt.datetime | None = None
    valid_until: End = None
    #: Currency of a fixed amount; empty for a percentage.
    currency: str = ""
    limit_total: int | None = None
    #: Uses reserved or redeemed, expired reservations among them.
    used_count: int = 0
    #: Whether a reservation has expired, so that its place is free for whoever asks.
    has_expired_reservation: bool = False
    limit_per_contact: int | None = None

    @property
    def is_used_up(self) -> bool:
        """No place is left for somebody who holds none."""
        return self.limit_total is not None and self.used_count >= self.limit_total and not self.has_expired_reservation


@dataclass(frozen=True)
class OfferFacts:
    """What the offer says to coupons; ``not_for_sale`` says why visitors may not buy it (empty: they may)."""

    id: int
    currency: str
    coupon_mode: str = TAKES_ANY
    not_for_sale: str = ""
    sales_until: End = None


@dataclass(frozen=True, kw_only=True)
class Links:
    """How a coupon is tied to lists and offers, and the offer in question to the coupon."""

    has_lists: bool = False
    has_offers: bool = False
    #: Among the coupon's offers is this one.
    is_for_offer: bool = False
    #: The offer names the coupon under *only these coupons*.
    is_named: bool = False


@dataclass(frozen=True, kw_only=True)
class CustomerFacts:
    """The person, as far as this coupon is concerned."""

    #: The end of every membership they ever had in a list of the coupon: the earlier of its term and its removal.
    membership_ends: tuple[End, ...] = ()
    redeemed: int = 0
    #: They hold a reservation of it, whose place counts as their own.
    has_reservation: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether the coupon applies. ``until``: when it does, the earliest end of coupon, sale and membership (``None``: no
    end); for ``expired`` and ``ended_for_you`` the instant at which it ended."""

    reason: Reason
    until: End = None

    @property
    def ok(self) -> bool:
        """Whether it applies."""
        return self.reason is Reason.OK


def judge(
    coupon: CouponFacts, offer: OfferFacts, links: Links, customer: CustomerFacts | None, now: dt.datetime
) -> Verdict:
    """The rules, in the order in which a buyer is best told. ``customer`` is ``None`` while nobody knows who asks.

    Uses come last: strangers learn nothing of them. Whether the offer is for sale is not asked: staff may sell what
    visitors cannot buy. ``judge_promise`` asks that too.
    """
    if verdict := _validity(coupon, now):
        return verdict
    for reason in gate_conflicts(coupon, offer, links):
        return Verdict(reason)
    until = earlier(coupon.valid_until, offer.sales_until)
    if links.has_lists:
        if customer is None:
            return Verdict(Reason.NEEDS_ADDRESS)
        if not customer.membership_ends:
            return Verdict(Reason.OTHER_ADDRESS)
        end = latest(customer.membership_ends)
        if end is not None and end <= now:
            return Verdict(Reason.ENDED_FOR_YOU, end)
        until = earlier(until, end)
    if customer is not None and coupon.limit_per_contact is not None and customer.redeemed >= coupon.limit_per_contact:
        # Only redeemed uses count: a reserved one is most often that of the order which the buyer is about to replace.
        return Verdict(Reason.USED_BY_YOU)
    if coupon.is_used_up and not (customer is not None and customer.has_reservation):
        return Verdict(Reason.USED_UP)
    return Verdict(Reason.OK, until)


def judge_promise(
    coupon: CouponFacts | None,
    offer: OfferFacts | None,
    links: Links,
    customer: CustomerFacts | None,
    now: dt.datetime,
) -> Verdict:
    """``judge`` for a message that is to promise the coupon (promise 5): both must still be there, and the offer on sale."""
    if coupon is None:
        return Verdict(Reason.UNKNOWN)
    if offer is None or offer.not_for_sale:
        return Verdict(Reason.NOT_FOR_SALE)
    return judge(coupon, offer, links, customer, now)


def gate_conflicts(coupon: CouponFacts, offer: OfferFacts, links: Links) -> Iterator[Reason]:
    """Everything in which the two gates disagree, for everybody and at every moment."""
    if offer.coupon_mode == TAKES_NONE:
        yield Reason.OFFER_TAKES_NONE
    elif offer.coupon_mode == TAKES_NAMED and not links.is_named:
        yield Reason.OFFER_TAKES_OTHERS
    if links.has_offers and not links.is_for_offer:
        yield Reason.WRONG_OFFER
    if coupon.currency and coupon.currency != offer.currency:
        yield Reason.OTHER_CURRENCY


def hindrance(coupon: CouponFacts, now: dt.datetime) -> Verdict | None:
    """What keeps the coupon from working for anybody who holds no place of it, whatever the offer; ``None`` for nothing."""
    return _validity(coupon, now) or (Verdict(Reason.USED_UP) if coupon.is_used_up else None)


def _validity(coupon: CouponFacts, now: dt.datetime) -> Verdict | None:
    if not coupon.is_active:
        return Verdict(Reason.INACTIVE)
    if coupon.valid_from is not None and now < coupon.valid_from:
        return Verdict(Reason.NOT_YET)
    if coupon.valid_until is not None and coupon.valid_until <= now:
        return Verdict(Reason.EXPIRED, coupon.valid_until)
    return None


def earlier(*ends: End) -> End:
    """The earliest of some ends, ``None`` meaning no end."""
    return min((end for end in ends if end is not None), default=None)


def latest(ends: Iterable[End]) -> End:
    """The latest of some ends, at least one: of several memberships the one that ends last speaks for all."""
    known = tuple(ends)
    return None if None in known else max(end for end in known if end is not None)
