"""Changing the time of a grant that was given: extend, freeze, unfreeze, end. Each leaves a row, and ``ends_at`` stays what
was sold (``access.spans`` says what comes of it).

Each verb takes the contact's lock, writes the timeline of the order (of the contact where the grant has none) and tells
``AccessAdjusted``. A number of days counts from ``now``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.access import grant_times
from wagtail_kwiga.access.events import AccessAdjusted
from wagtail_kwiga.access.models import AccessAdjustment, AccessGrant
from wagtail_kwiga.access.spans import Adjustment, AdjustmentKind, GrantView
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

writing.register_sentences(
    {
        "access.extend": _("Access was extended: %(what)s."),
        "access.freeze": _("Access was frozen: %(what)s."),
        "access.unfreeze": _("Access was unfrozen: %(what)s."),
        "access.end": _("Access was ended: %(what)s."),
    }
)


def extend(
    grant: AccessGrant,
    *,
    days: int | None = None,
    until: dt.datetime | None = None,
    by: AbstractBaseUser | None = None,
    note: str = "",
    now: dt.datetime | None = None,
) -> AccessAdjustment:
    """Move the end of ``grant`` on by ``days``, or to ``until`` where it is earlier. What has ended opens again.

    Raises ``KwigaError``: ``bad_span`` unless one of the two is given, ``revoked`` for a grant that was taken away, ``no_end``
    for one that has no end to move, and ``frozen`` for ``until`` while it is frozen until somebody unfreezes it: its end moves by
    as long as that takes, so no date can be promised. ``days`` are added all the same.
    """
    return _adjust(grant, AdjustmentKind.EXTEND, days, until, by, note, now)


def freeze(
    grant: AccessGrant,
    *,
    days: int | None = None,
    until: dt.datetime | None = None,
    by: AbstractBaseUser | None = None,
    note: str = "",
    now: dt.datetime | None = None,
) -> AccessAdjustment:
    """Stop the time of ``grant`` at once, for ``days``, up to ``until``, or until ``unfreeze``; its end moves by as much.

    Raises ``KwigaError``: ``bad_span`` for both, no days or an instant gone by, ``over`` for a grant that has ended,
    ``revoked`` for one that was taken away.
    """
    return _adjust(grant, AdjustmentKind.FREEZE, days, until, by, note, now)


def unfreeze(
    grant: AccessGrant, *, by: AbstractBaseUser | None = None, note: str = "", now: dt.datetime | None = None
) -> AccessAdjustment:
    """Let the time of ``grant`` go on. Raises ``KwigaError`` (``not_frozen``) where it stands still for no freeze."""
    return _adjust(grant, AdjustmentKind.UNFREEZE, None, None, by, note, now)


def end(
    grant: AccessGrant, *, by: AbstractBaseUser | None = None, note: str = "", now: dt.datetime | None = None
) -> AccessAdjustment:
    """End ``grant`` now; it can be extended again. Raises ``KwigaError`` (``over``) where it has ended already."""
    return _adjust(grant, AdjustmentKind.END, None, None, by, note, now)


def _adjust(
    grant: AccessGrant,
    kind: AdjustmentKind,
    days: int | None,
    until: dt.datetime | None,
    by: AbstractBaseUser | None,
    note: str,
    now: dt.datetime | None,
) -> AccessAdjustment:
    now = now or conf.now()
    _refuse_bad_span(kind, days, until, now)
    with locking.atomic_write():
        directory.locked(grant.contact)
        _refuse_no_effect(grant, kind, until, now)
        made = AccessAdjustment.objects.create(  # type: ignore[misc]  # the user model is the site's
            grant=grant, kind=kind.value, days=days, until=until, at=now, by=by, note=note
        )
        line = grant.line
        what = line.title if line else grant.product.title
        facts: dict[str, Any] = {"days": days, "until": until, "note": note}
        writing.write(
            line.order if line else grant.contact,
            f"access.{kind.value}",
            now=now,
            by=by,
            what=what,
            **{name: fact for name, fact in facts.items() if fact},
        )
        events.publish(AccessAdjusted(grant.pk, kind.value, grant.contact_id, line.order_id if line else None, now))
    return made


def _refuse_bad_span(kind: AdjustmentKind, days: int | None, until: dt.datetime | None, now: dt.datetime) -> None:
    both = days is not None and until is not None
    neither = days is None and until is None and kind == AdjustmentKind.EXTEND
    backwards = (days is not None and days < 1) or (until is not None and until <= now)
    if both or neither or backwards:
        raise KwigaError(_("Give a number of days or a date to come, and not both."), code="bad_span")


def _refuse_no_effect(grant: AccessGrant, kind: AdjustmentKind, until: dt.datetime | None, now: dt.datetime) -> None:
    for held in grant_times.with_times(AccessGrant.objects.filter(pk=grant.pk)):
        times, revoked_at = held.view.times, held.view.revoked_at
        if revoked_at is not None and revoked_at <= now:
            raise KwigaError(_("This access was taken away."), code="revoked")
        if kind == AdjustmentKind.UNFREEZE and not any(
            begin <= now and (end is None or now < end) for begin, end in times.frozen
        ):
            raise KwigaError(_("This access is not frozen."), code="not_frozen")
        if kind == AdjustmentKind.EXTEND:
            _refuse_to_extend(held.view, until, now)
        if kind in (AdjustmentKind.FREEZE, AdjustmentKind.END) and not times.lasts(now):
            raise KwigaError(_("This access has ended already."), code="over")


def _refuse_to_extend(grant: GrantView, until: dt.datetime | None, now: dt.datetime) -> None:
    thawed = replace(grant, adjustments=(*grant.adjustments, Adjustment(AdjustmentKind.UNFREEZE, now))).times
    if thawed.open and thawed.open[-1][1] is None:  # a freeze hides the end, and that there is none
        raise KwigaError(_("This access has no end, so there is nothing to extend."), code="no_end")
    frozen = grant.times.frozen
    if until is not None and frozen and frozen[-1][1] is None:
        raise KwigaError(
            _(
                "This access is frozen until somebody unfreezes it, and ends as much later as that takes: no date can be "
                "promised. Extend it by days, or unfreeze it first."
            ),
            code="frozen",
        )
