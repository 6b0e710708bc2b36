"""May this contact open this lesson now? The sum over all grants (promise 12).

``decide`` is the rule: plain values in, an answer out, no database and no clock. ``may_open`` reads the grants in one
query and asks it. Adding a grant never makes an answer worse, the order of grants never matters.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.formatting.instants import moment_lazy

logger = logging.getLogger("wagtail_kwiga.access")

#: It is open (``Answer.state``).
YES = "yes"
#: It opens later, at ``Answer.when``.
NOT_YET = "not_yet"
#: It does not open, for the reason ``Answer.why``.
NO = "no"

_MESSAGES: dict[str, Any] = {
    "open": "",
    "not_started": _("Your access begins on {when}."),
    "not_released": _("This lesson opens for you on {when}."),
    "ended": _("Your access ended on {when}."),
    "revoked": _("Your access has ended."),
    "not_included": _("This lesson is not part of what you bought."),
    "nothing": _("You have no access here yet."),
}


@dataclass(frozen=True)
class Lesson:
    """A part of a product, as the site knows it: a stable key, and its place counted from 0."""

    key: str
    position: int


@dataclass(frozen=True)
class GrantView:
    """A grant as ``decide`` sees it. ``ends_at`` and ``revoked_at`` are the first instants without access."""

    terms: AccessTerms
    starts_at: dt.datetime
    ends_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None


@dataclass(frozen=True)
class Answer:
    """``state`` is ``yes``, ``not_yet`` or ``no``.

    ``when``: for *not yet* the instant at which it opens; for *no* the instant at which access ended, if it ever held;
    for *yes* ``None``. ``until``: for *yes* how long the present grants keep it open (``None``: no end).
    ``why``: ``open``, ``not_started``, ``not_released``, ``ended``, ``revoked``, ``not_included`` or ``nothing``.
    ``message``: the buyer's words, lazy; empty for *yes*.
    """

    state: str
    when: dt.datetime | None
    why: str
    message: Any
    until: dt.datetime | None = None

    def __bool__(self) -> bool:
        return self.state == YES


def may_open(contact: Contact, product: Product, lesson: Lesson | None = None, at: dt.datetime | None = None) -> Answer:
    """Whether ``contact`` may open ``lesson`` of ``product`` (``None``: the product as a whole) at ``at``. One query.

    A grant whose terms this version cannot read gives nothing and is logged; it takes nothing from the others either.
    """
    rows = AccessGrant.objects.filter(contact=contact, product=product)
    grants = []
    for pk, terms, *instants in rows.values_list("pk", "terms", "starts_at", "ends_at", "revoked_at"):
        try:
            grants.append(GrantView(AccessTerms.from_json(terms), *instants))
        except KwigaError:
            logger.exception("The terms of access grant %s cannot be read", pk)
    return decide(grants, lesson, at or conf.now())


def decide(grants: Iterable[GrantView], lesson: Lesson | None, at: dt.datetime) -> Answer:
    """The sum of ``grants``: open if any of them opens, else the soonest opening, else the best reason why not."""
    spans = [_span(grant, lesson) for grant in grants]
    sold = [span for span in spans if span is not None]
    held = [span for span in sold if span.closes is None or span.opens < span.closes]
    if open_now := [span for span in held if span.holds(at)]:
        ends = [span.closes for span in open_now]
        return _answer(YES, "open", until=None if None in ends else max(end for end in ends if end is not None))
    if ahead := [span for span in held if at < span.opens]:
        soonest = min(span.opens for span in ahead)
        # Of several that open at that instant, one that has begun already says more: the lesson is scheduled.
        begun = any(span.begins <= at for span in ahead if span.opens == soonest)
        return _answer(NOT_YET, "not_released" if begun else "not_started", when=soonest)
    if held:
        last = max(span.closes for span in held if span.closes is not None)
        ended = any(not span.was_revoked for span in held if span.closes == last)
        return _answer(NO, "ended" if ended else "revoked", when=last)
    if any(span.was_revoked for span in sold):
        return _answer(NO, "revoked")
    return _answer(NO, "not_included" if spans else "nothing")


@dataclass(frozen=True)
class _Span:
    """When one grant opens one lesson: half open, ``[opens, closes)``; empty where it closes before it opens."""

    begins: dt.datetime
    opens: dt.datetime
    closes: dt.datetime | None
    was_revoked: bool

    def holds(self, at: dt.datetime) -> bool:
        return self.opens <= at and (self.closes is None or at < self.closes)


def _span(grant: GrantView, lesson: Lesson | None) -> _Span | None:
    """``None`` where the lesson was not sold."""
    opens: dt.datetime | None = grant.starts_at
    if lesson is not None:
        opens = grant.terms.lesson_opens_at(lesson.key, lesson.position, grant.starts_at)
    if opens is None:
        return None
    closes = min((end for end in (grant.ends_at, grant.revoked_at) if end is not None), default=None)
    return _Span(grant.starts_at, opens, closes, closes is not None and closes == grant.revoked_at)


def _answer(state: str, why: str, when: dt.datetime | None = None, until: dt.datetime | None = None) -> Answer:
    words = _MESSAGES[why]
    return Answer(state, when, why, format_lazy(words, when=moment_lazy(when)) if when else words, until)
