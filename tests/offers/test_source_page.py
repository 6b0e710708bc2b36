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


def test_publishing_the_source_edits_no_revision_of_another_page(page):
    german = translate(page, "de", title="Aquarell")
    kept = list(german.revisions.order_by("pk").values_list("pk", "content"))
    page.price = Decimal("99.00")
    page.save_revision().publish()
    assert list(german.revisions.order_by("pk").values_list("pk", "content")) == kept
    assert not any(name in content for _pk, content in kept for name in choices.SOURCE_FIELDS)
    assert all(name in page.get_latest_revision().content for name in choices.SOURCE_FIELDS)


@pytest.mark.parametrize("holds_a_price", [False, True])
def test_an_old_revision_of_a_translation_brings_back_no_old_price(client, page, holds_a_price):
    german = translate(page, "de", title="Aquarell")
    old = german.get_latest_revision()
    if holds_a_price:  # as one that was restored from elsewhere may
        old.content = {**old.content, "price": "77.00", "coupon_mode": "any"}
        old.save()
    german.title = "Aquarell, neu"
    german.save_revision()
    page.price, page.coupon_mode = Decimal("99.00"), "none"
    page.save_revision().publish()
    german.revisions.get(pk=old.pk).publish()
    german = m.OfferPage.objects.get(pk=german.pk)
    assert (german.title, german.price, german.coupon_mode) == ("Aquarell", 99, "none")
    assert offer_of(page).amount == 99
    page.delete()
    german.save_revision().publish()
    assert (offer_of(german).amount, offer_of(german).coupon_mode) == (99, "none")


def test_what_was_a_translation_decides_for_itself_once_its_source_is_gone(page):
    german = translate(page, "de", title="Aquarell")
    page.price = Decimal("99.00")
    page.save_revision().publish()
    page.delete()
    old = german.get_latest_revision()
    german = old.as_object()
    german.price = Decimal("55.00")
    german.save_revision().publish()
    assert offer_of(german).amount == 55
    # A revision of the time as a translation says nothing of the price, so publishing it again changes none.
    german.revisions.get(pk=old.pk).publish()
    assert offer_of(german).amount == 55


def test_a_copy_of_a_translation_is_an_offer_of_its_own_with_the_price_of_today(page):
    german = translate(page, "de", title="Aquarell")
    page.price = Decimal("99.00")
    page.save_revision().publish()
    copy = m.OfferPage.objects.get(pk=german.pk).copy(update_attrs={"slug": "kopie"}, copy_revisions=True)
    copy.get_latest_revision().publish()
    assert offer_of(copy).amount == 99
    assert m.Offer.objects.count() == 2


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


@pytest.mark.parametrize("language", ["", "de"], ids=["of the source", "of a translation"])
def test_an_alias_made_a_page_of_its_own_goes_on_selling(admin_client, client, page, language):
    original = translate(page, language, title="Aquarell") if language else page
    alias = m.OfferPage.objects.get(pk=original.pk).create_alias(update_slug="again")
    page.price = Decimal("99.00")
    page.save_revision().publish()
    admin_client.post(reverse("wagtailadmin_pages:convert_alias", args=[alias.pk]))
    own = m.OfferPage.objects.get(pk=alias.pk)
    assert own.alias_of_id is None
    assert (offer_of(own).state, offer_of(own).amount) == ("on_sale", 99)
    assert [row.coupon.code for row in offer_of(own).named_coupons.all()] == ["SPRING"]
    assert own.get_latest_revision_as_object().price == 99
    answer = client.get(own.url)
    assert "99" in text_of(answer)
    client.post(own.url, {**fields_of(answer), **BUYER})
    assert m.Order.objects.get().offer == offer_of(own)
    assert offer_of(page).state == "on_sale"


def test_an_alias_of_a_page_that_is_not_live_becomes_no_sale(admin_client, page):
    alias = page.create_alias(update_slug="again")
    page.unpublish()
    admin_client.post(reverse("wagtailadmin_pages:convert_alias", args=[alias.pk]))
    own = m.OfferPage.objects.get(pk=alias.pk)
    assert (own.alias_of_id, own.live) == (None, False)
    assert not m.Offer.objects.filter(translation_key=own.translation_key).exists()
