"""Instants in words: with their zone, in a language."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from wagtail_kwiga.formatting import instants

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
    assert instants.moment_for_mail(NOON, language) == told


def test_the_hour_that_comes_twice_is_told_apart():
    """2027-10-31 in Warsaw: 02:30 happens in summer time, and an hour later again in winter time."""
    assert instants.moment_for_mail(dt.datetime(2027, 10, 31, 0, 30, tzinfo=dt.UTC), "pl").endswith("02:30 CEST")
    assert instants.moment_for_mail(dt.datetime(2027, 10, 31, 1, 30, tzinfo=dt.UTC), "pl").endswith("02:30 CET")


def test_a_zone_without_a_name_is_an_offset():
    assert instants.moment_for_mail(NOON, "de", ZoneInfo("Asia/Kathmandu")).endswith("18:15 UTC+5:45")
    assert instants.moment_for_mail(NOON, "en", dt.timezone(dt.timedelta(hours=-3))).endswith("AM UTC-3")


# --- pages and screens


WRITERS = {
    "moment": "March 2, 2027, 1:30\xa0p.m.\xa0CET",
    "moment_to_the_second": "March 2, 2027, 13:30:00\xa0CET",
    "short_moment": "03/02/2027 1:30 p.m.\xa0CET",
}
IN_GERMAN = {
    "moment": "2. März 2027, 13:30\xa0Uhr\xa0MEZ",
    "moment_to_the_second": "2. März 2027, 13:30:00\xa0Uhr\xa0MEZ",
    "short_moment": "02.03.2027 13:30\xa0MEZ",
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_page_writes_in_the_zone_and_language_of_its_reader(name):
    write = getattr(instants, name)
    with timezone.override("Europe/Warsaw"):
        assert write(NOON) == WRITERS[name]
        assert write(NOON, language="de") == IN_GERMAN[name]
        with translation.override("de"):
            assert write(NOON) == IN_GERMAN[name]
            assert write(NOON, language="en") == WRITERS[name]


@pytest.mark.parametrize("name", WRITERS)
def test_a_zone_without_a_name_is_told_so_that_people_know_it(name):
    """São Paulo calls its zone “-03”."""
    zone = ZoneInfo("America/Sao_Paulo")
    assert getattr(instants, name)(NOON, zone=zone, language="pl").endswith("\xa0UTC-3")


def test_an_instant_that_is_no_instant_names_no_zone():
    assert instants.short_moment(dt.datetime(2027, 3, 2, 12, 30)) == "03/02/2027 12:30 p.m."


def test_a_lazy_one_speaks_when_it_is_shown():
    words = instants.moment_lazy(NOON)
    with timezone.override("Asia/Kathmandu"), translation.override("de"):
        assert str(words) == "2. März 2027, 18:15\xa0Uhr\xa0UTC+5:45"
    with timezone.override("UTC"):
        assert str(words) == "March 2, 2027, 12:30\xa0p.m.\xa0UTC"


def test_the_day_is_that_of_the_zone():
    late = dt.datetime(2027, 3, 2, 23, 30, tzinfo=dt.UTC)
    with timezone.override("Europe/Warsaw"):
        assert instants.local_day(late) == dt.date(2027, 3, 3)
    assert instants.local_day(late, dt.UTC) == dt.date(2027, 3, 2)
    assert instants.day(dt.date(2027, 3, 2)) == "March 2, 2027"


def test_what_ends_with_a_day_is_told_as_its_last_minute():
    """“Until 25 December, midnight” would be read as a day more."""
    warsaw = ZoneInfo("Europe/Warsaw")
    end = dt.datetime(2027, 12, 25, tzinfo=warsaw)
    with timezone.override(warsaw):
        assert instants.until(end) == "Dec. 24, 2027, 11:59\xa0p.m.\xa0CET"
        assert str(instants.until_lazy(end)) == instants.until(end)
        assert instants.until(end + dt.timedelta(hours=1)) == "Dec. 25, 2027, 1\xa0a.m.\xa0CET"
        assert instants.local_day(instants.last_minute(end)) == dt.date(2027, 12, 24)
    # Elsewhere it is no midnight, and told as it is.
    assert instants.until(end, zone=ZoneInfo("America/New_York")) == "Dec. 24, 2027, 6\xa0p.m.\xa0EST"
    assert instants.until_for_mail(end, "en", warsaw) == "Friday, December 24, 2027, 11:59\xa0PM CET"
