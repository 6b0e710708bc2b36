"""Days and months in a zone: when they begin, and what comes so many of them later. Plain Python.

A day that somebody writes down ("until 31 December", "opens on") is a day in some zone and may have 23 or 25 hours there.
"""

from __future__ import annotations

import calendar
import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone with this IANA name. Raises ``ValueError`` for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as fault:  # unknown, a folder's name, a name that leads elsewhere
        raise ValueError(f"there is no time zone {name!r}") from fault


def begin_of(day: dt.date | str, zone: str) -> dt.datetime:
    """The first instant of ``day`` (or an ISO date) in ``zone``, in UTC; where a clock change leaves out midnight, the
    instant of that change. Raises ``ValueError`` for what is no date."""
    day = day if isinstance(day, dt.date) else dt.date.fromisoformat(day)
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=zone_of(zone))
    try:
        return midnight.astimezone(dt.UTC)
    except OverflowError:  # the first day of the calendar, east of Greenwich
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def end_of(day: dt.date | str, zone: str) -> dt.datetime:
    """The first instant after ``day`` in ``zone``, in UTC. Raises ``OverflowError`` on the last day there is."""
    day = day if isinstance(day, dt.date) else dt.date.fromisoformat(day)
    return begin_of(day + dt.timedelta(days=1), zone)


def months_later(start: dt.datetime, months: int, zone: str) -> dt.datetime:
    """The same time of day so many calendar months later in ``zone``, in UTC.

    Where the month is shorter, its last day is taken (31 January and a month is 28 or 29 February); a time of day that a
    clock change leaves out is moved on by the hour it leaves out. Raises ``ValueError`` beyond the year 9999.
    """
    here = start.astimezone(zone_of(zone))
    year, month0 = divmod(here.year * 12 + here.month - 1 + months, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        raise ValueError("beyond the calendar")
    day = min(here.day, calendar.monthrange(year, month0 + 1)[1])
    return here.replace(year=year, month=month0 + 1, day=day, fold=0).astimezone(dt.UTC)
