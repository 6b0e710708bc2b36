"""Terms of access in words that a buyer reads."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_kwiga.catalogue.terms import AT_PAYMENT, AccessTerms, Length, Release
from wagtail_kwiga.formatting import instants


def access_in_words(terms: AccessTerms) -> tuple[str, ...]:
    """What a buyer should know about the access, the plainest first; what goes without saying is left out."""
    words = [_length(terms.length)]
    if terms.start != AT_PAYMENT:
        words.append(_("starts on %(date)s") % {"date": _day(terms.start)})
    if terms.lessons.kind == "first":
        words.append(
            ngettext("the first lesson", "the first %(count)s lessons", terms.lessons.n) % {"count": terms.lessons.n}
        )
    elif terms.lessons.kind == "chosen":
        chosen = len(terms.lessons.keys)
        words.append(ngettext("%(count)s lesson of it", "%(count)s lessons of it", chosen) % {"count": chosen})
    words.extend(_release(terms.release))
    if terms.practice == "curator":
        words.append(_("a curator looks at your practice work"))
    if terms.certificate:
        words.append(_("with a certificate"))
    return tuple(words)


def _length(length: Length) -> str:
    if length.kind == "days":
        return ngettext("access for %(count)s day", "access for %(count)s days", length.n) % {"count": length.n}
    if length.kind == "months":
        return ngettext("access for %(count)s month", "access for %(count)s months", length.n) % {"count": length.n}
    if length.kind == "until":
        return _("access until %(date)s") % {"date": _day(length.last_day)}
    return _("access without end")


def _release(release: Release) -> list[str]:
    if release.kind == "every":
        return [
            ngettext("a new lesson every day", "a new lesson every %(count)s days", release.n) % {"count": release.n}
        ]
    if release.kind == "dated" and release.dates:
        last = max(day for _key, day in release.dates)
        return [_("lessons open one by one, the last on %(date)s") % {"date": _day(last)}]
    return []


def _day(iso: str) -> str:
    return instants.day(dt.date.fromisoformat(iso))
