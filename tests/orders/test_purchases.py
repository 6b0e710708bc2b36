"""Which purchase an order joins (promises 1 and 2): one wish to buy, by whatever plan or bundle it is told."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tests import sessions
from tests.orders.shop import CONFIRMATION, books_receive, fresh, order_for, quote_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import OrderRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import placing, purchases, transitions
from wagtail_kwiga.orders.drafts import Joining, OrderDraft
from wagtail_kwiga.orders.events import PurchasesJoined
from wagtail_kwiga.orders.purchases import Join, OpenPurchase, which_to_join

# --- the rule ---------------------------------------------------------------------------------------------------------


def open_one(id: int, *products: int, offer: int | None = None, day: int = 0) -> OpenPurchase:
    return OpenPurchase(id, START + dt.timedelta(days=day), offer, frozenset(products))


@pytest.mark.parametrize(
    ("found", "offer", "products", "joined"),
    [
        ([], 7, {1}, Join()),
        ([open_one(1, 2, offer=3)], 7, {1}, Join()),
        ([open_one(1, 1, offer=3)], 7, {1}, Join(1)),
        ([open_one(1, 9, offer=7)], 7, {1}, Join(1)),  # the offer has other products now
        ([open_one(1, 1, offer=None)], None, {1}, Join(1)),
        ([open_one(1, offer=None)], None, set(), Join()),
        ([open_one(1, 1, day=5), open_one(2, 2, day=3), open_one(3, 3)], 7, {1, 2}, Join(2, (1,))),
        ([open_one(2, 1), open_one(1, 2)], 7, {1, 2}, Join(1, (2,))),  # opened in one instant
    ],
)
def test_which_to_join(found, offer, products, joined):
    assert which_to_join(found, offer_id=offer, product_ids=products) == joined


def test_the_one_that_is_named_is_joined_whatever_it_is_about():
    found = [open_one(1, 1), open_one(2, 2, day=1), open_one(3, 3, day=2)]
    assert which_to_join(found, offer_id=7, product_ids={1, 3}, given=2) == Join(2, (1, 3))


_SOME = st.frozensets(st.integers(1, 5), max_size=3)


@given(
    found=st.lists(
        st.builds(
            OpenPurchase,
            st.integers(1, 50),
            st.integers(0, 3).map(lambda day: START + dt.timedelta(days=day)),
            st.one_of(st.none(), st.integers(1, 4)),
            _SOME,
        ),
        unique_by=lambda one: one.id,
        max_size=6,
    ),
    offer=st.one_of(st.none(), st.integers(1, 4)),
    products=_SOME,
)
def test_after_joining_no_open_purchase_is_about_the_same(found, offer, products):
    join = which_to_join(found, offer_id=offer, product_ids=products)
    assert join == which_to_join(reversed(found), offer_id=offer, product_ids=products)  # whatever order they came in
    gone = {join.into, *join.emptied}
    assert join.into not in join.emptied
    opened = {one.id: one.opened_at for one in found}
    assert all(opened[join.into] <= opened[one] for one in join.emptied)
    for one in found:
        shares = bool(one.product_ids & products) or (offer is not None and one.offer_id == offer)
        assert shares == (one.id in gone)


# --- joined -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard():
    told: list[PurchasesJoined] = []
    events._handlers[PurchasesJoined].append(told.append)
    yield told
    events._handlers[PurchasesJoined].remove(told.append)


def test_another_plan_of_the_same_product_is_the_same_purchase(ada, course):
    basic, premium = make_offer(course, title="Basic"), make_offer(course, amount="200", title="Premium")
    first = order_for(ada, basic)
    second = order_for(ada, premium, now=after(minutes=5))
    assert first.purchase_id == second.purchase_id
    purchase = m.Purchase.objects.get()
    assert (purchase.offer, purchase.current_order, purchase.opened_at) == (premium, second, START)
    first = fresh(first)
    assert (first.status, first.superseded_by, first.closed_at) == ("superseded", second, after(minutes=5))


def test_paying_the_other_plan_closes_it_all(ada, course):
    coupon = make_coupon("SPRING", limit_total=1)
    basic, premium = make_offer(course, coupon_mode="any"), make_offer(course, amount="200")
    first = order_for(ada, basic, coupon=coupon)
    second = order_for(ada, premium, now=after(minutes=5))  # takes no coupons
    books_receive(second, "200", now=after(minutes=6))
    assert (fresh(first).status, fresh(second).status) == ("superseded", "paid")
    assert m.Purchase.objects.get().paid_at == after(minutes=6)
    assert (m.CouponUse.objects.get().state, fresh(coupon).used_count) == ("released", 0)


def test_a_bundle_joins_all_that_it_overlaps_and_the_oldest_stays(ada, heard):
    one, two, three = (make_product(name) for name in ("A", "B", "C"))
    orders = [order_for(ada, make_offer(each), now=after(minutes=n)) for n, each in enumerate((one, two, three))]
    bundle = make_offer(two, one, amount="150", title="Both")
    placed = order_for(ada, bundle, now=after(hours=1))
    oldest, emptied, alone = (fresh(order).purchase for order in orders[:1]), None, orders[2].purchase_id
    (oldest,) = oldest
    assert placed.purchase_id == oldest.pk == orders[0].purchase_id
    emptied = m.Purchase.objects.get(pk=orders[1].purchase_id)
    assert (emptied.joined_into, emptied.closed_at) == (oldest, after(hours=1))
    assert [(fresh(order).status, fresh(order).purchase_id) for order in orders] == [
        ("superseded", oldest.pk),
        ("superseded", oldest.pk),
        ("open", alone),
    ]
    assert {fresh(order).superseded_by for order in orders[:2]} == {placed}
    assert (oldest.offer, oldest.current_order) == (bundle, placed)
    assert heard == [PurchasesJoined(ada.pk, (emptied.pk,), oldest.pk, after(hours=1))]
    told = {entry.code: writing.sentence(entry) for entry in writing.timeline(placed)}
    assert told["order.purchases_joined"].endswith(f"{orders[1].number}, {orders[0].number}")


def test_nothing_is_told_where_one_purchase_is_joined(ada, course, heard):
    order_for(ada, make_offer(course))
    order_for(ada, make_offer(course), now=after(minutes=1))
    assert heard == []


def test_the_runs_of_what_happens_see_joining_before_the_order(ada, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(events, "publish", lambda event: told.append(type(event).__name__))
    one, two = make_product("A"), make_product("B")
    order_for(ada, make_offer(one))
    order_for(ada, make_offer(two))
    told.clear()
    order_for(ada, make_offer(one, two))
    assert told == ["OrdersClosed", "PurchasesJoined", "OrderPlaced"]


def test_only_what_the_newest_order_is_about_counts(ada):
    """A bundle was looked at, then C alone: the purchase is about C from then on, and A may be bought for itself."""
    a, c = make_product("A"), make_product("C")
    order_for(ada, make_offer(a, c))
    for_c = order_for(ada, make_offer(c), now=after(minutes=1))
    for_a = order_for(ada, make_offer(a), now=after(minutes=2))
    assert for_a.purchase_id != for_c.purchase_id
    assert (fresh(for_c).status, fresh(for_a).status) == ("open", "open")


def test_what_was_added_at_the_till_joins_nothing(ada):
    ink, paper = make_product("Ink"), make_product("Paper")
    offer = make_offer(ink, paper)
    draft = OrderDraft.for_offer(offer, contact=ada, quote=quote_for(offer))
    main, added = draft.lines
    order = placing.place_order(replace(draft, lines=(main, replace(added, is_main=False))), now=START)
    assert order_for(ada, make_offer(paper), now=after(minutes=1)).purchase_id != order.purchase_id
    assert order_for(ada, make_offer(ink), now=after(minutes=2)).purchase_id == order.purchase_id


def test_an_expired_purchase_is_joined_too(ada, course):
    first = order_for(ada, make_offer(course))
    transitions.expire(first, now=after(days=14))
    assert order_for(ada, make_offer(course), now=after(days=15)).purchase_id == first.purchase_id


@pytest.mark.parametrize("paid", ["A", "B"])
def test_a_paid_purchase_is_joined_by_nothing(ada, paid):
    a, b = make_product("A"), make_product("B")
    orders = {"A": order_for(ada, make_offer(a)), "B": order_for(ada, make_offer(b), now=after(minutes=1))}
    books_receive(orders[paid], "120", now=after(minutes=2))
    placed = order_for(ada, make_offer(a, b), now=after(minutes=3))
    open_one = orders["B" if paid == "A" else "A"]
    assert placed.purchase_id == open_one.purchase_id
    assert (fresh(orders[paid]).purchase_id, fresh(orders[paid]).status) == (orders[paid].purchase_id, "paid")


def test_another_person_is_another_purchase(ada, course):
    offer = make_offer(course)
    assert order_for(ada, offer).purchase_id != order_for(make_contact(), offer).purchase_id


def test_joining_again_leaves_no_chain(ada):
    """Three purchases of A, B, C; B is opened last. A reader follows one step at most."""
    a, b, c = (make_product(name) for name in "ABC")
    for_c = order_for(ada, make_offer(c), now=after(minutes=0))
    for_a = order_for(ada, make_offer(a), now=after(minutes=1))
    for_b = order_for(ada, make_offer(b), now=after(minutes=2))
    order_for(ada, make_offer(a, b), now=after(hours=1))  # B into A
    last = order_for(ada, make_offer(b, c), now=after(hours=2))  # A into C
    rows = {row.pk: row for row in m.Purchase.objects.all()}
    assert last.purchase_id == for_c.purchase_id
    assert {rows[order.purchase_id].joined_into_id for order in (for_a, for_b)} == {for_c.purchase_id}
    assert rows[for_b.purchase_id].closed_at == after(hours=1)
    assert set(m.Order.objects.values_list("purchase_id", flat=True)) == {for_c.purchase_id}


# --- slots ------------------------------------------------------------------------------------------------------------


def test_staff_sell_in_addition_beside_the_buyers_own_order(ada, course):
    offer = make_offer(course)
    own = order_for(ada, offer)
    added = order_for(ada, offer, origin="staff", joins_purchase=Joining.OWN_SLOT, now=after(minutes=1))
    again = order_for(ada, offer, origin="staff", joins_purchase=Joining.OWN_SLOT, now=after(minutes=2))
    assert [fresh(order).status for order in (own, added, again)] == ["open"] * 3
    slots = [fresh(order).purchase.slot for order in (own, added, again)]
    assert slots[0] == ""
    assert len(set(slots)) == 3
    assert all(8 <= len(slot) <= 32 for slot in slots[1:])


def test_staff_sell_instead_where_they_say_nothing(ada, course):
    own = order_for(ada, make_offer(course))
    instead = order_for(ada, make_offer(course, amount="90"), origin="staff", now=after(minutes=1))
    assert (fresh(own).status, instead.purchase_id) == ("superseded", own.purchase_id)


def test_what_stands_in_a_slot_of_its_own_is_left_alone_by_the_web(ada, course):
    offer = make_offer(course)
    gift = order_for(ada, offer, slot="gift-1")
    own = order_for(ada, offer, now=after(minutes=1))
    instead = order_for(ada, offer, slot="gift-1", now=after(minutes=2))
    assert (fresh(gift).status, fresh(own).status, fresh(instead).status) == ("superseded", "open", "open")
    assert instead.purchase_id == gift.purchase_id != own.purchase_id


def test_an_order_may_name_its_purchase(ada):
    """Staff sell something else instead: it belongs to the purchase that they are looking at."""
    one = order_for(ada, make_offer(make_product("A")))
    other_offer = make_offer(make_product("B"))
    two = order_for(ada, other_offer, now=after(minutes=1))
    placed = order_for(ada, other_offer, origin="staff", joins_purchase=two.purchase_id, now=after(minutes=2))
    assert placed.purchase_id == two.purchase_id
    into_one = order_for(ada, other_offer, origin="staff", joins_purchase=one.purchase_id, now=after(minutes=3))
    assert into_one.purchase_id == one.purchase_id
    assert fresh(two).purchase.pk == one.purchase_id  # no two open purchases are about one product


@pytest.mark.parametrize("why", ["paid", "of another", "gone"])
def test_a_purchase_that_takes_no_order_is_refused(ada, course, why):
    order = order_for(ada if why != "of another" else make_contact(), make_offer(course))
    if why == "paid":
        books_receive(order, "120", now=START)
    given = order.purchase_id + (1000 if why == "gone" else 0)
    with pytest.raises(OrderRefused) as refusal:
        order_for(ada, make_offer(course), joins_purchase=given)
    assert refusal.value.code == "purchase_closed"


# --- the number of queries --------------------------------------------------------------------------------------------


def cost(deed) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        deed()
    return [
        query["sql"]
        for query in queries
        if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", 'DELETE FROM "wagtail_kwiga_heartbeat"'))
    ]


@pytest.mark.parametrize("number", [1, 2, 6])
def test_a_bundle_costs_the_same_however_much_it_joins(ada, number):
    products = [make_product(str(n)) for n in range(number + 1)]
    for n, product in enumerate(products[:-1]):
        order_for(ada, make_offer(product), now=after(minutes=n))
    bundle = make_offer(*products)
    draft = OrderDraft.for_offer(bundle, contact=ada, quote=quote_for(bundle))
    asked = cost(lambda: placing.place_order(draft, now=after(hours=1)))
    # Where several become one, their runs are asked for, and runs and mails move over.
    assert len(asked) <= (15 if number > 1 else 10) + CONFIRMATION, "\n".join(asked)


# --- at one instant ---------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_bundles_of_one_contact_at_once():
    """The second waits for the contact, and then joins what the first has left."""
    from django.db import transaction

    contact = make_contact()
    a, b, c = (make_product(name) for name in "ABC")
    first, second, third = (
        order_for(contact, make_offer(each), now=after(minutes=n)) for n, each in enumerate((a, b, c))
    )
    left, right = make_offer(a, b), make_offer(b, c)
    with sessions.meanwhile() as begin, transaction.atomic(), connection.cursor() as cursor:
        one = order_for(contact, left, now=after(hours=1))
        other = begin(lambda: order_for(contact, right, now=after(hours=1)))
        waited = sessions.is_waited_for(cursor, other)
    assert waited
    two = other.result()
    assert {order.purchase_id for order in map(fresh, (first, second, third, one, two))} == {first.purchase_id}
    assert [order.pk for order in m.Order.objects.filter(status="open")] == [two.pk]
    open_ones = m.Purchase.objects.filter(purchases.IS_OPEN)
    assert [row.pk for row in open_ones] == [first.purchase_id]
    assert set(m.Purchase.objects.exclude(pk=first.purchase_id).values_list("joined_into", flat=True)) == {
        first.purchase_id
    }


# --- somebody with very much open -------------------------------------------------------------------------------------


def seen_by(offer, contact, given=None):
    products = set(m.OfferProduct.objects.filter(offer=offer).values_list("product_id", flat=True))
    return purchases.standing(contact.pk, offer_id=offer.pk, product_ids=products, given=given)


def test_what_an_order_cannot_join_is_not_read(db):
    """Ten thousand open purchases of one address made each placing read, build and lock ten thousand orders."""
    contact, mine = make_contact(), make_product()
    others = [order_for(contact, make_offer(make_product())) for _other in range(8)]
    offer = make_offer(mine)
    assert seen_by(offer, contact) == purchases.Standing()
    first = order_for(contact, offer, now=after(minutes=1))
    bundle = make_offer(mine, make_product())
    found = seen_by(bundle, contact)
    assert ([one.id for one in found.purchases], list(found.orders)) == ([first.purchase_id], [first])
    found = seen_by(bundle, contact, given=others[3].purchase_id)
    assert {one.id for one in found.purchases} == {first.purchase_id, others[3].purchase_id}


def test_placing_costs_the_same_beside_many_open_purchases_and_joins_what_overlaps(db):
    costs = []
    for beside in (1, 9):
        contact, mine = make_contact(f"buyer{beside}@example.com"), make_product()
        for _other in range(beside):
            order_for(contact, make_offer(make_product()))
        first = order_for(contact, make_offer(mine), now=after(minutes=1))
        bundle = make_offer(mine, make_product())
        with CaptureQueriesContext(connection) as cost:
            order = order_for(contact, bundle, now=after(minutes=2))
        first.refresh_from_db()
        assert (order.purchase_id, first.status) == (first.purchase_id, "superseded")
        assert m.Order.objects.filter(contact=contact, status="open").count() == beside + 1
        costs.append(len(cost))
    assert costs[0] == costs[1]


def test_an_offer_whose_products_are_others_now_is_joined_by_its_name(db):
    contact, offer = make_contact(), make_offer(make_product())
    first = order_for(contact, offer)
    found = purchases.standing(contact.pk, offer_id=offer.pk, product_ids={make_product().pk})
    assert [one.id for one in found.purchases] == [first.purchase_id]
    assert purchases.standing(contact.pk, offer_id=None, product_ids=set()) == purchases.Standing()
