from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.support import START, after, make_contact, make_list
from tests.waiting import while_held
from wagtail_kwiga import locking
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.lists import NOT_MEMBER
from wagtail_kwiga.contacts.models import ContactList, ListMembership
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry

MOMENT = dt.timedelta(microseconds=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def come_back():
    return make_list()


@pytest.fixture
def ada():
    return make_contact("ada@example.com")


def test_an_empty_list_holds_nobody(come_back, ada):
    assert not lists.is_member(come_back, ada, START)
    assert lists.member_until(come_back, ada, START) is NOT_MEMBER
    assert not NOT_MEMBER
    assert lists.members([ada.pk], [come_back.pk], START) == {}
    assert lists.membership_status(ada, [come_back.pk], START) == lists.MembershipStatus(False, None, False)


def test_a_grant_without_an_end(come_back, ada):
    grant = lists.add(come_back, ada, now=START)
    assert (grant.source, grant.until, grant.added_at, grant.removed_at) == ("", None, START, None)
    for at in (START, after(days=9999)):
        assert lists.is_member(come_back, ada, at)
        assert lists.member_until(come_back, ada, at) is None
    assert not lists.is_member(make_list("Other"), ada, START)
    assert not lists.is_member(come_back, make_contact(), START)


def test_the_clock_alone_ends_a_grant(come_back, ada):
    end = after(hours=24)
    lists.add(come_back, ada, until=end, source="run:1", now=START)
    assert lists.is_member(come_back, ada, end - MOMENT)
    assert lists.member_until(come_back, ada, end - MOMENT) == end
    for at in (end, end + MOMENT):
        assert not lists.is_member(come_back, ada, at)
        assert lists.member_until(come_back, ada, at) is NOT_MEMBER
        assert not lists.open_grants([ada.pk], [come_back.pk], at).exists()
        assert lists.membership_status(ada, [come_back.pk], at) == lists.MembershipStatus(False, None, True)


def test_a_start_in_the_future_delays_nobody(come_back, ada):
    lists.add(come_back, ada, now=after(days=1))
    assert lists.is_member(come_back, ada, START)


def test_adding_again_gives_the_grant_of_that_source_the_new_end(come_back, ada):
    first = lists.add(come_back, ada, until=after(hours=24), source="run:1", now=START)
    for until in (after(hours=48), after(hours=1), None, after(hours=2)):
        again = lists.add(come_back, ada, until=until, source="run:1", now=after(minutes=5))
        assert again.pk == first.pk
        assert lists.member_until(come_back, ada, START) == until
    assert ListMembership.objects.get().added_at == START


def test_an_ended_grant_is_revived(come_back, ada):
    lists.add(come_back, ada, until=after(hours=1), source="run:1", now=START)
    lists.add(come_back, ada, until=after(hours=30), source="run:1", now=after(hours=24))
    assert lists.member_until(come_back, ada, after(hours=24)) == after(hours=30)
    assert ListMembership.objects.count() == 1


def test_the_latest_end_of_several_sources_counts(come_back, ada):
    lists.add(come_back, ada, until=after(hours=5), source="run:1", now=START)
    lists.add(come_back, ada, until=after(hours=9), source="run:2", now=START)
    assert lists.member_until(come_back, ada, START) == after(hours=9)
    assert lists.member_until(come_back, ada, after(hours=5)) == after(hours=9)
    lists.add(come_back, ada, now=START)
    assert lists.member_until(come_back, ada, START) is None
    assert lists.members([ada.pk], [come_back.pk], START) == {(ada.pk, come_back.pk): None}


def test_a_scenario_removes_its_own_grant_only(come_back, ada):
    by_hand = lists.add(come_back, ada, now=START)
    lists.add(come_back, ada, until=after(hours=24), source="run:1", now=START)
    lists.add(come_back, ada, source="run:2", now=START)
    assert lists.remove(come_back, ada, source="run:1", now=after(hours=1)) == 1
    assert lists.remove(come_back, ada, source="run:1", now=after(hours=2)) == 0
    assert lists.remove(come_back, ada, source="", now=after(hours=2)) == 1
    assert lists.is_member(come_back, ada, after(hours=3))
    by_hand.refresh_from_db()
    assert by_hand.removed_at == after(hours=2)


def test_staff_remove_every_grant_and_the_rows_stay(come_back, ada):
    other = make_list("Other")
    lists.add(other, ada, now=START)
    for source in ("", "run:1", "run:2"):
        lists.add(come_back, ada, source=source, now=START)
    end = after(hours=1)
    assert lists.remove(come_back, ada, now=end) == 3
    assert lists.is_member(come_back, ada, end - MOMENT)  # what was true then stays true
    assert not lists.is_member(come_back, ada, end)
    assert lists.is_member(other, ada, end)
    assert set(ListMembership.objects.filter(list=come_back).values_list("removed_at", flat=True)) == {end}
    assert lists.membership_status(ada, [come_back.pk], end).was_member


def test_a_removed_grant_stays_removed_and_adding_again_makes_a_new_one(come_back, ada):
    old = lists.add(come_back, ada, source="run:1", now=START)
    lists.remove(come_back, ada, now=after(hours=1))
    new = lists.add(come_back, ada, source="run:1", now=after(hours=2))
    assert new.pk != old.pk
    old.refresh_from_db()
    assert old.removed_at == after(hours=1)
    assert lists.is_member(come_back, ada, after(hours=2))


def test_standing_over_several_lists(come_back, ada):
    other = make_list("Other")
    lists.add(come_back, ada, until=after(hours=1), now=START)
    lists.add(other, ada, until=after(hours=2), now=START)
    both = [come_back.pk, other.pk]
    assert lists.membership_status(ada, both, START) == lists.MembershipStatus(True, after(hours=2), True)
    assert lists.membership_status(ada, [come_back.pk], after(hours=1)) == lists.MembershipStatus(False, None, True)
    assert lists.membership_status(ada, both, after(hours=1)) == lists.MembershipStatus(True, after(hours=2), True)
    assert lists.membership_status(ada, [], START) == lists.MembershipStatus(False, None, False)


def test_add_many_adds_renews_and_revives(come_back, ada):
    bob, cleo = make_contact(), make_contact()
    kept = lists.add(come_back, ada, source="run:1", now=START)
    ended = lists.add(come_back, bob, until=after(minutes=1), source="run:2", now=START)
    lists.add(come_back, cleo, source="run:3", now=START)
    lists.remove(come_back, cleo, now=after(minutes=1))
    end = after(hours=24)
    lists.add_many(
        [
            (come_back.pk, ada.pk, after(hours=1), "run:9"),
            (come_back.pk, ada.pk, end, "run:9"),
            (come_back.pk, bob.pk, end, "run:2"),
            (come_back.pk, cleo.pk, end, "run:3"),
        ],
        now=after(hours=1),
    )
    kept.refresh_from_db()
    ended.refresh_from_db()
    assert (kept.until, ended.until) == (None, end)
    open_now = lists.open_grants([ada.pk, bob.pk, cleo.pk], [come_back.pk], after(hours=1))
    assert sorted(open_now.values_list("contact_id", "source", "until"), key=str) == sorted(
        [(ada.pk, "run:1", None), (ada.pk, "run:9", end), (bob.pk, "run:2", end), (cleo.pk, "run:3", end)], key=str
    )
    assert ListMembership.objects.count() == 5  # the removed one is still there


def test_remove_many_takes_exactly_what_it_names(come_back, ada):
    bob, other = make_contact(), make_list("Other")
    lists.add_many(
        [(to.pk, who.pk, None, source) for to in (come_back, other) for who in (ada, bob) for source in ("", "run:1")],
        now=START,
    )
    at = after(hours=1)
    assert lists.remove_many([(come_back.pk, ada.pk, "run:1"), (other.pk, bob.pk, None)], now=at) == 3
    left = lists.open_grants([ada.pk, bob.pk], [come_back.pk, other.pk], at)
    assert set(left.values_list("list_id", "contact_id", "source")) == {
        (come_back.pk, ada.pk, ""),
        (come_back.pk, bob.pk, ""),
        (come_back.pk, bob.pk, "run:1"),
        (other.pk, ada.pk, ""),
        (other.pk, ada.pk, "run:1"),
    }
    assert lists.remove_many([(come_back.pk, ada.pk, "run:1")], now=at) == 0


def test_nothing_to_do_costs_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        lists.add_many([], now=START)
        assert lists.remove_many([], now=START) == 0


def test_reading_costs_one_query(come_back, ada, django_assert_num_queries):
    lists.add(come_back, ada, until=after(hours=1), now=START)
    for read in (
        lambda: lists.is_member(come_back, ada, START),
        lambda: lists.member_until(come_back, ada, START),
        lambda: lists.members([ada.pk], [come_back.pk], START),
        lambda: lists.membership_status(ada, [come_back.pk], START),
        lambda: list(lists.open_grants([ada.pk], [come_back.pk], START)),
    ):
        with django_assert_num_queries(1):
            read()


def _queries_of_a_batch(size: int) -> dict[str, int]:
    """Queries of each kind of batch over ``size`` contacts, half of them on the list already (one where size is 1)."""
    here, there = make_list(), make_list()
    contacts = [make_contact() for _ in range(size + 1)]
    lists.add_many([(here.pk, contact.pk, None, f"run:{contact.pk}") for contact in contacts[::2]], now=START)
    rows = [(here.pk, contact.pk, after(hours=n % 7), f"run:{contact.pk}") for n, contact in enumerate(contacts)] + [
        (there.pk, contact.pk, None, "run:0") for contact in contacts[:size]
    ]
    counted = {}
    for name, verb in (
        ("mixed", lambda: lists.add_many(rows, now=START)),
        ("again", lambda: lists.add_many(rows, now=START)),
        ("remove", lambda: lists.remove_many([(row[0], row[1], row[3]) for row in rows], now=START)),
        ("afresh", lambda: lists.add_many(rows, now=START)),
    ):
        with locking.atomic_write(), CaptureQueriesContext(connection) as queries:
            verb()
        counted[name] = len(queries)
    assert lists.open_grants([c.pk for c in contacts], [here.pk, there.pk], START - MOMENT).count() >= size
    return counted


@pytest.mark.postgres
def test_a_batch_costs_the_same_whatever_its_size():
    one = _queries_of_a_batch(1)
    # Each with a savepoint before and after: read, change, insert / read / read, take away / read, insert.
    assert one == {"mixed": 5, "again": 3, "remove": 4, "afresh": 4}
    assert _queries_of_a_batch(100) == one
    assert _queries_of_a_batch(500) == one


@pytest.mark.sqlite
def test_a_batch_on_sqlite_stays_within_its_bound():
    """SQLite takes at most 999 values a statement here, so changes and inserts go in portions."""
    counted = _queries_of_a_batch(500)
    assert counted["again"] <= 3 and counted["remove"] <= 4
    assert counted["mixed"] <= 25 and counted["afresh"] <= 25


class TestAgainstAPlainModel(TestCase):
    """Any sequence of moves, one by one or in batches, leaves what a plain dictionary of grants says."""

    moves = st.lists(
        st.tuples(
            st.sampled_from(["add", "add_many", "remove", "remove_many"]),
            st.integers(0, 1),
            st.integers(0, 1),
            st.sampled_from(["", "run:1", "run:2"]),
            st.none() | st.integers(-3, 12),
            st.booleans(),
        ),
        max_size=12,
    )

    @settings(deadline=None)  # the database is slow on a busy machine; that is no fault
    @given(moves)
    def test_moves(self, moves):
        places, people = [make_list(), make_list()], [make_contact(), make_contact()]
        grants: dict[tuple[int, int, str], dt.datetime | None] = {}
        for minute, (verb, place, person, source, hours, is_all) in enumerate(moves):
            now = after(minutes=minute)
            until = None if hours is None else after(hours=hours)
            target, who = places[place], people[person]
            if verb == "add":
                lists.add(target, who, until=until, source=source, now=now)
            elif verb == "add_many":
                lists.add_many([(target.pk, who.pk, until, source)], now=now)
            elif verb == "remove":
                lists.remove(target, who, source=None if is_all else source, now=now)
            else:
                lists.remove_many([(target.pk, who.pk, None if is_all else source)], now=now)
            if verb.startswith("add"):
                grants[place, person, source] = until
            else:
                for key in list(grants):
                    if key[:2] == (place, person) and (is_all or key[2] == source):
                        del grants[key]
            for place_now, here in enumerate(places):
                for person_now, them in enumerate(people):
                    ends = [
                        end
                        for key, end in grants.items()
                        if key[:2] == (place_now, person_now) and (end is None or now < end)
                    ]
                    expected = NOT_MEMBER if not ends else None if None in ends else max(ends)
                    assert lists.member_until(here, them, now) == expected
                    assert lists.is_member(here, them, now) == bool(ends)


# --- by hand, and as seen from other rows -----------------------------------------------------------------------------------


def sentences(contact):
    return [(writing.sentence(entry), entry.by) for entry in writing.timeline(contact)]


def test_putting_on_by_hand_stands_on_the_timeline(come_back, ada, admin_user):
    lists.staff_add(come_back, ada, by=admin_user, now=START)
    lists.staff_add(come_back, ada, until=after(hours=24), by=admin_user, now=after(hours=1))
    assert ListMembership.objects.get().until == after(hours=24)
    first, second = sentences(ada)
    assert first == ("Put on the list “Come back” by hand.", admin_user)
    assert second[0].startswith("Put on the list “Come back” by hand, until ")


def test_taking_off_by_hand_ends_whatever_holds_and_tells_only_of_those_who_were_on_it(come_back, ada, admin_user):
    bob, eve, other = make_contact(), make_contact(), make_list("Other")
    for source in ("", "run:1", "import:2"):
        lists.add(come_back, ada, source=source, now=START)
    lists.add(other, ada, now=START)
    lists.add(come_back, bob, until=after(hours=1), now=START)
    gone = lists.staff_remove(come_back, [ada.pk, bob.pk, eve.pk, ada.pk], by=admin_user, now=after(hours=2))
    assert gone == [ada.pk]
    assert not lists.is_member(come_back, ada, after(hours=2))
    assert lists.is_member(come_back, ada, after(hours=2) - MOMENT)
    assert lists.is_member(other, ada, after(hours=2))
    assert sentences(ada) == [("Taken off the list “Come back” by hand.", admin_user)]
    assert sentences(bob) == sentences(eve) == []
    assert lists.staff_remove(come_back, [ada.pk], by=admin_user, now=after(hours=3)) == []


@pytest.mark.parametrize("many", [1, 12])
def test_taking_many_off_costs_the_same(come_back, admin_user, many):
    people = [make_contact() for _ in range(many)]
    for contact in people:
        lists.add(come_back, contact, now=START)
    with CaptureQueriesContext(connection) as queries:
        assert len(lists.staff_remove(come_back, [one.pk for one in people], by=admin_user, now=START)) == many
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 8


def test_two_members_of_staff_at_once_of_whom_the_second_looked_at_the_clock_first(come_back, ada, admin_user):
    """The one who had to wait for the lock brings an earlier instant than the one who had it."""
    lists.add(come_back, ada, now=START)
    assert lists.staff_remove(come_back, [ada.pk], by=admin_user, now=after(hours=1, seconds=1)) == [ada.pk]
    assert lists.staff_remove(come_back, [ada.pk], by=admin_user, now=after(hours=1)) == []
    assert TimelineEntry.objects.filter(code=lists.UNLISTED).count() == 1


def test_ended_is_the_opposite_of_holding(come_back):
    ends = [None, START, after(hours=1)]
    for until in ends:
        for removed in ends:
            grant = lists.add(come_back, make_contact(), until=until, now=START - dt.timedelta(days=1))
            ListMembership.objects.filter(pk=grant.pk).update(removed_at=removed)
    for at in (START - MOMENT, START, after(hours=1), after(hours=2)):
        held = set(ListMembership.objects.filter(lists.holding(at)).values_list("pk", flat=True))
        over = set(ListMembership.objects.filter(lists.ended(at)).values_list("pk", flat=True))
        assert held | over == set(ListMembership.objects.values_list("pk", flat=True))
        assert not held & over


def test_the_rule_as_seen_from_a_list_leaves_out_what_has_no_grant(come_back, ada):
    empty = make_list("Empty")
    lists.add(come_back, ada, until=after(hours=1), now=START)
    lists.add(come_back, ada, source="run:1", now=START)
    seen = ContactList.objects.filter(lists.holding(START, "memberships__")).distinct()
    assert list(seen) == [come_back]
    people = dict(ContactList.objects.annotate(people=lists.people_on(START)).values_list("pk", "people"))
    assert people == {come_back.pk: 1, empty.pk: 0}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_whoever_changes_a_membership_waits_for_whoever_holds_the_contact(admin_user):
    """A mail that promises a discount asks under that lock whether its reader is on the list, and is then handed over."""
    here, ada = make_list(), make_contact()
    changes = {
        "add": lambda: lists.add(here, ada, now=START),
        "remove": lambda: lists.remove(here, ada, now=after(minutes=1)),
        "put on": lambda: lists.staff_add(here, ada, by=admin_user, now=after(minutes=2)),
        "take off": lambda: lists.staff_remove(here, [ada.pk], by=admin_user, now=after(minutes=3)),
    }
    for name, change in changes.items():
        assert while_held(ada.pk, change), name
    assert not lists.is_member(here, ada, after(minutes=3))
