"""Offers: the list, and the card that says all about one."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.urls import reverse

from tests.backoffice.screens import MARKUP, cost, html_of, is_refused, lacks, page_of, says, somebody_who_may
from tests.offers.making import make_page, offer_of, translate
from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon, make_list, make_offer, make_product
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import gates

pytestmark = pytest.mark.django_db

LIST = "/admin/kwiga/offers/"
CHOOSE = "/admin/snippets/choose/wagtail_kwiga/offer/"


def card(offer):
    return reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])


def test_no_offer_yet_says_where_offers_come_from(admin_client):
    page = page_of(admin_client, LIST)
    says(page, "Offers come from offer pages", "Add offer page")
    says(page_of(somebody_who_may("view_offer"), LIST), "Go to the pages")


@pytest.mark.parametrize(
    ("given", "state", "sentence"),
    [
        ({}, "on sale", "€120.00"),
        ({"is_listed": False}, "on sale", "not shown in the store"),
        ({"state": "draft"}, "draft", "cannot buy it before its page is published"),
        ({"state": "withdrawn"}, "withdrawn", "published again"),
        ({"sales_from": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}, "not yet on sale", "Sales begin on"),
        ({"sales_until": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "sale is over", "Sales have ended"),
    ],
)
def test_its_state_in_words(admin_client, given, state, sentence):
    offer = make_offer(title="Ink", **given)
    says(page_of(admin_client, LIST), "Ink", state)
    says(page_of(admin_client, card(offer)), state, sentence)


def test_the_card_says_all_about_it(admin_client):
    ink = make_product("Ink", entry_url="/ink/")
    coupon = make_coupon("SPRING", lists=[make_list("Come back")])
    page = make_page("Watercolour", products=[ink], coupon_mode="only", coupons=[coupon])
    offer = offer_of(page)
    translate(page, "de", title="Aquarell")
    order_for(make_contact(), offer, now=conf.now())
    text = page_of(admin_client, card(offer))
    says(
        text,
        "€120.00",
        "on sale",
        "1 order",
        "Watercolour",
        "Aquarell",
        "decides price, products and coupons",
        "Deutsch",
    )
    says(text, "Ink", "access without end", "takes only the coupons that its page names", "SPRING", "15%")
    says(text, "nobody: “Come back” is empty")
    html = html_of(admin_client, card(offer))
    says(html, reverse("wagtailadmin_pages:edit", args=[page.pk]), f"{page.full_url}?coupon=SPRING")
    says(html, f"/admin/kwiga/orders/?offer={offer.pk}", "Win back unpaid orders")
    assert admin_client.get(f"/admin/kwiga/orders/?offer={offer.pk}").status_code == 200


def test_an_offer_that_takes_any_coupon_lists_the_active_ones(admin_client):
    offer = offer_of(make_page(coupon_mode="any"))
    make_coupon("ALL")
    make_coupon("ASLEEP", is_active=False)
    make_coupon("ELSEWHERE", offers=[make_offer()])
    make_coupon("DOLLARS", percent=None, amount=5, currency="USD")
    text = page_of(admin_client, card(offer))
    says(text, "takes any coupon", "ALL")
    lacks(text, "ASLEEP", "ELSEWHERE", "DOLLARS")
    for number in range(25):
        make_coupon(f"MORE{number}")
    says(page_of(admin_client, card(offer)), "Only the first 20 active coupons are shown here", "Show all coupons")


def test_an_offer_without_a_page(admin_client):
    offer = make_offer(coupon_mode="any")
    make_coupon("ALL")
    says(page_of(admin_client, card(offer)), "This offer has no page any more", "No page of this offer is live")


def test_the_screens_cost_the_same_for_one_and_for_many(admin_client):
    page = make_page("First", coupon_mode="any")
    offer = offer_of(page)
    make_coupon("FIRST", lists=[make_list()])
    order_for(make_contact(), offer, now=conf.now())
    before = [cost(admin_client, LIST), cost(admin_client, card(offer))]
    for number in range(12):
        other = make_offer(make_product(f"P{number}"), title=f"Offer {number}")
        order_for(make_contact(), other, now=conf.now())
        order_for(make_contact(), offer, now=conf.now())
        make_coupon(f"CODE{number}", lists=[make_list(f"List {number}")])
    for language in ("de", "pl", "es"):
        translate(page, language)
    assert [cost(admin_client, LIST), cost(admin_client, card(offer))] == before
    assert before[0] <= 14
    assert before[1] <= 30


def test_search_filters_and_sorting(admin_client):
    make_offer(title="Ink", coupon_mode="any")
    make_offer(title="Pen", state="draft")
    for query in ("q=ink", "state=on_sale", "coupon_mode=any"):
        page = page_of(admin_client, f"{LIST}?{query}").split("Last published")[-1]
        says(page, "Ink")
        lacks(page, "Pen")
    for order in ("amount", "-order_count", "sales_until", "-state", "updated_at"):
        says(page_of(admin_client, f"{LIST}?ordering={order}"), "Ink")


def test_nobody_makes_edits_or_deletes_an_offer_by_hand(admin_client):
    offer = make_offer(title="Ink")
    for name in ("edit", "delete"):
        address = reverse(f"wagtail_kwiga_offers:{name}", args=[offer.pk])
        assert is_refused(admin_client.get(address))
        assert is_refused(admin_client.post(address, {"title": "Other"}))
    assert is_refused(admin_client.post(reverse("wagtail_kwiga_offers:add"), {"title": "New"}))
    admin_client.post(f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'offer', 'delete'])}?id={offer.pk}")
    assert list(m.Offer.objects.values_list("title", flat=True)) == ["Ink"]


def test_who_may_look_and_who_may_not():
    page = make_page(coupon_mode="any")
    offer = offer_of(page)
    coupon = make_coupon("ALL")
    client = somebody_who_may("view_offer")
    says(page_of(client, LIST), "Watercolour")
    html = html_of(client, card(offer))
    says(html, "ALL")
    lacks(
        html, reverse("wagtailadmin_pages:edit", args=[page.pk]), "Win back unpaid orders", "/admin/kwiga/orders/?offer"
    )
    lacks(html, reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk]))
    other = somebody_who_may("view_product", name="other")
    assert is_refused(other.get(LIST))
    assert is_refused(other.get(card(offer)))


def test_the_chooser_searches_and_leads_to_the_card(admin_client):
    make_offer(title="Pen")
    offer = make_offer(title="Ink")
    dialogue = json.loads(admin_client.get(CHOOSE).content)["html"]
    says(dialogue, "Ink", "€120.00", "on sale")
    lacks(dialogue, "Make a new one")
    found = admin_client.get(f"{CHOOSE}results/?q=ink").content.decode()
    says(found, "Ink")
    lacks(found, "Pen")
    chosen = json.loads(admin_client.get(f"{CHOOSE}chosen/{offer.pk}/").content)
    assert chosen["result"]["edit_url"] == card(offer)


def test_markup_is_shown_as_it_was_typed(admin_client):
    page = make_page(
        MARKUP, slug="markup", coupon_mode="only", coupons=[make_coupon("<b>C</b>")], products=[make_product(MARKUP)]
    )
    offer = offer_of(page)
    gates.name_coupons(offer, [m.Coupon.objects.get().pk])
    for address in (LIST, card(offer)):
        lacks(html_of(admin_client, address), MARKUP, "<b>C</b>")
