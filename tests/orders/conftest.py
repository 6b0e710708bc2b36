"""Who buys, and what, where a test needs no more than that."""

from __future__ import annotations

import pytest

from tests.support import make_contact, make_product
from wagtail_kwiga import events
from wagtail_kwiga.orders.events import OrderPaid, OrderRefunded, OrdersClosed


@pytest.fixture
def ada(db):
    return make_contact("ada@example.com")


@pytest.fixture
def course(db):
    return make_product("Watercolour")


@pytest.fixture
def told(monkeypatch):
    """The events about orders, by a real subscription on an otherwise empty table."""
    monkeypatch.setattr(events, "_handlers", type(events._handlers)(list))
    told: list = []
    for kind in (OrderPaid, OrderRefunded, OrdersClosed):
        events.subscribe(kind, told.append)
    return told
