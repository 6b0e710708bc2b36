"""What a decision may know: frozen snapshots of one person at one moment. Plain Python, no database.

``facts.load`` fills them for a whole batch of runs; tests write them by hand. A decision folds its own effects into
them (``with_grant`` and so on), so the next step of the same pass sees what the step before has done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wagtail_kwiga.coupons import rules
from wagtail_kwiga.coupons.rules import CouponFacts, CustomerFacts, Links, OfferFacts, Verdict
from wagtail_kwiga.mailing import permission
from wagtail_kwiga.mailing.permission import Recipient
from wagtail_kwiga.orders.statuses import PAYABLE, Origin, PaymentKind, Status
from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Rules:
    """The site's settings that decisions depend on."""

    too_late: dt.timedelta = dt.timedelta(hours=6)
    in_flight_recheck: dt.timedelta = dt.timedelta(minutes=10)
    in_flight_limit: dt.timedelta = dt.timedelta(hours=24)


@dataclass(frozen=True)
class RunSnapshot:
    """Where one run stands; the fields are those of the ``Run`` row."""

    id: int
    contact_id: int
    position: str
    due_at: dt.datetime
    stepped_at: dt.datetime
    order_id: int | None = None
    purchase_id: int | None = None
    in_flight_since: dt.datetime | None = None
    first_message_at: dt.datetime | None = None
    #: What the event said that began it.
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def source(self) -> str:
        """The name under which this run grants memberships."""
        return source_of(self.id)


def source_of(run_id: int) -> str:
    """The ``ListMembership.source`` of a run."""
    return f"run:{run_id}"


@dataclass(frozen=True)
class ContactSnapshot(Recipient):
    """The person, and whether they may get mail."""

    id: int


@dataclass(frozen=True)
class OrderSnapshot:
    """One order of the purchase. The words are those of ``orders.statuses``, as the database keeps them."""

    id: int
    status: str
    placed_at: dt.datetime
    total: Money
    offer_id: int | None = None
    purchase_id: int | None = None
    paid_at: dt.datetime | None = None
    payment_kind: str = PaymentKind.ONLINE.value
    origin: str = Origin.WEB.value


#: What the offer says to coupons, and whether it is for sale.
OfferSnapshot = OfferFacts


@dataclass(frozen=True)
class GrantSnapshot:
    """One grant of membership. ``until`` is its end; ``removed``: it was taken back, at its end at the latest."""

    list_id: int
    source: str = ""
    until: dt.datetime | None = None
    removed: bool = False

    def end(self, now: dt.datetime) -> dt.datetime | None:
        """When it ends or ended; one that was taken back in this very pass ends now."""
        return rules.earlier(self.until, now) if self.removed else self.until

    def holds(self, now: dt.datetime) -> bool:
        end = self.end(now)
        return end is None or now < end


@dataclass(frozen=True)
class CouponSnapshot(CouponFacts):
    """A coupon that a step names: its limits, and what it is tied to."""

    id: int
    list_ids: frozenset[int] = frozenset()
    offer_ids: frozenset[int] = frozenset()
    #: Offers that name it under *only these coupons*.
    named_by: frozenset[int] = frozenset()

    def links(self, offer_id: int) -> Links:
        """How it is tied to lists and offers, this one above all."""
        return Links(
            has_lists=bool(self.list_ids),
            has_offers=bool(self.offer_ids),
            is_for_offer=offer_id in self.offer_ids,
            is_named=offer_id in self.named_by,
        )


@dataclass(frozen=True)
class TemplateSnapshot:
    """An e-mail as it stands for this person's language. ``fault`` says why it cannot be sent."""

    id: int
    kind: str = permission.PROMOTION
    #: It names the end of the coupon, so there must be one.
    tells_end: bool = False
    fault: str = ""
    #: It was unpublished, by hand or because its time was over.
    is_unpublished: bool = False


@dataclass(frozen=True)
class MarketingCap:
    """How much marketing the person may get today, and has got or is about to get. ``limit`` 0: any number."""

    limit: int = 0
    today: int = 0
    #: When the next day of the site begins.
    next_day: dt.datetime | None = None

    def allowed_from(self) -> dt.datetime | None:
        """From when on one more is allowed; ``None``: at once."""
        return self.next_day if self.limit and self.today >= self.limit else None


@dataclass(frozen=True)
class Past:
    """What was recorded at a step before."""

    step: str
    outcome: str


@dataclass(frozen=True)
class Facts:
    """All that one decision may know about one run's person, at one moment."""

    contact: ContactSnapshot
    orders: tuple[OrderSnapshot, ...] = ()
    #: The offers that the orders and the steps name, by id.
    offers: Mapping[int, OfferSnapshot] = field(default_factory=dict)
    #: Those of them that would add nothing to what the person has.
    owned: frozenset[int | None] = frozenset()
    #: A payment of some order of the purchase is under way.
    in_flight: bool = False
    grants: tuple[GrantSnapshot, ...] = ()
    coupons: Mapping[int, CouponSnapshot] = field(default_factory=dict)
    #: Coupon → how many uses the contact has redeemed, and the coupons of which the contact has one reserved.
    redeemed: Mapping[int, int] = field(default_factory=dict)
    reserved: frozenset[int] = frozenset()
    templates: Mapping[int, TemplateSnapshot] = field(default_factory=dict)
    recovery_on: bool = True
    #: The site's rule who may get promotional mail.
    promo_policy: str = permission.EVERYBODY
    #: Offers the contact has paid for outside this purchase (``None``: an offer that is gone).
    bought: frozenset[int | None] = frozenset()
    marketing: MarketingCap = field(default_factory=MarketingCap)
    history: tuple[Past, ...] = ()
    #: Steps whose message exists already.
    mailed: frozenset[str] = frozenset()
    #: What steps and conditions of the site load for themselves, by kind.
    extra: Mapping[str, Any] = field(default_factory=dict)

    def _but(self, **changes: Any) -> Facts:
        """``dataclasses.replace``, twenty times as fast: it takes over what is there instead of going through it field by
        field. Each step of each run folds into its facts several times."""
        changed = object.__new__(Facts)
        changed.__dict__.update(self.__dict__, **changes)
        return changed

    # --- the purchase -------------------------------------------------------------------------------------------------

    def offer_of(self, order_id: int | None, named: int | None = None) -> OfferSnapshot | None:
        """The offer that a mail is about: that of the order, or for a run without one the offer that the step names."""
        order = self.order(order_id)
        offer_id = order.offer_id if order is not None else named
        return self.offers.get(offer_id) if offer_id is not None else None

    @property
    def is_paid(self) -> bool:
        """Some order of the purchase was ever paid; a refund does not undo that."""
        return any(order.paid_at is not None or order.status == Status.PAID for order in self.orders)

    @property
    def is_partly_paid(self) -> bool:
        return any(order.status == Status.PARTLY_PAID for order in self.orders)

    def order(self, order_id: int | None) -> OrderSnapshot | None:
        return next((order for order in self.orders if order.id == order_id), None)

    def newest_open(self) -> OrderSnapshot | None:
        """The order placed last among those that wait for money."""
        waiting = [order for order in self.orders if order.status in PAYABLE]
        return max(waiting, key=lambda order: (order.placed_at, order.id), default=None)

    # --- lists ------------------------------------------------------------------------------------------------------

    def is_on(self, list_id: int, now: dt.datetime) -> bool:
        return any(grant.list_id == list_id and grant.holds(now) for grant in self.grants)

    def with_grant(self, new: GrantSnapshot) -> Facts:
        """After ``new``: the grant of the same source on the same list, if any, is replaced by it."""
        kept = tuple(old for old in self.grants if (old.list_id, old.source) != (new.list_id, new.source))
        return self._but(grants=(*kept, new))

    def without_grant(self, list_id: int, source: str) -> Facts:
        """After the grant of this source on this list was taken back: it is over, and known to have been."""
        grants = tuple(
            replace(old, removed=True) if (old.list_id, old.source) == (list_id, source) else old for old in self.grants
        )
        return self._but(grants=grants)

    # --- history and mail -------------------------------------------------------------------------------------------

    def with_past(self, step: str, outcome: str) -> Facts:
        return self._but(history=(*self.history, Past(step, outcome)))

    def with_mail(self, step: str, template_id: int | None = None) -> Facts:
        """After the mail of ``step`` was queued."""
        changed = self._but(mailed=self.mailed | {step})
        return changed.with_marketing(1) if self.is_promotion(template_id) else changed

    def with_marketing(self, more: int) -> Facts:
        """After so much more marketing to this person."""
        return self._but(marketing=replace(self.marketing, today=self.marketing.today + more))

    def is_promotion(self, template_id: int | None) -> bool:
        template = self.templates.get(template_id or 0)
        return template is not None and template.kind == permission.PROMOTION

    def last_outcome(self, step: str) -> str:
        """How the step came out the last time; empty if it never was decided."""
        return next((past.outcome for past in reversed(self.history) if past.step == step), "")

    def mail_refusal(self, kind: str) -> str:
        """Why this person gets no mail of ``kind``; empty when they may."""
        return permission.refusal(self.contact, kind=kind, policy=self.promo_policy)

    # --- coupons ----------------------------------------------------------------------------------------------------

    def coupon_verdict(self, coupon_id: int, offer: OfferSnapshot | None, now: dt.datetime) -> Verdict:
        """Whether a mail may promise the coupon to this person for ``offer`` at ``now``, by the rules of the checkout."""
        coupon = self.coupons.get(coupon_id)
        if coupon is None or offer is None:
            return rules.judge_promise(coupon, offer, Links(), None, now)
        return rules.judge_promise(coupon, offer, coupon.links(offer.id), self._customer_of(coupon, now), now)

    def coupon_refusal(self, coupon_id: int, offer: OfferSnapshot | None, now: dt.datetime) -> str:
        """Why the coupon would not work for this person and ``offer`` at ``now``; empty when it would."""
        verdict = self.coupon_verdict(coupon_id, offer, now)
        return "" if verdict.ok else str(verdict.reason)

    def _customer_of(self, coupon: CouponSnapshot, now: dt.datetime) -> CustomerFacts:
        return CustomerFacts(
            membership_ends=tuple(grant.end(now) for grant in self.grants if grant.list_id in coupon.list_ids),
            redeemed=self.redeemed.get(coupon.id, 0),
            has_reservation=coupon.id in self.reserved,
        )
