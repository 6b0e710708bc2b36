"""Migrations are complete, and a site that extends the package never makes one inside it."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from wagtail import hooks
from wagtail.blocks import CharBlock

pytestmark = pytest.mark.django_db


def changes() -> str:
    out = io.StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=out, stderr=out)
    except SystemExit:
        return out.getvalue()
    assert "No changes detected" in out.getvalue()
    return ""


def test_nothing_to_make():
    assert changes() == ""


def test_nothing_to_make_for_a_site_with_blocks_and_providers_of_its_own(settings):
    settings.WAGTAIL_KWIGA = {
        "PAYMENT_PROVIDERS": {"mine": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"}},
        "PRICE_HOLDS_DAYS": 3,
    }
    with hooks.register_temporarily("register_kwiga_offer_blocks", lambda: [("tests_extra", CharBlock())]):
        assert changes() == ""
