"""A purchase of which a part was paid: nobody buys round it, and once its time is over it is a person's business."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.orders.shop import books_receive, fresh, nobody, order_for
from tests.support import START, after, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import AlreadyPartlyPaid
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import expiry
from wagtail_kwiga.orders.drafts import Joining


@pytest.fixture
def part(ada, course):
    """20 of 120, paid at once; its time ends after 14 days."""
    order = order_for(ada, make_offer(course))
    books_receive(order, "20", now=after(minutes=1))
    return fresh(order)


def on_the_list(order: m.Order) -> list[str]:
    return list(writing.open_about(m.Order, order.pk).values_list("code", flat=True))


@pytest.mark.parametrize("joins", [Joining.AUTO, "given"])
def test_another_plan_does_not_go_round_a_part_that_is_paid(ada, course, part, joins):
    given = part.purchase_id if joins == "given" else joins
    with pytest.raises(AlreadyPartlyPaid) as refusal:
        order_for(ada, make_offer(course, amount="200"), joins_purchase=given, now=after(days=13, hours=23))
    assert refusal.value.facts["order"] == part.pk


@pytest.mark.parametrize("swept", [True, False])
def test_when_its_time_is_over_it_bars_nobody_and_is_a_persons_business(ada, course, part, swept):
    """By the clock, whether or not the sweep has come round (promise 5)."""
    now = part.expires_at
    if swept:
        assert expiry.expire_due(now) == 0
        assert on_the_list(part) == ["order.part_overdue"]
    offer = fresh(part).offer
    placed = order_for(ada, offer, now=now, vouch=nobody)
    assert (placed.status, placed.purchase_id != part.purchase_id) == ("open", True)
    part.refresh_from_db()
    assert (part.status, part.purchase.set_aside_at, part.purchase.closed_at) == ("partly_paid", now, None)
    assert on_the_list(part) == ["order.part_overdue"]
    # from then on, the new one is the buyer's purchase
    assert order_for(ada, offer, now=now + dt.timedelta(minutes=1)).purchase_id == placed.purchase_id


def test_it_goes_on_the_list_once(part):
    for days in (14, 15, 400):
        expiry.expire_due(after(days=days))
    assert on_the_list(part) == ["order.part_overdue"]
    assert fresh(part).purchase.set_aside_at == after(days=14)


def test_a_microsecond_before_its_time_it_is_not_on_the_list(part):
    expiry.expire_due(part.expires_at - dt.timedelta(microseconds=1))
    assert on_the_list(part) == []


def test_a_part_of_an_older_order_leads_its_buyer_too(ada, course):
    """A part came late for the course; meanwhile a bundle was looked at, and then something else of it ordered."""
    oil = make_product("Oil")
    only_course = make_offer(course)
    older = order_for(ada, only_course)
    order_for(ada, make_offer(course, oil), now=after(minutes=1))
    newest = order_for(ada, make_offer(oil), now=after(minutes=2))
    books_receive(older, "20", now=after(minutes=3))
    with pytest.raises(AlreadyPartlyPaid) as refusal:
        order_for(ada, only_course, now=after(minutes=4))
    assert refusal.value.facts["order"] == older.pk
    assert fresh(newest).status == "open"


def test_its_rest_is_still_taken(ada, part):
    expiry.expire_due(after(days=14))
    books_receive(part, "100", now=after(days=30))
    assert (fresh(part).status, fresh(part).purchase.paid_at) == ("paid", after(days=30))


def test_a_part_beside_an_open_order_waits_until_that_is_over(ada, course):
    """The money came late, for an order that a newer one had replaced."""
    offer = make_offer(course)
    older = order_for(ada, offer)
    newer = order_for(ada, offer, now=after(days=10))
    books_receive(older, "20", now=after(days=11))
    expiry.expire_due(after(days=14))
    assert "order.part_overdue" not in on_the_list(older)
    placed = order_for(ada, offer, now=after(days=15))
    assert (fresh(newer).status, fresh(newer).purchase_id) == ("superseded", placed.purchase_id)
    assert fresh(older).purchase.set_aside_at == after(days=15)


def test_the_sweep_asks_as_often_for_many_as_for_one(db, django_assert_num_queries):
    def parts(number: int) -> None:
        for _ in range(number):
            books_receive(order_for(make_contact(), make_offer()), "20", now=START)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            expiry.expire_due(after(days=14))
        return len(queries)

    parts(1)
    one = statements()
    parts(12)
    assert statements() == one
    with django_assert_num_queries(1):
        expiry.expire_due(after(days=14))
