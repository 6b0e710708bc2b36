"""People inside scenarios of a database that was restored from a backup: steps that may have been taken since are held."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.models import Run, StepRecord
from wagtail_kwiga.contacts import directory

#: ``Run.reason`` of those that are held for this.
RESTORED = "restored"


def maybe_moved(backup: dt.datetime, now: dt.datetime) -> QuerySet[Run]:
    """Runs that stood in the backup made at ``backup`` before a step that fell due by ``now``: it may have been taken in
    between. Runs that began or moved after the backup was made are none of them."""
    return Run.objects.filter(
        state=Run.State.ACTIVE, due_at__lte=now, entered_at__lte=backup, stepped_at__lte=backup
    )  # fmt: skip


def hold(backup: dt.datetime, now: dt.datetime) -> int:
    """Hold them until a person lets each go on or stops it; returns how many. A fixed number of queries a batch."""
    held = 0
    while True:
        with locking.atomic_write():
            found = maybe_moved(backup, now).order_by("pk")
            some = dict(found.values_list("pk", "contact_id")[: conf.settings.SWEEP_BATCH])
            if not some:
                return held
            directory.lock_many(some.values())
            runs = list(locking.locked(found.filter(pk__in=list(some))))
            values = {"state": Run.State.PAUSED, "reason": RESTORED, "lease": "", "leased_until": None, "attempts": 0}
            Run.objects.filter(pk__in=[run.pk for run in runs]).update(**values)
            facts = {"backup": backup.isoformat()}
            StepRecord.objects.bulk_create(
                StepRecord(run=run, step=run.position, kind=RUN, outcome="paused", reason=RESTORED, facts=facts, at=now)
                for run in runs
            )
        held += len(runs)
