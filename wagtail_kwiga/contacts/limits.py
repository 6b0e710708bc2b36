"""How often something may be tried from one place within an hour, counted in the database.

No shared cache is needed, several processes count together, and no address is stored: only a keyed hash of it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import F
from django.utils.translation import ngettext

from wagtail_kwiga import conf, signing, upserts
from wagtail_kwiga.contacts.models import RateLimitWindow
from wagtail_kwiga.exceptions import TooManyAttempts

#: Windows may be a day long at most; ``sweep`` keeps two days.
LONGEST_WINDOW_MINUTES = 24 * 60


@dataclass(frozen=True)
class RateLimit:
    """One try of ``key`` (``"checkout:ip:203.0.113.7"``), of which ``limit`` are allowed in a window."""

    key: str
    limit: int
    window_minutes: int = 60

    def __post_init__(self) -> None:
        if not 1 <= self.window_minutes <= LONGEST_WINDOW_MINUTES:
            raise ValueError("a window lasts from a minute to a day")

    @property
    def hashed(self) -> str:
        return hashed(f"{self.window_minutes}:{self.key}")

    def window(self, now: dt.datetime) -> dt.datetime:
        """When the window began. Windows have fixed borders (the full hour for 60 minutes)."""
        seconds = self.window_minutes * 60
        return dt.datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=dt.UTC)

    def retry_after(self, now: dt.datetime) -> int:
        """Seconds until the next window."""
        end = self.window(now).timestamp() + self.window_minutes * 60
        return max(1, math.ceil(end - now.timestamp()))


def check(key: str, *, limit: int, now: dt.datetime | None = None, window_minutes: int = 60) -> None:
    """Count one try of ``key`` and refuse the one after the ``limit``-th; see ``check_many``."""
    check_many([RateLimit(key, limit, window_minutes)], now=now)


def check_many(tries: Sequence[RateLimit], *, now: dt.datetime | None = None) -> None:
    """Count a try of each of several keys, in one statement; refuse it where one of them has had as many as it may.

    Raises ``TooManyAttempts``; its ``retry_after`` is the seconds until the next window. The keys are asked in the order
    given: those behind the one that refuses count nothing, so whoever is stopped at their own door burns nobody else's
    tries. Call it before the transaction of the move itself, so that a try that fails counts as well and no row is locked
    for long.
    """
    now = now or conf.now()
    counted = _count([each for each in tries if each.limit > 0], now)
    for client_key, each in enumerate(tries):
        if each.hashed in counted:
            continue
        for other in tries[client_key + 1 :]:
            if other.hashed in counted:
                RateLimitWindow.objects.filter(key=other.hashed, window=other.window(now)).update(count=F("count") - 1)
        raise refusal(each.retry_after(now), each.key)


def refusal(retry_after: int, key: str) -> TooManyAttempts:
    """What to raise where no more tries of ``key`` are allowed for so many seconds."""
    refused = TooManyAttempts(_message(retry_after), retry_after=retry_after)
    refused.key = key
    return refused


def hashed(text: str) -> str:
    """``text`` as it may be kept: a keyed hash, never an address."""
    return signing.keyed_hash(signing.Purpose.RATE_LIMIT, text)


def mailbox(email: str) -> str:
    """The mailbox that a normalised address is likely to reach, for keys of limits only: ``a.da+shop@`` is ``ada@``.

    Many providers drop what stands behind a plus, and some drop dots. Where that is wrong, two people share a limit, and
    never more than that.
    """
    local, _at, domain = email.rpartition("@")
    domain = "gmail.com" if domain == "googlemail.com" else domain
    return f"{local.split('+')[0].replace('.', '') or local}@{domain}"


def _count(tries: Iterable[RateLimit], now: dt.datetime) -> set[str]:
    """Count each try that is still allowed; the hashed keys of those. One statement, and a transaction by itself."""
    ceilings = {(each.hashed, each.window(now)): each.limit for each in tries}
    counted = upserts.count_up(RateLimitWindow, "count", unique=("key", "window"), ceilings=ceilings)
    return {key for key, _window in counted}


def sweep(now: dt.datetime | None = None) -> int:
    """Delete windows that are long over; returns how many. One query, safe to run at any time."""
    now = now or conf.now()
    return RateLimitWindow.objects.filter(window__lt=now - dt.timedelta(days=2)).delete()[0]


def _message(retry_after: int) -> str:
    minutes = math.ceil(retry_after / 60)
    return ngettext(
        "Too many tries from here. Please try again in %(minutes)s minute.",
        "Too many tries from here. Please try again in %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
