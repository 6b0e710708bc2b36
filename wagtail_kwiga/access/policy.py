"""May this contact open this lesson now? The sum over all grants (promise 12).

``decide`` is the rule: plain values in, an answer out, no database and no clock. ``may_open`` reads the grants in one
query and asks it. Adding a grant never makes an answer worse, the order of grants never matters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf
from wagtail_kwiga.access import grant_times
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.access.spans import GrantView
from wagtail_kwiga.catalogue.access_rules import Lesson, later
from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.formatting.instants import moment_lazy, until_lazy

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
    "frozen": _("Your access is paused until {when}."),
    "paused": _("Your access is paused."),
    "after_previous": _("This lesson opens once you have finished the one before."),
    "ended": _("Your access ended on {when}."),
    "revoked": _("Your access has ended."),
    "not_included": _("This lesson is not part of what you bought."),
    "nothing": _("You have no access here yet."),
}


@dataclass(frozen=True)
class Answer:
    """``state`` is ``yes``, ``not_yet`` or ``no``.

    ``when``: for *not yet* the instant at which it opens (``None`` where nobody knows it); for *no* the instant at which
    access ended, if it ever held; for *yes* ``None``. ``until``: for *yes* how long the present grants keep it open (``None``: no end).
    ``why``: ``open``, ``not_started``, ``not_released``, ``frozen``, ``paused``, ``after_previous``, ``ended``, ``revoked``,
    ``not_included`` or ``nothing``.
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
    grants = grant_times.with_times(AccessGrant.objects.filter(contact=contact, product=product))
    return decide([grant.view for grant in grants], lesson, at or conf.now())


def decide(grants: Iterable[GrantView], lesson: Lesson | None, at: dt.datetime) -> Answer:
    """The sum of ``grants``: open if any of them opens, else the soonest opening, else the best reason why not."""
    grants = list(grants)
    sold = [grant for grant in grants if lesson is None or grant.terms.includes(lesson)]
    spans = [span for grant in sold for span in _spans(grant, lesson)]
    if open_now := [span for span in spans if span.holds(at)]:
        ends = [span.closes for span in open_now]
        return _answer(YES, "open", until=None if None in ends else max(end for end in ends if end is not None))
    if ahead := [span for span in spans if span.opens is not None and at < span.opens]:
        soonest = min(span.opens for span in ahead if span.opens is not None)
        # Of several that open at that instant, the one that says most: access is there and only paused, or it has begun.
        whys = {span.why_not_yet(at) for span in ahead if span.opens == soonest}
        return _answer(NOT_YET, next(why for why in _TELLING if why in whys), when=soonest)
    if waiting := {span.unknown for span in spans if span.opens is None and span.lasts(at)}:
        return _answer(NOT_YET, "paused" if "paused" in waiting else "after_previous")
    if spans:
        last = max(span.closes for span in spans if span.closes is not None)
        ended = any(not span.was_revoked for span in spans if span.closes == last)
        return _answer(NO, "ended" if ended else "revoked", when=last)
    if any(_was_revoked(grant) for grant in sold):
        return _answer(NO, "revoked")
    return _answer(NO, "not_included" if grants else "nothing")


_TELLING = ("frozen", "not_released", "not_started")


@dataclass(frozen=True)
class _Span:
    """When one grant opens one lesson: half open, ``[opens, closes)``, never empty."""

    #: When the grant began to give anything.
    begins: dt.datetime
    #: ``None`` where nobody knows; then ``unknown`` says why.
    opens: dt.datetime | None
    closes: dt.datetime | None
    was_revoked: bool = False
    #: The freeze that ends when this opens, if one does.
    frozen_from: dt.datetime | None = None
    unknown: str = ""

    def lasts(self, at: dt.datetime) -> bool:
        return self.closes is None or at < self.closes

    def holds(self, at: dt.datetime) -> bool:
        return self.opens is not None and self.opens <= at and self.lasts(at)

    def why_not_yet(self, at: dt.datetime) -> str:
        if self.frozen_from is not None and self.frozen_from <= at:
            return "frozen"
        return "not_released" if self.begins <= at else "not_started"


def _spans(grant: GrantView, lesson: Lesson | None) -> list[_Span]:
    """When ``grant`` opens a lesson that it includes, or the product as a whole."""
    times = grant.times
    begins, spans = grant.starts_at, []
    opens, floor, waits = times.shifted(begins), None, False
    if lesson is not None:
        release = grant.terms.release
        opens = times.shifted(later(begins, release.delay(lesson)))
        floor, waits = release.not_before(lesson, grant.terms.zone), release.waits(lesson)
    thaws = {end: begin for begin, end in times.frozen}
    for begin, end in times.open:
        revoked = end is not None and end == grant.revoked_at
        if waits:
            spans.append(_Span(begins, None, end, revoked, unknown="after_previous"))
            continue
        if opens is None:  # it would open after a freeze that nobody has ended yet
            continue
        first = max(begin, opens, floor or begin)
        if end is None or first < end:
            spans.append(_Span(begins, first, end, revoked, thaws.get(begin) if first == begin else None))
    if times.frozen and times.frozen[-1][1] is None:
        spans.append(_Span(begins, None, None, unknown="paused"))
    return spans


def _was_revoked(grant: GrantView) -> bool:
    return grant.revoked_at is not None and (grant.ends_at is None or grant.revoked_at <= grant.ends_at)


def _answer(state: str, why: str, when: dt.datetime | None = None, until: dt.datetime | None = None) -> Answer:
    words = _MESSAGES[why]
    return Answer(
        state,
        when,
        why,
        format_lazy(words, when=(until_lazy if why == "ended" else moment_lazy)(when)) if when else words,
        until,
    )
