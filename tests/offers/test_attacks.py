"""Attacks through the order form that once succeeded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.offers import making
from tests.offers.making import fill_in, make_page, order, text_of
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("currency", ["USD", "PLN"])
def test_another_currency_than_was_shown_is_asked_about(client, page, currency):
    _page, sent = fill_in(client, page.url)
    page.currency = currency
    page.save_revision().publish()
    assert client.post(page.url, sent).status_code == 200
    assert not m.Order.objects.exists()


def test_a_refunded_purchase_may_be_bought_again_by_its_link(client, page):
    order(client, page.url)
    bought = m.Order.objects.get()
    link = links.resume_url(bought, None, START).replace("http://localhost", "")
    books_receive(bought, "120", now=after(minutes=1))
    ledger.record_refund(order=bought, amount=Decimal(120), now=after(minutes=2))
    making.set_clock(after(minutes=3))
    words = text_of(client.get(client.get(link)["Location"].removesuffix("#order")))
    assert "You have it" not in words


def test_visitors_behind_one_proxy_do_not_share_a_limit(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_IP": 3}
    client.defaults["REMOTE_ADDR"] = "10.0.0.1"
    assert {order(client, page.url, email=f"b{n}@example.com").status_code for n in range(5)} == {302}


def test_a_proxy_that_is_named_tells_them_apart(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_IP": 3, "CLIENT_IP_HEADER": "HTTP_X_REAL_IP"}
    client.defaults["REMOTE_ADDR"] = "10.0.0.1"
    client.defaults["HTTP_X_REAL_IP"] = "192.168.7.7"
    assert [order(client, page.url, email=f"b{n}@example.com").status_code for n in range(4)] == [302, 302, 302, 429]
    client.defaults["HTTP_X_REAL_IP"] = "192.168.7.8"
    assert order(client, page.url, email="c@example.com").status_code == 302


def test_codes_are_counted_in_a_form_that_is_not_filled_in(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "COUPON_TRIES_PER_IP": 3}
    client.defaults["REMOTE_ADDR"] = "9.9.9.9"
    members = make_list()
    make_coupon("COMEBACK15", lists=[members])
    lists.add(members, make_contact("v@example.com"), now=START)
    tried = [
        client.post(page.url, {"email": f"x{number}@example.com", "coupon": "COMEBACK15", "name": ""})
        for number in range(5)
    ]
    assert [answer.status_code for answer in tried] == [200, 200, 200, 429, 429]
    assert "another address" not in text_of(tried[-1])


def test_a_free_offer_does_not_flood_an_address_with_receipts(client, seller):
    page = make_page(price=Decimal(0))
    for _ in range(6):
        order(client, page.url, email="v@example.com")
    assert m.OutgoingEmail.objects.filter(to_email="v@example.com").count() <= 2


def test_a_site_without_our_urls_takes_no_order_and_says_so(client, page, settings):
    settings.ROOT_URLCONF = "tests.offers.urls_without"
    assert client.get(page.url).status_code == 200
    answer = order(client, page.url)
    assert answer.status_code == 200
    assert "Orders cannot be taken at the moment" in text_of(answer)
    assert making.fields_of(answer)["email"] == "ada@example.com"
    assert not m.Order.objects.exists()
