"""By whose doing somebody is on a list or off it again, in words: looked up for many grants at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from wagtail_kwiga.automations.models import Run
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import Contact, ContactList, ListMembership
from wagtail_kwiga.journal.models import TimelineEntry


def look_up(contact_list: ContactList, grants: Sequence[Any], now: dt.datetime) -> None:
    """Put on each grant who made it and why it ended. Two queries whatever their number.

    ``source_words`` and, where it was a scenario, ``source_run``; ``why_words`` (empty while it holds).
    """
    runs = _runs(grants)
    hands = _hands(contact_list, grants)
    for grant in grants:
        grant.source_run = runs.get(grant.source)
        grant.source_words = _source(grant, hands)
        grant.why_words = _why(grant, hands, now)


def _runs(grants: Sequence[ListMembership]) -> dict[str, Run]:
    """``run:17`` → that run, with its scenario."""
    wanted = {}
    for grant in grants:
        kind, _colon, key = grant.source.partition(":")
        if kind == "run" and key.isascii() and key.isdigit():
            wanted[int(key)] = grant.source
    found = Run.objects.filter(pk__in=wanted).select_related("scenario")
    return {wanted[run.pk]: run for run in found}


def _hands(contact_list: ContactList, grants: Sequence[ListMembership]) -> dict[tuple[int, str, dt.datetime], Any]:
    """(contact, ``on`` or ``off``, when) → who of the team did it by hand."""
    entries = TimelineEntry.objects.filter(
        subject_type=ContentType.objects.get_for_model(Contact),
        subject_id__in={grant.contact_id for grant in grants},
        code__in=[*lists.LISTED, lists.UNLISTED],
        facts__list_id=contact_list.pk,
    ).select_related("by")
    return {
        (entry.subject_id, "off" if entry.code == lists.UNLISTED else "on", entry.at): entry.by or ""
        for entry in entries
    }


def _source(grant: Any, hands: dict[tuple[int, str, dt.datetime], Any]) -> str:
    if grant.source_run is not None:
        return _("by the scenario “%(scenario)s”") % {"scenario": grant.source_run.scenario.title}
    if grant.source.startswith("run:"):
        return _("by a scenario")
    if grant.source:
        words: str = grant.source
        return words
    by = hands.get((grant.contact_id, "on", grant.added_at))
    return _("by hand (%(user)s)") % {"user": by} if by else _("by hand")


def _why(grant: Any, hands: dict[tuple[int, str, dt.datetime], Any], now: dt.datetime) -> str:
    removed, until = grant.removed_at, grant.until
    if until is not None and until <= now and (removed is None or until <= removed):
        return _("its end came")
    if removed is None or removed > now:
        return ""
    by = hands.get((grant.contact_id, "off", removed))
    if by is not None:
        return _("taken off by hand, by %(user)s") % {"user": by} if by else _("taken off by hand")
    if grant.source_run is not None:
        return _("taken off by the scenario “%(scenario)s”") % {"scenario": grant.source_run.scenario.title}
    return _("taken off")
