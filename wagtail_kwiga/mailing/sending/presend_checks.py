"""What is asked once more about a mail, under the lock of its contact, right before it is handed over.

One statement takes the lock and a second one asks everything. They must not become one: on PostgreSQL a statement sees the
database as it was when the statement *began*, and one that has waited for the lock of a payment would look past it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import router
from django.db.models import BigIntegerField, CharField, DateTimeField, Exists, OuterRef, QuerySet, Subquery

from wagtail_kwiga import locking
from wagtail_kwiga.compiled_queries import Param, Select
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import Contact, ListMembership
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.models import OutgoingEmail, Suppression
from wagtail_kwiga.orders import purchases
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.site_settings import KwigaSettings

_CONTACT = [field.attname for field in Contact._meta.concrete_fields]


def lock_contact(contact_id: int) -> Contact:
    """``directory.lock``, which thousands of mails in a row can afford. Raises ``Contact.DoesNotExist``."""
    row = _LOCK.row(contact=contact_id)
    if row is None:
        raise Contact.DoesNotExist(f"There is no contact {contact_id}.")
    return Contact.from_db(router.db_for_write(Contact), _CONTACT, row)


@dataclass(frozen=True)
class PreSendCheck:
    """How things stand for one mail. The settings are those of its site, ``None`` where there are none."""

    family_waits: bool
    family_partly_paid: bool
    family_paid: bool
    #: Whether the very order that the mail is about was cancelled or has expired; a newer one may wait all the same.
    order_is_over: bool
    #: Why the address gets no mail at all, and why no promotion.
    suppressed: str | None
    promotion_suppressed: str | None
    recovery_on: bool | None
    promo_policy: str | None
    #: The coupon that the mail's links carry, if any; ``False`` and ``None`` where there is none.
    coupon_active: bool | None
    coupon_until: dt.datetime | None
    coupon_has_lists: bool
    on_a_list_of_coupon: bool

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of the purchase is paid and an order of it still waits: else recovery has nothing to say.

        An order that was called off takes its mail along: what is ordered afterwards waits anew.
        """
        return self.family_waits and not (self.family_paid or self.family_partly_paid or self.order_is_over)

    def coupon_is_over(self, now: dt.datetime) -> bool:
        """Whether the discount that the mail promises its reader is over: staff took them off the list since, say.

        Promise 5. Taking off locks the contact as well, so this reads either before it or after.
        """
        if not self.coupon_active or (self.coupon_until is not None and self.coupon_until <= now):
            return True
        return self.coupon_has_lists and not self.on_a_list_of_coupon


def pre_send_check(
    email: OutgoingEmail, *, site_id: int | None, coupon_id: int | None, now: dt.datetime
) -> PreSendCheck | None:
    """Everything in one query; ``None`` for a mail that is gone. ``site_id``: whose settings count."""
    address = email.to_email.strip().lower()
    row = _STANDING.row(email=email.pk, address=address, site=site_id, coupon=coupon_id, now=now)
    return PreSendCheck(*row) if row is not None else None


def _lock() -> QuerySet:
    wanted = Contact.objects.filter(pk=Param("contact", BigIntegerField())).order_by()
    return locking.locked(wanted).values_list(*_CONTACT)


def _standing() -> QuerySet:
    address, coupon = Param("address", CharField()), Param("coupon", BigIntegerField())
    suppressed = Suppression.objects.filter(email=address)
    settings = KwigaSettings.objects.filter(site_id=Param("site", BigIntegerField()))
    coupons = Coupon.objects.filter(pk=coupon)
    grants = ListMembership.objects.filter(lists.holding(Param("now", DateTimeField())))  # type: ignore[arg-type]
    over = Order.objects.filter(pk=OuterRef("order_id"), status__in=[Status.CANCELLED, Status.EXPIRED])
    asked: dict[str, Any] = purchases.states(OuterRef("family")) | {
        "order_is_over": Exists(over),
        "suppressed": _one(suppressed.filter(scope=Suppression.Scope.ALL), "reason"),
        "promotion_suppressed": _one(suppressed.filter(scope=Suppression.Scope.PROMOTION), "reason"),
        "recovery_on": _one(settings, "recovery_on"),
        "promo_policy": _one(settings, "promo_policy"),
        "coupon_active": _one(coupons, "is_active"),
        "coupon_until": _one(coupons, "valid_until"),
        "coupon_has_lists": Exists(Coupon.contact_lists.through.objects.filter(coupon_id=coupon)),
        "on_a_list_of_coupon": Exists(grants.filter(contact_id=OuterRef("contact_id"), list__coupons=coupon)),
    }
    wanted = OutgoingEmail.objects.filter(pk=Param("email", BigIntegerField())).order_by()
    return wanted.annotate(**asked).values_list(*asked)


def _one(queryset: QuerySet, field: str) -> Subquery:
    return Subquery(queryset.order_by().values(field)[:1])


_LOCK = Select(_lock)
_STANDING = Select(_standing)
