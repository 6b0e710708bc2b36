"""The shop's clock: the real time plus an offset kept in one file, shared by web, worker and inbox.

``WAGTAIL_KWIGA["CLOCK"]`` names ``now`` below, so everything in the package that asks for the present asks here.
Knows nothing of Django, so that it can be read before anything else is set up.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from sandbox.datadir import where, write_whole

#: How far ahead the clock may be put. Far enough for every rule of the shop, near enough for every date to make sense.
FURTHEST = dt.timedelta(days=366)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"\+(\d{1,6})(m|h|d)", re.ASCII)
_held: ContextVar[dt.datetime | None] = ContextVar("held", default=None)


class BadSpan(ValueError):
    """What was asked for is no span by which the clock can be moved; the text says why."""


def _file() -> Path:
    return where() / "clock"


def offset() -> dt.timedelta:
    """How far the shop's clock is ahead of the real time. An unreadable file counts as not moved."""
    try:
        return dt.timedelta(seconds=float(_file().read_text()))
    except (OSError, ValueError, OverflowError):
        return dt.timedelta(0)


def real_now() -> dt.datetime:
    """The real time, as an aware instant in UTC."""
    return dt.datetime.now(dt.UTC)


def now() -> dt.datetime:
    """The shop's time, as an aware instant in UTC."""
    return _held.get() or real_now() + offset()


def parse(text: str) -> dt.timedelta:
    """``+31m``, ``+26h`` or ``+2d`` as a span. Raises ``BadSpan`` for anything else."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise BadSpan(f"“{text}” is not a span. Write +31m, +26h or +2d; “reset” goes back to now.")
    span = dt.timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not span:
        raise BadSpan("That moves nothing.")
    return span


def set_offset(span: dt.timedelta) -> None:
    """Put the clock ``span`` ahead of the real time. Raises ``BadSpan`` beyond ``FURTHEST``."""
    if span < dt.timedelta(0):
        raise BadSpan("The shop's clock only goes ahead. “reset” goes back to now.")
    if span > FURTHEST:
        raise BadSpan("That is more than a year ahead; further the demo does not go. “reset” goes back to now.")
    write_whole(_file(), f"{span.total_seconds():.0f}".encode())


def reset() -> None:
    """Back to the real time."""
    _file().unlink(missing_ok=True)


def spoken(span: dt.timedelta) -> list[tuple[int, str]]:
    """A span as its two largest parts, e.g. ``[(1, "day"), (2, "hour")]``; under a minute is empty."""
    minutes = round(span.total_seconds() / 60)
    parts = [(minutes // 1440, "day"), (minutes % 1440 // 60, "hour"), (minutes % 60, "minute")]
    return [part for part in parts if part[0]][:2]


@contextlib.contextmanager
def reserved_at(instant: dt.datetime) -> Iterator[None]:
    """Within the block, and in this thread only, the shop's clock stands at ``instant`` (for telling the past)."""
    token = _held.set(instant)
    try:
        yield
    finally:
        _held.reset(token)
