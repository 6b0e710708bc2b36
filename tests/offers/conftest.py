"""Fixtures of the offers room."""

from __future__ import annotations

import pytest
from django.utils import translation

from tests.offers import making
from tests.support import START
from wagtail_kwiga import models as m


@pytest.fixture(autouse=True)
def _shop(settings):
    """A clock that tests set, a prefix for each language, and English where nobody says otherwise: a request leaves its
    language behind in the thread."""
    settings.ROOT_URLCONF = "tests.offers.urls"
    making.set_clock(START)
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    with translation.override("en"):
        yield


@pytest.fixture
def seller(db):
    """The default site with a seller whose bank account is known."""
    return m.KwigaSettings.objects.create(
        site=making.Site.objects.get(is_default_site=True),
        seller_name="School of Watercolour",
        bank_iban="DE02120300000000202051",
    )


@pytest.fixture
def page(seller):
    return making.make_page(coupon_mode="any")
