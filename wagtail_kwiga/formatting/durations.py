"""Lengths of time in words."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from babel.dates import format_timedelta
from django.utils.translation import ngettext

from wagtail_kwiga.formatting import instants, languages

#: Times left from here on are told in days.
_DAYS_FROM = dt.timedelta(hours=72)
#: A time left this much short of a whole hour still counts as whole: seconds pass between deciding and writing.
_JITTER = dt.timedelta(minutes=1)


def time_left(left: dt.timedelta, language: str) -> str:
    """``24 hours``: whole hours, whole days from 72 hours on, minutes under one hour. Rounded down, never up.

    A time promised is a time kept, so 23 hours and 40 minutes are 23 hours. Nothing left gives an empty string.
    """
    unit: Literal["day", "hour", "minute"]
    left += _JITTER
    if left >= _DAYS_FROM:
        whole, unit = dt.timedelta(days=left.days), "day"
    elif left >= dt.timedelta(hours=1):
        whole, unit = dt.timedelta(hours=left // dt.timedelta(hours=1)), "hour"
    else:
        whole, unit = dt.timedelta(minutes=left // dt.timedelta(minutes=1) - 1), "minute"
    if whole <= dt.timedelta(0):
        return ""
    words = format_timedelta(whole, granularity=unit, threshold=10_000, locale=languages.locale_for(language))
    return instants.plain_spaces(str(words))


def exact_duration(length: dt.timedelta) -> str:
    """“30 minutes”, “24 hours”, “3 days”, in the active language: the largest unit that says it exactly. A single day is 24
    hours."""
    minutes = int(length.total_seconds() // 60)
    if minutes and minutes % (24 * 60) == 0 and minutes > 24 * 60:
        number = minutes // (24 * 60)
        return ngettext("%(number)s day", "%(number)s days", number) % {"number": number}
    if minutes and minutes % 60 == 0:
        number = minutes // 60
        return ngettext("%(number)s hour", "%(number)s hours", number) % {"number": number}
    return ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes}
