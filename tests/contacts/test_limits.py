from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import translation

from tests.support import START, after
from wagtail_kwiga.contacts import limits
from wagtail_kwiga.contacts.models import RateLimitWindow
from wagtail_kwiga.exceptions import TooManyAttempts


@pytest.mark.django_db
class TestCheck:
    def test_the_try_after_the_last_one_is_refused(self):
        for minute in range(3):
            limits.check("checkout:ip:203.0.113.7", limit=3, now=after(minutes=minute))
        for minute in (3, 4):
            with pytest.raises(TooManyAttempts):
                limits.check("checkout:ip:203.0.113.7", limit=3, now=after(minutes=minute))
        assert RateLimitWindow.objects.get().count == 3

    def test_the_words_say_when_to_come_back(self):
        limits.check("a", limit=1, now=after(minutes=48))
        with pytest.raises(TooManyAttempts) as caught:
            limits.check("a", limit=1, now=after(minutes=48, seconds=30))
        assert str(caught.value) == "Too many tries from here. Please try again in 12 minutes."
        assert caught.value.facts == {"retry_after": 11 * 60 + 30}
        with pytest.raises(TooManyAttempts) as caught:
            limits.check("a", limit=1, now=after(minutes=59, seconds=59, milliseconds=500))
        assert str(caught.value) == "Too many tries from here. Please try again in 1 minute."
        assert caught.value.facts == {"retry_after": 1}
        with translation.override("uk"), pytest.raises(TooManyAttempts):
            limits.check("a", limit=1, now=after(minutes=59))

    def test_after_the_time_told_it_works_again(self):
        limits.check("a", limit=1, now=after(minutes=10))
        with pytest.raises(TooManyAttempts) as caught:
            limits.check("a", limit=1, now=after(minutes=20))
        limits.check("a", limit=1, now=after(minutes=20, seconds=caught.value.facts["retry_after"]))

    def test_keys_and_lengths_of_window_are_counted_apart(self):
        limits.check("a", limit=1, now=START)
        limits.check("b", limit=1, now=START)
        limits.check("a", limit=1, now=START, window_minutes=10)
        with pytest.raises(TooManyAttempts) as caught:
            limits.check("a", limit=1, now=after(minutes=9), window_minutes=10)
        assert caught.value.facts == {"retry_after": 60}
        limits.check("a", limit=1, now=after(minutes=10), window_minutes=10)

    def test_nothing_allowed_means_nothing(self):
        with pytest.raises(TooManyAttempts):
            limits.check("a", limit=0, now=START)
        assert not RateLimitWindow.objects.exists()

    def test_no_address_is_stored(self):
        limits.check("checkout:email:ada@example.com", limit=1, now=START)
        key = RateLimitWindow.objects.get().key
        assert "ada" not in key and "example" not in key and len(key) == 64

    @pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
    def test_a_window_lasts_from_a_minute_to_a_day(self, minutes):
        with pytest.raises(ValueError, match="window"):
            limits.check("a", limit=1, now=START, window_minutes=minutes)

    def test_the_sweep_takes_what_is_long_over(self):
        limits.check("a", limit=1, now=after(days=-3))
        limits.check("a", limit=1, now=after(hours=-30))
        limits.check("a", limit=1, now=START)
        assert limits.sweep(START) == 1
        assert RateLimitWindow.objects.count() == 2
        with pytest.raises(TooManyAttempts):
            limits.check("a", limit=1, now=START)

    def test_a_try_costs_one_statement(self, django_assert_num_queries):
        for _time in range(2):
            with django_assert_num_queries(1):
                limits.check("a", limit=9, now=START)


def counts() -> list[int]:
    return sorted(RateLimitWindow.objects.values_list("count", flat=True))


@pytest.mark.django_db
class TestCheckMany:
    def test_several_keys_cost_one_statement(self, django_assert_num_queries):
        tries = [limits.RateLimit("a", 2), limits.RateLimit("b", 3, window_minutes=24 * 60), limits.RateLimit("c", 4)]
        for _time in range(2):
            with django_assert_num_queries(1):
                limits.check_many(tries, now=START)
        assert counts() == [2, 2, 2]

    def test_the_one_that_refuses_is_named(self):
        tries = [limits.RateLimit("a", 9), limits.RateLimit("b", 1, window_minutes=10)]
        limits.check_many(tries, now=after(minutes=2))
        with pytest.raises(TooManyAttempts) as caught:
            limits.check_many(tries, now=after(minutes=2))
        assert (caught.value.key, caught.value.facts) == ("b", {"retry_after": 8 * 60})

    def test_whoever_is_stopped_at_their_own_door_burns_nobody_elses_tries(self):
        own, theirs = limits.RateLimit("ip:203.0.113.7", 1), limits.RateLimit("address:ada@example.com", 5)
        limits.check_many([own, theirs], now=START)
        for _time in range(9):
            with pytest.raises(TooManyAttempts):
                limits.check_many([own, theirs], now=START)
        assert counts() == [1, 1]
        with pytest.raises(TooManyAttempts):  # what stands before the one that refuses has been counted
            limits.check_many([theirs, own], now=START)
        assert counts() == [1, 2]

    def test_none_at_all_and_none_allowed(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            limits.check_many([], now=START)
            with pytest.raises(TooManyAttempts):
                limits.check_many([limits.RateLimit("a", 0)], now=START)

    def test_the_same_key_twice_is_one(self):
        limits.check_many([limits.RateLimit("a", 2), limits.RateLimit("a", 2)], now=START)
        assert counts() == [1]


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada+shop@example.com", "ada@example.com"),
        ("a.d.a+1+2@googlemail.com", "ada@gmail.com"),
        ("+x@example.com", "+x@example.com"),
        ("...@example.com", "...@example.com"),
    ],
)
def test_spellings_of_one_mailbox(address, mailbox):
    assert limits.mailbox(address) == mailbox


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_all_counted():
    senders, each, limit = 8, 10, 37
    passed: list[int] = []
    refused: list[int] = []
    faults: list[BaseException] = []
    start = threading.Barrier(senders)

    def send(number: int) -> None:
        try:
            start.wait(timeout=30)
            for _ in range(each):
                try:
                    limits.check("a", limit=limit, now=START)
                    passed.append(number)
                except TooManyAttempts:
                    refused.append(number)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert (len(passed), len(refused)) == (limit, senders * each - limit)
    assert RateLimitWindow.objects.get().count == limit
