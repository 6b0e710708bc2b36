"""How often something may be tried from one place within an hour, counted in the database.

No shared cache is needed, several processes count together, and no address is stored: only a keyed hash of it.
"""

from __future__ import annotations

import datetime as dt
import math

from django.db.models import F
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts.models import RateWindow
from wagtail_kwiga.exceptions import TooManyAttempts

_SALT = "wagtail_kwiga.contacts.limits"
#: Windows may be a day long at most; ``sweep`` keeps two days.
LONGEST_WINDOW_MINUTES = 24 * 60


def check(key: str, *, limit: int, now: dt.datetime | None = None, window_minutes: int = 60) -> None:
    """Count one try of ``key`` (``"checkout:ip:203.0.113.7"``) and refuse the one after the ``limit``-th.

    Windows have fixed borders (the full hour for 60 minutes). Raises ``TooManyAttempts``; its ``retry_after`` is the
    seconds until the next window. Call it before the transaction of the move itself, so that a try that fails counts
    as well and the row is not locked for long.
    """
    if not 1 <= window_minutes <= LONGEST_WINDOW_MINUTES:
        raise ValueError("a window lasts from a minute to a day")
    now = now or conf.now()
    seconds = window_minutes * 60
    begin = int(now.timestamp()) // seconds * seconds
    window = dt.datetime.fromtimestamp(begin, tz=dt.UTC)
    hashed = salted_hmac(_SALT, f"{window_minutes}:{key}", algorithm="sha256").hexdigest()
    with locking.atomic_write():
        # Conditional UPDATE, so the database decides among those who try at the same moment.
        free = RateWindow.objects.filter(key=hashed, window=window, count__lt=limit)
        counted = free.update(count=F("count") + 1)
        if not counted and limit > 0:
            RateWindow.objects.bulk_create([RateWindow(key=hashed, window=window)], ignore_conflicts=True)
            counted = free.update(count=F("count") + 1)
    if not counted:
        retry_after = max(1, math.ceil(begin + seconds - now.timestamp()))
        raise TooManyAttempts(_message(retry_after), retry_after=retry_after)


def sweep(now: dt.datetime | None = None) -> int:
    """Delete windows that are long over; returns how many. One query, safe to run at any time."""
    now = now or conf.now()
    return RateWindow.objects.filter(window__lt=now - dt.timedelta(days=2)).delete()[0]


def _message(retry_after: int) -> str:
    minutes = math.ceil(retry_after / 60)
    return ngettext(
        "Too many tries from here. Please try again in %(minutes)s minute.",
        "Too many tries from here. Please try again in %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
