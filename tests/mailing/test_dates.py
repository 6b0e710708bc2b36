"""Instants and spans in words."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wagtail_kwiga.mailing import dates

NOON = dt.datetime(2027, 3, 2, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Tuesday, March 2, 2027, 1:30\xa0PM CET"),
        ("en-gb", "Tuesday, 2 March 2027, 13:30 CET"),
        ("de", "Dienstag, 2. März 2027, 13:30 MEZ"),
        ("es", "martes, 2 de marzo de 2027, 13:30 CET"),
        ("pl", "wtorek, 2 marca 2027, 13:30 CET"),
        ("uk", "вівторок, 2 березня 2027\xa0р., 13:30 CET"),
        ("xx", "Tuesday, March 2, 2027, 1:30\xa0PM CET"),
    ],
)
def test_an_instant_names_its_zone(language, told):
    assert dates.told(NOON, language) == told


def test_the_hour_that_comes_twice_is_told_apart():
    """2027-10-31 in Warsaw: 02:30 happens in summer time, and an hour later again in winter time."""
    assert dates.told(dt.datetime(2027, 10, 31, 0, 30, tzinfo=dt.UTC), "pl").endswith("02:30 CEST")
    assert dates.told(dt.datetime(2027, 10, 31, 1, 30, tzinfo=dt.UTC), "pl").endswith("02:30 CET")


def test_a_zone_without_a_name_is_an_offset():
    assert dates.told(NOON, "de", ZoneInfo("Asia/Kathmandu")).endswith("18:15 UTC+5:45")
    assert dates.told(NOON, "en", dt.timezone(dt.timedelta(hours=-3))).endswith("AM UTC-3")


@pytest.mark.parametrize(
    ("span", "en", "de", "pl", "uk"),
    [
        ({"hours": 24}, "24 hours", "24 Stunden", "24 godziny", "24 години"),
        ({"hours": 1}, "1 hour", "1 Stunde", "1 godzina", "1 година"),
        ({"hours": 5}, "5 hours", "5 Stunden", "5 godzin", "5 годин"),
        ({"minutes": 45}, "45 minutes", "45 Minuten", "45 minut", "45 хвилин"),
        ({"days": 7}, "7 days", "7 Tage", "7 dni", "7 днів"),
        # Seconds pass between deciding and writing; a whole promise stays whole, a broken one is told shorter.
        ({"hours": 23, "minutes": 59, "seconds": 30}, "24 hours", "24 Stunden", "24 godziny", "24 години"),
        ({"hours": 23, "minutes": 40}, "23 hours", "23 Stunden", "23 godziny", "23 години"),
        ({"seconds": 20}, "", "", "", ""),
        ({"seconds": -20}, "", "", "", ""),
        ({"days": -1}, "", "", "", ""),
    ],
)
def test_a_span(span, en, de, pl, uk):
    span = dt.timedelta(**span)
    assert [dates.spelt(span, language) for language in ("en", "de", "pl", "uk")] == [en, de, pl, uk]


@given(seconds=st.integers(0, 60 * 24 * 3600))
def test_a_span_is_never_told_longer_than_it_is(seconds):
    words = dates.spelt(dt.timedelta(seconds=seconds), "en")
    if words:
        number, unit = words.split()
        told = int(number) * {"minute": 60, "hour": 3600, "day": 86400}[unit.rstrip("s")]
        assert told <= seconds + 60
        assert seconds - told < {"minute": 60, "hour": 3600, "day": 86400}[unit.rstrip("s")]
