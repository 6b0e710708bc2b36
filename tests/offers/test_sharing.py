"""Addresses of offers with a coupon applied."""

from __future__ import annotations

import pytest
from wagtail.models import Page, Site

from tests.offers.making import make_page, offer_of, translate
from tests.support import make_coupon, make_offer
from wagtail_kwiga.offers import sharing

pytestmark = pytest.mark.django_db


def test_the_address_is_absolute_and_the_code_is_escaped(client):
    page = make_page(coupon_mode="any")
    coupon = make_coupon("A&B=C/ß 1")
    url = sharing.share_url(offer_of(page), coupon)
    assert url == f"{page.full_url}?coupon=A%26B%3DC%2F%C3%9F+1"
    answer = client.get(url.replace("http://localhost", ""))
    assert "102.00" in answer.content.decode(), "the link applies the coupon"


def test_in_the_language_asked_for_as_far_as_there_is_such_a_page():
    page = make_page(coupon_mode="any")
    offer, coupon = offer_of(page), make_coupon("SPRING")
    german = translate(page, "de")
    translate(page, "pl", publish=False)
    assert sharing.share_url(offer, coupon) == f"{page.full_url}?coupon=SPRING"
    assert sharing.share_url(offer, coupon, "de") == f"{german.full_url}?coupon=SPRING"
    assert sharing.share_url(offer, coupon, "de-at") == f"{german.full_url}?coupon=SPRING"
    assert sharing.share_url(offer, coupon, "pl") == f"{page.full_url}?coupon=SPRING"
    assert [link.language for link in sharing.links([(offer, coupon)])] == ["English", "Deutsch"]


def test_in_the_site_of_the_page():
    page = make_page(coupon_mode="any")
    other_root = Page.objects.get(depth=1).add_child(instance=Page(title="Other", slug="other"))
    Site.objects.create(hostname="other.example", port=443, root_page=other_root)
    elsewhere = make_page("Elsewhere", parent=other_root, coupon_mode="any")
    coupon = make_coupon("SPRING")
    assert sharing.share_url(offer_of(elsewhere), coupon) == "https://other.example/elsewhere/?coupon=SPRING"
    assert sharing.share_url(offer_of(page), coupon).startswith("http://localhost/")


def test_no_live_page_no_link():
    coupon = make_coupon()
    page = make_page()
    page.unpublish()
    assert sharing.share_url(offer_of(page), coupon) == ""
    assert sharing.share_url(make_offer(), coupon, "de") == ""
    outside = Page.objects.get(depth=1).add_child(instance=Page(title="No site", slug="no-site"))
    nowhere = make_page("Nowhere", parent=outside)
    assert sharing.share_url(offer_of(nowhere), coupon) == ""
    assert sharing.links([(offer_of(page), coupon), (offer_of(nowhere), coupon)]) == []


@pytest.mark.parametrize("many", [1, 6])
def test_the_number_of_queries_does_not_grow(many, rf, django_assert_max_num_queries):
    coupon = make_coupon()
    pairs = [(offer_of(make_page(f"Page {number}")), coupon) for number in range(many)]
    with django_assert_max_num_queries(3):
        assert len(sharing.links(pairs, rf.get("/"))) == many
