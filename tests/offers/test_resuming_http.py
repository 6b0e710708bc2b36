"""Coming back by the button of the mail, over real HTTP."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.offers import making
from tests.offers.making import BUYER, fields_of, make_page, order, text_of, translate
from tests.support import START, after, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def left(client, page):
    """An order left unpaid; 30 minutes later its contact is on the list of a coupon, for 24 hours."""
    people = make_list()
    coupon = make_coupon("COMEBACK15", lists=[people])
    page.coupon_mode = "only"
    page.coupons = [("coupon", coupon)]
    page.save_revision().publish()
    order(client, page.url)
    placed = m.Order.objects.get()
    making.set_clock(after(minutes=31))
    lists.add(people, placed.contact, until=after(hours=24, minutes=30), source="run:1", now=after(minutes=30))
    placed.link = links.resume_url(placed, coupon.token, after(minutes=30)).replace("http://localhost", "")
    return placed


def follow(client, link):
    """What a browser shows after the button was pressed."""
    first = client.get(link)
    assert first.status_code == 302, first.content
    assert first["Location"].endswith("#order")
    return client.get(first["Location"].removesuffix("#order"))


def test_the_link_leads_to_the_page_at_the_form_with_everything_applied(client, page, left):
    response = follow(client, left.link)
    words = text_of(response)
    assert "€102.00 instead of €120.00 −15%" in words
    assert "This price is yours until March 2, 2027, 1:30 p.m. CET" in words
    fields = fields_of(response)
    assert (fields["name"], fields["email"], fields["coupon"]) == ("Ada Buyer", "ada@example.com", "COMEBACK15")
    for header, value in (
        ("Cache-Control", "private, no-store"),
        ("Referrer-Policy", "same-origin"),
        ("X-Robots-Tag", "noindex"),
    ):
        assert response[header] == value


def test_what_is_held_already_is_neither_asked_nor_shown(client, page, left):
    response = follow(client, left.link)
    assert "phone" not in fields_of(response)
    assert "600 100 200" not in text_of(response)
    assert b"600 100 200" not in response.content


def test_paying_by_the_link_costs_fifteen_percent_less(client, page, left):
    response = client.post(page.url, fields_of(follow(client, left.link)))
    assert response.status_code == 302
    newest = m.Order.objects.get(status="open")
    assert (newest.total_amount, newest.purchase_id) == (Decimal(102), left.purchase_id)
    assert newest.buyer_phone == "+48 600 100 200"
    left.refresh_from_db()
    assert left.status == "superseded"


def test_the_link_can_be_followed_again_and_again(client, page, left):
    for _time in range(3):
        client.post(page.url, fields_of(follow(client, left.link)))
    assert "€102.00" in text_of(follow(client, left.link))
    newest = m.Order.objects.get(status="open")
    assert newest.total_amount == 102
    assert newest.coupon.uses.filter(state="reserved").count() == 1


def test_link_scanners_change_nothing(client, page, left):
    before = list(m.Order.objects.values())
    with CaptureQueriesContext(connection) as queries:
        for method in (client.get, client.head):
            where = method(left.link)["Location"].removesuffix("#order")
            method(where)
    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []
    assert list(m.Order.objects.values()) == before
    assert client.post(left.link).status_code == 405


def test_it_gives_no_session(client, page, left):
    visitor = Client()
    follow(visitor, left.link)
    assert set(visitor.cookies) <= {"csrftoken"}


def test_after_the_deadline_it_is_the_normal_page_with_one_kind_sentence(client, page, left):
    making.set_clock(after(hours=24, minutes=30))
    response = follow(client, left.link)
    words = text_of(response)
    assert "This discount has ended for you" in words
    assert "You are welcome to order at the normal price." in words
    assert "€102.00" not in words
    assert "Order and pay €120.00" in words
    fields = fields_of(response)
    assert (fields["email"], fields["coupon"]) == ("ada@example.com", "")
    assert client.post(page.url, fields).status_code == 302
    assert m.Order.objects.get(status="open").total_amount == 120


def test_a_minute_before_the_deadline_it_still_holds(client, page, left):
    making.set_clock(after(hours=24, minutes=29))
    assert "€102.00" in text_of(follow(client, left.link))


def test_a_deadline_that_passes_while_the_form_is_open(client, page, left):
    fields = fields_of(follow(client, left.link))
    making.set_clock(after(hours=24, minutes=31))
    response = client.post(page.url, fields)
    words = text_of(response)
    assert response.status_code == 200
    assert "This discount has ended for you" in words
    assert "Order and pay €120.00" in words
    assert m.Order.objects.count() == 1
    assert client.post(page.url, fields_of(response)).status_code == 302
    assert m.Order.objects.get(status="open").total_amount == 120


def test_another_address_in_the_form_is_told_kindly(client, page, left):
    sent = fields_of(follow(client, left.link)) | {"email": "stranger@example.com"}
    response = client.post(page.url, sent)
    words = text_of(response)
    assert "made for another address" in words
    assert "Order and pay €120.00" in words
    assert "600 100 200" not in words
    assert m.Order.objects.count() == 1
    again = fields_of(response)
    assert (again["email"], again["coupon"], again["phone"]) == ("stranger@example.com", "", "")
    client.post(page.url, again)
    placed = m.Order.objects.get(contact__email="stranger@example.com")
    assert (placed.total_amount, placed.buyer_phone, placed.contact.phone) == (120, "", "")


def test_another_address_is_asked_for_the_phone_where_it_must_be_given(client, page, left):
    page.ask_phone = "required"
    page.save_revision().publish()
    shown = follow(client, left.link)
    assert "phone" not in fields_of(shown)
    response = client.post(page.url, fields_of(shown) | {"email": "stranger@example.com"})
    assert "Please give a phone number." in text_of(response)
    assert m.Order.objects.count() == 1


def test_a_paid_purchase_says_you_have_it_with_the_way_in(client, page, left):
    ledger.record_payment(order=left, amount=left.total, method="bank", now=after(minutes=40))
    response = follow(client, left.link)
    words = text_of(response)
    assert "You have it" in words
    assert b'href="/course/"' in response.content
    assert b"<form" not in response.content
    for personal in ("ada@example.com", "Ada Buyer", "600 100 200"):
        assert personal not in words


def test_a_later_order_of_the_same_purchase_paid_says_so_as_well(client, page, left):
    client.post(page.url, fields_of(follow(client, left.link)))
    newer = m.Order.objects.get(status="open")
    ledger.record_payment(order=newer, amount=newer.total, method="bank", now=after(minutes=40))
    assert "You have it" in text_of(follow(client, left.link))


def test_a_way_in_that_is_a_script_is_no_link(client, page, left):
    m.Product.objects.update(entry_url="javascript:alert(1)")
    ledger.record_payment(order=left, amount=left.total, method="bank", now=after(minutes=40))
    assert b"javascript:" not in follow(client, left.link).content


def test_a_link_of_an_expired_order_still_leads_back(client, page, left):
    transitions.expire(left, now=after(days=14, minutes=1))
    making.set_clock(after(days=15))
    assert "Order and pay €120.00" in text_of(follow(client, left.link))


@pytest.mark.parametrize("spoil", [lambda token: token[:-4], lambda token: "x" + token, lambda token: "a" * 5000])
def test_a_spoilt_link_is_told_kindly(client, page, left, spoil):
    token = left.link.rstrip("/").rsplit("/", 1)[1]
    response = client.get(f"/shop/resume/{spoil(token)}/")
    assert response.status_code == 404
    assert "This link is not complete" in text_of(response)


def test_a_token_of_another_purpose_opens_nothing(client, page, left):
    for url in (links.pay_url(left, START), links.order_url(left, START)):
        token = url.rstrip("/").rsplit("/", 1)[1]
        assert client.get(f"/shop/resume/{token}/").status_code == 404
        assert "ada@example.com" not in text_of(client.get(f"{page.url}?resume={token}"))


def test_a_link_too_old_is_gone(client, page, left):
    making.set_clock(after(days=91))
    response = client.get(left.link)
    assert response.status_code == 410
    token = left.link.rstrip("/").rsplit("/", 1)[1]
    assert "ada@example.com" not in text_of(client.get(f"{page.url}?resume={token}"))


def test_a_token_opens_nothing_on_another_offer(client, page, left):
    other = make_page("Other", coupon_mode="any")
    token = left.link.rstrip("/").rsplit("/", 1)[1]
    words = text_of(client.get(f"{other.url}?resume={token}"))
    assert "€120.00" in words
    assert "ada@example.com" not in words


WORKS = "The newest mail from us has a link that works."


def test_an_offer_no_longer_sold_is_told_kindly(client, page, left):
    """Once the order does not bind any more; until then it leads to paying that (``test_standing_price``)."""
    page.unpublish()
    making.set_clock(left.price_holds_until)
    response = client.get(left.link)
    assert response.status_code == 410
    words = text_of(response)
    assert "no longer on sale" in words
    assert WORKS not in words  # there is none


def test_of_an_order_that_nobody_knows_the_page_says_one_thing(client, left):
    m.Contact.objects.filter(pk=left.contact_id).update(email="somebody.else@example.com")
    response = client.get(left.link)
    assert response.status_code == 410
    words = text_of(response)
    assert "We do not know any more what this link was about." in words
    assert WORKS not in words


@pytest.mark.parametrize("how", ["page unpublished", "sales over"])
def test_what_was_ordered_can_be_paid_by_the_link_when_the_offer_is_sold_no_more(client, page, left, how):
    """The price agreed binds, and the pay link of the same order takes the money: no link about it may end at a closed door."""
    if how == "page unpublished":
        page.unpublish()
    else:
        m.Offer.objects.update(sales_until=after(minutes=30))
    response = client.get(left.link)
    assert response.status_code == 302
    words = text_of(client.get(response["Location"]))
    assert "Your order still stands at the price agreed." in words
    assert "Pay €120.00" in words


def test_what_was_paid_is_shown_when_the_page_is_gone(client, page, left):
    ledger.record_payment(order=left, amount=left.total_amount, method="bank", now=after(minutes=31))
    page.unpublish()
    response = client.get(left.link)
    assert response.status_code == 302
    assert "Paid. Thank you!" in text_of(client.get(response["Location"]))


def test_the_link_leads_to_the_page_in_the_orders_language(client, page, left):
    german = translate(page, "de", title="Aquarell")
    m.Order.objects.update(language="de")
    assert client.get(left.link)["Location"].startswith(german.url)


def test_a_link_without_a_coupon_fills_in_the_form(client, page, left):
    link = links.resume_url(left, None, after(minutes=31)).replace("http://localhost", "")
    response = follow(client, link)
    assert "€120.00" in text_of(response)
    assert fields_of(response)["email"] == "ada@example.com"


def test_coming_back_costs_a_small_constant_more(client, page, left, capsys):
    where = client.get(left.link)["Location"].removesuffix("#order")
    with CaptureQueriesContext(connection) as plain:
        client.get(page.url)
    with CaptureQueriesContext(connection) as resumed:
        client.get(where)
    with CaptureQueriesContext(connection) as redirect:
        client.get(left.link)
    with capsys.disabled():
        print(f"\nresume: page {len(resumed)} queries (plain {len(plain)}), redirect {len(redirect)}")
    assert len(resumed) <= len(plain) + 7  # two of them ask what the reader owns already
    assert len(redirect) <= 5


def test_somebody_who_never_ordered_types_code_and_address_without_the_link(client, page, left):
    response = order(Client(), page.url, **BUYER, coupon="comeback15")
    assert response.status_code == 302
    assert m.Order.objects.get(status="open").total_amount == 102
