"""Terms of access in words that a buyer reads."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_kwiga.catalogue.access_rules import Length, Release, Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.formatting import instants


def access_in_words(terms: AccessTerms) -> tuple[str, ...]:
    """What a buyer should know about the access, the plainest first; what goes without saying is left out."""
    words = [_length(terms.length), *_start(terms.start)]
    if terms.lessons.kind == "first":
        words.append(
            ngettext("the first lesson", "the first %(count)s lessons", terms.lessons.n) % {"count": terms.lessons.n}
        )
    elif terms.lessons.kind == "chosen":
        if chosen := len(terms.lessons.keys):
            words.append(ngettext("%(count)s lesson of it", "%(count)s lessons of it", chosen) % {"count": chosen})
        if modules := len(terms.lessons.modules):
            words.append(ngettext("%(count)s module of it", "%(count)s modules of it", modules) % {"count": modules})
    words.extend(_release(terms.release))
    if terms.practice == "by_instructor":
        words.append(_("an instructor looks at your practice work"))
    if terms.certificate:
        words.append(_("with a certificate"))
    return tuple(words)


def _start(start: Start) -> list[str]:
    if start.kind == "date":
        return [_("starts on %(date)s") % {"date": _day(start.day)}]
    if start.kind == "not_before":
        return [_("starts when you have paid, but not before %(date)s") % {"date": _day(start.day)}]
    if start.kind == "days_after":
        return [
            ngettext("starts a day after you have paid", "starts %(count)s days after you have paid", start.n)
            % {"count": start.n}
        ]
    return []


def _length(length: Length) -> str:
    if length.extends:
        return _extension(length)
    if length.kind == "days":
        return ngettext("access for %(count)s day", "access for %(count)s days", length.n) % {"count": length.n}
    if length.kind == "months":
        return ngettext("access for %(count)s month", "access for %(count)s months", length.n) % {"count": length.n}
    if length.kind == "until":
        return _("access until %(date)s") % {"date": _day(length.last_day)}
    return _("access without end")


def _extension(length: Length) -> str:
    if length.kind == "days":
        return ngettext(
            "extends the access you have by %(count)s day", "extends the access you have by %(count)s days", length.n
        ) % {"count": length.n}
    return ngettext(
        "extends the access you have by %(count)s month", "extends the access you have by %(count)s months", length.n
    ) % {"count": length.n}


def _release(release: Release) -> list[str]:
    if release.kind == "every":
        return [
            ngettext("a new lesson every day", "a new lesson every %(count)s days", release.n) % {"count": release.n}
        ]
    if release.kind == "dated" and release.dates:
        last = max(day for _key, day in release.dates)
        return [_("lessons open one by one, the last on %(date)s") % {"date": _day(last)}]
    if release.kind == "after_previous":
        return [_("each lesson opens once you have finished the one before")]
    return []


def _day(iso: str) -> str:
    return instants.day(dt.date.fromisoformat(iso))
