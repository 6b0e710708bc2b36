"""Enrolment hears of orders, as the table of reactions has it."""

from __future__ import annotations

import pytest

from tests.automations import story as stories
from wagtail_kwiga import events
from wagtail_kwiga.automations.editing import publishing
from wagtail_kwiga.automations.running import enrolment
from wagtail_kwiga.orders.events import OrderPaid, OrderPlaced, OrdersClosed

HEARS = {
    OrderPlaced: enrolment.on_order_placed,
    OrderPaid: enrolment.on_order_paid,
    OrdersClosed: enrolment.on_orders_closed,
}


@pytest.fixture(autouse=True)
def _reactions():
    """Only this room's reactions, so that its tests fail for its own reasons."""
    before = {kind: list(handlers) for kind, handlers in events._handlers.items()}
    events._handlers.clear()
    for kind, handler in HEARS.items():
        events.subscribe(kind, handler)
    publishing.connect()
    yield
    events._handlers.clear()
    events._handlers.update(before)


@pytest.fixture
def story(db):
    return stories.tell()
