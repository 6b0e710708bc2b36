"""Who is on which list, until when, and by whose doing.

A grant has a source and a term. It holds at an instant ``at`` while it has not been removed and ``at`` lies before its
end; the clock alone ends it (promise 5). A contact is on a list while any grant holds. ``added_at`` is never compared:
a start in the future does not delay anybody.
"""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact, ContactList, ListMembership
from wagtail_kwiga.journal import writing

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

writing.register_sentences(
    {
        "contact.listed": _("Put on the list “%(list)s” by hand."),
        "contact.listed_until": _("Put on the list “%(list)s” by hand, until %(until)s."),
        "contact.unlisted": _("Taken off the list “%(list)s” by hand."),
    }
)
#: Codes of the timeline under which staff put people on lists, and took them off.
LISTED, UNLISTED = ("contact.listed", "contact.listed_until"), "contact.unlisted"


class Absence(Enum):
    """Its one member says that somebody is not on a list; ``None`` says that they are, without an end."""

    NOT_MEMBER = "not_member"

    def __bool__(self) -> bool:
        return False


#: What ``member_until`` says of somebody who is not on the list; false in a condition.
NOT_MEMBER: Final = Absence.NOT_MEMBER

#: ``None`` (no end) or the instant at which membership ends.
Until = dt.datetime | None


@dataclass(frozen=True)
class MembershipStatus:
    """How somebody stands to some lists taken together. ``until`` counts only for a member."""

    is_member: bool
    until: Until
    was_member: bool


def add(
    list: ContactList, contact: Contact, *, until: Until = None, source: str = "", now: dt.datetime | None = None
) -> ListMembership:
    """Put ``contact`` on ``list`` on behalf of ``source``, up to ``until`` (``None``: without an end).

    The same source has one open grant: adding again gives that one the new end, sooner or later than before.
    Locks the contact.
    """
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(contact.pk)
        grant, is_new = ListMembership.objects.get_or_create(
            list=list, contact=contact, source=source, removed_at=None, defaults={"added_at": now, "until": until}
        )
        if not is_new and grant.until != until:
            grant.until = until
            grant.save(update_fields=["until"])
        return grant


def add_many(rows: Iterable[tuple[int, int, Until, str]], *, now: dt.datetime | None = None) -> None:
    """``add`` for many ``(list_id, contact_id, until, source)`` at once, in a fixed number of queries.

    The caller holds the locks of the contacts. Of rows with equal list, contact and source the last one counts.
    """
    now = now or conf.now()
    wanted = {(list_id, contact_id, source): until for list_id, contact_id, until, source in rows}
    if not wanted:
        return
    with locking.atomic_write():
        present = {}
        for grant in _candidates(wanted):
            key = (grant.list_id, grant.contact_id, grant.source)
            if key in wanted:
                present[key] = grant
        changed = []
        for key, grant in present.items():
            if grant.until != wanted[key]:
                grant.until = wanted[key]
                changed.append(grant)
        if changed:
            ListMembership.objects.bulk_update(changed, ["until"])
        missing = [
            ListMembership(list_id=key[0], contact_id=key[1], source=key[2], until=until, added_at=now)
            for key, until in wanted.items()
            if key not in present
        ]
        if missing:
            ListMembership.objects.bulk_create(missing, ignore_conflicts=True)


def remove(list: ContactList, contact: Contact, *, source: str | None = None, now: dt.datetime | None = None) -> int:
    """Take back the grant of ``source``, or with ``None`` all of them (staff). Returns how many; the rows stay."""
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(contact.pk)
        grants = ListMembership.objects.filter(list=list, contact=contact, removed_at__isnull=True)
        if source is not None:
            grants = grants.filter(source=source)
        return grants.update(removed_at=now)


def remove_many(rows: Iterable[tuple[int, int, str | None]], *, now: dt.datetime | None = None) -> int:
    """``remove`` for many ``(list_id, contact_id, source)`` at once, in a fixed number of queries. Returns how many.

    The caller holds the locks of the contacts.
    """
    now = now or conf.now()
    wanted = set(rows)
    if not wanted:
        return 0
    with locking.atomic_write():
        doomed = [
            grant.pk
            for grant in _candidates(wanted)
            if (grant.list_id, grant.contact_id, grant.source) in wanted
            or (grant.list_id, grant.contact_id, None) in wanted
        ]
        if not doomed:
            return 0
        return ListMembership.objects.filter(pk__in=doomed, removed_at__isnull=True).update(removed_at=now)


def staff_add(
    list: ContactList,
    contact: Contact,
    *,
    until: Until = None,
    by: AbstractBaseUser | None,
    now: dt.datetime | None = None,
) -> ListMembership:
    """Staff put somebody on a list by hand; again sets the new end. It stands on the person's timeline."""
    now = now or conf.now()
    with locking.atomic_write():
        grant = add(list, contact, until=until, now=now)
        facts: dict[str, Any] = {"list": list.title, "list_id": list.pk} | ({"until": until} if until else {})
        writing.write(contact, LISTED[1] if until else LISTED[0], now=now, by=by, **facts)
    return grant


def staff_remove(
    list: ContactList, contact_ids: Iterable[int], *, by: AbstractBaseUser | None, now: dt.datetime | None = None
) -> builtins.list[int]:
    """Staff take people off a list: every grant of theirs ends at once, whoever made it. The rows stay.

    Returns the contacts that were on it; it stands on their timelines. A fixed number of queries.
    """
    now = now or conf.now()
    with locking.atomic_write():
        contacts = directory.lock_many(contact_ids)
        # Whoever waited for the lock may have looked at the clock before the other did: ``now`` alone would not tell.
        on_it = open_grants(contacts, [list.pk], now).filter(removed_at__isnull=True)
        gone = sorted(set(on_it.values_list("contact_id", flat=True)))
        remove_many([(list.pk, contact_id, None) for contact_id in gone], now=now)
        facts: dict[str, Any] = {"list": list.title, "list_id": list.pk}
        writing.write_many(writing.draft(contacts[pk], UNLISTED, now=now, by=by, **facts) for pk in gone)
    return gone


def holding(at: dt.datetime, path: str = "") -> Q:
    """The rule: grants that hold at ``at``. Its end is the first instant at which a grant no longer holds.

    ``path`` leads to the grants in a query about something else, for example ``memberships__``; what has no grant at all
    does not meet the rule.
    """

    def term(**condition: Any) -> Q:
        return Q(**{path + name: value for name, value in condition.items()})

    not_removed = term(removed_at__isnull=True) | term(removed_at__gt=at)
    not_over = term(until__isnull=True) | term(until__gt=at)
    rule = not_removed & not_over
    return rule & term(pk__isnull=False) if path else rule


def ended(at: dt.datetime) -> Q:
    """The opposite of ``holding``: grants that were removed or ran out by ``at``."""
    return Q(removed_at__lte=at) | Q(until__lte=at)


def people_on(at: dt.datetime) -> Coalesce:
    """For annotating lists: how many people are on each at ``at``; somebody on it twice is one person."""
    on_it = ListMembership.objects.filter(holding(at), list=OuterRef("pk")).order_by().values("list")
    people = on_it.annotate(people=Count("contact", distinct=True)).values("people")
    return Coalesce(Subquery(people, output_field=IntegerField()), 0)


def _holds(until: Until, removed_at: dt.datetime | None, at: dt.datetime) -> bool:
    """``holding`` for values at hand."""
    return (removed_at is None or removed_at > at) and (until is None or until > at)


def is_member(list: ContactList, contact: Contact, at: dt.datetime | None = None) -> bool:
    """Whether ``contact`` is on ``list`` at ``at``. One query."""
    at = at or conf.now()
    return ListMembership.objects.filter(holding(at), list=list, contact=contact).exists()


def member_until(
    list: ContactList, contact: Contact, at: dt.datetime | None = None
) -> dt.datetime | Literal[Absence.NOT_MEMBER] | None:
    """The latest end over the grants that hold at ``at``; ``None`` for no end, ``NOT_MEMBER`` for none. One query."""
    at = at or conf.now()
    ends = ListMembership.objects.filter(holding(at), list=list, contact=contact).values_list("until", flat=True)
    return _latest(builtins.list(ends)) if ends else NOT_MEMBER


def open_grants(contact_ids: Iterable[int], list_ids: Iterable[int], at: dt.datetime) -> QuerySet[ListMembership]:
    """The grants of these contacts on these lists that hold at ``at``. One query when it is read."""
    return ListMembership.objects.filter(holding(at), contact_id__in=set(contact_ids), list_id__in=set(list_ids))


def members(contact_ids: Iterable[int], list_ids: Iterable[int], at: dt.datetime) -> dict[tuple[int, int], Until]:
    """``(contact_id, list_id)`` → the latest end (``None``: no end), for those who are on it at ``at``. One query."""
    ends: dict[tuple[int, int], builtins.list[Until]] = {}
    grants = open_grants(contact_ids, list_ids, at).values_list("contact_id", "list_id", "until")
    for contact_id, list_id, until in grants:
        ends.setdefault((contact_id, list_id), []).append(until)
    return {pair: _latest(untils) for pair, untils in ends.items()}


def membership_status(contact: Contact, list_ids: Iterable[int], at: dt.datetime) -> MembershipStatus:
    """Whether ``contact`` is on any of these lists at ``at``, until when, and whether they ever were. One query."""
    grants = builtins.list(
        ListMembership.objects.filter(contact=contact, list_id__in=set(list_ids)).values_list("until", "removed_at")
    )
    ends = [until for until, removed_at in grants if _holds(until, removed_at, at)]
    return MembershipStatus(is_member=bool(ends), until=_latest(ends) if ends else None, was_member=bool(grants))


def _candidates(keys: Iterable[tuple[int, int, str | None]]) -> QuerySet[ListMembership]:
    """Open grants of these contacts on these lists: one query, whatever the sources. May hold more than asked for."""
    keys = builtins.list(keys)
    return ListMembership.objects.filter(
        list_id__in={key[0] for key in keys}, contact_id__in={key[1] for key in keys}, removed_at__isnull=True
    )


def _latest(ends: Sequence[Until]) -> Until:
    return None if None in ends else max(end for end in ends if end is not None)
