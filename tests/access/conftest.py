"""What several files of this room listen with."""

from __future__ import annotations

import pytest

from wagtail_kwiga import events
from wagtail_kwiga.access.events import AccessAdjusted


@pytest.fixture
def heard(monkeypatch):
    """The events of the test, by a real subscription on an otherwise empty table."""
    monkeypatch.setattr(events, "_handlers", type(events._handlers)(list))
    told = []
    events.subscribe(AccessAdjusted, told.append)
    return told
