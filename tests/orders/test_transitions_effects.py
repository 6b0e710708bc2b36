"""What a move does besides: to the contact, to coupons, to other orders; and the facts that it leaves for whoever looks."""

from __future__ import annotations

import pytest

from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.drafts import Joining
from wagtail_kwiga.orders.events import OrderClosed, OrdersClosed
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


def six_days_later():
    return after(days=6)


@pytest.fixture
def order():
    return order_for(make_contact(), make_offer())


@pytest.fixture
def boss(django_user_model):
    return django_user_model.objects.create_user("boss")


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def entry(order: m.Order, code: str) -> m.TimelineEntry:
    (found,) = (each for each in writing.timeline(order) if each.code == code)
    return found


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cancel", "expire", "supersede", "start_processing"])
def test_each_move_says_what_it_was_before(order, verb):
    getattr(transitions, verb)(order, now=after(minutes=1))
    assert writing.timeline(order).last().facts["was"] == "open"
    was = order.status
    books_receive(order, "20", now=after(minutes=2))
    assert entry(order, "order.partly_paid").facts["was"] == was != "open"


def test_what_a_person_is_told_of_odd_money(order):
    transitions.cancel(order, now=after(minutes=1))
    books_receive(order, "130.00", now=after(minutes=2))
    for code in ("order.late_money", "order.too_much_money"):
        told = entry(order, code)
        assert (told.at, told.needs_attention, told.facts["was"]) == (after(minutes=2), True, "cancelled")
        assert ("130" in str(told.facts["received"]), "120" in str(told.facts["total"])) == (True, True)


def test_what_a_person_is_told_of_money_twice():
    contact, offer = make_contact(), make_offer()
    first, second = order_for(contact, offer), order_for(contact, offer, now=after(minutes=1))
    books_receive(second, "120", now=after(minutes=2))
    books_receive(first, "120", now=after(minutes=3))
    twice = entry(first, "order.paid_twice")
    assert (twice.at, twice.needs_attention, twice.facts["was"]) == (after(minutes=3), True, "superseded")
    assert "120" in str(twice.facts["received"])


def test_paying_is_on_record_with_the_sums_and_with_who_booked_it(order, boss):
    books_receive(order, "120", now=after(minutes=1), by=boss)
    paid = entry(order, "order.paid")
    assert (paid.at, paid.by, paid.facts["was"]) == (after(minutes=1), boss, "open")
    assert "120" in str(paid.facts["received"]) and "120" in str(paid.facts["total"])


def test_a_sibling_says_by_which_order_it_was_closed_and_by_whom(boss):
    contact, offer = make_contact(), make_offer()
    first, second = order_for(contact, offer), order_for(contact, offer, now=after(minutes=1))
    books_receive(first, "120", now=after(minutes=2), by=boss)
    closed = entry(second, "order.sibling_paid")
    assert (closed.at, closed.by, closed.facts["paid"], closed.facts["was"]) == (
        after(minutes=2), boss, first.number, "open",
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["cancel", "expire", "supersede"])
def test_closing_is_told_with_all_that_others_ask_for(order, told, verb):
    getattr(transitions, verb)(order, now=after(minutes=1))
    one = OrderClosed(
        order.pk, order.contact_id, order.offer_id, order.purchase_id, str(order.status), after(minutes=1)
    )
    assert told == [OrdersClosed((one,), after(minutes=1))]
    assert fresh(order).closed_at == order.closed_at == after(minutes=1)


@pytest.mark.parametrize("verb", ["cancel", "expire", "supersede", "start_processing", "reopen"])
def test_where_no_moment_is_given_the_clock_is_asked(order, settings, verb):
    if verb == "reopen":
        transitions.cancel(order, now=after(minutes=1))
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.six_days_later"}
    getattr(transitions, verb)(order)
    assert writing.timeline(order).last().at == after(days=6)


# --- who paid ---------------------------------------------------------------------------------------------------------


def test_money_confirms_the_name_and_number_that_the_order_gives():
    ada = make_contact(name="Typed by somebody", phone="0", is_verified=False)
    books_receive(order_for(ada, make_offer(), name="Ada", phone="1"), "120", now=after(minutes=1))
    ada = fresh(ada)
    assert (ada.name, ada.phone, ada.is_verified) == ("Ada", "1", True)


def test_what_the_order_leaves_empty_stays_as_it_is_known():
    ada = make_contact(name="Known", phone="1", is_verified=False)
    order = order_for(ada, make_offer(), vouch=lambda one: False)
    assert (order.buyer_name, order.buyer_phone) == ("", "")
    books_receive(order, "120", now=after(minutes=1))
    ada = fresh(ada)
    assert (ada.name, ada.phone, ada.is_verified) == ("Known", "1", True)


def test_a_verified_contact_and_everybody_else_keep_their_names():
    ada, eve = make_contact(name="Ada", is_verified=True), make_contact(name="Eve", is_verified=False)
    books_receive(order_for(ada, make_offer(), name="Adelaide"), "120", now=after(minutes=1))
    assert (fresh(ada).name, fresh(eve).name, fresh(eve).is_verified) == ("Ada", "Eve", False)


def test_an_order_for_nothing_and_a_part_stand_up_for_nobody():
    ada = make_contact(is_verified=False)
    free = order_for(ada, make_offer(amount="0"), name="Somebody")
    assert ledger.complete_free(free, after(minutes=1)).order.status == Status.PAID
    books_receive(order_for(ada, make_offer(), name="Somebody"), "20", now=after(minutes=1))
    assert (fresh(ada).is_verified, fresh(ada).name) == (False, ada.name)


# --- coupons ----------------------------------------------------------------------------------------------------------


def test_a_part_keeps_the_coupon_for_as_long_as_the_order_stands():
    order = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=make_coupon(limit_total=1))
    assert order.coupon_use.reserved_until == after(hours=1)
    books_receive(order, "20", now=after(minutes=1))
    assert fresh(order).coupon_use.reserved_until == after(days=14)


def test_reopening_holds_the_coupon_for_the_new_term():
    order = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=make_coupon(limit_total=1))
    transitions.cancel(order, now=after(minutes=1))
    transitions.reopen(order, now=after(days=3))
    use = fresh(order).coupon_use
    assert (use, use.state, use.reserved_at, use.reserved_until) == (
        order.coupon_use, "reserved", after(days=3), after(days=17),
    )  # fmt: skip


@pytest.mark.parametrize("status", ["cancelled", "expired", "superseded"])
def test_closing_many_gives_back_the_coupons_of_all_that_have_one(status, told, boss):
    offer, coupon = make_offer(coupon_mode="any"), make_coupon()
    orders = [order_for(make_contact(), offer, coupon=coupon if number else None) for number in range(3)]
    with locking.atomic_write():
        locked = [transitions.lock(order) for order in orders]
        transitions.close_many(locked, Status(status), now=after(minutes=1), by=boss)
    assert {(fresh(order).status, fresh(order).closed_at) for order in orders} == {(status, after(minutes=1))}
    assert list(m.CouponUse.objects.values_list("state", "released_at")) == [("released", after(minutes=1))] * 2
    assert fresh(coupon).used_count == 0
    assert {(last := writing.timeline(order).last()).code for order in orders} == {f"order.{status}"}
    assert (last.at, last.by) == (after(minutes=1), boss)
    (event,) = told
    assert [one.order_id for one in event.orders] == [order.pk for order in orders]


def test_closing_nothing_is_told_to_nobody(told):
    with locking.atomic_write():
        transitions.close_many([], Status.EXPIRED, now=START)
        assert transitions.close_superseded([], now=START) == []
    assert told == []


# --- what is owned now ------------------------------------------------------------------------------------------------


def test_only_the_buyers_own_open_orders_of_the_web_are_closed_for_what_they_have_now(boss, told):
    """For one offer of two; not those of other people, nor in another slot, nor those with money, nor the paid purchase's."""
    ada, eve = make_contact(), make_contact()
    offer, other = make_offer(make_product("A")), make_offer(make_product("B"))
    paid = order_for(ada, offer, slot="paid")
    own, not_owned, theirs = order_for(ada, offer), order_for(ada, other), order_for(eve, offer)
    gift = order_for(ada, offer, joins_purchase=Joining.OWN_SLOT)
    told.clear()
    with locking.atomic_write():
        transitions.directory.lock(ada.pk)
        done = transitions.close_owned(ada.pk, {offer.pk}, paid_id=paid.pk, now=after(minutes=1), by=boss)
        assert done == 1
        assert transitions.close_owned(ada.pk, {offer.pk}, paid_id=paid.pk, now=after(minutes=2)) == 0
        assert transitions.close_owned(ada.pk, set(), paid_id=paid.pk, now=after(minutes=2)) == 0
    assert [fresh(one).status for one in (own, not_owned, theirs, gift, paid)] == ["cancelled", *["open"] * 4]
    closed = entry(own, "order.owned_now")
    assert (closed.at, closed.by, closed.facts["paid"], closed.facts["was"]) == (
        after(minutes=1), boss, paid.number, "open",
    )  # fmt: skip
    assert [one.order_id for event in told for one in event.orders] == [own.pk]


@pytest.mark.parametrize("status", ["open", "processing", "partly_paid", "cancelled"])
def test_elsewhere_open_is_what_waits_for_all_of_its_money(status):
    ada = make_contact()
    order = order_for(ada, make_offer())
    m.Order.objects.filter(pk=order.pk).update(status=status)
    found = list(transitions.open_elsewhere(ada.pk, order_for(ada, make_offer()).purchase_id))
    assert found == ([order] if status in ("open", "processing") else [])
    assert order not in transitions.open_elsewhere(ada.pk, order.purchase_id)


def test_a_part_in_another_order_of_the_purchase_is_told_once_it_is_paid(boss):
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer)
    second = order_for(contact, offer, now=after(minutes=1))
    books_receive(first, "20.00", now=after(minutes=2))
    books_receive(second, "120.00", now=after(minutes=3))
    left = entry(first, "order.part_left_over")
    assert (left.needs_attention, left.facts["paid"], "20" in str(left.facts["received"])) == (
        True, second.number, True,
    )  # fmt: skip
