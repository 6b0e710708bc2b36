"""Fixtures of the attacks: a shop with everything in it that a visitor can reach, and a visitor."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import translation

from tests.offers import making
from tests.support import START, make_coupon
from wagtail_kwiga import models as m


@pytest.fixture
def shopfront(db, settings):
    """An offer page that takes coupons, a seller, a clock that tests set, and limits too high to be in the way."""
    settings.ROOT_URLCONF = "tests.offers.urls"
    making.set_clock(START)
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "CLOCK": "tests.offers.making.clock",
        "CHECKOUTS_PER_ADDRESS": 100_000,
        "CHECKOUTS_PER_IP": 100_000,
        "COUPON_TRIES_PER_IP": 100_000,
    }
    m.KwigaSettings.objects.create(
        site=making.Site.objects.get(is_default_site=True),
        seller_name="School of Watercolour",
        bank_iban="DE02120300000000202051",
    )
    make_coupon("SPRING", percent="20")
    with translation.override("en"):
        yield making.make_page(coupon_mode="any")


@pytest.fixture
def visitor():
    """A browser that meets a failure as its status, the way visitors do."""
    return Client(raise_request_exception=False)
