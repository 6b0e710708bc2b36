"""The shop these tests pay in: the room's URLs, and a clock that stands at START until a test moves it."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.utils import translation

from tests.payments import clock
from tests.support import START


@pytest.fixture(autouse=True)
def _shop(settings):
    settings.WAGTAIL_KWIGA = {**django_settings.WAGTAIL_KWIGA, "CLOCK": "tests.payments.clock.now"}
    clock.put(START)
    with translation.override("en"):
        yield
    clock.put(START)


@pytest.fixture
def providers(settings):
    """Set the providers of one test: ``providers(card={"class": …})``."""

    def put(**given):
        settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": given}

    return put
