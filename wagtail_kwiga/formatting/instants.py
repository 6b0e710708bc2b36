"""Instants and days in words. Whatever is told of an instant names its zone: a deadline without one is a guess.

Two ways of writing stand side by side on purpose. Pages and screens write as Django does (``FORMAT_MODULE_PATH`` of the
site included), in the zone and language of the reader. A mail is read anywhere and by anybody: it names the weekday too,
in the site's zone.
"""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name
from django.utils import formats, timezone, translation
from django.utils.functional import lazy
from django.utils.translation import gettext as _

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.formatting.money import NBSP


def site_zone() -> dt.tzinfo:
    """The zone of ``settings.TIME_ZONE``: for what is written for everybody, where the zone of no reader is meant."""
    return timezone.get_default_timezone() or ZoneInfo("UTC")


def site_zone_name() -> str:
    """The IANA name of ``site_zone``; days that are promised are days of it."""
    return str(site_zone())


def local(instant: dt.datetime, zone: dt.tzinfo | None = None) -> dt.datetime:
    """``instant`` in ``zone``, by default the reader's."""
    return instant.astimezone(zone or timezone.get_current_timezone())


def local_day(instant: dt.datetime, zone: dt.tzinfo | None = None) -> dt.date:
    """The day on which ``instant`` falls in ``zone``, by default the reader's."""
    return local(instant, zone).date()


def last_minute(end: dt.datetime, zone: dt.tzinfo | None = None) -> dt.datetime:
    """What is told of ``end``, the first instant that is no longer inside: one that falls on midnight in ``zone`` (by default
    the reader's) as the last minute of the day before. “Until 25 December, 00:00” is read as a day more than it is."""
    return end - dt.timedelta(minutes=1) if local(end, zone).time() == dt.time() else end


def zone_name(instant: dt.datetime, locale: Locale) -> str:
    """The short name of the zone ``instant`` is in: the language's own, else the international one, else ``UTC+1``."""
    name = str(get_timezone_name(instant, width="short", locale=locale))
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


# --- pages and screens ---------------------------------------------------------------------------------------------------


def moment(instant: dt.datetime, *, zone: dt.tzinfo | None = None, language: str | None = None) -> str:
    """``March 2, 2027, 1:30 p.m. CET``: day, time and zone. The time is not broken off from its zone.

    ``zone`` and ``language`` are the reader's by default.
    """
    with _speaking(language):
        here = local(instant, zone)
        return _with_zone(here, formats.date_format(here, "DATE_FORMAT"), formats.date_format(here, "TIME_FORMAT"))


#: ``moment`` in the language and zone of the page that shows it, for words that are made before.
moment_lazy = lazy(moment, str)


def until(end: dt.datetime, *, zone: dt.tzinfo | None = None, language: str | None = None) -> str:
    """``moment`` of an end (``last_minute``): ``December 24, 2027, 11:59 p.m. CET`` for what ends with that day."""
    return moment(last_minute(end, zone), zone=zone, language=language)


until_lazy = lazy(until, str)


def moment_to_the_second(instant: dt.datetime, *, zone: dt.tzinfo | None = None, language: str | None = None) -> str:
    """``March 2, 2027, 13:30:00 CET``: for records, where the order of what happened matters."""
    with _speaking(language):
        here = local(instant, zone)
        return _with_zone(here, formats.date_format(here, "DATE_FORMAT"), f"{here:%H:%M:%S}")


def short_moment(instant: dt.datetime, *, zone: dt.tzinfo | None = None, language: str | None = None) -> str:
    """``03/02/2027 1:30 p.m. CET``: as short as goes, for timelines. One that knows no zone (of an old record) names none."""
    with _speaking(language):
        if timezone.is_naive(instant):
            return formats.date_format(instant, "SHORT_DATETIME_FORMAT")
        here = local(instant, zone)
        words = formats.date_format(here, "SHORT_DATETIME_FORMAT")
        return f"{words}{NBSP}{zone_name(here, languages.locale_for(languages.active()))}"


def short_moment_without_zone(instant: dt.datetime, *, zone: dt.tzinfo | None = None) -> str:
    """``short_moment`` for a narrow column that tells the zone elsewhere (on hover, as Wagtail's own columns do)."""
    return formats.date_format(local(instant, zone), "SHORT_DATETIME_FORMAT")


def day(date: dt.date) -> str:
    """``March 2, 2027``, in the active language."""
    return formats.date_format(date, "DATE_FORMAT")


def _with_zone(here: dt.datetime, date: str, time: str) -> str:
    zone = zone_name(here, languages.locale_for(languages.active()))
    words = _("%(day)s, %(time)s %(zone)s") % {"day": date, "time": time, "zone": zone}
    begin = words.find(time)
    return words[:begin] + words[begin:].replace(" ", NBSP)


def _speaking(language: str | None) -> Any:
    return translation.override(language) if language else nullcontext()


# --- mails ----------------------------------------------------------------------------------------------------------------


def moment_for_mail(instant: dt.datetime, language: str, zone: dt.tzinfo | None = None) -> str:
    """``Tuesday, March 2, 2027, 1:30 PM CET``: weekday, date, time to the minute and zone, by default the site's."""
    return _for_mail(instant, language, zone or site_zone())


def until_for_mail(end: dt.datetime, language: str, zone: dt.tzinfo | None = None) -> str:
    """``moment_for_mail`` of an end (``last_minute``)."""
    zone = zone or site_zone()
    return _for_mail(last_minute(end, zone), language, zone)


@lru_cache(maxsize=1024)  # a batch of mails tells the same end to everybody
def _for_mail(instant: dt.datetime, language: str, zone: dt.tzinfo) -> str:
    here = instant.astimezone(zone)
    locale = languages.locale_for(language)
    date = format_date(here, "full", locale=locale)
    time = format_time(here, "short", locale=locale, tzinfo=here.tzinfo)
    pattern = str(locale.datetime_formats.get("medium", "{1}, {0}")).replace("'", "")
    return plain_spaces(f"{pattern.replace('{1}', date).replace('{0}', time)} {zone_name(here, locale)}")


def plain_spaces(text: str) -> str:
    """``text`` with no-break spaces for the narrow ones that CLDR writes: old mail programs show those as a box."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", NBSP)
