"""Fixtures of the mailing room."""

from __future__ import annotations

import pytest

from tests.mailing.making import smtp_server


@pytest.fixture
def smtp(settings):
    with smtp_server(settings) as inbox:
        yield inbox
