"""An offer page, and somebody who may edit and publish it."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests.offers.making import make_page, offer_of


@pytest.fixture
def page():
    return make_page()


@pytest.fixture
def offer(page):
    return offer_of(page)


@pytest.fixture
def editor():
    return get_user_model().objects.create_superuser("maren", "maren@example.com", "secret")
