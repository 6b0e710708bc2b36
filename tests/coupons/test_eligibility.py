"""Both gates, every reason, and what buyers are told."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import eligibility, gates, rules, uses
from wagtail_kwiga.coupons.reasons import _MESSAGES, message
from wagtail_kwiga.coupons.rules import Reason

pytestmark = pytest.mark.django_db

ANY, ONLY, NONE = m.Offer.CouponMode.ANY, m.Offer.CouponMode.ONLY, m.Offer.CouponMode.NONE


def check(code, offer, contact=None, now=START, **given):
    return eligibility.check(code=code, offer=offer, contact=contact, now=now, **given)


def test_a_plain_coupon_on_an_offer_that_takes_any():
    coupon = make_coupon("SPRING")
    verdict = check("SPRING", make_offer(coupon_mode=ANY))
    assert (verdict.ok, verdict.reason, verdict.coupon, verdict.until, str(verdict.message)) == (
        True,
        "ok",
        coupon,
        None,
        "",
    )


@pytest.mark.parametrize("typed", ["spring 15", " SPRING 15\n", "\u200bSpring 15\ufeff", "\u00a0sPRING 15"])
def test_capitals_and_spaces_around_do_not_matter(typed):
    make_coupon("Spring 15")
    assert check(typed, make_offer(coupon_mode=ANY)).ok


@pytest.mark.parametrize("stored", ["ВЕСНА", "весна", "Весна", "Straße", "ÄPFEL-10", "Żółw20"])
def test_letters_beyond_ascii_fold_on_every_database(stored):
    make_coupon(stored)
    offer = make_offer(coupon_mode=ANY)
    for typed in (stored, stored.lower(), stored.capitalize()):
        assert check(typed, offer).ok, typed


def test_the_exact_spelling_wins_where_a_database_keeps_two_apart():
    """SQLite's UPPER folds a–z only, so its constraint lets both in."""
    from django.db import connection

    first = make_coupon("ВЕСНА")
    if connection.vendor == "sqlite":
        second = make_coupon("весна")
        assert check("весна", make_offer(coupon_mode=ANY)).coupon == second
    assert check("ВЕСНА", make_offer(coupon_mode=ANY)).coupon == first


@pytest.mark.parametrize("typed", ["", "   ", "NOSUCH", "X" * 41, "A\x00B", "A\nB", "A\u202eB", "\ud800", None, 15])
def test_what_can_be_no_code_is_unknown(typed):
    make_coupon("X" * 40)
    verdict = check(typed, make_offer(coupon_mode=ANY))
    assert (verdict.ok, verdict.reason, verdict.coupon) == (False, "unknown", None)


@given(st.text(max_size=60))
def test_nothing_typed_ever_breaks(typed):
    offer = m.Offer(pk=0, coupon_mode=ANY, currency="EUR")
    assert check(typed, offer).reason == "unknown"


def test_an_inactive_one():
    make_coupon("OFF", is_active=False)
    assert check("OFF", make_offer(coupon_mode=ANY)).reason == "inactive"


def test_validity_is_read_by_the_clock_to_the_instant():
    make_coupon("DAY", valid_from=after(hours=1), valid_until=after(hours=2))
    offer = make_offer(coupon_mode=ANY)
    early = check("DAY", offer, now=after(hours=1, microseconds=-1))
    assert (early.reason, str(early.message)) == (
        "not_yet",
        "This code works from March 1, 2027, 2\xa0p.m.\xa0CET on.",
    )
    assert check("DAY", offer, now=after(hours=1)).until == after(hours=2)
    assert check("DAY", offer, now=after(hours=2, microseconds=-1)).ok
    late = check("DAY", offer, now=after(hours=2))
    assert (late.reason, late.until, str(late.message)) == (
        "expired",
        after(hours=2),
        "This code worked until March 1, 2027, 3\xa0p.m.\xa0CET.",
    )


def test_the_gate_of_the_offer():
    coupon = make_coupon("GATE")
    offer = make_offer(coupon_mode=NONE)
    assert check("GATE", offer).reason == "offer_takes_none"
    offer.coupon_mode = ONLY
    assert check("GATE", offer).reason == "offer_takes_others"
    gates.name_coupons(offer, [coupon.pk])
    assert check("GATE", offer).ok
    offer.coupon_mode = NONE
    assert check("GATE", offer).reason == "offer_takes_none"


def test_the_gate_of_the_coupon():
    theirs, other = make_offer(coupon_mode=ANY), make_offer(coupon_mode=ANY)
    make_coupon("BOUND", offers=[theirs])
    assert check("BOUND", theirs).ok
    assert check("BOUND", other).reason == "wrong_offer"


def test_both_gates_must_agree():
    offer, elsewhere = make_offer(coupon_mode=ONLY), make_offer(coupon_mode=ANY)
    coupon = make_coupon("BOTH", offers=[elsewhere])
    gates.name_coupons(offer, [coupon.pk])
    assert check("BOTH", offer).reason == "wrong_offer"


def test_a_fixed_amount_of_another_currency_says_so():
    make_coupon("TEN", percent=None, amount=Decimal(10), currency="USD")
    verdict = check("TEN", make_offer(coupon_mode=ANY))
    assert verdict.reason == "other_currency"
    assert "USD" in str(verdict.message) and "EUR" in str(verdict.message)
    assert check("TEN", make_offer(coupon_mode=ANY, currency="USD")).ok


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bound():
    """The coupon of the story: for people on an empty list, named by the offer."""
    offer, people = make_offer(coupon_mode=ONLY), make_list()
    coupon = make_coupon("COMEBACK15", lists=[people])
    gates.name_coupons(offer, [coupon.pk])
    return offer, people, coupon


def test_an_empty_list_means_nobody(bound):
    offer, _, coupon = bound
    verdict = check("COMEBACK15", offer, make_contact())
    assert (verdict.ok, verdict.reason, verdict.coupon) == (False, "other_address", coupon)
    assert str(verdict.message) == (
        "This code was made for another address. If it was sent to you, please type the address that got the mail."
    )


def test_without_an_address_it_is_asked_for(bound):
    offer, _, coupon = bound
    verdict = check("COMEBACK15", offer)
    assert (verdict.ok, verdict.reason, verdict.coupon) == (False, "needs_address", coupon)
    assert "type the address that got the mail" in str(verdict.message)


def test_membership_opens_and_the_clock_alone_closes(bound):
    offer, people, _ = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=24), source="run:1", now=START)
    assert check("COMEBACK15", offer, ada).until == after(hours=24)
    assert check("comeback15", offer, ada, now=after(hours=24, microseconds=-1)).ok
    ended = check("COMEBACK15", offer, ada, now=after(hours=24))
    assert (ended.reason, ended.until) == ("ended_for_you", after(hours=24))
    assert str(ended.message) == "This discount has ended for you. It held until March 2, 2027, 1\xa0p.m.\xa0CET."


def test_until_is_the_earlier_of_membership_and_coupon(bound):
    offer, people, coupon = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=24), source="run:1", now=START)
    m.Coupon.objects.filter(pk=coupon.pk).update(valid_until=after(hours=3))
    assert check("COMEBACK15", offer, ada).until == after(hours=3)
    m.Coupon.objects.filter(pk=coupon.pk).update(valid_until=after(hours=30))
    assert check("COMEBACK15", offer, ada).until == after(hours=24)


def test_removal_ends_it_at_once(bound):
    offer, people, _ = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=24), source="run:1", now=START)
    lists.remove(people, ada, now=after(hours=5))
    verdict = check("COMEBACK15", offer, ada, now=after(hours=6))
    assert (verdict.reason, verdict.until) == ("ended_for_you", after(hours=5))


def test_any_list_and_any_grant_will_do(bound):
    offer, people, coupon = bound
    friends = make_list("Friends")
    coupon.contact_lists.add(friends)
    ada = make_contact()
    lists.add(people, ada, until=after(hours=1), source="run:1", now=START)
    lists.add(friends, ada, until=after(hours=9), source="run:2", now=START)
    assert check("COMEBACK15", offer, ada, now=after(hours=2)).until == after(hours=9)
    lists.add(people, ada, source="", now=START)
    assert check("COMEBACK15", offer, ada, now=after(hours=20)).until is None


def test_a_start_in_the_future_does_not_delay(bound):
    offer, people, _ = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=24), source="run:1", now=after(minutes=5))
    assert check("COMEBACK15", offer, ada, now=START).ok


def test_strangers_learn_nothing_about_uses(bound):
    offer, people, coupon = bound
    ada = make_contact()
    m.Coupon.objects.filter(pk=coupon.pk).update(limit_total=0)
    assert check("COMEBACK15", offer).reason == "needs_address"
    assert check("COMEBACK15", offer, ada).reason == "other_address"
    lists.add(people, ada, source="", now=START)
    assert check("COMEBACK15", offer, ada).reason == "used_up"


spans = st.one_of(st.none(), st.integers(-3, 3).map(lambda hours: START + dt.timedelta(hours=hours)))


@given(st.lists(st.tuples(spans, spans), max_size=4), st.integers(-4, 4))
def test_the_rule_is_that_of_the_lists_room(grants, hours):
    """The sum over grants here and ``contacts.lists`` agree on every grant, as the story's promise hangs on both."""
    at = START + dt.timedelta(hours=hours)
    people, ada = make_list(), make_contact()
    for number, (until, removed_at) in enumerate(grants):
        m.ListMembership.objects.create(
            list=people, contact=ada, source=f"run:{number}", added_at=START, until=until, removed_at=removed_at
        )
    ends = eligibility._membership_ends(make_coupon(lists=[people]), ada)
    end = rules.latest(ends) if ends else at
    assert (end is None or at < end) == lists.is_member(people, ada, at)
    assert len(ends) == len(grants)


# --- uses -------------------------------------------------------------------------------------------------------------


def test_used_up_but_not_for_who_holds_the_last_place():
    offer, ada, ben = make_offer(coupon_mode=ANY), make_contact(), make_contact()
    coupon = make_coupon("ONE", limit_total=1)
    held = uses.reserve(coupon, ada, until=after(hours=1), now=START)
    assert check("ONE", offer, ben).reason == "used_up"
    assert check("ONE", offer).reason == "used_up"
    assert check("ONE", offer, ada).ok
    assert check("ONE", offer, ben, holding=held).ok
    assert check("ONE", offer, ben, now=after(hours=1)).ok, "an expired hold is a free place"
    uses.redeem(held, now=START)
    assert check("ONE", offer, ben, now=after(hours=1)).reason == "used_up"


def test_spent_uses_count_against_the_person_and_held_ones_do_not_yet():
    offer, ada = make_offer(coupon_mode=ANY), make_contact()
    coupon = make_coupon("EACH", limit_per_contact=1)
    held = uses.reserve(coupon, ada, until=after(hours=1), now=START)
    assert check("EACH", offer, ada).ok, "coming back for the same order needs no second use"
    uses.redeem(held, now=START)
    assert check("EACH", offer, ada).reason == "used_by_you"
    assert check("EACH", offer, make_contact()).ok
    assert check("EACH", offer).ok


def test_a_coupon_at_hand_is_read_afresh():
    coupon, offer = make_coupon("STALE"), make_offer(coupon_mode=ANY)
    m.Coupon.objects.filter(pk=coupon.pk).update(is_active=False)
    assert eligibility.check_coupon(coupon, offer=offer, now=START).reason == "inactive"
    m.Coupon.objects.filter(pk=coupon.pk).delete()
    assert eligibility.check_coupon(coupon, offer=offer, now=START).reason == "unknown"


def test_two_queries_at_most(bound, django_assert_num_queries):
    offer, people, coupon = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=24), now=START)
    with django_assert_num_queries(2):
        assert check("COMEBACK15", offer, ada).ok
    with django_assert_num_queries(2):
        assert eligibility.check_coupon(coupon, offer=offer, contact=ada, now=START).ok
    with django_assert_num_queries(1):
        check("COMEBACK15", offer)
    with django_assert_num_queries(0):
        check("X" * 41, offer)


def test_every_reason_has_words_and_they_are_lazy():
    assert set(_MESSAGES) == set(Reason)
    assert all(str(message(reason, when="then", theirs="USD", ours="EUR")) for reason in Reason if reason != "ok")
    verdict_words = message(Reason.EXPIRED, when="then")
    with translation.override("en"):
        assert str(verdict_words) == "This code worked until then."


def test_the_deadline_is_in_the_readers_language(bound):
    offer, people, _ = bound
    ada = make_contact()
    lists.add(people, ada, until=after(hours=1), source="", now=START)
    ended = check("COMEBACK15", offer, ada, now=after(hours=2))
    with translation.override("de"):
        assert "1. März 2027, 14:00\xa0Uhr\xa0MEZ" in str(ended.message)


@pytest.mark.parametrize("first", ["coupon", "sale", "membership"])
def test_until_is_the_earliest_of_all_ends(first):
    """Of the coupon, of the sale, of the membership: whichever it is, a buyer is told no later one."""
    ends = {"coupon": after(hours=20), "sale": after(hours=30), "membership": after(hours=40), first: after(hours=3)}
    people, ada = make_list(), make_contact()
    make_coupon("LIMITED", lists=[people], valid_until=ends["coupon"])
    offer = make_offer(coupon_mode=ANY, sales_until=ends["sale"])
    lists.add(people, ada, until=ends["membership"], source="run:1", now=START)
    assert check("LIMITED", offer, ada).until == after(hours=3)


def test_the_end_of_the_sale_is_an_end_where_nothing_else_ends():
    make_coupon("SPRING")
    assert check("SPRING", make_offer(coupon_mode=ANY, sales_until=after(hours=3))).until == after(hours=3)
