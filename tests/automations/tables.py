"""The story's scenario as values, and makers of snapshots: what the tables of decisions are written in."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace
from decimal import Decimal

from tests.support import START, after
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import (
    ContactSnapshot,
    CouponSnapshot,
    Facts,
    GrantSnapshot,
    OfferSnapshot,
    OrderSnapshot,
    Rules,
    RunSnapshot,
    TemplateSnapshot,
)
from wagtail_kwiga.automations.core.steps import AddToList, RemoveFromList, SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.pricing.money import Money

LIST, COUPON, TEMPLATE, OFFER = 7, 15, 4, 2
FAMILY = uuid.UUID(int=1)
RULES = Rules()
DAY = dt.timedelta(hours=24)

STORY = Definition(
    OrderUnpaid(offers=(OFFER,)),
    (
        Wait("wait", minutes=30),
        AddToList("add", list_id=LIST),
        SendEmail("mail", template_id=TEMPLATE, coupon_id=COUPON),
        Wait("day", minutes=24 * 60),
        RemoveFromList("remove", list_id=LIST),
    ),
)


def order(id: int = 1, status: str = "open", at: dt.datetime = START, **given) -> OrderSnapshot:
    given = {"total": Money(Decimal(120), "EUR"), "offer_id": OFFER, "purchase_id": FAMILY} | given
    return OrderSnapshot(id, status, at, **given)


def facts(*orders: OrderSnapshot, **given) -> Facts:
    coupon = CouponSnapshot(COUPON, list_ids=frozenset({LIST}), named_by=frozenset({OFFER}))
    given = {
        "contact": ContactSnapshot(5),
        "offers": {OFFER: OfferSnapshot(OFFER, "EUR", coupon_mode="only")},
        "coupons": {COUPON: coupon},
        "templates": {TEMPLATE: TemplateSnapshot(TEMPLATE, tells_end=True)},
    } | given
    return Facts(orders=orders or (order(),), **given)


def run(position: str = "wait", due: dt.datetime | None = None, **given) -> RunSnapshot:
    due = due or after(minutes=30)
    given = {"stepped_at": START, "order_id": 1, "purchase_id": FAMILY} | given
    return RunSnapshot(11, 5, position, due, **given)


def with_coupon(base: Facts, **given) -> Facts:
    return replace(base, coupons={COUPON: replace(base.coupons[COUPON], **given)})


def mine(until: dt.datetime | None) -> GrantSnapshot:
    """A grant that the run of these tables made."""
    return GrantSnapshot(LIST, "run:11", until)


def outcomes(decision) -> list[tuple[str, str, str]]:
    return [(record.step, record.outcome, record.reason) for record in decision.records]
