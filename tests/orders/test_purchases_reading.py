"""What is asked of purchases: which is paid, what was placed last, what was bought before."""

from __future__ import annotations

import pytest
from django.db.models import OuterRef

from tests.orders.shop import books_receive, order_for, quote_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import purchases, transitions
from wagtail_kwiga.orders.drafts import Joining
from wagtail_kwiga.orders.purchases import OpenPurchase
from wagtail_kwiga.payments import ledger


@pytest.fixture
def ada(db):
    return make_contact("ada@example.com")


@pytest.fixture
def course(db):
    return make_product("Watercolour")


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def give_back(order: m.Order, *, minute: int) -> None:
    ledger.record_refund(order=order, amount=fresh(order).total, now=after(minutes=minute))


def test_a_slot_is_paid_by_its_own_contact_and_for_its_own_name(ada, course):
    offer = make_offer(course)
    order = order_for(ada, offer, slot="once more")
    assert not purchases.is_slot_paid(ada.pk, "once more")
    books_receive(order, "120", now=after(minutes=1))
    assert purchases.is_slot_paid(ada.pk, "once more")
    assert not purchases.is_slot_paid(ada.pk, "")
    assert not purchases.is_slot_paid(make_contact().pk, "once more")
    give_back(order, minute=2)
    assert purchases.is_slot_paid(ada.pk, "once more")  # what was added there was added


def test_slots_are_long_enough_not_to_be_guessed_and_each_is_new():
    made = {purchases.new_slot() for _ in range(50)}
    assert len(made) == 50
    assert {len(slot) for slot in made} == {16}


def test_the_order_by_which_a_purchase_stands_paid(ada, course):
    """Of two that are paid the one whose money came later, whichever was placed later; none that was paid back."""
    offer = make_offer(course)
    older = order_for(ada, offer)
    newer = order_for(ada, offer, now=after(minutes=1))
    elsewhere = order_for(ada, make_offer(), now=after(minutes=1))
    assert purchases.paid_order(older.purchase_id) is None
    books_receive(newer, "120", now=after(minutes=2))
    books_receive(elsewhere, "120", now=after(minutes=9))
    assert purchases.paid_order(older.purchase_id) == newer
    books_receive(older, "120", now=after(minutes=3))
    assert purchases.paid_order(older.purchase_id) == older
    give_back(older, minute=4)
    assert purchases.paid_order(older.purchase_id) == newer
    give_back(newer, minute=5)
    assert purchases.paid_order(older.purchase_id) is None


def test_of_two_paid_at_one_instant_the_newer_stands(ada, course):
    offer = make_offer(course)
    older, newer = order_for(ada, offer), order_for(ada, offer, now=after(minutes=1))
    for order in (newer, older):
        books_receive(order, "120", now=after(minutes=2))
    assert purchases.paid_order(older.purchase_id) == newer


def test_which_of_several_are_paid_costs_one_query(ada, django_assert_num_queries):
    paid, unpaid, not_asked = (order_for(ada, make_offer()) for _ in range(3))
    for order in (paid, not_asked):
        books_receive(order, "120", now=after(minutes=1))
    with django_assert_num_queries(1):
        assert purchases.paid_among([paid.purchase_id, unpaid.purchase_id]) == {paid.purchase_id}
    assert (purchases.is_paid(paid.purchase_id), purchases.is_paid(unpaid.purchase_id)) == (True, False)
    give_back(paid, minute=2)
    assert purchases.paid_among(iter([paid.purchase_id])) == {paid.purchase_id}
    assert purchases.is_paid(paid.purchase_id)


@pytest.mark.parametrize(
    ("second", "several"),
    [
        ({"name": "Ada", "phone": "1"}, False),
        ({"name": "Eve", "phone": "1"}, True),
        ({"name": "Ada", "phone": "2"}, True),
    ],
)
def test_orders_under_more_than_one_name_or_number(ada, course, second, several):
    offer = make_offer(course)
    first = order_for(ada, offer, name="Ada", phone="1")
    order_for(ada, make_offer(), name="Another purchase", phone="9")
    assert not purchases.has_several_names(first.purchase_id)
    order_for(ada, offer, now=after(minutes=1), **second)
    assert purchases.has_several_names(first.purchase_id) is several


def test_the_newest_is_the_one_placed_last(ada, course):
    offer = make_offer(course)
    last = order_for(ada, offer, now=after(minutes=5))
    early = order_for(ada, offer, now=START)  # written later, placed earlier (an import)
    order_for(ada, make_offer(), now=after(minutes=9))
    assert purchases.newest(early.purchase_id) == last
    twin = order_for(ada, offer, now=after(minutes=5))
    assert purchases.newest(early.purchase_id) == twin


def test_what_a_row_that_knows_its_purchase_can_ask(ada, course):
    def told(order: m.Order) -> tuple[bool, bool, bool]:
        row = m.Order.objects.annotate(**purchases.states(OuterRef("purchase_id"))).get(pk=order.pk)
        return row.purchase_waits, row.purchase_partly_paid, row.purchase_paid

    offer = make_offer(course)
    cancelled = transitions.cancel(order_for(ada, offer), now=after(minutes=1))
    order_for(ada, make_offer(), now=after(minutes=1))
    assert told(cancelled) == (False, False, False)
    order = order_for(ada, offer, now=after(minutes=2))
    assert told(cancelled) == told(order) == (True, False, False)
    transitions.start_processing(order, now=after(minutes=3))
    assert told(cancelled) == (True, False, False)
    books_receive(order, "20", now=after(minutes=4))
    assert told(cancelled) == (False, True, False)
    books_receive(order, "100", now=after(minutes=5))
    assert told(cancelled) == (False, False, True)
    give_back(order, minute=6)
    assert told(cancelled) == (False, False, True)


# --- what a new order must reckon with --------------------------------------------------------------------------------


def test_what_stands_is_each_open_purchase_of_the_slot_with_what_it_is_about(ada, course, django_assert_num_queries):
    oil, ink = make_product("Oil"), make_product("Ink")
    for_both, for_oil, for_ink = make_offer(course, oil), make_offer(oil), make_offer(ink)
    older = order_for(ada, for_both)
    newer = order_for(ada, for_oil, now=after(minutes=1))
    other = order_for(ada, for_ink, now=after(minutes=2))
    order_for(ada, for_ink, joins_purchase=Joining.OWN_SLOT, now=after(minutes=3))
    order_for(make_contact(), for_ink, now=after(minutes=3))
    books_receive(order_for(ada, make_offer(), now=after(minutes=3)), "120", now=after(minutes=3))
    with locking.atomic_write(), django_assert_num_queries(1):
        found = purchases.standing(ada.pk)
    assert found.orders == (other, newer)
    assert set(found.purchases) == {
        OpenPurchase(newer.purchase_id, START, for_oil.pk, frozenset({oil.pk})),
        OpenPurchase(other.purchase_id, after(minutes=2), for_ink.pk, frozenset({ink.pk})),
    }
    books_receive(older, "20", now=after(minutes=4))  # from now on it is about what is paid in part, too
    with locking.atomic_write():
        found = purchases.standing(ada.pk)
        assert purchases.standing(ada.pk, "another slot") == purchases.Standing()
    assert found.orders == (other, newer, older)
    assert {one.id: one.product_ids for one in found.purchases} == {
        newer.purchase_id: {course.pk, oil.pk},
        other.purchase_id: {ink.pk},
    }


def test_a_closed_order_stands_while_it_is_the_newest_or_holds_a_coupon(ada, course, django_assert_num_queries):
    offer = make_offer(course, coupon_mode="any")
    held = order_for(ada, offer, coupon=make_coupon("SPRING"))
    order_for(ada, offer, vouch=lambda one: False, quote=quote_for(offer, make_coupon("OTHER")), now=after(minutes=1))
    newest = order_for(ada, make_offer(course), vouch=lambda one: False, now=after(minutes=2))
    transitions.cancel(newest, now=after(minutes=3))
    with locking.atomic_write():
        found = purchases.standing(ada.pk)
    assert found.orders[0] == newest
    assert held.pk in {order.pk for order in found.orders}
    with django_assert_num_queries(0):
        assert {order.coupon_use.coupon.code for order in found.orders if order.coupon_use} == {"SPRING", "OTHER"}


def test_where_nothing_stands_there_is_nothing_to_join(ada):
    with locking.atomic_write():
        assert purchases.standing(ada.pk) == purchases.Standing((), ())
    assert purchases.Join() == purchases.Join(None, ())
    assert OpenPurchase(1, START, None) == OpenPurchase(1, START, None, frozenset())


# --- bought before ----------------------------------------------------------------------------------------------------


def bought(contact: m.Contact, *products: m.Product, minute: int, **given) -> m.Order:
    order = order_for(contact, make_offer(*products), now=after(minutes=minute), **given)
    books_receive(order, "120", now=after(minutes=minute))
    return fresh(order)


def test_bought_before_is_the_latest_paid_order_with_a_product_in_common(ada, course, django_assert_num_queries):
    other = make_product("Oil")
    bought(ada, course, minute=1)
    latest = bought(ada, other, course, minute=2)
    bought(ada, make_product("Gouache"), minute=3)
    bought(make_contact(), course, minute=4)
    again = bought(ada, course, minute=0)
    m.Order.objects.filter(pk=again.pk).update(paid_at=START)
    order = order_for(ada, make_offer(course), now=after(minutes=5))
    with django_assert_num_queries(1):
        assert purchases.paid_before(order) == latest


def test_of_two_bought_at_one_instant_the_newer_counts(ada, course):
    bought(ada, course, minute=1)
    newer = bought(ada, course, minute=1)
    assert purchases.paid_before(order_for(ada, make_offer(course), now=after(minutes=5))) == newer


@pytest.mark.parametrize("what", ["given back", "for nothing", "in a slot of its own", "in part"])
def test_what_does_not_count_as_bought_before(ada, course, what):
    if what == "for nothing":
        free = order_for(ada, make_offer(course, coupon_mode="any"), coupon=make_coupon(percent="100"))
        assert ledger.complete_free(free, after(minutes=1)).order.status == "paid"
    elif what == "in part":
        books_receive(order_for(ada, make_offer(course)), "20", now=after(minutes=1))
    elif what == "in a slot of its own":
        bought(ada, course, minute=1, joins_purchase=Joining.OWN_SLOT)
    else:
        give_back(bought(ada, course, minute=1), minute=2)
    order = order_for(ada, make_offer(course), joins_purchase=Joining.OWN_SLOT, now=after(minutes=5))
    assert purchases.paid_before(order) is None


def test_what_was_paid_in_the_same_purchase_was_not_bought_before(ada, course):
    offer = make_offer(course)
    older = order_for(ada, offer)
    newer = order_for(ada, offer, now=after(minutes=1))
    books_receive(older, "120", now=after(minutes=2))
    assert purchases.paid_before(fresh(newer)) is None


def test_a_purchase_begins_with_its_contact_offer_slot_and_instant(ada, course):
    offer = make_offer(course)
    begun = m.Purchase.objects.get(
        pk=purchases.begin(contact_id=ada.pk, offer_id=offer.pk, slot="once more", now=after(hours=3))
    )
    assert (begun.contact, begun.offer, begun.slot, begun.opened_at) == (ada, offer, "once more", after(hours=3))
    assert (begun.paid_at, begun.closed_at, begun.joined_into, begun.set_aside_at) == (None, None, None, None)
