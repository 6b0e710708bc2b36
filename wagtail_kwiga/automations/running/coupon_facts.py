"""The coupons that a batch's mails speak of, with every fact that ``coupons.rules`` asks about. Five queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from wagtail_kwiga.automations.core.snapshots import CouponSnapshot
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit, CouponOfferLimit, CouponUse, OfferAllowedCoupon


@dataclass
class Coupons:
    """Rows and snapshots by coupon; what contacts have redeemed and reserved."""

    rows: dict[int, Coupon] = field(default_factory=dict)
    snapshots: dict[int, CouponSnapshot] = field(default_factory=dict)
    #: Lists that some coupon is bound to.
    lists: set[int] = field(default_factory=set)
    #: Contact → coupon → uses redeemed; contact → coupons of which a use is reserved.
    redeemed: dict[int, dict[int, int]] = field(default_factory=dict)
    reserved: dict[int, set[int]] = field(default_factory=dict)


def load(coupon_ids: Collection[int], contact_ids: Collection[int], now: dt.datetime) -> Coupons:
    """What decisions may know about these coupons and contacts at ``now``."""
    found = Coupons()
    if not coupon_ids:
        return found
    expired = CouponUse.objects.filter(
        coupon_id=OuterRef("pk"), state=CouponUse.State.RESERVED, reserved_until__lte=now
    )
    rows: dict[int, Any] = Coupon.objects.annotate(fact_reclaimable=Exists(expired)).in_bulk(list(coupon_ids))
    found.rows = rows
    lists = _pairs(CouponListLimit.objects.values_list("coupon_id", "contact_list_id"), coupon_ids)
    offers = _pairs(CouponOfferLimit.objects.values_list("coupon_id", "offer_id"), coupon_ids)
    named = _pairs(OfferAllowedCoupon.objects.values_list("coupon_id", "offer_id"), coupon_ids)
    for coupon in rows.values():
        found.snapshots[coupon.pk] = CouponSnapshot(
            coupon.pk,
            frozenset(lists[coupon.pk]),
            frozenset(offers[coupon.pk]),
            frozenset(named[coupon.pk]),
            **eligibility.limits_of(coupon, has_expired_reservation=coupon.fact_reclaimable),
        )
        found.lists |= lists[coupon.pk]
    _load_uses(found, coupon_ids, contact_ids)
    return found


def _pairs(rows: QuerySet[Any, tuple[int, int]], coupon_ids: Collection[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for coupon_id, other_id in rows.filter(coupon_id__in=list(coupon_ids)):
        found[coupon_id].add(other_id)
    return found


def _load_uses(found: Coupons, coupon_ids: Collection[int], contact_ids: Collection[int]) -> None:
    uses = CouponUse.objects.filter(coupon_id__in=list(coupon_ids), contact_id__in=list(contact_ids)).exclude(
        state=CouponUse.State.RELEASED
    )
    for contact_id, coupon_id, state in uses.values_list("contact_id", "coupon_id", "state"):
        if state == CouponUse.State.REDEEMED:
            redeemed = found.redeemed.setdefault(contact_id, {})
            redeemed[coupon_id] = redeemed.get(coupon_id, 0) + 1
        else:
            found.reserved.setdefault(contact_id, set()).add(coupon_id)
