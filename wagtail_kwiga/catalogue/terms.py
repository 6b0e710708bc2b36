"""The terms on which something is sold, as frozen values that go to JSON and back.

An offer holds ``OfferTerms``; an order line and an access grant hold the ``AccessTerms`` as sold, so what a buyer got
can be read long after the page has changed. (What terms of access may say: Kwiga's article “Set
up access to lessons, sections, and modules”.)

Reading is tolerant: a missing key means its default, an unknown key is left alone. A schema number that this version
does not know is refused with ``KwigaError(code="unknown_terms")``, of a newer release ``NewerVersion``, terms that make no sense with ``code="bad_terms"``:
guessing would give somebody the wrong access.

What terms are made of (``Start``, ``Length``, ``Lessons``, ``Release``) stands in ``catalogue.access_rules``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.catalogue.access_rules import Length, Lesson, Lessons, Release, Start, require
from wagtail_kwiga.catalogue.calendar_days import zone_of
from wagtail_kwiga.exceptions import KwigaError, NewerVersion

#: Number written into every JSON of this module. Raise it when an old reader would misread a new document.
SCHEMA = 2

T = TypeVar("T")


@dataclass(frozen=True)
class AccessTerms:
    """What one product of an offer opens, from when, and for how long."""

    start: Start = field(default_factory=Start)
    length: Length = field(default_factory=Length)
    lessons: Lessons = field(default_factory=Lessons)
    release: Release = field(default_factory=Release)
    #: Open lessons that were added after the terms were written, also where lessons were chosen one by one.
    auto_open_new: bool = True
    #: Who looks at practice work: ``none``, ``automatic`` or ``by_instructor``.
    practice: str = "none"
    #: Tests of the course hold back what comes after them until they are passed.
    checkpoints: bool = False
    comments: bool = False
    certificate: bool = False
    #: Keys of the staff users who look after these buyers, as text: a site's own user model may count or use UUIDs.
    instructors: tuple[str, ...] = ()
    #: IANA name of the zone in which all days and months of these terms are meant: the site's, on the day of the sale.
    zone: str = "UTC"

    PRACTICES = ("none", "automatic", "by_instructor")

    def __post_init__(self) -> None:
        zone_of(self.zone)
        require(self.practice in self.PRACTICES, f"practice {self.practice!r} is none of {self.PRACTICES}")
        for key in self.instructors:
            require(isinstance(key, int | str) and key != "", f"instructor {key!r} is no key")
        object.__setattr__(self, "instructors", tuple(str(key) for key in self.instructors))

    def starts_at(self, paid_at: dt.datetime, *, present_end: dt.datetime | None = None) -> dt.datetime:
        """When access starts for somebody who paid at ``paid_at``, in UTC.

        ``present_end`` is when the access ends that the buyer has already: terms that extend start then, if it is later.
        """
        starts = self.start.at(paid_at, self.zone)
        return max(starts, present_end) if self.length.extends and present_end is not None else starts

    def ends_at(self, start: dt.datetime) -> dt.datetime | None:
        """The first instant without access, for access that starts at ``start``; ``None`` means it does not end."""
        return self.length.end(start, self.zone)

    def includes(self, lesson: Lesson) -> bool:
        """Whether ``lesson`` belongs to what was sold, whenever it may open."""
        return self.lessons.include(lesson, open_new=self.auto_open_new)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "zone": self.zone,
            "start": {"kind": self.start.kind, "n": self.start.n, "day": self.start.day},
            "length": {
                "kind": self.length.kind,
                "n": self.length.n,
                "last_day": self.length.last_day,
                "extends": self.length.extends,
            },
            "lessons": {
                "kind": self.lessons.kind,
                "n": self.lessons.n,
                "keys": list(self.lessons.keys),
                "modules": list(self.lessons.modules),
                "known": list(self.lessons.known),
                "new_in": list(self.lessons.new_in),
            },
            "release": {"kind": self.release.kind, "n": self.release.n, "dates": dict(self.release.dates)},
            "auto_open_new": self.auto_open_new,
            "practice": self.practice,
            "checkpoints": self.checkpoints,
            "comments": self.comments,
            "certificate": self.certificate,
            "instructors": list(self.instructors),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> AccessTerms:
        """Read what ``to_json`` wrote; ``{}`` gives the defaults. Raises ``KwigaError`` (see the module)."""
        return _read(data, cls._from_known)

    @classmethod
    def _from_known(cls, data: Mapping[str, Any]) -> AccessTerms:
        given = _only(cls, data)
        for name, kind in (("start", Start), ("length", Length), ("lessons", Lessons), ("release", Release)):
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
            require(share.is_finite() and share > 0, "a share of the price is more than nothing")
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
        is_newer = isinstance(schema, int) and schema > SCHEMA
        raise (NewerVersion if is_newer else KwigaError)(
            _("These terms of sale were written by a newer version of this software, and this one cannot read them."),
            code="unknown_terms",
            schema=schema,
            known=SCHEMA,
        )
    try:
        return build(data)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise KwigaError(_("These terms of sale cannot be read."), code="bad_terms", why=repr(fault)) from fault


def _only(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``data`` that ``kind`` knows and that say something."""
    return {name: data[name] for name in kind.__dataclass_fields__ if data.get(name) is not None}


def _share(share: Any) -> Decimal | None:
    try:
        return None if share is None else Decimal(str(share))
    except InvalidOperation as fault:
        raise ValueError(f"{share!r} is no share of a price") from fault
