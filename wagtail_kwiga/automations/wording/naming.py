"""What the things a scenario refers to are called, and what its coupons take off: read once for many definitions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate


@dataclass(frozen=True)
class Discount:
    """A coupon as a sentence tells it: “15%”, up to when at the latest, and only for people on these lists."""

    size: str
    until: dt.datetime | None = None
    lists: frozenset[int] = frozenset()
    is_active: bool = True


@dataclass(frozen=True)
class Names:
    """What the things a definition refers to are called, by id. One that is missing shows as its number."""

    lists: Mapping[int, str] = field(default_factory=dict)
    coupons: Mapping[int, str] = field(default_factory=dict)
    templates: Mapping[int, str] = field(default_factory=dict)
    offers: Mapping[int, str] = field(default_factory=dict)
    discounts: Mapping[int, Discount] = field(default_factory=dict)
    #: Templates whose editor has said that they are service.
    services: frozenset[int] = frozenset()

    def of_list(self, list_id: int) -> list[int]:
        """The active coupons that are for people on a list."""
        return [pk for pk, one in self.discounts.items() if one.is_active and list_id in one.lists]


def names(*definitions: Definition) -> Names:
    """The names that the sentences of all these definitions need, in at most five queries."""
    uses = [definition.uses() for definition in definitions]

    def ids(kind: str) -> set[int]:
        return {pk for one in uses for pk in getattr(one, kind)}

    def of(model: Any, kind: str) -> dict[int, str]:
        wanted = ids(kind)
        return {row.pk: str(row) for row in model.objects.filter(pk__in=wanted)} if wanted else {}

    added = {step.list_id for one in definitions for step in one.steps if isinstance(step, AddToList)}
    coupons = _coupons(ids("coupons"), added)
    language = languages.active()
    told = {
        coupon.pk: Discount(
            discounts.size_text(coupon, language),
            coupon.valid_until,
            frozenset(one.pk for one in coupon.contact_lists.all()),
            coupon.is_active,
        )
        for coupon in coupons
    }
    templates = EmailTemplate.objects.in_bulk(wanted) if (wanted := ids("templates")) else {}
    return Names(
        of(ContactList, "lists"),
        {coupon.pk: str(coupon) for coupon in coupons},
        {pk: str(template) for pk, template in templates.items()},
        of(Offer, "offers"),
        told,
        frozenset(pk for pk, template in templates.items() if template.kind == Kind.SERVICE),
    )


def _coupons(named: set[int], lists: set[int]) -> list[Coupon]:
    """The coupons that steps name, and those of the lists that steps add to. Two queries."""
    if not named and not lists:
        return []
    rows = Coupon.objects.filter(Q(pk__in=named) | Q(contact_lists__in=lists)).distinct()
    return list(rows.prefetch_related("contact_lists"))
