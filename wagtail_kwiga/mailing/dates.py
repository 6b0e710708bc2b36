"""Instants and spans in words, in a language and a zone: what a mail promises must not be open to doubt."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta, get_timezone_name
from django.utils import timezone

from wagtail_kwiga.pricing.formatting import locale_for

#: Spans from here on are told in days.
_DAYS_FROM = dt.timedelta(hours=72)
#: A span this much short of a whole hour still counts as whole: seconds pass between deciding and writing.
_JITTER = dt.timedelta(minutes=1)


def zone_name(instant: dt.datetime, locale: Locale) -> str:
    """The short name of the zone ``instant`` is in: the language's own, else the international one, else ``UTC+1``."""
    name = get_timezone_name(instant, width="short", locale=locale)
    if name.isalpha():
        return name
    name = instant.tzname() or ""
    if name.isalpha():
        return name
    offset = instant.utcoffset() or dt.timedelta()
    minutes = int(offset.total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else "UTC"


def told(instant: dt.datetime, language: str, zone: dt.tzinfo | None = None) -> str:
    """``Tuesday, March 2, 2027, 1:30 PM CET``: weekday, date, time to the minute and zone."""
    return _told(instant, language, zone or site_zone())


@lru_cache(maxsize=1024)  # a batch of mails tells the same end to everybody
def _told(instant: dt.datetime, language: str, zone: dt.tzinfo) -> str:
    local = instant.astimezone(zone)
    locale = locale_for(language)
    date = format_date(local, "full", locale=locale)
    time = format_time(local, "short", locale=locale, tzinfo=local.tzinfo)
    pattern = str(locale.datetime_formats.get("medium", "{1}, {0}")).replace("'", "")
    return _spaces(f"{pattern.replace('{1}', date).replace('{0}', time)} {zone_name(local, locale)}")


def spelt(span: dt.timedelta, language: str) -> str:
    """``24 hours``: whole hours, whole days from 72 hours on, minutes under one hour. Rounded down, never up.

    A span promised is a span kept, so 23 hours and 40 minutes are 23 hours. Nothing left gives an empty string.
    """
    span += _JITTER
    if span >= _DAYS_FROM:
        whole, unit = dt.timedelta(days=span.days), "day"
    elif span >= dt.timedelta(hours=1):
        whole, unit = dt.timedelta(hours=span // dt.timedelta(hours=1)), "hour"
    else:
        whole, unit = dt.timedelta(minutes=span // dt.timedelta(minutes=1) - 1), "minute"
    if whole <= dt.timedelta(0):
        return ""
    return _spaces(format_timedelta(whole, granularity=unit, threshold=10_000, locale=locale_for(language)))


def site_zone() -> dt.tzinfo:
    """The zone of ``settings.TIME_ZONE``: a mail is written for everybody, so the zone of no reader is meant."""
    return timezone.get_default_timezone() or ZoneInfo("UTC")


def _spaces(text: str) -> str:
    # CLDR writes narrow no-break spaces, which old mail programs show as a box.
    return text.replace("\u202f", "\u00a0")
