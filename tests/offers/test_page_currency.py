"""The currency of an offer page is written when it is first priced; nothing but its editor changes it, who is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse
from wagtail.models import Site
from wagtail.test.utils.form_data import streamfield

from tests.offers.making import make_page, offer_of, root, text_of, translate
from tests.offers.test_panels import product_row, sent
from tests.support import make_product
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(seller):
    seller.default_currency = "PLN"
    seller.save()
    return seller


def now_in_euros(seller) -> None:
    seller.default_currency = "EUR"
    seller.save()


def of_before(page: m.OfferPage) -> m.OfferPage:
    """The page as an earlier version kept it: with no currency written, in its row and in its revisions."""
    m.OfferPage.objects.filter(pk=page.pk).update(currency="")
    for revision in page.revisions.all():
        revision.content = {**revision.content, "currency": ""}
        revision.save()
    return m.OfferPage.objects.get(pk=page.pk)


def edit_of(page) -> str:
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def rows() -> dict[str, list]:
    return {"products": streamfield([("product", product_row(make_product()))])}


def test_the_sites_currency_is_written_into_a_page_that_is_priced(admin_client, seller):
    url = reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])
    answer = admin_client.post(url, sent(price="499", currency="", **rows()))
    assert answer.status_code == 302, text_of(answer)
    assert m.OfferPage.objects.get().currency == "PLN"
    assert make_page("By code", currency="").currency == "PLN"


@pytest.mark.parametrize("age", ["today", "of before"])
def test_a_corrected_title_sells_in_the_currency_of_before(admin_client, seller, age):
    page = make_page(price=Decimal(499), currency="")
    page = of_before(page) if age == "of before" else page
    now_in_euros(seller)
    edit = admin_client.get(edit_of(page)).content.decode()
    assert 'name="currency" value="PLN"' in edit
    answer = admin_client.post(edit_of(page), sent(title="Corrected", price="499", currency="", **rows()))
    assert answer.status_code == 302, text_of(answer)
    offer = offer_of(page)
    assert (offer.title, offer.currency, m.OfferPage.objects.get().currency) == ("Corrected", "PLN", "PLN")


def test_a_page_of_before_is_sold_by_code_in_the_currency_of_before(seller):
    page = of_before(make_page(price=Decimal(499), currency=""))
    old = page.get_latest_revision()
    now_in_euros(seller)
    old.publish()
    assert (offer_of(page).amount, offer_of(page).currency) == (499, "PLN")


@pytest.mark.parametrize("published", [True, False])
def test_a_copy_of_a_page_of_before_costs_the_same(seller, published):
    page = of_before(make_page(price=Decimal(499), currency="", publish=published))
    if not published:
        page.save_revision(clean=False)
        page = of_before(page)
    now_in_euros(seller)
    copy = m.OfferPage.objects.get(pk=page.pk).copy(
        update_attrs={"slug": "copy", "title": "Copy"}, recursive=False, keep_live=False
    )
    copy = m.OfferPage.objects.get(pk=copy.pk)
    copy.get_latest_revision().publish()
    assert (offer_of(copy).amount, offer_of(copy).currency) == (499, "PLN")


def test_a_translation_and_an_alias_follow(seller):
    page = of_before(make_page(price=Decimal(499), currency=""))
    now_in_euros(seller)
    german = translate(page, "de", title="Aquarell")
    page = m.OfferPage.objects.get(pk=page.pk)
    alias = page.create_alias(update_slug="alias")
    assert {german.currency, alias.specific.currency, offer_of(page).currency} == {"PLN"}


def test_what_another_site_sells_is_left_alone(seller):
    page = of_before(make_page(price=Decimal(499), currency=""))
    elsewhere = make_page("Elsewhere")
    other = Site.objects.create(hostname="other.example", root_page=elsewhere)
    m.KwigaSettings.objects.create(site=other, default_currency="USD")
    assert m.OfferPage.objects.get(pk=page.pk).currency == ""
    assert offer_of(page).currency == "PLN"


def test_another_currency_is_asked_about_first(admin_client, seller):
    page = make_page(price=Decimal(499), currency="PLN")
    assert "in this other currency" not in text_of(admin_client.get(edit_of(page)))
    typed = sent(price="499", currency="EUR", **rows())
    answer = admin_client.post(edit_of(page), typed)
    assert answer.status_code == 200
    for said in ("priced in PLN so far", "€499.00", "Yes, the price is in this other currency"):
        assert said in text_of(answer)
    assert 'name="currency_confirmed"' in answer.content.decode()
    assert offer_of(page).currency == "PLN"
    assert admin_client.post(edit_of(page), {**typed, "currency_confirmed": "on"}).status_code == 302
    assert offer_of(page).currency == "EUR"


def test_a_draft_in_another_currency_is_asked_about_too(admin_client, seller):
    page = make_page(price=Decimal(499), currency="PLN")
    draft = sent(price="499", currency="EUR", **rows())
    del draft["action-publish"]
    assert admin_client.post(edit_of(page), draft).status_code == 200
    assert m.OfferPage.objects.get().get_latest_revision_as_object().currency == "PLN"
