"""Rows inserted unless they are there, and counters that stop at a ceiling."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.signals import post_save

from tests.support import START, after, make_contact
from wagtail_kwiga import locking, upserts
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory

pytestmark = pytest.mark.django_db


def new(email: str = "ada@example.com") -> m.Contact:
    return m.Contact(email=email, name="Ada", created_at=START)


def test_a_row_is_written_once(django_assert_num_queries):
    told = []

    def tell(sender, instance, created, **_given):
        told.append((instance.email, created))

    post_save.connect(tell, sender=m.Contact)
    try:
        first, second = new(), new("ADA@example.com")
        with django_assert_num_queries(1):
            assert upserts.insert_or_ignore(first)
        with django_assert_num_queries(1):
            assert not upserts.insert_or_ignore(second)
    finally:
        post_save.disconnect(tell, sender=m.Contact)
    assert second.pk is None
    assert m.Contact.objects.get() == first
    assert (first.name, first._state.adding) == ("Ada", False)
    assert told == [("ada@example.com", True)]


def test_a_row_that_is_there_spoils_no_transaction():
    make_contact("ada@example.com")
    with locking.atomic_write():
        assert not upserts.insert_or_ignore(new())
        assert m.Contact.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_write_one_row():
    gate, written = threading.Barrier(2), []

    def write():
        try:
            gate.wait(timeout=30)
            with locking.atomic_write():
                contact, is_new = directory.find_or_make(email="ada@example.com", name="Ada", now=START)
                written.append((contact.pk, is_new))
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(is_new for _pk, is_new in written) == [False, True]
    assert len({pk for pk, _is_new in written}) == 1


def count(**ceilings):
    """Count windows by their letter; the key ``a1`` is ``a`` an hour later."""
    named = {name: (name[0], after(hours=int(name[1:] or 0))) for name in ceilings}
    counted = upserts.count_up(
        m.RateLimitWindow,
        "count",
        unique=("key", "window"),
        ceilings={named[name]: ceiling for name, ceiling in ceilings.items()},
    )
    return {name for name, key in named.items() if key in counted}


def counters():
    rows = m.RateLimitWindow.objects.order_by("key", "window").values_list("key", "window", "count")
    return {(key, (window - START).seconds // 3600): number for key, window, number in rows}


def test_each_row_counts_up_to_its_own_ceiling(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert count(a=1, b=2, a1=3) == {"a", "b", "a1"}
    assert counters() == {("a", 0): 1, ("a", 1): 1, ("b", 0): 1}
    assert count(a=1, b=2, a1=3) == {"b", "a1"}
    assert count(a=1, b=2, a1=3) == {"a1"}
    assert count(a=1, b=2, a1=3) == set()
    assert counters() == {("a", 0): 1, ("a", 1): 3, ("b", 0): 2}


def test_nothing_to_count_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert count() == set()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_who_count_the_same_rows_in_another_order_both_count():
    """Rows are locked in one order, so neither is killed by the other (PostgreSQL would call it a deadlock)."""
    count(**dict.fromkeys("abcdef", 1000))
    failed = []

    def work(letters):
        try:
            count(**dict.fromkeys(letters, 1000))
        except OperationalError as fault:
            failed.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(letters,)) for letters in ("abcdef", "fedcba")]
    with transaction.atomic():
        # Whoever began at the other end would hold what the first one needs next, and wait for this row as well.
        m.RateLimitWindow.objects.select_for_update().get(key="c")
        for thread in threads:
            thread.start()
        wait_until(lambda: waiting() == 2)
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(counters().values()) == {3}


def waiting():
    """How many sessions wait for a lock in this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
            " AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        )
        return cursor.fetchone()[0]


def wait_until(is_so):
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- written, or touched


def window(count: int, key: str = "a") -> m.RateLimitWindow:
    return m.RateLimitWindow(key=key, window=START, count=count)


def test_a_row_that_is_there_is_touched_and_never_moved_back(django_assert_num_queries):
    for count, expected in ((3, 3), (7, 7), (5, 7)):
        with django_assert_num_queries(1):
            upserts.insert_or_touch(window(count), "count", constraint="kwiga_rate_key_window")
        assert m.RateLimitWindow.objects.get().count == expected
    upserts.insert_or_touch(window(1, "b"), "count", constraint="kwiga_rate_key_window")
    assert sorted(m.RateLimitWindow.objects.values_list("key", "count")) == [("a", 7), ("b", 1)]


def test_a_constraint_with_a_condition_is_named_with_it():
    ada = make_contact()
    for number, normalised in (("+1 2", "+12"), ("+1-2", "+12"), ("12", ""), ("12", "")):
        row = m.PhoneNumber(contact=ada, number=number, normalised=normalised, first_seen_at=START, last_seen_at=START)
        name = "kwiga_phone_normalised_once" if normalised else "kwiga_phone_as_given_once"
        upserts.insert_or_touch(row, "last_seen_at", constraint=name)
    assert sorted(m.PhoneNumber.objects.values_list("number", flat=True)) == ["+1 2", "12"]


def test_another_constraint_still_refuses():
    ada = make_contact()
    row = m.PhoneNumber(contact=ada, number="12", normalised="+12", first_seen_at=START, last_seen_at=START)
    upserts.insert_or_touch(row, "last_seen_at", constraint="kwiga_phone_normalised_once")
    with pytest.raises(IntegrityError), transaction.atomic():
        upserts.insert_or_touch(row, "last_seen_at", constraint="kwiga_phone_as_given_once")
