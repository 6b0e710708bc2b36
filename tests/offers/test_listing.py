"""*Show in the store* off: for sale to whoever has the address, and found by nobody else."""

from __future__ import annotations

import pytest
from django.contrib.sites.requests import RequestSite
from django.test import RequestFactory
from wagtail.contrib.sitemaps.sitemap_generator import Sitemap

from tests.offers.making import make_page, translate
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


def addresses() -> list[str]:
    """What the site's sitemap tells search engines of."""
    request = RequestFactory().get("/")
    return [row["location"] for row in Sitemap(request).get_urls(site=RequestSite(request))]


def test_a_listed_offer_is_found(client, seller):
    page = make_page()
    assert page.full_url in addresses()
    answer = client.get(page.url)
    assert "X-Robots-Tag" not in answer


@pytest.mark.parametrize("language", ["", "de"])
def test_an_unlisted_offer_is_found_by_nobody(client, seller, language):
    page = make_page()
    shown = translate(page, language) if language else page
    page.is_listed = False
    page.save_revision().publish()
    shown = m.OfferPage.objects.get(pk=shown.pk)
    assert shown.full_url not in addresses()
    answer = client.get(shown.url)
    assert answer.status_code == 200
    assert answer["X-Robots-Tag"] == "noindex"
