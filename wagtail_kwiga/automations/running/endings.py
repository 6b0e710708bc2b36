"""Runs that end for a reason outside their steps: an order that was paid or closed, or a member of staff."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.core.snapshots import source_of
from wagtail_kwiga.automations.models import Run, Scenario, StepRecord
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.contacts.models import ListMembership
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_INSIDE = [Run.State.ACTIVE, Run.State.PAUSED]
#: Mail that can still be called back.
_IN_THE_OUTBOX = [OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.LEASED]


def mark(run: Run, state: str, reason: str, at: dt.datetime) -> None:
    """Set the fields of an ended run on the object."""
    run.state, run.reason, run.ended_at = state, reason, at
    run.due_at, run.lease, run.leased_until = None, "", None


def end(runs: Sequence[Run], state: str, reason: str, at: dt.datetime, *, take_back: bool = False) -> None:
    """End locked runs: one UPDATE and their records. With ``take_back`` what they granted ends at once.

    Otherwise memberships stay up to the end that was told: the mail must not have promised too much.
    """
    if not runs:
        return
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(
        state=state, reason=reason, ended_at=at, due_at=None, lease="", leased_until=None
    )
    StepRecord.objects.bulk_create(
        StepRecord(run=run, step=run.position, kind=RUN, outcome="left", reason=reason, at=at) for run in runs
    )
    for run in runs:
        mark(run, state, reason, at)
    if take_back:
        granted = ListMembership.objects.filter(
            contact_id__in={run.contact_id for run in runs},
            source__in=[source_of(run.pk) for run in runs],
            removed_at__isnull=True,
        )
        lists.remove_many(granted.values_list("list_id", "contact_id", "source"), now=at)


def stop(run: Run, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> bool:
    """Staff take one person out; their mail that still waits in the outbox is called back. Returns whether that was news.

    What the scenario granted holds up to the end that was told.
    """
    return bool(stop_many([run], by=by, now=now))


def stop_many(runs: Sequence[Run], *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> int:
    """``stop`` for several people at once; returns for how many it was news."""
    now = now or conf.now()
    with locking.atomic_write():
        rows = _stopped(Run.objects.filter(pk__in=[run.pk for run in runs]), now)
        writing.write_many(writing.draft(row, "automations.stopped", now=now, by=by) for row in rows)
    for run in runs:
        run.refresh_from_db()
    return len(rows)


def stop_all(
    scenario: Scenario,
    *,
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
    batch: int | None = None,
    seconds: float | None = None,
) -> int:
    """Staff take everybody out of a scenario, batch by batch; returns how many. Safe to repeat.

    With ``seconds`` it leaves off after about that time, and whoever is left is still inside. Nobody new is kept out:
    unpublish it for that.
    """
    now = now or conf.now()
    batch = batch or conf.settings.SWEEP_BATCH
    ends = None if seconds is None else time.monotonic() + seconds
    inside = Run.objects.filter(scenario=scenario, state__in=_INSIDE).order_by("pk")
    stopped = 0
    while some := list(inside.values_list("pk", flat=True)[:batch]):
        stopped += len(_stopped(Run.objects.filter(pk__in=some), now))
        if ends is not None and time.monotonic() >= ends:
            break
    writing.write(scenario, "automations.stopped_all", now=now, by=by, runs=stopped)
    return stopped


def _stopped(runs: QuerySet[Run], now: dt.datetime) -> list[Run]:
    """End those of ``runs`` that are inside, in one transaction, and call back their mail. A fixed number of queries."""
    inside = runs.filter(state__in=_INSIDE)
    with locking.atomic_write():
        directory.lock_many(inside.values_list("contact_id", flat=True))
        rows = list(locking.locked(inside.order_by("pk")))
        end(rows, Run.State.STOPPED, "stopped", now)
        call_back(rows, Why.SCENARIO_STOPPED)
    return rows


def waiting_mail(runs: Sequence[Run] | QuerySet[Run]) -> QuerySet[OutgoingEmail]:
    """The mail of ``runs`` whose hand-over has not begun: what stopping them calls back."""
    written = StepRecord.objects.filter(run__in=runs, email__isnull=False)
    return OutgoingEmail.objects.filter(pk__in=written.values("email"), status__in=_IN_THE_OUTBOX)


def call_back(runs: Sequence[Run], why: Why) -> None:
    """Cancel that mail. Delivery claims under the lock of the contact, which the caller holds: once this has committed,
    none of it is handed over."""
    if runs:
        called_back = {"status": OutgoingEmail.Status.CANCELLED, "why": str(why)}
        waiting_mail(runs).update(**called_back, lease="", leased_until=None)


def let_go_on(run: Run, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> None:
    """Staff have mended what was wrong: a held run is asked again at once, from the step at which it stands.

    Raises ``KwigaError`` (``not_paused``) for a run that is not held.
    """
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(run.contact_id)
        free = {"state": Run.State.ACTIVE, "due_at": now, "reason": "", "error": "", "ended_at": None}
        free |= {"lease": "", "leased_until": None, "attempts": 0}
        if not Run.objects.filter(pk=run.pk, state=Run.State.PAUSED).update(**free):
            raise KwigaError(_("This run is not held."), code="not_paused")
        writing.write(run, "automations.let_go_on", now=now, by=by)
    run.refresh_from_db()
