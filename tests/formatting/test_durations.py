"""Lengths of time in words."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from wagtail_kwiga.formatting import durations


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
    assert [durations.time_left(span, language) for language in ("en", "de", "pl", "uk")] == [en, de, pl, uk]


@given(seconds=st.integers(0, 60 * 24 * 3600))
def test_a_span_is_never_told_longer_than_it_is(seconds):
    words = durations.time_left(dt.timedelta(seconds=seconds), "en")
    if words:
        number, unit = words.split()
        told = int(number) * {"minute": 60, "hour": 3600, "day": 86400}[unit.rstrip("s")]
        assert told <= seconds + 60
        assert seconds - told < {"minute": 60, "hour": 3600, "day": 86400}[unit.rstrip("s")]


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"minutes": 30}, "30 minutes"),
        ({"minutes": 90}, "90 minutes"),
        ({"hours": 1}, "1 hour"),
        ({"days": 1}, "24 hours"),
        ({"days": 3}, "3 days"),
        ({"days": 3, "hours": 1}, "73 hours"),
        ({}, "0 minutes"),
    ],
)
def test_a_length_that_somebody_set_is_told_exactly(length, words):
    assert durations.exact_duration(dt.timedelta(**length)) == words


def test_a_length_in_the_active_language():
    with translation.override("pl"):
        assert durations.exact_duration(dt.timedelta(hours=5)) == "5 godzin"
