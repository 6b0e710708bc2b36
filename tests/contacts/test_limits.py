from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import translation

from tests.support import START, after
from wagtail_kwiga.contacts import limits
from wagtail_kwiga.contacts.models import RateWindow
from wagtail_kwiga.exceptions import TooManyAttempts


@pytest.mark.django_db
class TestCheck:
    def test_the_try_after_the_last_one_is_refused(self):
        for minute in range(3):
            limits.check("checkout:ip:203.0.113.7", limit=3, now=after(minutes=minute))
        for minute in (3, 4):
            with pytest.raises(TooManyAttempts):
                limits.check("checkout:ip:203.0.113.7", limit=3, now=after(minutes=minute))
        assert RateWindow.objects.get().count == 3

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
        assert not RateWindow.objects.exists()

    def test_no_address_is_stored(self):
        limits.check("checkout:email:ada@example.com", limit=1, now=START)
        key = RateWindow.objects.get().key
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
        assert RateWindow.objects.count() == 2
        with pytest.raises(TooManyAttempts):
            limits.check("a", limit=1, now=START)

    def test_a_try_costs_one_update(self, django_assert_max_num_queries):
        limits.check("a", limit=9, now=START)
        # The savepoint of the test's own transaction comes on top.
        with django_assert_max_num_queries(3):
            limits.check("a", limit=9, now=START)


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
    assert RateWindow.objects.get().count == limit
