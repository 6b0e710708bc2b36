"""The price that a standing order binds the seller to (promise 3): while it does, nobody is led from it to a dearer order unasked.

Asked by the checkout, by the link of a mail, by the engine for the price it writes down, and by delivery.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Q, QuerySet

from wagtail_kwiga.coupons.models import CouponUse
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import UNSETTLED
from wagtail_kwiga.pricing.money import Money


def binds(order: Order, now: dt.datetime) -> bool:
    """Whether ``order`` can be paid at its own price at ``now``. No query where its ``coupon_use`` was read along.

    Not where the place of its coupon was given to somebody else meanwhile: paying would be refused.
    """
    if order.status not in UNSETTLED or order.price_holds_until <= now or order.expires_at <= now:
        return False
    if order.coupon_id is None:
        return True
    return order.coupon_use is not None and order.coupon_use.state == CouponUse.State.RESERVED


def binding(orders: QuerySet[Order], now: Any) -> QuerySet[Order]:
    """Those of ``orders`` for which ``binds`` says yes. ``now`` is an instant or an expression."""
    holds = Q(status__in=sorted(UNSETTLED), price_holds_until__gt=now, expires_at__gt=now)
    return orders.filter(holds, Q(coupon__isnull=True) | Q(coupon_use__state=CouponUse.State.RESERVED))


def is_better(standing: Money, today: Money) -> bool:
    """Whether a price that stands is better than today's. Nobody can say so of another currency: then what was agreed counts."""
    return standing.currency != today.currency or standing < today
