"""What follows from having it already: open orders close, and whoever paid twice is told to a person."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.terms import AccessTerms, Length
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.drafts import Joining
from wagtail_kwiga.orders.events import OrdersClosed
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


def offer_for(product: m.Product, access: AccessTerms, **given) -> m.Offer:
    offer = make_offer(product, **given)
    offer.offer_products.update(access_terms=access.to_json())
    return offer


def pay(order: m.Order, *, at: dt.datetime) -> m.Order:
    books_receive(order, str(order.total_amount), now=at)
    order.refresh_from_db()
    return order


def flagged(order: m.Order) -> list[str]:
    return list(writing.open_about(m.Order, order.pk).values_list("code", flat=True))


# --- bought twice -----------------------------------------------------------------------------------------------------


def test_the_same_paid_twice_is_a_persons_business(ada, course):
    offer = make_offer(course)
    first = pay(order_for(ada, offer), at=after(minutes=1))
    second = pay(order_for(ada, make_offer(course, amount="90"), now=after(days=1)), at=after(days=1))
    assert (flagged(first), flagged(second)) == ([], ["order.bought_twice"])
    (entry,) = writing.open_about(m.Order, second.pk)
    assert first.number in writing.sentence(entry)
    assert second.status == "paid"


NOT_TWICE = {
    "staff made it": {"origin": "staff"},
    "an import made it": {"origin": "import"},
    "added knowingly": {"joins_purchase": Joining.OWN_SLOT},
}


@pytest.mark.parametrize("given", NOT_TWICE.values(), ids=NOT_TWICE)
def test_not_where_somebody_knew_what_they_did(ada, course, given):
    offer = make_offer(course)
    pay(order_for(ada, offer), at=after(minutes=1))
    assert flagged(pay(order_for(ada, offer, now=after(days=1), **given), at=after(days=1))) == []


def test_not_where_the_first_was_for_somebody_else(ada, course):
    offer = make_offer(course)
    pay(order_for(ada, offer, joins_purchase=Joining.OWN_SLOT), at=after(minutes=1))
    assert flagged(pay(order_for(ada, offer, now=after(days=1)), at=after(days=1))) == []


def test_not_an_extension(ada, course):
    """A month more than what is held lasts longer."""
    month = offer_for(course, AccessTerms(length=Length.months(1)))
    pay(order_for(ada, month), at=START)
    assert flagged(pay(order_for(ada, month, now=after(days=20)), at=after(days=20))) == []


def test_not_an_upgrade(ada, course):
    pay(order_for(ada, make_offer(course)), at=START)
    certified = offer_for(course, AccessTerms(certificate=True))
    assert flagged(pay(order_for(ada, certified, now=after(days=1)), at=after(days=1))) == []


def test_not_a_bundle_with_something_new(ada, course):
    pay(order_for(ada, make_offer(course)), at=START)
    assert (
        flagged(pay(order_for(ada, make_offer(course, make_product("Oil")), now=after(days=1)), at=after(days=1))) == []
    )


def test_not_another_consultation(ada):
    talk = make_offer(make_product("Talk", kind="consultation"))
    pay(order_for(ada, talk), at=START)
    assert flagged(pay(order_for(ada, talk, now=after(days=1)), at=after(days=1))) == []


@pytest.mark.parametrize("free", ["first", "second"])
def test_not_what_cost_nothing(ada, course, free):
    prices = ("0", "120") if free == "first" else ("120", "0")
    from wagtail_kwiga.payments import ledger

    for days, price in enumerate(prices):
        order = order_for(ada, make_offer(course, amount=price), now=after(days=days))
        if price == "0":
            ledger.complete_free(order, after(days=days))
        else:
            pay(order, at=after(days=days))
    assert flagged(order) == []


def test_not_what_was_given_back(ada, course):
    from wagtail_kwiga.payments import ledger

    offer = make_offer(course)
    first = pay(order_for(ada, offer), at=START)
    ledger.record_refund(order=first, amount=first.total, now=after(minutes=5))
    assert flagged(pay(order_for(ada, offer, now=after(days=1)), at=after(days=1))) == []


# --- open orders for what is owned ------------------------------------------------------------------------------------


@pytest.fixture
def heard():
    told: list[OrdersClosed] = []
    events._handlers[OrdersClosed].append(told.append)
    yield told
    events._handlers[OrdersClosed].remove(told.append)


def test_paying_a_bundle_closes_what_is_open_of_it(ada, course, heard):
    """The bundle was ordered when C stood paid; C's own open order is of another purchase."""
    oil, ink = make_product("Oil"), make_product("Ink")
    coupon = make_coupon("SPRING")
    bundle = order_for(ada, make_offer(course, oil))
    alone = order_for(ada, make_offer(oil, coupon_mode="any"), coupon=coupon, slot="", now=after(minutes=1))
    # which superseded the bundle; its money comes all the same
    assert alone.purchase_id == bundle.purchase_id
    other = order_for(ada, make_offer(ink), now=after(minutes=2))
    heard.clear()
    pay(bundle, at=after(minutes=3))
    other.refresh_from_db()
    assert other.status == "open"


def test_another_purchase_of_what_is_owned_now_is_closed(ada, course, heard):
    coupon = make_coupon("SPRING")
    oil = make_product("Oil")
    staffs = order_for(ada, make_offer(course, oil), origin="staff", joins_purchase=Joining.OWN_SLOT)
    mine = order_for(ada, make_offer(oil, coupon_mode="any"), coupon=coupon, now=after(minutes=1))
    gift = order_for(ada, make_offer(oil), joins_purchase=Joining.OWN_SLOT, now=after(minutes=2))
    other = order_for(ada, make_offer(make_product("Ink")), now=after(minutes=3))
    theirs = order_for(make_contact(), make_offer(oil), now=after(minutes=4))
    heard.clear()
    pay(staffs, at=after(minutes=5))
    for order in (mine, gift, other, theirs):
        order.refresh_from_db()
    assert [order.status for order in (mine, gift, other, theirs)] == ["cancelled", "open", "open", "open"]
    assert mine.closed_at == after(minutes=5)
    last = writing.timeline(mine).last()
    assert (last.code, staffs.number in writing.sentence(last)) == ("order.owned_now", True)
    assert [[one.order_id for one in event.orders] for event in heard] == [[mine.pk]]
    coupon.refresh_from_db()
    assert (mine.coupon_use.state, coupon.used_count) == ("released", 0)


def test_money_that_comes_again_closes_it_too_and_gives_its_coupon_back(ada):
    """All went back, another plan was left open, and then the first one's money came once more."""
    coupon, oil = make_coupon("SPRING"), make_product("Oil")
    first = pay(order_for(ada, make_offer(oil)), at=after(minutes=1))
    ledger.record_refund(order=first, amount=first.total_amount, now=after(minutes=2))
    second = order_for(ada, make_offer(oil, coupon_mode="any"), coupon=coupon, now=after(minutes=3))
    pay(first, at=after(minutes=4))
    second.refresh_from_db()
    coupon.refresh_from_db()
    assert (first.status, second.status) == ("paid", "cancelled")
    assert (second.coupon_use.state, coupon.used_count) == ("released", 0)


def test_what_would_add_something_stays_open(ada, course):
    staffs = order_for(ada, make_offer(course), origin="staff", joins_purchase=Joining.OWN_SLOT)
    certified = order_for(ada, offer_for(course, AccessTerms(certificate=True)), now=after(minutes=1))
    pay(staffs, at=after(minutes=2))
    certified.refresh_from_db()
    assert certified.status == "open"


def test_paying_asks_as_often_whatever_is_open(ada):
    def statements(number: int) -> int:
        products = [make_product(str(n)) for n in range(number)]
        whole = order_for(ada, make_offer(*products), origin="staff", joins_purchase=Joining.OWN_SLOT)
        opened = [order_for(ada, make_offer(product), now=after(minutes=1)) for product in products]
        with CaptureQueriesContext(connection) as queries:
            pay(whole, at=after(minutes=2))
        assert {m.Order.objects.get(pk=one.pk).status for one in opened} == {"cancelled"}
        return len(queries)

    statements(1)  # mails are compiled once
    assert statements(1) == statements(6)
