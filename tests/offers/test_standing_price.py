"""Whoever follows the link of a mail never pays more than their standing order binds them to (promise 3), over real HTTP."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.offers import making
from tests.offers.making import fields_of, order, text_of
from tests.support import after, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

STANDS = "Your order still stands at the price agreed."
LATER = after(minutes=31)


@pytest.fixture
def standing(client, page):
    """An order at 120.00, left unpaid half an hour ago; the page takes any coupon."""
    page.coupon_mode = "any"
    page.save_revision().publish()
    order(client, page.url)
    making.set_clock(LATER)
    return m.Order.objects.get()


def ask(page, amount: str) -> None:
    """Editors change the price."""
    page.price = Decimal(amount)
    page.save_revision().publish()


def link_of(placed: m.Order, coupon: m.Coupon | None = None) -> str:
    return links.resume_url(placed, coupon.token if coupon else None, LATER).replace("http://localhost", "")


def led_to(client, placed, coupon=None) -> str:
    return client.get(link_of(placed, coupon))["Location"]


def test_a_price_that_was_raised_does_not_reach_whoever_follows_the_mail(client, page, standing):
    ask(page, "200.00")
    where = led_to(client, standing)
    assert where.startswith("/shop/pay/")
    shown = text_of(client.get(where))
    assert STANDS in shown and "Pay €120.00" in shown and "€200.00" not in shown


def test_a_smaller_discount_than_the_one_that_stands_leads_to_paying_that(client, page, standing):
    order(client, page.url, coupon=make_coupon("SPRING30", percent="30").code)
    ordered = m.Order.objects.latest("pk")
    assert ordered.total_amount == 84
    shown = text_of(client.get(led_to(client, ordered, make_coupon("COMEBACK15"))))
    assert STANDS in shown and "Pay €84.00" in shown


def test_the_link_of_an_order_that_was_superseded_leads_to_the_one_that_stands(client, page, standing):
    order(client, page.url)
    newest = m.Order.objects.latest("pk")
    ask(page, "200.00")
    assert newest.number in text_of(client.get(led_to(client, standing)))


@pytest.mark.parametrize("how", ["sale over", "taken down"])
def test_when_the_offer_is_not_for_sale_any_more_what_stands_can_still_be_paid(client, page, standing, how):
    if how == "sale over":
        m.Offer.objects.update(sales_until=LATER)
    else:
        page.unpublish()
    shown = text_of(client.get(led_to(client, standing)))
    assert "Pay €120.00" in shown
    making.set_clock(after(days=7))
    answer = client.get(link_of(standing))
    assert (
        answer.status_code == 410
        if how == "taken down"
        else "Sales have ended" in text_of(client.get(answer["Location"]))
    )


def test_where_the_page_is_as_good_or_better_it_leads_there(client, page, standing):
    assert "#order" in led_to(client, standing)
    assert "#order" in led_to(client, standing, make_coupon("COMEBACK15"))
    ask(page, "139.00")  # less 15 %: 118.15
    assert "#order" in led_to(client, standing, m.Coupon.objects.get(code="COMEBACK15"))
    ask(page, "100.00")
    assert "#order" in led_to(client, standing)


def test_a_coupon_that_ended_leads_to_paying_what_stands(client, page, standing):
    coupon = make_coupon("COMEBACK15", valid_until=LATER)
    ask(page, "121.00")
    assert "Pay €120.00" in text_of(client.get(led_to(client, standing, coupon)))


def test_when_it_no_longer_binds_the_link_leads_to_todays_price(client, page, standing):
    ask(page, "200.00")
    making.set_clock(after(days=7))
    response = client.get(led_to(client, standing).removesuffix("#order"))
    assert "Order and pay €200.00" in text_of(response)


def test_a_page_that_was_open_already_does_not_replace_it(client, page, standing):
    """The form was opened by the link before the price rose; whoever sends it agrees to the new price, and is led on."""
    address = led_to(client, standing).removesuffix("#order")
    ask(page, "200.00")
    fields = fields_of(client.get(address))
    response = Client().post(page.url, fields)
    assert response.status_code == 302
    assert "Pay €120.00" in text_of(client.get(response["Location"]))
    standing.refresh_from_db()
    assert (standing.status, m.Order.objects.count()) == ("open", 1)


def test_the_browser_that_ordered_is_led_to_what_stands(client, page, standing):
    ask(page, "200.00")
    response = order(client, page.url)
    assert response["Location"].startswith("/shop/pay/")
    assert m.Order.objects.count() == 1


def test_another_browser_is_told_nothing_and_the_address_gets_the_way_to_pay(page, standing, mailoutbox):
    ask(page, "200.00")
    words = text_of(order(Client(), page.url))
    assert "An order for this address is under way. We have sent a mail with the link to it." in words
    assert "€120.00" not in words and standing.number not in words
    delivery.deliver_due(LATER)
    (mail,) = [one for one in mailoutbox if one.subject == "Your order is waiting"]
    assert "Your order still holds its price, which is better than today's." in mail.body
    link = next(word for word in mail.body.split() if "/shop/pay/" in word)
    assert "Pay €120.00" in text_of(Client().get(link.replace("http://localhost", "")))
    standing.refresh_from_db()
    assert (standing.status, m.Order.objects.count()) == ("open", 1)


def test_following_a_link_only_reads_and_costs_a_fixed_number_of_queries(client, page, standing):
    ask(page, "200.00")
    link = link_of(standing)
    client.get(link)
    with CaptureQueriesContext(connection) as queries:
        client.get(link)
    asked = [query["sql"] for query in queries]
    assert [sql for sql in asked if not sql.startswith("SELECT")] == []
    assert len([sql for sql in asked if "wagtail_kwiga" in sql]) == 1, asked
