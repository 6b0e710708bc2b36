"""What is asked once more about a mail, under the lock of its contact, right before it is handed over.

One statement takes the lock and a second one asks everything. They must not become one: on PostgreSQL a statement sees the
database as it was when the statement *began*, and one that has waited for the lock of a payment would look past it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import router
from django.db.models import (
    BigIntegerField,
    CharField,
    Count,
    DateTimeField,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Least
from django.db.models.lookups import IsNull

from wagtail_kwiga import locking
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.compiled_queries import Param, Select
from wagtail_kwiga.contacts.models import Contact, ListMembership
from wagtail_kwiga.coupons import eligibility, rules
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit, CouponOfferLimit, CouponUse, OfferAllowedCoupon
from wagtail_kwiga.coupons.rules import Verdict
from wagtail_kwiga.mailing import permission, suppression
from wagtail_kwiga.mailing.models import OutgoingEmail, Suppression
from wagtail_kwiga.mailing.sending import marketing_cap
from wagtail_kwiga.orders import binding, purchases
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import UNSETTLED, PaymentKind, Status
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import KwigaSettings

#: Later than any end, for comparing with those that have none.
_NEVER = Value(dt.datetime(9999, 12, 31, tzinfo=dt.UTC), output_field=DateTimeField())
_CONTACT = [field.attname for field in Contact._meta.concrete_fields]


def lock_contact(contact_id: int) -> Contact:
    """``directory.lock``, which thousands of mails in a row can afford. Raises ``Contact.DoesNotExist``."""
    row = _LOCK.row(contact=contact_id)
    if row is None:
        raise Contact.DoesNotExist(f"There is no contact {contact_id}.")
    return Contact.from_db(router.db_for_write(Contact), _CONTACT, row)


@dataclass(frozen=True)
class StandingPrice:
    """What an order of the reader binds to, which whoever follows the mail is led to where it is cheaper (promise 3)."""

    list_price: Money
    total: Money


@dataclass(frozen=True)
class PreSendCheck:
    """How things stand for one mail. The settings are those of its site, ``None`` where there are none."""

    purchase_waits: bool
    purchase_partly_paid: bool
    purchase_paid: bool
    #: Whether the very order that the mail is about was cancelled or has expired; a newer one may wait all the same.
    order_is_over: bool
    #: Why the address gets no mail at all, and why no promotion.
    suppressed: str | None
    promotion_suppressed: str | None
    recovery_on: bool | None
    promo_policy: str | None
    #: The person has access to something that the offer sells: worth asking whether they own all of it.
    may_own: bool
    #: Since the mail was queued its reader has chosen to pay what waits in the purchase by bank transfer, which takes days.
    chose_transfer: bool
    #: At most so many marketing mails a day by the site's settings, and how many the person has got today.
    promo_mails_per_day: int | None
    promos_today: int
    #: The offer that the mail is about, and the coupon that it promises, as they are now; only where it promises something.
    offer: Offer | None = None
    coupon: Coupon | None = None
    #: What the checkout would say about that coupon; ``None`` where none is promised.
    verdict: Verdict | None = None
    #: What an order for that very offer, in the purchase that the mail is about, can still be paid at.
    standing: StandingPrice | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of the purchase is paid and an order of it still waits: else recovery has nothing to say.

        An order that was called off takes its mail along: what is ordered afterwards waits anew.
        """
        return self.purchase_waits and not (self.purchase_paid or self.purchase_partly_paid or self.order_is_over)


def pre_send_check(
    email: OutgoingEmail, *, site_id: int | None, coupon_id: int | None, now: dt.datetime
) -> PreSendCheck | None:
    """Everything in one query; ``None`` for a mail that is gone. ``site_id``: whose settings count. ``coupon_id``: the coupon
    that a mail without the columns of a promise carries in its links.

    The coupon is judged by the rules of the checkout (promise 5). Taking somebody off a list locks the contact as well, so
    this reads either before it or after.
    """
    given = {
        "email": email.pk, "address": email.to_email.strip().lower(), "site": site_id,
        "today": marketing_cap.day_of(now)[0],
    }  # fmt: skip
    if email.promised_offer_id is not None:
        row = _STANDING_WITH_PROMISE.row(**given, coupon=email.promised_coupon_id, now=now)
        coupon_id = email.promised_coupon_id
    elif coupon_id is not None:
        row = _STANDING_WITH_COUPON.row(**given, coupon=coupon_id, now=now)
    else:
        row = _STANDING.row(**given)
        return PreSendCheck(*row) if row is not None else None
    if row is None:
        return None
    split = len(_MAIL_FACTS)
    found = dict(zip(_PROMISE_FACTS, row[split:], strict=True))
    offer = coupon = None
    if found["offer_id"] is not None:
        offer = Offer(pk=found["offer_id"], **{name: found[f"offer_{name}"] for name in _OF_OFFER})
    if found["code"] is not None:
        coupon = Coupon(pk=coupon_id, **{name: found[name] for name in _OF_COUPON})
    verdict = None if coupon_id is None else _verdict(coupon, offer, found, now)
    standing = None
    if found["standing_total"] is not None:
        currency = found["standing_currency"]
        standing = StandingPrice(
            Money(found["standing_list_price"], currency), Money(found["standing_total"], currency)
        )
    # What mypy cannot know: the slice fills the fields before these four.
    return PreSendCheck(*row[:split], offer=offer, coupon=coupon, verdict=verdict, standing=standing)  # type: ignore[misc]


def recipient(contact: Contact | None, found: PreSendCheck) -> permission.Recipient:
    """Whom the mail goes to, as the rules about mail see them; ``contact`` is ``None`` for one to the team."""
    known = {permission.ALL_MAIL: found.suppressed or "", permission.PROMOTIONAL_MAIL: found.promotion_suppressed or ""}
    if contact is None:
        return dataclasses.replace(permission.TEAM, **permission.suppressions(known))
    return suppression.recipient(contact, known)


def _verdict(coupon: Coupon | None, offer: Offer | None, found: dict[str, Any], now: dt.datetime) -> Verdict:
    """What the rules say about the coupon and the offer of the mail, for its contact."""
    links = rules.Links(
        has_lists=found["has_lists"],
        has_offers=found["has_offers"],
        is_for_offer=found["is_for_offer"],
        is_named=found["is_named"],
    )
    ends = (rules.earlier(found["member_until"], found["removed_at"]),) if found["was_member"] else ()
    customer = rules.CustomerFacts(
        membership_ends=ends, redeemed=found["redeemed"], has_reservation=found["has_reservation"]
    )
    return rules.judge_promise(
        eligibility.facts_of(coupon, has_expired_reservation=found["has_expired_reservation"]) if coupon else None,
        eligibility.facts_of_offer(offer, now) if offer else None,
        links,
        customer,
        now,
    )


def _lock() -> QuerySet[Any]:
    wanted = Contact.objects.filter(pk=Param("contact", BigIntegerField())).order_by()
    return locking.locked(wanted).values_list(*_CONTACT)


def _standing() -> QuerySet[Any]:
    asked = _about_the_mail()
    standing: QuerySet[Any] = _this_mail().annotate(**asked).values_list(*asked)
    return standing


def _standing_with(offer: str) -> QuerySet[Any]:
    """``offer``: the path to the offer that the mail is about."""
    mail, coupon, order = _about_the_mail(), _about_the_coupon(offer), _about_the_standing_order(offer)
    of_offer = [f"{offer}_id", *(f"{offer}__{name}" for name in _OF_OFFER)]
    asked = {**mail, **coupon, **order}
    standing: QuerySet[Any] = _this_mail().annotate(**asked).values_list(*asked, *of_offer)
    return standing


def _this_mail() -> QuerySet[Any]:
    return OutgoingEmail.objects.filter(pk=Param("email", BigIntegerField())).order_by()


def _about_the_mail() -> dict[str, Any]:
    address = Param("address", CharField())
    suppressed = Suppression.objects.filter(email=address)
    settings = KwigaSettings.objects.filter(site_id=Param("site", BigIntegerField()))
    over = Order.objects.filter(pk=OuterRef("order_id"), status__in=[Status.CANCELLED, Status.EXPIRED])
    marketing = marketing_cap.left_since(Param("today", DateTimeField()))
    today = marketing.filter(contact_id=OuterRef("contact_id")).order_by().values("contact_id")
    return purchases.states(OuterRef("purchase_id")) | {
        "order_is_over": Exists(over),
        "suppressed": _one(suppressed.filter(scope=Suppression.Scope.ALL), "reason"),
        "promotion_suppressed": _one(suppressed.filter(scope=Suppression.Scope.PROMOTION), "reason"),
        "recovery_on": _one(settings, "recovery_on"),
        "promo_policy": _one(settings, "promo_policy"),
        "may_own": Exists(
            AccessGrant.objects.filter(
                contact_id=OuterRef("contact_id"),
                revoked_at__isnull=True,
                product__offer_products__offer_id=OuterRef("order__offer_id"),
            )
        ),
        "chose_transfer": _chose_transfer(),
        "promo_mails_per_day": _one(settings, "promo_mails_per_day"),
        "promos_today": Coalesce(Subquery(today.annotate(number=Count("pk")).values("number")), 0),
    }


def _chose_transfer() -> Exists:
    """With a newer order, or on the pay page of the one that waits."""
    by_transfer = Order.objects.filter(
        purchase_id=OuterRef("purchase_id"), status__in=sorted(UNSETTLED), payment_kind=PaymentKind.TRANSFER
    )
    announced = PaymentAttempt.objects.filter(
        payment__order_id=OuterRef("pk"),
        method=OuterRef("payment_method"),
        started_at__gt=OuterRef(OuterRef("queued_at")),
    )
    return Exists(by_transfer.filter(Q(placed_at__gt=OuterRef("queued_at")) | Exists(announced)))


#: What every mail is asked, in the order of the columns.
_MAIL_FACTS = (
    "purchase_waits", "purchase_partly_paid", "purchase_paid", "order_is_over", "suppressed", "promotion_suppressed",
    "recovery_on", "promo_policy", "may_own", "chose_transfer", "promo_mails_per_day", "promos_today",
)  # fmt: skip
#: The columns of coupon and offer that their rules, and the price, ask about.
_OF_COUPON = (
    "code", "is_active", "valid_from", "valid_until", "kind", "currency", "limit_total", "used_count", "limit_per_contact",
    "percent", "amount",
)  # fmt: skip
_OF_OFFER = ("currency", "coupon_mode", "state", "sales_from", "sales_until", "amount")
#: What is known of a promise, in the order of the columns.
_PROMISE_FACTS = (
    *_OF_COUPON, "has_lists", "has_offers", "is_for_offer", "is_named", "has_expired_reservation", "has_reservation", "redeemed",
    "was_member", "member_until", "removed_at", "standing_list_price", "standing_total", "standing_currency", "offer_id", *(f"offer_{name}" for name in _OF_OFFER),
)  # fmt: skip


def _about_the_coupon(of_offer: str) -> dict[str, Any]:
    coupon, now = Param("coupon", BigIntegerField()), Param("now", DateTimeField())
    contact, offer = OuterRef("contact_id"), OuterRef(f"{of_offer}_id")
    coupons = Coupon.objects.filter(pk=coupon)
    offers = CouponOfferLimit.objects.filter(coupon_id=coupon)
    uses = CouponUse.objects.filter(coupon_id=coupon)
    held = uses.filter(state=CouponUse.State.RESERVED)
    redeemed = uses.filter(contact_id=contact, state=CouponUse.State.REDEEMED).order_by().values("coupon_id")
    grants = ListMembership.objects.filter(contact_id=contact, list__coupons=coupon)
    # The grant that ends last speaks for all of them.
    last = grants.order_by(Least(Coalesce("until", _NEVER), Coalesce("removed_at", _NEVER)).desc())
    return {f"coupon_{name}": _one(coupons, name) for name in _OF_COUPON} | {
        "has_lists": Exists(CouponListLimit.objects.filter(coupon_id=coupon)),
        "has_offers": Exists(offers),
        "is_for_offer": Exists(offers.filter(offer_id=offer)),
        "is_named": Exists(OfferAllowedCoupon.objects.filter(coupon_id=coupon, offer_id=offer)),
        "has_expired_reservation": Exists(held.filter(reserved_until__lte=now)),
        "has_reservation": Exists(held.filter(contact_id=contact)),
        "redeemed": Coalesce(Subquery(redeemed.annotate(number=Count("pk")).values("number")), 0),
        "was_member": Exists(grants),
        "member_until": Subquery(last.values("until")[:1]),
        "removed_at": Subquery(last.values("removed_at")[:1]),
    }


def _about_the_standing_order(of_offer: str) -> dict[str, Any]:
    """The order that waits in the mail's purchase; for a mail about none, in the reader's web purchases. At most one waits."""
    orders = Order.objects.filter(contact_id=OuterRef("contact_id"), offer_id=OuterRef(f"{of_offer}_id"))
    of_purchase = Q(purchase_id=OuterRef("purchase_id")) | Q(IsNull(OuterRef("purchase_id"), True), purchase__slot="")
    binds = binding.binding(orders.filter(of_purchase), Param("now", DateTimeField()))
    columns = {"list_price": "list_amount", "total": "total_amount", "currency": "currency"}
    return {f"standing_{name}": _one(binds, column) for name, column in columns.items()}


def _one(queryset: QuerySet[Any], field: str) -> Subquery:
    return Subquery(queryset.order_by().values(field)[:1])


_LOCK = Select(_lock)
_STANDING = Select(_standing)
_STANDING_WITH_COUPON = Select(lambda: _standing_with("order__offer"))
_STANDING_WITH_PROMISE = Select(lambda: _standing_with("promised_offer"))
