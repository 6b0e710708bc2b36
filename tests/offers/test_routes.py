"""An own page type with Wagtail's routes: orders arrive, and sub-routes are the site's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.offers.making import BUYER, fields_of, root, text_of
from tests.site.models import FairPage, WorkshopPage
from tests.support import make_product
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


def made(kind):
    page = kind(
        title="Weekend",
        slug="weekend",
        price=Decimal("120.00"),
        currency="EUR",
        products=[("product", {"product": make_product()})],
        live=False,
    )
    root().add_child(instance=page)
    page.save_revision().publish()
    return kind.objects.get(pk=page.pk)


@pytest.mark.parametrize("kind", [WorkshopPage, FairPage])
def test_an_order_sent_to_the_page_is_placed(client, seller, kind):
    page = made(kind)
    shown = client.get(page.url)
    assert "€120.00" in text_of(shown)
    answer = client.post(page.url, {**fields_of(shown), **BUYER})
    assert answer.status_code == 302, text_of(answer)
    assert m.Order.objects.get().title == "Weekend"
    refused = client.post(page.url, {**fields_of(shown), **BUYER, "email": "nobody"})
    assert refused.status_code == 422 or "email" in refused.content.decode()
    assert m.Order.objects.count() == 1
    assert client.get(f"{page.url}?coupon=X")["Cache-Control"] == "private, no-store"


def test_a_view_of_the_sites_own_in_the_place_of_the_page_is_shown(client, seller):
    response = client.get(made(FairPage).url)
    assert response.context["stalls"] == 3


def test_a_route_below_the_page_is_the_sites(client, seller):
    page = made(WorkshopPage)
    assert client.get(f"{page.url}programme/").content == b"GET: the programme of Weekend"
    assert client.post(f"{page.url}programme/", BUYER).content == b"POST: the programme of Weekend"
    assert not m.Order.objects.exists()


def test_the_preview_shows_the_offer(seller, rf):
    page = made(WorkshopPage)
    response = page.make_preview_request(preview_mode=page.default_preview_mode)
    assert "€120.00" in text_of(response)
