"""Screens for products, offers, coupons and contact lists."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon, make_list, make_offer, make_product
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists

pytestmark = pytest.mark.django_db

NAMES = ["coupons", "lists", "products", "offers"]


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_pages_empty_and_full_at_the_same_cost(admin_client, name):
    address = reverse(f"wagtail_kwiga_{name}:list")

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(address).status_code == 200
        return len(queries)

    cost()
    offer = make_offer(coupon_mode="any")
    make_coupon(lists=[make_list()])
    one = cost()
    for _ in range(12):
        order_for(make_contact(), offer, coupon=make_coupon(lists=[]))
        make_coupon(lists=[make_list(f"List {_}"), make_list()])
        make_offer(make_product())
    assert cost() == one <= 14


def coupon_data(**given):
    return {
        "code": "SPRING", "kind": "percent", "percent": "15", "amount": "", "currency": "", "valid_from": "",
        "valid_until": "", "limit_total": "", "limit_per_contact": "1", "is_active": "on", "note": "", **given,
    }  # fmt: skip


def test_an_editor_makes_a_coupon(admin_client):
    page = admin_client.get(reverse("wagtail_kwiga_coupons:add")).content.decode()
    assert 'name="code"' in page
    answer = admin_client.post(reverse("wagtail_kwiga_coupons:add"), coupon_data())
    assert answer.status_code == 302
    assert m.Coupon.objects.get().percent == 15


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"percent": ""}, "How many percent"),
        ({"percent": "0"}, "How many percent"),
        ({"percent": "101"}, "less than or equal to 100"),
        ({"kind": "fixed", "percent": ""}, "How much does it take off"),
        ({"kind": "fixed", "percent": "", "amount": "5"}, "In which currency"),
        ({"code": ""}, "required"),
        ({"valid_from": "2027-03-02 10:00", "valid_until": "2027-03-01 10:00"}, "before it begins"),
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused_in_words(admin_client, given, words):
    answer = admin_client.post(reverse("wagtail_kwiga_coupons:add"), coupon_data(**given))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not m.Coupon.objects.exists()


def test_a_code_taken_already_in_other_letters_is_refused(admin_client):
    make_coupon("spring")
    answer = admin_client.post(reverse("wagtail_kwiga_coupons:add"), coupon_data())
    assert "There is a coupon with this code already" in answer.content.decode()


def test_the_list_of_coupons_says_who_and_how_much_is_left(admin_client):
    coupon = make_coupon("FIVE", limit_total=5, lists=[make_list("Come back")])
    everybody = make_coupon("ALL")
    order_for(make_contact(), make_offer(coupon_mode="any"), coupon=everybody, now=conf.now())
    page = admin_client.get(reverse("wagtail_kwiga_coupons:list")).content.decode()
    for words in (coupon.code, "Come back", "everybody", "no limit", "15%"):
        assert words in page, words


def test_the_list_of_lists_counts_who_is_on_now(admin_client):
    members = make_list("Come back")
    make_list("Nobody yet")
    contact = make_contact()
    lists.add(members, contact, now=conf.now())
    lists.add(members, contact, source="run:1", now=conf.now())
    page = admin_client.get(reverse("wagtail_kwiga_lists:list")).content.decode()
    assert "1 person" in page
    assert "nobody" in page


def test_a_coupon_in_use_is_not_deleted_but_explained(admin_client):
    coupon = make_coupon()
    order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    admin_client.post(reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk]))
    assert m.Coupon.objects.filter(pk=coupon.pk).exists()


def test_a_list_that_a_coupon_is_for_is_not_deleted_so_the_coupon_stays_closed(admin_client):
    members = make_list()
    coupon = make_coupon(lists=[members])
    answer = admin_client.post(reverse("wagtail_kwiga_lists:delete", args=[members.pk]), follow=True)
    assert "cannot be deleted, because it is in use" in answer.content.decode()
    assert list(coupon.contact_lists.all()) == [members]


def test_a_product_is_made(admin_client):
    data = {"title": "Ink", "slug": "ink", "kind": "course", "entry_url": "/ink/", "description": ""}
    assert admin_client.post(reverse("wagtail_kwiga_products:add"), data).status_code == 302
    assert m.Product.objects.get().slug == "ink"
