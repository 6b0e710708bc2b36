"""A date typed without a time ends with that day, in the zone of the site."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.utils import timezone, translation

from wagtail_kwiga.catalogue.end_field import EndField


def local(zone: str, *when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=ZoneInfo(zone))


class Form(forms.Form):
    until = EndField(required=False)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Warsaw", "America/New_York"])
@pytest.mark.parametrize(
    ("typed", "end"),
    [
        ("2027-03-05", (2027, 3, 6)),
        (" 2027-03-05 ", (2027, 3, 6)),
        ("2027-12-31", (2028, 1, 1)),
        ("2027-03-14", (2027, 3, 15)),
        ("2027-03-28", (2027, 3, 29)),
        ("2027-10-31", (2027, 11, 1)),
        ("2027-11-07", (2027, 11, 8)),
        ("10/25/2027", (2027, 10, 26)),
    ],
)
def test_a_day_ends_when_the_next_begins_there(settings, zone, typed, end):
    settings.TIME_ZONE = zone
    with translation.override("en"), timezone.override("Pacific/Auckland"):  # where the editor happens to be
        form = Form({"until": typed})
        assert form.is_valid(), form.errors
        assert form.cleaned_data["until"] == local(zone, *end)


def test_a_time_is_meant_to_the_minute_in_the_readers_zone(settings):
    settings.TIME_ZONE = "Europe/Warsaw"
    with timezone.override("America/New_York"):
        form = Form({"until": "2027-03-05 00:00"})
        assert form.is_valid()
        assert form.cleaned_data["until"] == local("America/New_York", 2027, 3, 5)


@pytest.mark.parametrize(("typed", "valid"), [("", True), ("soon", False), ("2027-02-30", False), ("9999-12-31", True)])
def test_what_is_no_day(typed, valid):
    assert Form({"until": typed}).is_valid() is valid


def test_it_comes_back_as_it_was_typed(settings):
    settings.TIME_ZONE = "Europe/Warsaw"
    with timezone.override("America/New_York"):
        typed = Form({"until": "2027-03-28"})
        assert typed.is_valid()
        again = Form(initial={"until": typed.cleaned_data["until"]})
        assert 'value="2027-03-28"' in str(again["until"])
        unchanged = Form({"until": "2027-03-28"}, initial={"until": typed.cleaned_data["until"]})
        assert not unchanged.has_changed()
        minute = Form(initial={"until": local("America/New_York", 2027, 3, 5, 10, 30)})
        assert 'value="2027-03-05 10:30"' in str(minute["until"])


def test_the_picker_lets_a_date_without_a_time_stand():
    assert "&quot;validateOnBlur&quot;: false" in str(Form()["until"]) or '"validateOnBlur": false' in str(
        Form()["until"]
    )
