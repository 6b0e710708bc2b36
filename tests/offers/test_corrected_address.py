"""A buyer who mistyped the address orders once more from the same browser: the first order is superseded, and its address is left
in peace."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.mailing.making import queue_one
from tests.offers import making
from tests.offers.making import make_page, order, text_of
from tests.support import START, after, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.orders import links, transitions

pytestmark = pytest.mark.django_db

TYPO, RIGHT = "ada@gmial.example", "ada@gmail.example"


@pytest.fixture
def mistyped(client, page):
    order(client, page.url, email=TYPO)
    making.set_clock(after(minutes=2))
    return m.Order.objects.get()


def status_of(placed) -> str:
    placed.refresh_from_db()
    return placed.status


def corrected(client, page, **typed) -> m.Order:
    assert order(client, page.url, **{"email": RIGHT, **typed}).status_code == 302
    return m.Order.objects.latest("pk")


def test_the_first_order_gives_way_to_the_second(client, page, mistyped):
    newer = corrected(client, page)
    assert (status_of(mistyped), mistyped.superseded_by) == ("superseded", newer)
    assert (newer.status, newer.contact.email) == ("open", RIGHT)
    assert newer.purchase_id != mistyped.purchase_id and mistyped.contact.email == TYPO
    told = [[writing.sentence(entry) for entry in writing.timeline(one)] for one in (mistyped, newer)]
    assert f"Replaced by order {newer.number}, placed from the same browser with another address" in told[0]
    assert f"Takes the place of {mistyped.number}, placed from the same browser with another address" in told[1]


def test_the_stranger_at_the_first_address_gets_no_promotion(client, page, mistyped):
    queue_one(mistyped.contact, order=mistyped, coupon=make_coupon())
    corrected(client, page)
    # Nor the confirmation that had not left yet; the right address gets its own.
    assert deliver_due(after(minutes=31)) == DeliverySummary(sent=1, cancelled=2)
    assert m.OutgoingEmail.objects.get(status="sent").to_email == RIGHT


def test_nor_a_look_at_the_second_order(client, page, mistyped):
    links_of_first = [links.pay_url(mistyped, START), links.order_url(mistyped, START)]
    newer = corrected(client, page)
    for url in links_of_first:
        shown = Client().get(url.replace("http://localhost", ""), follow=True)
        assert newer.number not in text_of(shown) and RIGHT not in text_of(shown)


def test_paying_the_second_leaves_nothing_open(client, page, mistyped):
    newer = corrected(client, page)
    from tests.orders.shop import books_receive

    books_receive(newer, "120", now=after(minutes=3))
    assert set(m.Order.objects.values_list("status", flat=True)) == {"superseded", "paid"}


def test_its_coupon_has_a_place_again(client, page):
    coupon = make_coupon("SPRING", percent="20", limit_total=2)
    order(client, page.url, email=TYPO, coupon="SPRING")
    corrected(client, page, coupon="SPRING")
    coupon.refresh_from_db()
    assert coupon.used_count == 1
    assert sorted(m.CouponUse.objects.values_list("state", flat=True)) == ["released", "reserved"]


def test_another_browser_proves_nothing(page, mistyped):
    corrected(Client(), page)
    assert status_of(mistyped) == "open"


def test_another_person_at_the_same_browser_is_another_buyer(client, page, mistyped):
    corrected(client, page, name="Ben Other")
    assert status_of(mistyped) == "open"
    assert not m.TimelineEntry.objects.filter(code="order.corrects").exists()


def test_the_name_may_be_typed_a_little_otherwise(client, page, mistyped):
    corrected(client, page, name=" ada  BUYER ")
    assert status_of(mistyped) == "superseded"


def test_something_else_is_something_else(client, page, mistyped):
    corrected(client, make_page("Oil", coupon_mode="any"))
    assert status_of(mistyped) == "open"


def test_another_plan_of_the_same_is_the_same(client, page, mistyped):
    product = page.products[0].value["product"]
    corrected(client, make_page("Watercolour and more", products=[product, making.make_product("Oil")]))
    assert status_of(mistyped) == "superseded"


def test_money_on_its_way_is_waited_for(client, page, mistyped):
    transitions.start_processing(mistyped, now=START)
    corrected(client, page)
    assert status_of(mistyped) == "processing"


def test_it_costs_nothing_where_the_browser_knows_no_order(page, client):
    def cost(browser, **typed):
        with CaptureQueriesContext(connection) as queries:
            assert order(browser, page.url, **typed).status_code == 302
        return len(queries)

    order(Client(), page.url, email="warm@example.com")
    fresh = Client()
    plain = cost(fresh, email="one@example.com", name="One")
    assert cost(fresh, email="two@example.com", name="Two") <= plain + 4  # asked, its people and its rows locked
