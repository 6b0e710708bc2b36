"""Runs that end for a reason outside their steps: an order that was paid or closed, or a member of staff."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.decisions import RUN
from wagtail_kwiga.automations.models import Run, Scenario, StepRecord
from wagtail_kwiga.automations.snapshots import source_of
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.contacts.models import ListMembership
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

_INSIDE = [Run.State.LIVE, Run.State.PARKED]


def mark(run: Run, state: str, because: str, at: dt.datetime) -> None:
    """Set the fields of an ended run on the object."""
    run.state, run.reason, run.ended_at = state, because, at
    run.due_at, run.lease, run.leased_until = None, "", None


def end(runs: Sequence[Run], state: str, because: str, at: dt.datetime, *, take_back: bool = False) -> None:
    """End locked runs: one UPDATE and their records. With ``take_back`` what they granted ends at once.

    Otherwise memberships stay up to the end that was told: the mail must not have promised too much.
    """
    if not runs:
        return
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(
        state=state, reason=because, ended_at=at, due_at=None, lease="", leased_until=None
    )
    StepRecord.objects.bulk_create(
        StepRecord(run=run, step=run.position, kind=RUN, outcome="left", because=because, at=at) for run in runs
    )
    for run in runs:
        mark(run, state, because, at)
    if take_back:
        granted = ListMembership.objects.filter(
            contact_id__in={run.contact_id for run in runs},
            source__in=[source_of(run.pk) for run in runs],
            removed_at__isnull=True,
        )
        lists.remove_many(granted.values_list("list_id", "contact_id", "source"), now=at)


def stop(run: Run, *, by: Any = None, now: dt.datetime | None = None) -> bool:
    """Staff take one person out. Returns whether that was news. Mail already in the outbox is not called back."""
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(run.contact_id)
        rows = list(locking.locked(Run.objects.filter(pk=run.pk, state__in=_INSIDE)))
        end(rows, Run.State.STOPPED, "stopped", now)
        if rows:
            writing.write(run, "automations.stopped", now=now, by=by)
    run.refresh_from_db()
    return bool(rows)


def stop_all(scenario: Scenario, *, by: Any = None, now: dt.datetime | None = None, batch: int | None = None) -> int:
    """Staff take everybody out of a scenario; returns how many. Nobody new is kept out: unpublish it for that."""
    now = now or conf.now()
    batch = batch or conf.settings.SWEEP_BATCH
    inside = Run.objects.filter(scenario=scenario, state__in=_INSIDE)
    stopped = 0
    while some := list(inside.order_by("pk").values_list("pk", "contact_id")[:batch]):
        with locking.atomic_write():
            directory.lock_many(contact_id for _pk, contact_id in some)
            rows = list(locking.locked(inside.filter(pk__in=[pk for pk, _contact in some]).order_by("pk")))
            end(rows, Run.State.STOPPED, "stopped", now)
        stopped += len(rows)
    writing.write(scenario, "automations.stopped_all", now=now, by=by, runs=stopped)
    return stopped


def let_go_on(run: Run, *, by: Any = None, now: dt.datetime | None = None) -> None:
    """Staff have mended what was wrong: a held run is asked again at once, from the step at which it stands.

    Raises ``KwigaError`` (``not_parked``) for a run that is not held.
    """
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(run.contact_id)
        free = {"state": Run.State.LIVE, "due_at": now, "reason": "", "error": "", "ended_at": None}
        free |= {"lease": "", "leased_until": None, "attempts": 0}
        if not Run.objects.filter(pk=run.pk, state=Run.State.PARKED).update(**free):
            raise KwigaError(_("This run is not held."), code="not_parked")
        writing.write(run, "automations.let_go_on", now=now, by=by)
    run.refresh_from_db()
