"""The short name of a product is what was typed into it, however fast, and whatever happens to the title."""

from __future__ import annotations

import pytest

from wagtail_kwiga import models as m

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Milliseconds after which Wagtail's controllers have done whatever they put off (they wait 100).
SETTLED = 700


def test_a_short_name_that_was_typed_stays(desk):
    page = desk.open("/admin/kwiga/products/add/")
    page.locator("[name=title]").press_sequentially("Watercolour for beginners")
    page.locator("[name=title]").press("Tab")
    page.locator("[name=slug]").press_sequentially("watercolour")
    page.wait_for_timeout(SETTLED)
    assert page.locator("[name=slug]").input_value() == "watercolour"
    desk.press("Save")
    assert "Watercolour for beginners" in desk.told()
    assert m.Product.objects.get().slug == "watercolour"


def test_a_new_title_leaves_the_short_name_that_the_site_looks_for(desk):
    product = m.Product.objects.create(title="Watercolour", slug="watercolour")
    page = desk.open(f"/admin/kwiga/products/edit/{product.pk}/")
    page.locator("[name=title]").click()
    page.locator("[name=title]").press("End")
    page.locator("[name=title]").press_sequentially(" for beginners")
    page.locator("[name=entry_url]").click()
    page.wait_for_timeout(SETTLED)
    assert page.locator("[name=slug]").input_value() == "watercolour"


def test_a_short_name_left_empty_is_made_when_it_is_saved(desk):
    page = desk.open("/admin/kwiga/products/add/")
    page.locator("[name=title]").fill("Ink for all")
    desk.press("Save")
    assert "Ink for all" in desk.told()
    assert m.Product.objects.get().slug == "ink-for-all"
