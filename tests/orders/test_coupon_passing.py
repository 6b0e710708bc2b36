"""Which coupon passes from the orders that are replaced to the one that takes their place, and what a stranger cannot take."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import books_receive, fresh, nobody, order_for
from tests.support import START, after, make_coupon, make_list, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.orders import placing, transitions

# --- coupons that are handed on ---------------------------------------------------------------------------------------


def held(coupon: m.Coupon) -> list[str]:
    return list(coupon.uses.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("better_first", [True, False])
def test_of_several_the_best_that_applies_is_handed_on(ada, better_first):
    a, b = make_product("A"), make_product("B")
    small, big = make_coupon("SMALL", percent="10"), make_coupon("BIG", percent="30")
    first, second = (big, small) if better_first else (small, big)
    order_for(ada, make_offer(a, coupon_mode="any"), coupon=first)
    order_for(ada, make_offer(b, coupon_mode="any"), coupon=second, now=after(minutes=1))
    placed = order_for(ada, make_offer(a, b, amount="100", coupon_mode="any"), now=after(minutes=2))
    assert (placed.coupon, str(placed.total)) == (big, "70.00 EUR")
    assert (held(big), held(small)) == (["reserved"], ["released"])
    assert (fresh(big).used_count, fresh(small).used_count) == (1, 0)


@pytest.mark.parametrize("gate", ["takes none", "names others", "for others", "other currency"])
def test_a_reservation_does_not_open_the_gate_of_the_new_offer(ada, course, gate):
    """It protects against time and list. The best one is not valid here, so the next is handed on."""
    offer = make_offer(course, coupon_mode="any")
    coupon = make_coupon("BIG", percent="50", offers=[offer] if gate == "for others" else [])
    if gate == "other currency":
        coupon = make_coupon("EURO", percent=None, amount=Decimal(100), currency="EUR")
    order_for(ada, offer, coupon=coupon)
    modes = {"takes none": "none", "names others": "only"}
    currency = "USD" if gate == "other currency" else "EUR"
    other = make_offer(course, amount="200", currency=currency, coupon_mode=modes.get(gate, "any"))
    placed = order_for(ada, other, now=after(minutes=1))
    assert (placed.coupon, placed.coupon_use, str(placed.total)) == (None, None, f"200.00 {currency}")
    assert (held(coupon), fresh(coupon).used_count) == (["released"], 0)


def test_the_second_best_where_the_best_is_refused(ada):
    a, b = make_product("A"), make_product("B")
    only_a = make_offer(a, coupon_mode="any")
    best, second = make_coupon("BEST", percent="50", offers=[only_a]), make_coupon("SECOND", percent="20")
    order_for(ada, only_a, coupon=best)
    order_for(ada, make_offer(b, coupon_mode="any"), coupon=second, now=after(minutes=1))
    placed = order_for(ada, make_offer(a, b, amount="100", coupon_mode="any"), now=after(minutes=2))
    assert (placed.coupon, str(placed.total)) == (second, "80.00 EUR")
    assert (held(best), held(second)) == (["released"], ["reserved"])


def test_a_reservation_protects_against_the_end_of_a_list(ada, course):
    members = make_list()
    coupon = make_coupon("MEMBERS", lists=[members])
    lists.add(members, ada, until=after(minutes=30), now=START)
    order_for(ada, make_offer(course, coupon_mode="any"), coupon=coupon)
    placed = order_for(ada, make_offer(course, amount="100", coupon_mode="any"), now=after(minutes=59))
    assert str(placed.total) == "85.00 EUR"


# --- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_money_on_its_way_to_any_of_them_refuses_a_stranger(ada, which):
    a, b = make_product("A"), make_product("B")
    orders = [order_for(ada, make_offer(a)), order_for(ada, make_offer(b), now=after(minutes=1))]
    transitions.start_processing(orders[which], now=after(minutes=2))
    with pytest.raises(placing.OrderUnderWay) as refusal:
        order_for(ada, make_offer(a, b), vouch=nobody, now=after(minutes=3))
    assert refusal.value.facts["order"] == orders[which].pk
    assert m.Purchase.objects.filter(joined_into__isnull=False).count() == 0
    assert order_for(ada, make_offer(a, b), now=after(minutes=3)).status == "open"  # who is known may


def test_a_stranger_takes_no_coupon_by_choosing_a_plan_that_refuses_it(ada, course):
    """Ada's discount has ended for everybody who does not hold it. A stranger orders another plan with her address."""
    coupon = make_coupon("SPRING", limit_total=1, valid_until=after(minutes=5))
    offer, other = make_offer(course, coupon_mode="any"), make_offer(course, amount="200")
    order_for(ada, offer, coupon=coupon)
    strange = order_for(ada, other, vouch=nobody, now=after(minutes=10))
    assert (strange.coupon, held(coupon)) == (None, ["reserved"])
    back = order_for(ada, offer, now=after(minutes=20))
    assert (str(back.total), back.coupon_use.state) == ("102.00 EUR", "reserved")
    books_receive(back, "102", now=after(minutes=21))
    assert (held(coupon), fresh(coupon).used_count) == (["redeemed"], 1)


def test_what_was_kept_from_a_stranger_comes_back_when_the_purchase_is_paid(ada, course):
    coupon = make_coupon("SPRING", limit_total=1)
    order_for(ada, make_offer(course, coupon_mode="any"), coupon=coupon)
    strange = order_for(ada, make_offer(course, amount="200"), vouch=nobody, now=after(minutes=10))
    books_receive(strange, "200", now=after(minutes=11))
    assert (held(coupon), fresh(coupon).used_count) == (["released"], 0)


def test_a_stranger_is_not_told_the_code_of_any_of_them(ada):
    a, b = make_product("A"), make_product("B")
    order_for(ada, make_offer(a, coupon_mode="any"), coupon=make_coupon("SECRET", percent="30"))
    order_for(ada, make_offer(b, coupon_mode="any"), now=after(minutes=1))
    placed = order_for(ada, make_offer(a, b, amount="100", coupon_mode="any"), vouch=nobody, now=after(minutes=2))
    assert (str(placed.total), placed.coupon_code) == ("70.00 EUR", "")
