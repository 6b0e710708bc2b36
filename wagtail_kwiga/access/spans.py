"""When a grant really holds: what was sold, and what staff have changed about it since. Plain values, no database.

``AccessGrant.ends_at`` stays what was sold. ``effective`` works out the rest from the adjustments, told in the order of
their own instants, so the order in which they were written down or read does not matter (promise 12).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from wagtail_kwiga.catalogue.access_rules import later
from wagtail_kwiga.catalogue.terms import AccessTerms

#: Half open: from the first instant to the second, ``None`` for without end.
Span = tuple[dt.datetime, dt.datetime | None]


class AdjustmentKind(StrEnum):
    """What staff can change about the time of a grant."""

    EXTEND = "extend"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    END = "end"


@dataclass(frozen=True)
class Adjustment:
    """One change, which counts from ``at`` on.

    *Extend*: the end moves by ``days``, or on to ``until`` where it is earlier; what has ended opens again at ``at``.
    *Freeze*: time stops for ``days``, up to ``until``, or (neither given) until it is unfrozen; the end moves by as much.
    *Unfreeze*: time goes on. *End*: access ends.
    """

    kind: str
    at: dt.datetime
    days: int | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True)
class GrantView:
    """A grant as ``policy.decide`` sees it. ``ends_at`` and ``revoked_at`` are the first instants without access."""

    terms: AccessTerms
    starts_at: dt.datetime
    ends_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    adjustments: tuple[Adjustment, ...] = ()

    @cached_property
    def times(self) -> Effective:
        """``effective``, worked out once."""
        return effective(self)


@dataclass(frozen=True)
class Effective:
    """When a grant holds, in order and without overlaps, and when it was or will be frozen."""

    open: tuple[Span, ...]
    frozen: tuple[Span, ...]

    @property
    def ends_at(self) -> dt.datetime | None:
        """The first instant after all of it; ``None`` where it has no end, where nobody knows it yet (frozen until somebody
        unfreezes it), and where it never holds."""
        if not self.open or (self.frozen and self.frozen[-1][1] is None):
            return None
        return self.open[-1][1]

    def lasts(self, at: dt.datetime) -> bool:
        """Whether it is open at ``at`` or later. What is frozen until somebody unfreezes it is: its time will come."""
        if self.frozen and self.frozen[-1][1] is None:
            return True
        return bool(self.open) and ((end := self.open[-1][1]) is None or at < end)

    def shifted(self, instant: dt.datetime) -> dt.datetime | None:
        """``instant`` of a clock that stands still while the grant is frozen, as an instant of ours. ``None``: nobody
        knows."""
        for begin, end in self.frozen:
            if instant < begin:
                break
            if end is None:
                return None
            instant = later(instant, end - begin)
        return instant


def effective(grant: GrantView) -> Effective:
    """The spans of ``grant``. Empty ones are left out, adjoining ones are one."""
    course = _Course(grant.starts_at, grant.ends_at)
    for change in sorted(grant.adjustments, key=_in_time):
        course.reach(change.at)
        if change.kind == AdjustmentKind.FREEZE:
            course.freeze(change)
        elif change.kind == AdjustmentKind.UNFREEZE:
            course.unfreeze(change.at)
        elif change.kind == AdjustmentKind.EXTEND:
            course.extend(change)
        elif change.kind == AdjustmentKind.END:
            course.finish(change.at)
    held, frozen = course.told()
    return Effective(_tidy(held, grant.revoked_at), _tidy(frozen, grant.revoked_at))


_ORDER = [AdjustmentKind.FREEZE, AdjustmentKind.UNFREEZE, AdjustmentKind.EXTEND, AdjustmentKind.END]


def _in_time(change: Adjustment) -> tuple[dt.datetime, int, int, dt.datetime]:
    # At one instant the kinds have an order of their own, so that no order of rows has to decide.
    until = change.until or dt.datetime.max.replace(tzinfo=dt.UTC)
    return change.at, _ORDER.index(AdjustmentKind(change.kind)), change.days or 0, until


class _Course:
    """The grant's time, followed from change to change. ``end`` does not count the freeze that is under way."""

    def __init__(self, begin: dt.datetime, end: dt.datetime | None) -> None:
        self.first, self.begin, self.end = begin, begin, end
        self.held: list[Span] = []
        self.frozen: list[Span] = []
        self.asked: dt.datetime | None = None  # since when a freeze is under way; it bites once access has begun

    def reach(self, at: dt.datetime) -> None:
        """End a freeze that is over by ``at``."""
        if self.asked is not None and (thaws := self.frozen[-1][1]) is not None and thaws <= at:
            self._thaw(thaws)

    def _thaw(self, at: dt.datetime) -> None:
        begin = self.frozen[-1][0]
        at = max(at, begin)
        self.frozen[-1] = (begin, at)
        self.begin, self.asked = at, None
        if self.end is not None:
            self.end = later(self.end, at - begin)

    def freeze(self, change: Adjustment) -> None:
        until = change.until if change.days is None else later(change.at, dt.timedelta(days=change.days))
        if self.asked is not None:  # frozen already: the longer one counts
            begin, thaws = self.frozen[-1]
            self.frozen[-1] = (begin, None if thaws is None or until is None else max(thaws, until))
            return
        begin = max(change.at, self.begin)
        if (self.end is not None and self.end <= begin) or (until is not None and until <= begin):
            return
        self.held.append((self.begin, begin))
        self.frozen.append((begin, until))
        self.asked = change.at

    def unfreeze(self, at: dt.datetime) -> None:
        if self.asked is not None:
            self._thaw(at)

    def extend(self, change: Adjustment) -> None:
        if self.end is None:
            return
        if self.asked is None and self.end <= max(change.at, self.begin):  # it has ended: it opens again
            self.held.append((self.begin, self.end))
            self.begin = self.end = max(change.at, self.first)
        if change.days is not None:
            self.end = later(self.end, dt.timedelta(days=change.days))
        elif change.until is not None:
            begin, thaws = self.frozen[-1] if self.asked is not None else (change.at, change.at)
            self.end = max(self.end, change.until - ((thaws or begin) - begin))

    def finish(self, at: dt.datetime) -> None:
        if self.asked is not None:
            self._thaw(at)
        self.end = at if self.end is None else min(self.end, at)

    def told(self) -> tuple[list[Span], list[Span]]:
        if self.asked is not None and (thaws := self.frozen[-1][1]) is not None:
            self._thaw(thaws)
        return [*self.held, *([(self.begin, self.end)] if self.asked is None else [])], self.frozen


def _tidy(spans: list[Span], revoked_at: dt.datetime | None) -> tuple[Span, ...]:
    kept: list[Span] = []
    for begin, end in spans:
        if revoked_at is not None:
            end = revoked_at if end is None else min(end, revoked_at)
        if end is not None and end <= begin:
            continue
        if kept and kept[-1][1] == begin:
            begin = kept.pop()[0]
        kept.append((begin, end))
    return tuple(kept)
