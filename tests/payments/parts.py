"""An order of 300 in three parts of a hundred, the first of which opens access."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tests.payments.shop import new_order
from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import schedule
from wagtail_kwiga.payments.schedule import PartDraft

MONTH = dt.timedelta(days=30)


def hundred(number: int, *, opens_access: bool = False, amount: str = "100.00") -> PartDraft:
    return PartDraft(Decimal(amount), START + number * MONTH, opens_access=opens_access)


def in_three_parts() -> m.Order:
    placed = new_order(amount="300.00")
    schedule.plan_parts(placed, [hundred(0, opens_access=True), hundred(1), hundred(2)], START)
    return placed


def opened(order: m.Order) -> int:
    """How many grants of its lines are open."""
    return m.AccessGrant.objects.filter(line__order=order, revoked_at=None).count()
