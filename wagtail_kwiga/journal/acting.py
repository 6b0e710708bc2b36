"""Who is at work: what the timeline says of entries that no member of staff has made.

A door of the package (the checkout, the address for webhooks, a sweep) says once who comes through it; everything that is
written further down, in whatever room, is theirs. What nobody has said is the package's own doing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Actor(StrEnum):
    """By whose doing something happened. The value is stored."""

    #: A member of staff; ``TimelineEntry.by`` says who.
    USER = "user"
    BUYER = "buyer"
    #: A scenario of the automation.
    SCENARIO = "scenario"
    #: A payment or mail provider that told of something.
    PROVIDER = "provider"
    IMPORT = "import"
    #: The package itself: what expires, is asked about or tidied up.
    SYSTEM = "system"


_acting: ContextVar[Actor] = ContextVar("wagtail_kwiga.actor", default=Actor.SYSTEM)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Whatever is written to a timeline inside is by ``actor``. Also a decorator; the innermost one counts."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    """Who is at work here and now; ``system`` where no door has said."""
    return _acting.get()
