"""Which stored event is whose, and when it is tried again."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import event_leasing

pytestmark = pytest.mark.django_db


def event(number: int = 1, **given) -> m.ProviderEvent:
    columns = {"received_at": START, "next_try_at": START, "meaning": {}, **given}
    return m.ProviderEvent.objects.create(method="sandbox", event_id=f"evt_{number}", **columns)


def of(events) -> list[str]:
    return [each.event_id for each in events]


@pytest.mark.parametrize(
    ("tries", "minutes"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (12, 60), (400, 60)]
)
def test_the_pause_doubles_up_to_an_hour(tries, minutes):
    assert event_leasing.pause(tries) == dt.timedelta(minutes=minutes)


def test_one_is_claimed_where_nobody_says_how_many_and_the_longest_due_first():
    event(1, next_try_at=after(minutes=2))
    event(2, next_try_at=after(minutes=1))
    event(3, next_try_at=after(minutes=1))
    assert of(event_leasing.claim(after(minutes=2))) == ["evt_2"]
    assert of(event_leasing.claim(after(minutes=2), batch=9)) == ["evt_3", "evt_1"]


def test_the_one_that_is_named_is_claimed_and_no_other():
    event(1)
    second = event(2)
    (claimed,) = event_leasing.claim(START, only=second.pk)
    assert (claimed, claimed.tries) == (second, 1)
    assert event_leasing.claim(START, only=second.pk) == []
    assert of(event_leasing.claim(START, batch=9)) == ["evt_1"]


def test_each_claim_is_one_try_more_and_the_next_comes_after_the_pause():
    event(1, tries=6)
    (seventh,) = event_leasing.claim(START)
    stored = m.ProviderEvent.objects.get()
    assert (stored.tries, stored.next_try_at, stored.leased_until) == (7, after(hours=1), after(minutes=2))
    assert stored.lease == seventh.lease and len(stored.lease) == 32


def test_nothing_is_claimed_before_its_time_nor_when_it_is_done():
    event(1, next_try_at=after(seconds=1))
    event(2, processed_at=START)
    assert event_leasing.claim(START, batch=9) == []


def test_what_somebody_has_in_hand_is_not_taken_away_though_it_were_due():
    row = event(lease="another", leased_until=after(minutes=2))
    assert event_leasing.claim(after(seconds=119), batch=9) == []
    assert event_leasing.claim(after(minutes=2), batch=9) == [row]


def test_what_is_given_back_is_due_at_once():
    event(1)
    event(2)
    claimed = event_leasing.claim(START, batch=9)
    event_leasing.release(claimed[1:], after(seconds=5))
    event_leasing.release([], after(seconds=5))
    begun, back = m.ProviderEvent.objects.order_by("pk")
    assert (begun.lease, begun.leased_until, begun.next_try_at) == (
        claimed[0].lease,
        after(minutes=2),
        after(minutes=2),
    )
    assert (back.lease, back.leased_until, back.next_try_at, back.tries) == ("", None, after(seconds=5), 1)


def test_only_ones_own_is_given_back_and_only_what_is_not_done():
    event(1)
    event(2)
    claimed = event_leasing.claim(START, batch=9)
    m.ProviderEvent.objects.filter(pk=claimed[0].pk).update(lease="another")
    m.ProviderEvent.objects.filter(pk=claimed[1].pk).update(processed_at=START, next_try_at=None)
    event_leasing.release(claimed, after(seconds=5))
    taken, done = m.ProviderEvent.objects.order_by("pk")
    assert (taken.lease, taken.leased_until, done.next_try_at) == ("another", after(minutes=2), None)
