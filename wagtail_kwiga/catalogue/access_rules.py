"""What terms of access are made of: when access starts, how long it lasts, which lessons it opens, and when each opens.

Frozen values that know neither Django nor a clock. Every rule raises ``ValueError`` or ``TypeError`` for what makes no
sense; ``catalogue.terms`` turns that into a refusal in words. Days and months are those of the zone that is passed; so
many days counted from an instant are so many times 24 hours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wagtail_kwiga.catalogue.calendar_days import begin_of, end_of, months_later


@dataclass(frozen=True)
class Lesson:
    """A part of a product, as the site knows it: a stable key, its place counted from 0, and the key of its module.

    The rest says what only the site can know of it: whether this person is done with the lesson before (it counts where
    lessons open one ``after_previous``), and where the course itself holds a lesson back for so long after access starts
    or until an instant (it counts where lessons open as the ``course`` says).
    """

    key: str
    position: int
    module: str = ""
    previous_done: bool = False
    delay: dt.timedelta = dt.timedelta()
    not_before: dt.datetime | None = None


@dataclass(frozen=True)
class Start:
    """When access starts: at the ``payment``, on a ``date`` for everybody, at the payment but ``not_before`` a date, or so
    many ``days_after`` the payment."""

    kind: str = "payment"
    n: int = 0
    #: ISO date; the day begins in the zone of the terms.
    day: str = ""

    KINDS = ("payment", "date", "not_before", "days_after")

    def __post_init__(self) -> None:
        require(self.kind in self.KINDS, f"start {self.kind!r} is none of {self.KINDS}")
        if self.kind == "days_after":
            require_count(self.n, "days after the payment")
        if self.kind in ("date", "not_before"):
            dt.date.fromisoformat(self.day)

    @classmethod
    def on(cls, day: dt.date | str) -> Start:
        return cls("date", day=iso(day))

    @classmethod
    def not_before(cls, day: dt.date | str) -> Start:
        return cls("not_before", day=iso(day))

    @classmethod
    def days_after(cls, n: int) -> Start:
        return cls("days_after", n=n)

    def at(self, paid_at: dt.datetime, zone: str) -> dt.datetime:
        """When access starts for somebody who paid at ``paid_at``, in UTC.

        A fixed date counts also when it lies before the payment: who joins a stream late shares its calendar.
        """
        paid_at = paid_at.astimezone(dt.UTC)
        if self.kind == "date":
            return begin_of(self.day, zone)
        if self.kind == "not_before":
            return max(paid_at, begin_of(self.day, zone))
        return _days_on(paid_at, self.n) if self.kind == "days_after" else paid_at


@dataclass(frozen=True)
class Length:
    """For how long access lasts: ``unlimited``, ``days`` or ``months`` (``n`` of them), or ``until`` a date."""

    kind: str = "unlimited"
    n: int = 0
    #: ISO date of the last day, that day included, in the zone of the terms.
    last_day: str = ""
    #: Adds ``n`` days or months to the access that the buyer has: it starts when that ends, if that is later.
    extends: bool = False

    KINDS = ("unlimited", "days", "months", "until")

    def __post_init__(self) -> None:
        require(self.kind in self.KINDS, f"length {self.kind!r} is none of {self.KINDS}")
        if self.kind in ("days", "months"):
            require_count(self.n, f"length in {self.kind}")
        if self.kind == "until":
            dt.date.fromisoformat(self.last_day)
        object.__setattr__(self, "extends", bool(self.extends))
        require(not self.extends or self.kind in ("days", "months"), "only days or months can extend something")

    @classmethod
    def days(cls, n: int, *, extends: bool = False) -> Length:
        return cls("days", n, extends=extends)

    @classmethod
    def months(cls, n: int, *, extends: bool = False) -> Length:
        return cls("months", n, extends=extends)

    @classmethod
    def until(cls, last_day: dt.date | str) -> Length:
        """Up to the end of ``last_day``."""
        return cls("until", last_day=iso(last_day))

    def end(self, start: dt.datetime, zone: str = "UTC") -> dt.datetime | None:
        """The first instant that is no longer inside, counted from ``start``, in UTC; ``None`` means never."""
        start = start.astimezone(dt.UTC)
        try:
            if self.kind == "days":
                return start + dt.timedelta(days=self.n)
            if self.kind == "months":
                return months_later(start, self.n, zone)
            if self.kind == "until":
                return end_of(self.last_day, zone)
        except (OverflowError, ValueError):  # beyond the year 9999: nobody will tell it from for ever
            return None
        return None


@dataclass(frozen=True)
class Lessons:
    """Which lessons open: ``all``, the ``first`` ``n``, or ``chosen`` ones and whole ``modules`` by key."""

    kind: str = "all"
    n: int = 0
    keys: tuple[str, ...] = ()
    #: Keys of chosen modules; one that is empty yet may be among them.
    modules: tuple[str, ...] = ()
    #: Keys of all lessons there were when the terms were written; what is not among them came later.
    known: tuple[str, ...] = ()
    #: Modules in which lessons that came later open by themselves; none named: in all.
    new_in: tuple[str, ...] = ()

    KINDS = ("all", "first", "chosen")

    def __post_init__(self) -> None:
        require(self.kind in self.KINDS, f"lessons {self.kind!r} is none of {self.KINDS}")
        if self.kind == "first":
            require_count(self.n, "lessons")
        for name in ("keys", "modules", "known", "new_in"):
            object.__setattr__(self, name, tuple(str(key) for key in getattr(self, name)))

    @classmethod
    def first(cls, n: int) -> Lessons:
        return cls("first", n)

    @classmethod
    def chosen(
        cls,
        keys: Iterable[str] = (),
        *,
        modules: Iterable[str] = (),
        known: Iterable[str] = (),
        new_in: Iterable[str] = (),
    ) -> Lessons:
        return cls("chosen", keys=tuple(keys), modules=tuple(modules), known=tuple(known), new_in=tuple(new_in))

    def include(self, lesson: Lesson, *, open_new: bool) -> bool:
        """Whether ``lesson`` belongs to what was sold; ``open_new``: lessons that came later open by themselves.

        What came later can only be told where the lessons of that day are on record (``known``). Without the record a
        chosen module holds all its lessons, and nothing else counts as new.
        """
        if self.kind == "first":
            return lesson.position < self.n
        new = bool(self.known) and lesson.key not in self.known
        opens_new = open_new and (not self.new_in or lesson.module in self.new_in)
        if self.kind == "chosen":
            if lesson.key in self.keys:
                return True
            return opens_new if new else lesson.module in self.modules
        return opens_new if new else True


@dataclass(frozen=True)
class Release:
    """When lessons open: as the ``course`` itself says, ``all`` at once, one ``every`` ``n`` days, ``dated`` one by one, or
    each ``after_previous``: once its reader is done with the one before."""

    kind: str = "course"
    n: int = 0
    #: (lesson key, ISO date) pairs. The date begins in the zone of the terms. A lesson without a date opens with the rest.
    dates: tuple[tuple[str, str], ...] = ()

    KINDS = ("course", "all", "every", "dated", "after_previous")

    def __post_init__(self) -> None:
        require(self.kind in self.KINDS, f"release {self.kind!r} is none of {self.KINDS}")
        if self.kind == "every":
            require_count(self.n, "days between lessons")
        pairs = self.dates.items() if isinstance(self.dates, Mapping) else self.dates
        # Sorted, so that equal calendars are equal values whatever order they were written in.
        object.__setattr__(self, "dates", tuple(sorted((str(key), iso(day)) for key, day in pairs)))

    @classmethod
    def at_once(cls) -> Release:
        return cls("all")

    @classmethod
    def every(cls, n: int) -> Release:
        return cls("every", n)

    @classmethod
    def dated(cls, dates: Mapping[str, dt.date | str]) -> Release:
        return cls("dated", dates=tuple((key, iso(day)) for key, day in dates.items()))

    @classmethod
    def after_previous(cls) -> Release:
        return cls("after_previous")

    def delay(self, lesson: Lesson) -> dt.timedelta:
        """How long after the start of access ``lesson`` opens, as far as that is counted from the start."""
        if self.kind == "every":
            try:
                return dt.timedelta(days=self.n * max(lesson.position, 0))
            except OverflowError:
                return dt.timedelta.max
        return lesson.delay if self.kind == "course" else dt.timedelta()

    def not_before(self, lesson: Lesson, zone: str = "UTC") -> dt.datetime | None:
        """The instant of the calendar before which ``lesson`` does not open, in UTC; ``None`` where there is none."""
        if self.kind == "dated":
            day = dict(self.dates).get(lesson.key)
            return begin_of(day, zone) if day else None
        return lesson.not_before if self.kind == "course" else None

    def waits(self, lesson: Lesson) -> bool:
        """Whether ``lesson`` stays closed until its reader is done with the one before, whenever that may be."""
        return self.kind == "after_previous" and lesson.position > 0 and not lesson.previous_done

    def opens_at(self, lesson: Lesson, start: dt.datetime, zone: str = "UTC") -> dt.datetime | None:
        """When ``lesson`` opens for access from ``start`` on, in UTC; never before it. ``None``: nobody knows (``waits``)."""
        if self.waits(lesson):
            return None
        opens = later(start.astimezone(dt.UTC), self.delay(lesson))
        return max(opens, self.not_before(lesson, zone) or opens)


def later(instant: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """``instant`` and ``span``; the end of the calendar where that is beyond it."""
    try:
        return instant + span
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)


def _days_on(start: dt.datetime, n: int) -> dt.datetime:
    try:
        return later(start, dt.timedelta(days=n))
    except OverflowError:
        return later(start, dt.timedelta.max)


def require(holds: bool, otherwise: str) -> None:
    """Raises ``ValueError`` with ``otherwise`` unless ``holds``."""
    if not holds:
        raise ValueError(otherwise)


def require_count(n: Any, what: str) -> None:
    """Raises ``ValueError`` unless ``n`` is a whole number from 1."""
    counts = isinstance(n, int) and not isinstance(n, bool) and n >= 1
    require(counts, f"{what} must be a whole number from 1, not {n!r}")


def iso(day: dt.date | str) -> str:
    """``day`` as an ISO date. Raises ``ValueError`` for an instant, and for a text that is no date."""
    if isinstance(day, dt.datetime):
        raise ValueError("a date is needed here, not an instant")
    return (day if isinstance(day, dt.date) else dt.date.fromisoformat(day)).isoformat()
