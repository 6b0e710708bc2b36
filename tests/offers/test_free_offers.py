"""An offer is free where somebody said so; what has no price yet is not free, and not for sale."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from wagtail.test.utils.form_data import streamfield

from tests.offers.making import make_page, offer_of, root, text_of, translate
from tests.offers.test_panels import product_row, sent
from tests.support import after, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import publishing

pytestmark = pytest.mark.django_db


def add_url() -> str:
    return reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])


def edit_of(page) -> str:
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def typed(*, draft: bool = False, **given):
    data = sent(**{"products": streamfield([("product", product_row(make_product()))]), **given})
    if draft:
        del data["action-publish"]
    return data


def test_the_price_of_a_new_offer_is_empty(admin_client, seller):
    page = admin_client.get(add_url()).content.decode()
    box = page[page.index('name="price"') :]
    assert "value=" not in box[: box.index(">")]
    assert "This offer is free" in page


def test_a_title_and_publish_sell_nothing(admin_client, seller):
    answer = admin_client.post(add_url(), typed(price=""))
    assert answer.status_code == 200
    assert "Give a price, or tick “This offer is free”." in text_of(answer)
    assert not m.OfferPage.objects.exists()


@pytest.mark.parametrize("price", ["0", "0.00"])
@pytest.mark.parametrize("draft", [True, False])
def test_nought_alone_is_asked_about(admin_client, seller, price, draft):
    answer = admin_client.post(add_url(), typed(price=price, draft=draft))
    assert "Please tick “This offer is free” if it shall cost nothing" in text_of(answer)
    assert not m.OfferPage.objects.exists()


@pytest.mark.parametrize("price", ["", "0"])
def test_free_is_what_was_said_to_be_free(admin_client, client, seller, price):
    answer = admin_client.post(add_url(), typed(price=price, is_free="on"))
    assert answer.status_code == 302, text_of(answer)
    page = m.OfferPage.objects.get()
    assert (page.price, offer_of(page).amount, offer_of(page).state) == (0, 0, "on_sale")
    assert "Get it for free" in text_of(client.get(page.url))
    assert "checked" in _box(admin_client.get(edit_of(page)).content.decode())


def test_free_and_a_price_contradict_each_other(admin_client, seller):
    assert "A free offer has no price" in text_of(admin_client.post(add_url(), typed(price="5", is_free="on")))
    assert not m.OfferPage.objects.exists()


def test_a_free_offer_of_before_stays_free_and_can_be_edited(admin_client, seller):
    page = make_page(price=Decimal(0))
    assert admin_client.post(edit_of(page), typed(price="", is_free="on", title="Renamed")).status_code == 302
    assert (offer_of(page).title, offer_of(page).amount) == ("Renamed", 0)


def test_a_free_offer_that_gets_a_price_is_free_no_more(admin_client, seller):
    page = make_page(price=Decimal(0))
    assert admin_client.post(edit_of(page), typed(price="9")).status_code == 302
    assert offer_of(page).amount == 9
    assert "checked" not in _box(admin_client.get(edit_of(page)).content.decode())


def _box(page: str) -> str:
    rest = page[page.index('name="is_free"') :]
    return rest[: rest.index(">")]


def test_a_draft_needs_no_price_and_is_nothing_that_could_be_given_away(admin_client, seller):
    answer = admin_client.post(add_url(), typed(price="", draft=True))
    assert answer.status_code == 302, text_of(answer)
    page = m.OfferPage.objects.get()
    assert page.price is None
    assert not m.Offer.objects.exists()
    assert admin_client.post(edit_of(page), typed(price="")).status_code == 200  # Publish
    assert admin_client.post(edit_of(page), typed(price="20", draft=True)).status_code == 302
    assert (m.Offer.objects.get().state, m.Offer.objects.get().amount) == ("draft", 20)


def test_the_preview_of_a_draft_without_a_price_offers_nothing_for_free(admin_client, seller):
    admin_client.post(add_url(), typed(price="", draft=True))
    page = m.OfferPage.objects.get()
    shown = text_of(admin_client.get(reverse("wagtailadmin_pages:view_draft", args=[page.pk])))
    assert "free" not in shown.lower()
    assert "Not on sale yet" in shown


def test_code_cannot_make_a_page_without_a_price_by_the_way(seller):
    with pytest.raises(ValidationError) as refusal:
        root().add_child(instance=m.OfferPage(title="No price", slug="no-price", sells_no_access=True))
    assert list(refusal.value.message_dict) == ["price"]


@pytest.mark.parametrize("is_sold_already", [True, False])
def test_no_revision_without_a_price_is_published(seller, is_sold_already):
    page = make_page(publish=is_sold_already)
    page.price = None
    page.save_revision(clean=False)
    with pytest.raises(ValidationError):
        page.get_latest_revision().publish()
    assert m.OfferPage.objects.get().live is is_sold_already
    assert list(m.Offer.objects.values_list("state", "amount")) == ([("on_sale", 120)] if is_sold_already else [])


@pytest.mark.parametrize("is_sold_already", [True, False])
def test_what_is_live_without_a_price_all_the_same_is_off_sale_and_somebody_is_told(
    admin_client, client, seller, is_sold_already
):
    page = make_page(publish=is_sold_already)
    m.OfferPage.objects.filter(pk=page.pk).update(price=None, live=True)  # as code may that asks nobody
    page = m.OfferPage.objects.get(pk=page.pk)
    for _again in range(2):
        publishing.publish_terms(page, now=after())
    assert list(m.Offer.objects.values_list("state", "amount")) == ([("withdrawn", 120)] if is_sold_already else [])
    assert "free" not in text_of(client.get(page.url)).lower()
    entry = m.TimelineEntry.objects.get(needs_attention=True)
    assert (entry.code, entry.subject) == ("offers.no_price", page.page_ptr)
    listed = admin_client.get(reverse("wagtail_kwiga_attention:index"))
    assert "was published without a price" in text_of(listed)
    assert edit_of(page) in listed.content.decode()


def test_a_translation_has_no_box_of_its_own(admin_client, seller):
    german = translate(make_page(price=Decimal(0)), "de")
    assert 'name="is_free"' not in admin_client.get(edit_of(german)).content.decode()
    assert admin_client.post(edit_of(german), typed(title="Aquarell", slug="aquarell", price="7")).status_code == 302
    assert m.Offer.objects.get().amount == 0


def test_a_copy_costs_what_its_original_costs(seller):
    free = make_page(price=Decimal(0)).copy(update_attrs={"slug": "copy"})
    assert (free.price, offer_of(free).amount, offer_of(free).state) == (0, 0, "on_sale")
