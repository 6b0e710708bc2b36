"""Coupons: the list, their uses, who may see and change them, choosing and deleting one."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.backoffice.coupon_screens import ADD, LIST, edit, inspect, typed, uses
from tests.backoffice.screens import (
    MARKUP,
    cost,
    html_of,
    is_refused,
    lacks,
    page_of,
    says,
    somebody_who_may,
)
from tests.offers.making import make_page, offer_of
from tests.orders.shop import books_receive, order_for
from tests.support import make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates

pytestmark = pytest.mark.django_db


# --- the list ---------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_a_coupon_is_and_how_to_make_one(admin_client):
    page = page_of(admin_client, LIST)
    says(page, "A coupon takes something off", "Add coupon")
    lacks(page_of(somebody_who_may("view_coupon"), LIST), "Add coupon")


def test_the_list_says_for_whom_how_much_is_left_and_until_when(admin_client):
    full, empty = make_list("Come back"), make_list("Nobody yet")
    for contact in (make_contact(), make_contact()):
        lists.add(full, contact)
        lists.add(full, contact, source="run:1")
    make_coupon("ALL")
    make_coupon("SOME", lists=[full, empty], limit_total=5, valid_until=conf.now() + dt.timedelta(days=3))
    make_coupon("NONE", lists=[empty])
    offer = make_offer(coupon_mode="any")
    order_for(make_contact(), offer, coupon=m.Coupon.objects.get(code="ALL"), now=conf.now())
    paid = order_for(make_contact(), offer, coupon=m.Coupon.objects.get(code="ALL"), now=conf.now())
    books_receive(paid, "102.00", now=conf.now())
    page = page_of(admin_client, LIST)
    says(page, "everybody", "2 people on “Come back”, “Nobody yet”", "nobody: “Nobody yet” is empty", "no limit", "15%")
    found = {coupon.code: coupon for coupon in m.Coupon.snippet_viewset.get_queryset(None)}
    assert (found["ALL"].held_now, found["ALL"].spent_uses, found["ALL"].left_now) == (1, 1, None)
    assert found["SOME"].left_now == 5


def test_the_list_costs_the_same_for_one_and_for_many(admin_client):
    offer = make_offer(coupon_mode="any")
    members = make_list()
    lists.add(members, make_contact())
    order_for(make_contact(), offer, coupon=make_coupon(), now=conf.now())
    make_coupon(lists=[members])
    one = cost(admin_client, LIST)
    for number in range(12):
        order_for(make_contact(), offer, coupon=make_coupon(), now=conf.now())
        another = make_list(f"List {number}")
        lists.add(another, make_contact())
        make_coupon(lists=[another, members])
    assert cost(admin_client, LIST) == one <= 16
    assert cost(admin_client, f"{LIST}?export=csv") <= 8
    assert cost(admin_client, f"{LIST}?export=xlsx") <= 8


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("q=autumn", "AUTUMN", "SPRING"),
        ("working=full", "FULL", "SPRING"),
        ("working=over", "OVER", "SPRING"),
        ("working=not_yet", "LATER", "SPRING"),
        ("working=yes", "SPRING", "OVER"),
        ("is_active=False", "ASLEEP", "SPRING"),
        ("kind=fixed", "TENNER", "SPRING"),
        ("ordering=-left_now", "AUTUMN", "nothing"),
        ("ordering=held_now", "AUTUMN", "nothing"),
        ("working=nonsense&kind=x", "SPRING", "nothing"),
    ],
)
def test_search_filters_and_sorting(admin_client, query, found, not_found):
    now, day = conf.now(), dt.timedelta(days=1)
    make_coupon("SPRING")
    make_coupon("AUTUMN", limit_total=3)
    make_coupon("FULL", limit_total=1)
    m.Coupon.objects.filter(code="FULL").update(used_count=1)
    make_coupon("OVER", valid_until=now - day)
    make_coupon("LATER", valid_from=now + day)
    make_coupon("ASLEEP", is_active=False)
    make_coupon("TENNER", percent=None, amount=10, currency="EUR")
    page = page_of(admin_client, f"{LIST}?{query}")
    says(page, found)
    lacks(page.split("Active", 1)[-1], not_found)


def test_filters_by_list_and_offer(admin_client):
    members, offer = make_list(), make_offer()
    make_coupon("FORLIST", lists=[members])
    make_coupon("FOROFFER", offers=[offer])
    says(page_of(admin_client, f"{LIST}?contact_lists={members.pk}"), "FORLIST")
    lacks(page_of(admin_client, f"{LIST}?contact_lists={members.pk}"), "FOROFFER")
    lacks(page_of(admin_client, f"{LIST}?offers={offer.pk}"), "FORLIST")


# --- uses -------------------------------------------------------------------------------------------------------------


def test_the_uses_say_who_with_which_order_and_how_it_stands(admin_client):
    coupon, offer = make_coupon("SPRING"), make_offer(coupon_mode="any")
    ada = order_for(make_contact("ada@example.com"), offer, coupon=coupon, now=conf.now())
    bob = order_for(make_contact("bob@example.com"), offer, coupon=coupon, now=conf.now())
    books_receive(bob, "102.00", now=conf.now())
    page = page_of(admin_client, uses(coupon))
    says(page, "ada@example.com", ada.number, "held", "bob@example.com", bob.number, "spent")
    lacks(page_of(admin_client, f"{uses(coupon)}?q=ada@"), "bob@example.com")
    lacks(page_of(admin_client, f"{uses(coupon)}?state=redeemed"), "ada@example.com")
    csv = b"".join(admin_client.get(f"{uses(coupon)}?export=csv").streaming_content).decode()
    assert ada.number in csv and "bob@example.com" in csv
    says(page_of(admin_client, uses(make_coupon())), "Nobody has ordered with this coupon yet")


def test_the_uses_cost_the_same_for_one_and_for_many(admin_client):
    coupon, offer = make_coupon("SPRING"), make_offer(coupon_mode="any")
    order_for(make_contact(), offer, coupon=coupon, now=conf.now())
    before = [cost(admin_client, uses(coupon) + query) for query in ("", "?export=csv", "?export=xlsx")]
    for _ in range(12):
        order_for(make_contact(), offer, coupon=coupon, now=conf.now())
    assert [cost(admin_client, uses(coupon) + query) for query in ("", "?export=csv", "?export=xlsx")] == before
    assert before[0] <= 14


# --- who may ----------------------------------------------------------------------------------------------------------


def test_who_may_only_look_gets_a_card_and_no_form():
    client = somebody_who_may("view_coupon")
    coupon = make_coupon("SPRING", note="For the fair")
    card = page_of(client, inspect(coupon))
    says(card, "Works for everybody", "For the fair", "Links with this coupon applied")
    lacks(card, "Show the uses")
    for address in (edit(coupon), ADD, uses(coupon), reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk])):
        assert is_refused(client.get(address)), address
    assert is_refused(client.post(edit(coupon), typed()))
    assert is_refused(client.post(ADD, typed(code="OTHER")))
    assert list(m.Coupon.objects.values_list("code", flat=True)) == ["SPRING"]


def test_the_uses_are_for_people_who_may_see_orders():
    coupon = make_coupon("SPRING")
    assert is_refused(somebody_who_may("change_coupon", name="editor").get(uses(coupon)))
    assert is_refused(somebody_who_may("view_order", name="clerk").get(uses(coupon)))
    both = somebody_who_may("view_coupon", "view_order", name="both")
    assert both.get(uses(coupon)).status_code == 200
    says(page_of(both, inspect(coupon)), "Show the uses")


def test_strangers_are_sent_away(client):
    coupon = make_coupon()
    for address in (LIST, ADD, edit(coupon), inspect(coupon), uses(coupon)):
        assert client.get(address).status_code == 302


def test_markup_is_shown_as_it_was_typed(admin_client):
    coupon = make_coupon("<b>X</b>", note=MARKUP, lists=[make_list(MARKUP)])
    page = make_page(MARKUP, slug="markup", coupon_mode="any")
    coupon.offers.add(offer_of(page), make_offer(title=MARKUP))
    order_for(make_contact(name=MARKUP), make_offer(coupon_mode="any"), coupon=coupon, now=conf.now())
    for address in (LIST, edit(coupon), inspect(coupon), uses(coupon), ADD):
        html = html_of(admin_client, address)
        lacks(html, MARKUP, "<b>X</b>")
        assert "onerror" in html or address in (ADD, LIST, uses(coupon)), address


def test_odd_addresses_are_not_found(admin_client):
    for address in ("uses/999/", "inspect/999/", "edit/999/"):
        assert admin_client.get(LIST + address).status_code == 404


# --- choosing ---------------------------------------------------------------------------------------------------------

CHOOSE = "/admin/snippets/choose/wagtail_kwiga/coupon/"


def test_the_chooser_searches_and_makes_one_on_the_spot(admin_client):
    make_coupon("SPRING", note="fair")
    make_coupon("AUTUMN")
    members = make_list("Come back")
    dialogue = json.loads(admin_client.get(CHOOSE).content)["html"]
    says(dialogue, "SPRING", "15%", "Make a new one", 'name="code"', "Come back")
    found = admin_client.get(f"{CHOOSE}results/?q=fair").content.decode()
    says(found, "SPRING")
    lacks(found, "AUTUMN")
    sent = {
        "code": "WINTER",
        "kind": "percent",
        "percent": "20",
        "amount": "",
        "currency": "EUR",
        "contact_lists": [members.pk],
    }
    made = json.loads(admin_client.post(f"{CHOOSE}create/", sent).content)
    assert made["step"] == "chosen"
    coupon = m.Coupon.objects.get(code="WINTER")
    assert made["result"]["id"] == str(coupon.pk)
    assert (coupon.percent, coupon.limit_per_contact, coupon.is_active) == (20, 1, True)
    assert list(coupon.contact_lists.all()) == [members]
    refused = json.loads(admin_client.post(f"{CHOOSE}create/", {**sent, "code": "winter"}).content)
    assert refused["step"] == "reshow_creation_form"
    says(refused["htmlFragment"], "There is a coupon with this code already: WINTER.")


def test_who_may_not_make_coupons_only_chooses():
    client = somebody_who_may("view_coupon")
    dialogue = json.loads(client.get(CHOOSE).content)["html"]
    lacks(dialogue, "Make a new one")
    says(dialogue, "There is nothing to choose from yet")
    assert is_refused(client.post(f"{CHOOSE}create/", {"code": "X", "kind": "percent", "percent": "5"}))
    assert not m.Coupon.objects.exists()


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_a_coupon_in_use_is_not_deleted_but_explained(admin_client):
    coupon, free = make_coupon("USED"), make_coupon("FREE")
    order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    answer = admin_client.post(reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk]), follow=True)
    assert "cannot be deleted, because it is in use" in answer.content.decode()
    bulk = f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'coupon', 'delete'])}?id={coupon.pk}&id={free.pk}"
    admin_client.post(bulk)
    assert m.Coupon.objects.count() == 2
    admin_client.post(reverse("wagtail_kwiga_coupons:delete", args=[free.pk]))
    assert list(m.Coupon.objects.values_list("code", flat=True)) == ["USED"]


def test_usage_and_history_are_there(admin_client):
    coupon = make_coupon("SPRING")
    page = make_page(coupon_mode="only", coupons=[coupon])
    gates.name_coupons(offer_of(page), [coupon.pk])
    admin_client.post(edit(coupon), typed(percent="20"))
    says(page_of(admin_client, reverse("wagtail_kwiga_coupons:usage", args=[coupon.pk])), "Watercolour")
    says(page_of(admin_client, reverse("wagtail_kwiga_coupons:history", args=[coupon.pk])), "Edited")


def test_an_end_to_come_is_told_as_a_day_and_not_as_just_now(admin_client):
    """Wagtail's own column of instants knows only the past."""
    coupon = make_coupon("SPRING", valid_until=conf.now() + dt.timedelta(days=400))
    year = timezone.localtime(coupon.valid_until).strftime("%Y")
    html = admin_client.get(LIST).content.decode()
    assert re.search(rf'<time datetime="{year}-[^"]+"', html)
    order_for(make_contact("ada@example.com"), make_offer(coupon_mode="any"), coupon=coupon, now=conf.now())
    held = m.CouponUse.objects.get().reserved_until
    assert timezone.localtime(held).isoformat() in admin_client.get(uses(coupon)).content.decode()
