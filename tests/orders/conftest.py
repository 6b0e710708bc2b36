"""Who buys, and what, where a test needs no more than that."""

from __future__ import annotations

import pytest

from tests.support import make_contact, make_product


@pytest.fixture
def ada(db):
    return make_contact("ada@example.com")


@pytest.fixture
def course(db):
    return make_product("Watercolour")
