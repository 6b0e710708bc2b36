"""Which offers are on sale: translating a page, unpublishing, deleting, copying and preparing it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from wagtail.actions.copy_page import CopyPageAction
from wagtail.models import Page
from wagtail.signals import page_unpublished
from wagtail.test.utils.form_data import inline_formset, nested_form_data, rich_text, streamfield

from tests.offers.making import make_page, offer_of, root, translate
from tests.site.models import TermsPage
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import publishing

pytestmark = pytest.mark.django_db


# --- translations -----------------------------------------------------------------------------------------------------


def test_translations_follow_their_source(seller):
    page = make_page()
    german = translate(page, "de", title="Aquarell", price=Decimal(1), currency="USD", products=[], coupon_mode="any")
    offer = offer_of(page)
    assert (offer.title, offer.amount, offer.currency, offer.coupon_mode) == ("Watercolour", 120, "EUR", "none")
    assert offer.offer_products.count() == 1
    assert publishing.is_translation(german)
    assert not publishing.is_translation(page)


def test_a_translation_published_before_its_source_sells_nothing(client, seller):
    page = make_page(publish=False)
    german = translate(page, "de")
    assert m.Offer.objects.count() == 0
    assert client.get(german.url).status_code == 200
    page.save_revision().publish()
    assert offer_of(german).state == "on_sale"


def test_a_page_that_owns_nothing_yet_is_no_translation(seller):
    assert not publishing.is_translation(m.OfferPage(title="New"))


# --- withdrawing ------------------------------------------------------------------------------------------------------


def test_unpublishing_withdraws_and_publishing_brings_back(seller):
    page = make_page()
    page.unpublish()
    assert offer_of(page).state == "withdrawn"
    page.save_revision().publish()
    assert offer_of(page).state == "on_sale"


def test_it_stays_on_sale_while_one_language_is_live(seller):
    page = make_page()
    german = translate(page, "de")
    page.unpublish()
    assert offer_of(page).state == "on_sale"
    german.unpublish()
    assert offer_of(page).state == "withdrawn"
    german.save_revision().publish()
    assert offer_of(page).state == "on_sale"


def test_deleting_the_page_withdraws_and_keeps_the_row(seller):
    page = make_page()
    key = page.translation_key
    page.delete()
    assert m.Offer.objects.get(translation_key=key).state == "withdrawn"


def test_deleting_one_of_two_languages_withdraws_nothing(seller):
    page = make_page()
    german = translate(page, "de")
    german.delete()
    assert offer_of(page).state == "on_sale"
    page.delete()
    assert m.Offer.objects.get().state == "withdrawn"


def test_deleting_a_parent_withdraws_all_below_it(seller):
    folder = root().add_child(instance=Page(title="Folder", slug="folder"))
    keys = [make_page(f"Page {number}", parent=folder).translation_key for number in range(2)]
    folder.delete()
    assert set(m.Offer.objects.filter(translation_key__in=keys).values_list("state", flat=True)) == {"withdrawn"}


@pytest.fixture
def at_the_signal():
    """Key → whether the row of the page says *live*, and what the offer is, when Wagtail has told *unpublished* and we have heard."""
    seen = {}

    def look(instance, **_given):
        if publishing.is_offer_page(instance):
            seen[instance.pk] = (Page.objects.get(pk=instance.pk).live, offer_of(instance).state)

    page_unpublished.connect(look)
    yield seen
    page_unpublished.disconnect(look)


def test_unpublishing_as_a_part_of_deleting_withdraws_while_the_row_still_says_live(seller, at_the_signal):
    page = make_page()
    key = page.pk
    page.delete()
    assert at_the_signal == {key: (True, "withdrawn")}


def test_a_page_about_to_be_deleted_leaves_its_other_language_on_sale(seller, at_the_signal):
    page = make_page()
    german = translate(page, "de")
    gone, last = german.pk, page.pk
    german.delete()
    assert at_the_signal == {gone: (True, "on_sale")}
    page.delete()
    assert at_the_signal[last] == (True, "withdrawn")


def test_deleting_both_languages_at_once_withdraws(seller, at_the_signal):
    """Each of them is told while the other still says live; the end of the deletion is what counts."""
    folder = root().add_child(instance=Page(title="Folder", slug="folder"))
    page = make_page(parent=folder)
    german = translate(page, "de", slug="aquarell")
    german.move(folder, pos="last-child")
    key, pages = page.translation_key, {page.pk, german.pk}
    Page.objects.get(pk=folder.pk).delete()
    assert at_the_signal.keys() == pages
    assert m.Offer.objects.get(translation_key=key).state == "withdrawn"


def test_deleting_a_draft_beside_a_live_language_withdraws_nothing(seller):
    page = make_page()
    draft = translate(page, "de", publish=False)
    draft.delete()
    assert offer_of(page).state == "on_sale"


@pytest.mark.parametrize("go", ["unpublish", "delete"])
def test_a_draft_in_another_language_keeps_nothing_on_sale(seller, go):
    page = make_page()
    draft = translate(page, "de", publish=False)
    assert not draft.live
    getattr(page, go)()
    assert offer_of(draft).state == "withdrawn"


def test_a_page_with_orders_can_be_deleted(client, seller):
    from tests.offers.making import order

    page = make_page()
    order(client, page.url)
    page.delete()
    assert m.Order.objects.get().offer.state == "withdrawn"


def test_a_copy_is_an_offer_of_its_own(seller):
    page = make_page()
    copy = CopyPageAction(page, to=root(), update_attrs={"slug": "copy", "title": "Copy"}, keep_live=True).execute(
        skip_permission_checks=True
    )
    assert copy.translation_key != page.translation_key
    assert offer_of(copy).pk != offer_of(page).pk


def test_an_expired_page_is_withdrawn_by_wagtails_own_command(seller):
    from django.core.management import call_command
    from django.utils import timezone

    page = make_page()
    Page.objects.filter(pk=page.pk).update(expire_at=timezone.now() - dt.timedelta(minutes=1))
    call_command("publish_scheduled")
    assert offer_of(page).state == "withdrawn"


def test_an_offer_may_be_prepared_before_it_is_published(seller):
    page = make_page(publish=False)
    prepared = publishing.prepare(page)
    assert (prepared.state, prepared.amount) == ("draft", 120)
    assert publishing.prepare(page) is None
    page.save_revision().publish()
    assert offer_of(page).pk == prepared.pk
    assert offer_of(page).state == "on_sale"
    assert publishing.prepare(page) is None


def test_of_a_page_that_sells_nothing_nothing_is_prepared(admin_client, seller):
    """Whatever pages a site has: saving one of them in the editor is none of our business."""
    plain = root().add_child(instance=TermsPage(title="About"))
    assert publishing.prepare(plain) is None
    edited = reverse("wagtailadmin_pages:edit", args=[plain.pk])
    form = nested_form_data({
        "title": "About us", "slug": "about", "layout": "wide", "intro": rich_text("<p>Us</p>"), "body": streamfield([]), "comments": inline_formset([]),
    })  # fmt: skip
    assert admin_client.post(edited, form).status_code == 302
    assert not m.Offer.objects.exists()
