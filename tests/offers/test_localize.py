"""What wagtail-localize is told about an offer page. (With wagtail-localize itself: tests/install/difficult_site.)"""

from __future__ import annotations

import sys
from types import ModuleType

from wagtail_kwiga.models import OfferPage
from wagtail_kwiga.offers import localize


def test_without_wagtail_localize_nothing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "wagtail_localize", None)
    monkeypatch.setitem(sys.modules, "wagtail_localize.fields", None)
    assert OfferPage.override_translatable_fields == []


def test_what_the_source_page_decides_follows_and_cannot_be_overridden(monkeypatch):
    fields = ModuleType("wagtail_localize.fields")
    fields.SynchronizedField = lambda name, overridable=True: (name, overridable)
    monkeypatch.setitem(sys.modules, "wagtail_localize", ModuleType("wagtail_localize"))
    monkeypatch.setitem(sys.modules, "wagtail_localize.fields", fields)
    told = OfferPage.override_translatable_fields
    assert {("price", False), ("currency", False), ("products", False), ("coupons", False)} <= set(told)


def test_every_field_that_is_named_exists():
    assert {OfferPage._meta.get_field(name).name for name in localize.FOLLOWING} == set(localize.FOLLOWING)
