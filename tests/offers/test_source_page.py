"""One page decides what is sold; its translations and its aliases follow, whatever happens to it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse
from wagtail.models import Locale, Page
from wagtail.test.utils.form_data import streamfield

from tests.offers.making import BUYER, fields_of, make_page, offer_of, root, text_of, translate
from tests.offers.test_panels import product_row, sent
from tests.support import make_coupon, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import choices

pytestmark = pytest.mark.django_db


@pytest.fixture
def coupon():
    return make_coupon("SPRING", percent="20")


@pytest.fixture
def page(seller, coupon):
    return make_page(coupons=[coupon], coupon_mode="only", price=Decimal("77.00"))


def test_wagtails_own_translation_copies_follow(admin_client, page):
    """``simple_translation``: the copy is made in the admin, edited there, and decides nothing."""
    german = Locale.objects.create(language_code="de")
    root().copy_for_translation(german).save_revision().publish()
    made = admin_client.post(
        reverse("simple_translation:submit_page_translation", args=[page.pk]),
        {"locales": [german.pk], "include_subtree": "", "alias": ""},
    )
    assert made.status_code == 302, text_of(made)
    copy = m.OfferPage.objects.get(locale=german)
    edit = reverse("wagtailadmin_pages:edit", args=[copy.pk])
    shown = admin_client.get(edit)
    assert "This page is a translation" in text_of(shown)
    for name in choices.SOURCE_FIELDS:
        assert f'name="{name}'.encode() not in shown.content, name
    hostile = sent(
        title="Aquarell", slug="aquarell", price="1.00", currency="USD", coupon_mode="any", is_listed="",
        sales_until="2027-01-01 00:00", coupons=streamfield([]),
        products=streamfield([("product", product_row(make_product("Everything"), length="days", length_number="1"))]),
    )  # fmt: skip
    assert admin_client.post(edit, hostile).status_code == 302
    copy.refresh_from_db()
    assert (copy.title, copy.price, copy.currency, copy.coupon_mode) == ("Aquarell", 77, "EUR", "only")
    offer = offer_of(page)
    assert (offer.amount, offer.currency, offer.coupon_mode, offer.sales_until) == (77, "EUR", "only", None)
    assert m.Offer.objects.count() == 1


def test_what_the_source_decides_later_is_shown_and_kept_on_its_translations(admin_client, page, coupon):
    german = translate(page, "de", title="Aquarell")
    page.price, page.coupon_mode, page.coupons = Decimal("99.00"), "none", []
    page.save_revision().publish()
    shown = admin_client.get(reverse("wagtailadmin_pages:edit", args=[german.pk]))
    assert "99" in text_of(shown)
    assert "SPRING" not in text_of(shown)
    german = m.OfferPage.objects.get(pk=german.pk)
    assert (german.price, german.coupon_mode, len(german.coupons)) == (99, "none", 0)


def test_a_translation_that_becomes_the_source_goes_on_with_the_last_terms(admin_client, client, page):
    german = translate(page, "de", title="Aquarell")
    page.price = Decimal("99.00")
    page.save_revision().publish()
    page.delete()
    assert offer_of(german).amount == 99
    edit = admin_client.get(reverse("wagtailadmin_pages:edit", args=[german.pk]))
    assert b'name="price" value="99.00"' in edit.content  # from its draft
    german = m.OfferPage.objects.get(pk=german.pk)
    german.get_latest_revision().publish()
    assert offer_of(german).amount == 99
    assert "99,00 €" in text_of(client.get(german.url))


def test_an_alias_sells_what_its_original_sells(client, page):
    shelf = root().add_child(instance=Page(title="Shelf", slug="shelf"))
    alias = page.create_alias(parent=shelf, update_slug="again")
    page.save_revision().publish()  # aliases are written anew with their original
    assert m.Offer.objects.count() == 1
    answer = client.get(alias.url)
    assert "€77.00" in text_of(answer)
    assert f'<link rel="canonical" href="{page.full_url}">' in answer.content.decode()
    client.post(alias.url, {**fields_of(answer), **BUYER})
    assert m.Order.objects.get().offer == offer_of(page)


def test_an_alias_that_goes_takes_nothing_with_it(page):
    alias = page.create_alias(update_slug="again")
    alias.unpublish()
    alias.delete()
    assert offer_of(page).state == "on_sale"


def test_an_alias_in_another_language_follows_too(client, page):
    german = Locale.objects.create(language_code="de")
    root().copy_for_translation(german).save_revision().publish()
    alias = page.copy_for_translation(german, alias=True)
    page.price = Decimal("99.00")
    page.save_revision().publish()
    assert "99,00 €" in text_of(client.get(m.OfferPage.objects.get(pk=alias.pk).url))
    assert m.Offer.objects.count() == 1
