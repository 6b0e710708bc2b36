"""What is only scheduled is not sold yet: Wagtail says *published* of it all the same."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.offers.making import make_page, offer_of, text_of, translate
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import publishing

pytestmark = pytest.mark.django_db


def schedule(page, *, days: int = 3, **changes):
    """As an editor schedules: the page with ``changes``, to go live in ``days`` days of the real clock, which Wagtail asks."""
    for name, value in changes.items():
        setattr(page, name, value)
    page.go_live_at = timezone.now() + dt.timedelta(days=days)
    page.save_revision().publish()
    return m.OfferPage.objects.get(pk=page.pk)


def come(page) -> None:
    """The scheduled moment has come."""
    (revision,) = page.revisions.exclude(approved_go_live_at=None)
    revision.approved_go_live_at = timezone.now() - dt.timedelta(minutes=1)
    revision.content["go_live_at"] = revision.approved_go_live_at.isoformat()
    revision.save()
    call_command("publish_scheduled")


def test_a_scheduled_price_waits_while_another_language_is_sold(client, seller):
    page = make_page(price=Decimal("120.00"))
    german = translate(page, "de", title="Aquarell")
    page.unpublish()
    page = schedule(m.OfferPage.objects.get(pk=page.pk), price=Decimal("50.00"))
    assert not page.live
    assert offer_of(page).amount == 120
    assert m.PriceRecord.objects.count() == 1
    assert "120,00" in text_of(client.get(german.url))
    come(page)
    assert offer_of(page).amount == 50
    assert m.PriceRecord.objects.count() == 2


def test_a_page_never_published_sells_when_its_time_has_come(seller):
    page = schedule(make_page(publish=False))
    assert not m.Offer.objects.filter(state="on_sale").exists()
    come(page)
    assert offer_of(page).state == "on_sale"


def test_an_offer_prepared_for_a_scheduled_page_stays_a_draft(admin_client, seller):
    page = make_page(publish=False)
    publishing.prepare(page)
    schedule(page)
    assert offer_of(page).state == "draft"
    assert not m.PriceRecord.objects.exists()


def test_a_withdrawn_page_stays_withdrawn_until_its_time_has_come(seller):
    page = make_page()
    page.unpublish()
    page = schedule(m.OfferPage.objects.get(pk=page.pk))
    assert offer_of(page).state == "withdrawn"
    come(page)
    assert offer_of(page).state == "on_sale"


def test_a_translation_only_scheduled_puts_nothing_on_sale(seller):
    page = make_page()
    german = translate(page, "de")
    german.unpublish()
    page.unpublish()
    german = schedule(m.OfferPage.objects.get(pk=german.pk))
    assert offer_of(page).state == "withdrawn"
    come(german)
    assert offer_of(page).state == "on_sale"


def test_the_next_price_of_a_live_page_waits_too(seller):
    page = schedule(make_page(), price=Decimal("50.00"))
    assert page.live
    assert offer_of(page).amount == 120
    come(page)
    assert offer_of(page).amount == 50


def test_a_page_that_scheduling_takes_down_is_not_sold_on(seller):
    """Live without a revision, as code makes it: Wagtail takes such a page down when it is scheduled."""
    page = make_page()
    m.OfferPage.objects.filter(pk=page.pk).update(live_revision=None)
    page = schedule(m.OfferPage.objects.get(pk=page.pk))
    assert not page.live
    assert offer_of(page).state == "withdrawn"
