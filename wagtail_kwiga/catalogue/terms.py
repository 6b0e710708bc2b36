"""The terms on which something is sold, as frozen values that go to JSON and back.

An offer holds ``OfferTerms``; an order line and an access grant hold the ``AccessTerms`` as sold, so what a buyer got
can be read long after the page has changed. (What terms of access may say: Kwiga's article “Set
up access to lessons, sections, and modules”.)

Reading is tolerant: a missing key means its default, an unknown key is left alone. A schema number that this version
does not know is refused with ``KwigaError(code="unknown_terms")``, terms that make no sense with ``code="bad_terms"``:
guessing would give somebody the wrong access.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.exceptions import KwigaError

#: Number written into every JSON of this module. Raise it when an old reader would misread a new document.
SCHEMA = 1
#: ``AccessTerms.start``: access starts when the order is paid.
AT_PAYMENT = "payment"

T = TypeVar("T")


@dataclass(frozen=True)
class Length:
    """For how long access lasts: ``unlimited``, ``days`` or ``months`` (``n`` of them), or ``until`` a date."""

    kind: str = "unlimited"
    n: int = 0
    #: ISO date of the last day, that day included. The day is a day in UTC.
    last_day: str = ""

    KINDS = ("unlimited", "days", "months", "until")

    def __post_init__(self) -> None:
        _require(self.kind in self.KINDS, f"length {self.kind!r} is none of {self.KINDS}")
        if self.kind in ("days", "months"):
            _require_count(self.n, f"length in {self.kind}")
        if self.kind == "until":
            dt.date.fromisoformat(self.last_day)

    @classmethod
    def days(cls, n: int) -> Length:
        return cls("days", n)

    @classmethod
    def months(cls, n: int) -> Length:
        return cls("months", n)

    @classmethod
    def until(cls, last_day: dt.date | str) -> Length:
        """Up to the end of ``last_day``."""
        return cls("until", last_day=_iso(last_day))

    def end(self, start: dt.datetime) -> dt.datetime | None:
        """The first instant that is no longer inside, counted from ``start``; ``None`` means never.

        Months are calendar months in UTC; where the target month is shorter, its last day is taken (31 January and a
        month is 28 or 29 February).
        """
        start = start.astimezone(dt.UTC)
        try:
            if self.kind == "days":
                return start + dt.timedelta(days=self.n)
            if self.kind == "months":
                return _add_months(start, self.n)
            if self.kind == "until":
                return _midnight(self.last_day) + dt.timedelta(days=1)
        except (OverflowError, ValueError):  # beyond the year 9999: nobody will tell it from for ever
            return None
        return None


@dataclass(frozen=True)
class Lessons:
    """Which lessons open: ``all``, the ``first`` ``n``, or ``chosen`` ones by key."""

    kind: str = "all"
    n: int = 0
    keys: tuple[str, ...] = ()
    #: Keys of all lessons there were when the terms were written; what is not among them came later.
    known: tuple[str, ...] = ()

    KINDS = ("all", "first", "chosen")

    def __post_init__(self) -> None:
        _require(self.kind in self.KINDS, f"lessons {self.kind!r} is none of {self.KINDS}")
        if self.kind == "first":
            _require_count(self.n, "lessons")
        object.__setattr__(self, "keys", tuple(str(key) for key in self.keys))
        object.__setattr__(self, "known", tuple(str(key) for key in self.known))

    @classmethod
    def first(cls, n: int) -> Lessons:
        return cls("first", n)

    @classmethod
    def chosen(cls, keys: tuple[str, ...] | list[str], *, known: tuple[str, ...] | list[str] = ()) -> Lessons:
        return cls("chosen", keys=tuple(keys), known=tuple(known))


@dataclass(frozen=True)
class Release:
    """When lessons open: ``all`` at once, one ``every`` ``n`` days, or ``dated`` one by one."""

    kind: str = "all"
    n: int = 0
    #: (lesson key, ISO date) pairs. The date begins at midnight UTC. A lesson without a date opens with the rest.
    dates: tuple[tuple[str, str], ...] = ()

    KINDS = ("all", "every", "dated")

    def __post_init__(self) -> None:
        _require(self.kind in self.KINDS, f"release {self.kind!r} is none of {self.KINDS}")
        if self.kind == "every":
            _require_count(self.n, "days between lessons")
        pairs = self.dates.items() if isinstance(self.dates, Mapping) else self.dates
        # Sorted, so that equal calendars are equal values whatever order they were written in.
        object.__setattr__(self, "dates", tuple(sorted((str(key), _iso(day)) for key, day in pairs)))

    @classmethod
    def every(cls, n: int) -> Release:
        return cls("every", n)

    @classmethod
    def dated(cls, dates: Mapping[str, dt.date | str]) -> Release:
        return cls("dated", dates=tuple((key, _iso(day)) for key, day in dates.items()))

    def opens_at(self, key: str, position: int, start: dt.datetime) -> dt.datetime:
        """When the lesson ``key`` at ``position`` (0-based) opens, for access from ``start`` on; never before it."""
        start = start.astimezone(dt.UTC)
        if self.kind == "every":
            try:
                return start + dt.timedelta(days=self.n * max(position, 0))
            except OverflowError:
                return dt.datetime.max.replace(tzinfo=dt.UTC)
        if self.kind == "dated":
            day = dict(self.dates).get(key)
            return max(start, _midnight(day)) if day else start
        return start


@dataclass(frozen=True)
class AccessTerms:
    """What one product of an offer opens, from when, and for how long."""

    #: ``"payment"``, or an ISO date that begins at midnight UTC (a stream that starts for everybody on one day).
    start: str = AT_PAYMENT
    length: Length = field(default_factory=Length)
    lessons: Lessons = field(default_factory=Lessons)
    release: Release = field(default_factory=Release)
    #: Open lessons that were added after the terms were written, also where lessons were chosen one by one.
    auto_open_new: bool = True
    #: Who looks at practice work: ``none``, ``automatic`` or ``curator``.
    practice: str = "none"
    checkpoints: bool = False
    comments: bool = False
    certificate: bool = False
    #: Keys of the staff users who look after these buyers, as text: a site's own user model may count or use UUIDs.
    curators: tuple[str, ...] = ()

    PRACTICES = ("none", "automatic", "curator")

    def __post_init__(self) -> None:
        if self.start != AT_PAYMENT:
            dt.date.fromisoformat(self.start)
        _require(self.practice in self.PRACTICES, f"practice {self.practice!r} is none of {self.PRACTICES}")
        for key in self.curators:
            _require(isinstance(key, int | str) and key != "", f"curator {key!r} is no key")
        object.__setattr__(self, "curators", tuple(str(key) for key in self.curators))

    def starts_at(self, paid_at: dt.datetime) -> dt.datetime:
        """When access starts for somebody who paid at ``paid_at``.

        A fixed date counts also when it lies before the payment: who joins a stream late shares its calendar.
        """
        return paid_at.astimezone(dt.UTC) if self.start == AT_PAYMENT else _midnight(self.start)

    def ends_at(self, start: dt.datetime) -> dt.datetime | None:
        """The first instant without access, for access that starts at ``start``; ``None`` means it does not end."""
        return self.length.end(start)

    def includes(self, key: str, position: int) -> bool:
        """Whether the lesson ``key`` at ``position`` (0-based) belongs to what was sold, whenever it may open."""
        if self.lessons.kind == "first":
            return position < self.lessons.n
        if self.lessons.kind == "chosen":
            came_later = bool(self.lessons.known) and key not in self.lessons.known
            return key in self.lessons.keys or (self.auto_open_new and came_later)
        # "All" without automatic opening holds new lessons back, as far as the ones of that day are on record.
        return self.auto_open_new or not self.lessons.known or key in self.lessons.known

    def lesson_opens_at(self, key: str, position: int, start: dt.datetime) -> dt.datetime | None:
        """When the lesson opens for access that starts at ``start``; ``None`` where it was not sold."""
        return self.release.opens_at(key, position, start) if self.includes(key, position) else None

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "start": self.start,
            "length": {"kind": self.length.kind, "n": self.length.n, "last_day": self.length.last_day},
            "lessons": {
                "kind": self.lessons.kind,
                "n": self.lessons.n,
                "keys": list(self.lessons.keys),
                "known": list(self.lessons.known),
            },
            "release": {"kind": self.release.kind, "n": self.release.n, "dates": dict(self.release.dates)},
            "auto_open_new": self.auto_open_new,
            "practice": self.practice,
            "checkpoints": self.checkpoints,
            "comments": self.comments,
            "certificate": self.certificate,
            "curators": list(self.curators),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> AccessTerms:
        """Read what ``to_json`` wrote; ``{}`` gives the defaults. Raises ``KwigaError`` (see the module)."""
        return _read(data, cls._from_known)

    @classmethod
    def _from_known(cls, data: Mapping[str, Any]) -> AccessTerms:
        given = _only(cls, data)
        for name, kind in (("length", Length), ("lessons", Lessons), ("release", Release)):
            if name in given:
                given[name] = kind(**_only(kind, given[name]))
        for name in ("auto_open_new", "checkpoints", "comments", "certificate"):
            if name in given:
                given[name] = bool(given[name])
        return cls(**given)


@dataclass(frozen=True)
class ProductTerms:
    """One product of an offer, with its title as sold and the access it opens."""

    product_id: int
    title: str
    access: AccessTerms = field(default_factory=AccessTerms)
    #: How much of the price falls to it, relative to the other products; more than nothing, or ``None``.
    price_share: Decimal | None = None

    def __post_init__(self) -> None:
        if self.price_share is not None:
            share = Decimal(self.price_share)
            _require(share.is_finite() and share > 0, "a share of the price is more than nothing")
            object.__setattr__(self, "price_share", share)

    def to_json(self) -> dict[str, Any]:
        return {
            "product_id": self.product_id,
            "title": self.title,
            "access": self.access.to_json(),
            "price_share": None if self.price_share is None else str(self.price_share),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProductTerms:
        """Read what ``to_json`` wrote. A product without its key is refused: nobody could say what was sold."""
        return _read(
            data,
            lambda known: cls(
                product_id=int(known["product_id"]),
                title=str(known.get("title", "")),
                access=AccessTerms.from_json(known.get("access")),
                price_share=_share(known.get("price_share")),
            ),
        )


@dataclass(frozen=True)
class OfferTerms:
    """Everything an offer sells, in the order in which the editor listed it."""

    products: tuple[ProductTerms, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "products", tuple(self.products))

    @property
    def weights(self) -> list[Decimal]:
        """By which the price is split among ``products`` (``Money.split``): their shares, or equal ones unless all have
        one."""
        shares = [row.price_share for row in self.products if row.price_share is not None]
        return shares if len(shares) == len(self.products) else [Decimal(1)] * len(self.products)

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "products": [product.to_json() for product in self.products]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> OfferTerms:
        """Read what ``to_json`` wrote; ``{}`` sells nothing. Raises ``KwigaError`` (see the module)."""
        return _read(
            data, lambda known: cls(products=tuple(ProductTerms.from_json(row) for row in known.get("products") or ()))
        )


def _read(data: Mapping[str, Any] | None, build: Callable[[Mapping[str, Any]], T]) -> T:
    data = {} if data is None else data
    if not isinstance(data, Mapping):
        raise KwigaError(_("These terms of sale cannot be read."), code="bad_terms", why=f"not a mapping: {data!r}")
    schema = data.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise KwigaError(
            _("These terms of sale were written by a newer version of this software, and this one cannot read them."),
            code="unknown_terms",
            schema=schema,
            known=SCHEMA,
        )
    try:
        return build(data)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise KwigaError(_("These terms of sale cannot be read."), code="bad_terms", why=repr(fault)) from fault


def _only(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``data`` that ``kind`` knows and that say something."""
    return {name: data[name] for name in kind.__dataclass_fields__ if data.get(name) is not None}  # type: ignore[attr-defined]


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _require_count(n: Any, what: str) -> None:
    counts = isinstance(n, int) and not isinstance(n, bool) and n >= 1
    _require(counts, f"{what} must be a whole number from 1, not {n!r}")


def _share(share: Any) -> Decimal | None:
    try:
        return None if share is None else Decimal(str(share))
    except InvalidOperation as fault:
        raise ValueError(f"{share!r} is no share of a price") from fault


def _iso(day: dt.date | str) -> str:
    if isinstance(day, dt.datetime):
        raise ValueError("a date is needed here, not an instant")
    return (day if isinstance(day, dt.date) else dt.date.fromisoformat(day)).isoformat()


def _midnight(day: str) -> dt.datetime:
    return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), tzinfo=dt.UTC)


def _add_months(start: dt.datetime, months: int) -> dt.datetime:
    year, month0 = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month0 + 1)[1])
    return start.replace(year=year, month=month0 + 1, day=day)
