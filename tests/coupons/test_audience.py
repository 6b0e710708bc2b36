"""For whom a coupon works at a moment: everybody, the people on its lists, or nobody."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import audience, eligibility, uses
from wagtail_kwiga.coupons.models import Coupon

pytestmark = pytest.mark.django_db


def told(coupon, at=START):
    return audience.sentence(audience.audience(coupon, at))


def test_no_list_is_everybody_and_an_empty_list_is_nobody():
    assert told(make_coupon()) == "Works for everybody: no list is chosen."
    come_back = make_list("Come back")
    coupon = make_coupon(lists=[come_back])
    assert told(coupon) == ("Works for nobody: the list “Come back” is empty. A scenario or you can put people on it.")
    coupon.contact_lists.add(make_list("Friends"))
    assert told(coupon) == (
        "Works for nobody: the lists “Come back”, “Friends” are empty. A scenario or you can put people on them."
    )


def test_people_are_counted_once_and_only_while_they_are_on_it():
    come_back, friends = make_list("Come back"), make_list("Friends")
    coupon = make_coupon(lists=[come_back])
    ada, bob = make_contact(), make_contact()
    lists.add(come_back, ada, until=after(hours=24), now=START)
    lists.add(come_back, ada, source="run:1", until=after(hours=48), now=START)
    assert told(coupon) == "Works for the 1 person who is on “Come back”."
    lists.add(come_back, bob, now=START)
    assert told(coupon) == "Works for the 2 people who are on “Come back”."
    coupon.contact_lists.add(friends)
    lists.add(friends, bob, now=START)
    assert told(coupon) == "Works for the 2 people who are on one of these lists: “Come back”, “Friends”."
    assert audience.audience(coupon, after(hours=47)).people == 2
    assert audience.audience(coupon, after(hours=48)).people == 1, "the clock alone ends it"
    lists.remove(come_back, bob, now=after(hours=49))
    lists.remove(friends, bob, now=after(hours=49))
    assert audience.audience(coupon, after(hours=49)).is_nobody


def test_what_is_told_is_what_buyers_meet():
    offer = make_offer(coupon_mode="any")
    full, empty = make_list("Full"), make_list("Empty")
    ada = make_contact()
    lists.add(full, ada, until=after(hours=1), now=START)
    for chosen in ([], [full], [empty], [full, empty]):
        coupon = make_coupon(lists=chosen)
        for at in (START, after(hours=1)):
            who = audience.audience(coupon, at)
            works_for_ada = eligibility.check_coupon(coupon, offer=offer, contact=ada, now=at).ok
            works_for_a_stranger = eligibility.check_coupon(coupon, offer=offer, contact=make_contact(), now=at).ok
            assert who.is_everybody is works_for_a_stranger
            assert works_for_ada is (who.is_everybody or who.people == 1)
            assert who.is_nobody is not (works_for_ada or works_for_a_stranger)


@pytest.mark.parametrize("many", [1, 12])
def test_two_queries_for_any_number(many, django_assert_num_queries):
    coupons = [make_coupon(lists=[make_list(f"List {number}"), make_list()]) for number in range(many)]
    with django_assert_num_queries(2):
        found = audience.audiences([coupon.pk for coupon in coupons], START)
    assert set(found) == {coupon.pk for coupon in coupons}
    assert all(len(one.lists) == 2 for one in found.values())


def test_in_a_few_words():
    come_back = make_list("Come back")
    coupon = make_coupon(lists=[come_back])
    assert audience.summary(audience.audience(coupon, START)) == "nobody: “Come back” is empty"
    lists.add(come_back, make_contact(), now=START)
    assert audience.summary(audience.audience(coupon, START)) == "1 person on “Come back”"
    assert audience.summary(audience.audience(make_coupon(), START)) == "everybody"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ""),
        ({"is_active": False, "valid_until": START}, "It is not active"),
        ({"valid_until": START}, "It ended on"),
        ({"valid_until": START + dt.timedelta(seconds=1)}, ""),
        ({"valid_from": START}, ""),
        ({"valid_from": START + dt.timedelta(seconds=1)}, "It begins on"),
        ({"limit_total": 2, "used_count": 1}, ""),
        ({"limit_total": 2, "used_count": 2}, "used as often as it may be"),
        # Two at once: the one that the checkout tells.
        ({"limit_total": 2, "used_count": 2, "valid_from": START + dt.timedelta(days=1)}, "It begins on"),
        ({"valid_from": START + dt.timedelta(days=1), "valid_until": START}, "It begins on"),
    ],
)
def test_what_stands_in_the_way_of_all(given, words):
    told = audience.hindrance(make_coupon(**given), START)
    assert words in told
    assert bool(words) is bool(told)


def test_a_reservation_that_has_expired_is_a_free_place_on_the_screen_as_well():
    """The checkout gives its place to whoever asks next, so the coupon is not used up."""
    coupon, offer = make_coupon(limit_total=1), make_offer(coupon_mode="any")
    uses.reserve(coupon, make_contact(), until=after(hours=1), now=START)
    coupon.refresh_from_db()
    for at, is_free in ((after(minutes=59), False), (after(hours=1), True)):
        assert eligibility.check_coupon(coupon, offer=offer, contact=make_contact(), now=at).ok is is_free
        assert (audience.hindrance(coupon, at) == "") is is_free


def test_looking_for_hindrances_costs_a_query_only_where_no_place_is_left(django_assert_num_queries):
    with django_assert_num_queries(0):
        audience.hindrance(Coupon(code="A", limit_total=2, used_count=1), START)
    with django_assert_num_queries(1):
        audience.hindrance(Coupon(code="A", limit_total=2, used_count=2, pk=1), START)
