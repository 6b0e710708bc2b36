"""An offer with nothing in it is not for sale unless somebody said on purpose that it sells no access."""

from __future__ import annotations

import datetime as dt
import importlib

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import ProtectedError
from django.urls import reverse
from django.utils import timezone
from wagtail.test.utils.form_data import streamfield

from tests.offers.making import make_page, offer_of, order, root, text_of, translate
from tests.offers.test_panels import product_row, sent
from tests.orders.shop import books_receive, order_for
from tests.support import after, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.exceptions import OrderRefused

pytestmark = pytest.mark.django_db


def add_url() -> str:
    return reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])


def edit_of(page) -> str:
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def typed(*, draft: bool = False, **given):
    data = sent(**given)
    if "sells_no_access" not in given:
        del data["sells_no_access"]
    if draft:
        del data["action-publish"]
    return data


def told() -> list[str]:
    return list(m.TimelineEntry.objects.filter(needs_attention=True).values_list("code", flat=True))


def test_the_form_does_not_publish_a_page_that_sells_nothing(admin_client, seller):
    answer = admin_client.post(add_url(), typed())
    assert b"Buyers would get nothing. Choose a product, or tick" in answer.content
    assert not m.OfferPage.objects.exists()
    assert admin_client.post(add_url(), typed(draft=True)).status_code == 302


def test_what_sells_no_access_on_purpose_is_sold(admin_client, client, seller):
    answer = admin_client.post(add_url(), typed(sells_no_access="on"))
    assert answer.status_code == 302, text_of(answer)
    page = m.OfferPage.objects.get()
    assert (offer_of(page).state, offer_of(page).sells_no_access) == ("on_sale", True)
    order(client, page.url)
    placed = m.Order.objects.get()
    books_receive(placed, "120.00", now=after(minutes=1))
    assert told() == []


def test_code_publishes_no_page_that_sells_nothing(seller):
    page = make_page(publish=False, products=[])
    with pytest.raises(ValidationError) as refusal:
        page.save_revision()
    assert list(refusal.value.message_dict) == ["products"]
    with pytest.raises(ValidationError), transaction.atomic():
        page.save_revision(clean=False).publish()
    assert not m.OfferPage.objects.get().live
    assert not m.Offer.objects.filter(state="on_sale").exists()


def test_everything_that_is_missing_is_told_at_once(seller):
    page = make_page(publish=False, products=[], price=None)
    with pytest.raises(ValidationError) as refusal:
        page.full_clean()
    assert sorted(refusal.value.message_dict) == ["price", "products"]


def test_a_translation_lacks_nothing_that_its_source_says(seller):
    page = make_page()
    german = translate(page, "de")
    german.products = []
    german.full_clean()


def test_what_a_schedule_publishes_with_nothing_in_it_is_not_on_sale_and_somebody_is_told(admin_client, client, seller):
    page = make_page(products=[])
    page.get_latest_revision().publish()
    offer = offer_of(page)
    assert (offer.state, selling.why_not_for_sale(offer, after())) == ("empty", selling.NOTHING)
    shown = text_of(client.get(page.url))
    assert "Not on sale yet" in shown
    assert "Order and pay" not in shown
    assert told() == ["offers.sells_nothing"]
    listed = admin_client.get(reverse("wagtail_kwiga_attention:index"))
    assert "was published with nothing in it" in text_of(listed)
    assert edit_of(page) in listed.content.decode()
    assert "nothing in it" in text_of(admin_client.get(reverse("wagtail_kwiga_offers:list")))
    page.products = [("product", {"product": make_product()})]
    page.save_revision().publish()
    assert offer_of(page).state == "on_sale"


def test_a_translation_puts_nothing_on_sale_that_is_empty(seller):
    page = make_page(products=[])
    german = translate(page, "de")
    german.unpublish()
    page.unpublish()
    assert offer_of(page).state == "withdrawn"
    german.save_revision().publish()
    assert offer_of(page).state == "empty"


@pytest.mark.parametrize("left", [0, 1])
def test_an_old_revision_whose_product_is_gone_is_not_published_without_a_word(seller, left):
    gone, kept = make_product("Gone"), make_product("Kept")
    page = make_page(products=[gone, kept][: left + 1])
    old = page.get_latest_revision()
    page.products = [("product", {"product": make_product("New")})]
    page.save_revision().publish()
    gone.delete()
    old.refresh_from_db()
    old.publish()
    assert offer_of(page).state == ("on_sale" if left else "empty")
    assert told() == ["offers.product_gone" if left else "offers.sells_nothing"]


def test_a_draft_protects_its_products_and_says_which_page(admin_client, seller):
    product = make_product("Oil")
    page = make_page("Autumn offer", publish=False, products=[product])
    page.save_revision()
    with pytest.raises(ProtectedError, match="Autumn offer"), transaction.atomic():
        product.delete()
    answer = admin_client.post(reverse("wagtail_kwiga_products:delete", args=[product.pk]), follow=True)
    assert "page “Autumn offer”" in text_of(answer)
    assert m.Product.objects.filter(pk=product.pk).exists()
    page.delete()
    product.delete()


def test_a_draft_of_a_live_page_and_a_planned_revision_protect_theirs(seller):
    drafted, planned, unused = make_product("Drafted"), make_product("Planned"), make_product("Unused")
    page = make_page("Course")
    page.products = [("product", {"product": planned})]
    page.go_live_at = timezone.now() + dt.timedelta(days=1)
    page.save_revision().publish()
    page = m.OfferPage.objects.get(pk=page.pk)
    page.products, page.go_live_at = [("product", {"product": drafted})], None
    page.save_revision()
    for product in (drafted, planned):
        with pytest.raises(ProtectedError, match="Course"), transaction.atomic():
            product.delete()
    unused.delete()


def test_a_schedule_that_publishes_nothing_tells_somebody(seller):
    page = make_page(publish=False, products=[])
    page.go_live_at = timezone.now() + dt.timedelta(days=1)
    page.save_revision(clean=False).publish()
    m.OfferPage.objects.filter(pk=page.pk).update(go_live_at=timezone.now())
    for revision in page.revisions.all():
        revision.approved_go_live_at = timezone.now()
        revision.content["go_live_at"] = (timezone.now() - dt.timedelta(minutes=1)).isoformat()
        revision.save()
    call_command("publish_scheduled", verbosity=0)
    assert offer_of(page).state == "empty"
    assert told() == ["offers.sells_nothing"]


def test_an_offer_that_code_has_made_without_products_takes_no_order_of_the_web():
    offer = m.Offer.objects.create(title="Made", amount=5, currency="EUR", state="on_sale")
    with pytest.raises(OrderRefused) as refusal:
        order_for(make_contact(), offer)
    assert refusal.value.code == selling.NOTHING
    assert not m.Order.objects.exists()


def test_a_paid_order_that_opens_nothing_needs_a_person():
    offer = make_offer()
    placed = order_for(make_contact(), offer)
    placed.lines.all().delete()
    books_receive(placed, "120.00", now=after(minutes=1))
    assert told() == ["order.opens_nothing"]


def test_what_was_on_sale_with_nothing_in_it_is_taken_off_by_the_upgrade_and_told(seller):
    page, sold = make_page("Empty", products=[]), make_page("Sold")
    on_purpose = make_page("On purpose", products=[], sells_no_access=True)
    m.Offer.objects.update(state="on_sale")
    m.TimelineEntry.objects.all().delete()
    upgrade = importlib.import_module(f"wagtail_kwiga.migrations.{_name_of_migration()}")
    upgrade.take_off_what_is_empty(apps, connection.schema_editor())
    assert [offer_of(each).state for each in (page, sold, on_purpose)] == ["empty", "on_sale", "on_sale"]
    entry = m.TimelineEntry.objects.get()
    assert (entry.code, entry.subject, entry.needs_attention) == ("offers.sells_nothing", page.page_ptr, True)


def _name_of_migration() -> str:
    names = [name for app, name in MigrationLoader(None).disk_migrations if app == "wagtail_kwiga"]
    (found,) = (name for name in names if name.endswith("_offer_pricing"))
    return found


def test_products_of_a_row_are_still_typed_in(admin_client, seller):
    answer = admin_client.post(add_url(), typed(products=streamfield([("product", product_row(make_product()))])))
    assert answer.status_code == 302, text_of(answer)
    assert offer_of(m.OfferPage.objects.get()).state == "on_sale"
