"""What becomes of the runs of purchases that become one: an order came that overlaps them all.

Called inside the transaction of the placing, with the contact locked, before the order itself is told of.
"""

from __future__ import annotations

from django.db.models import Case, F, Q, Value, When

from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core import entry_rules
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.core.triggers import UNPAID, unpaid_key
from wagtail_kwiga.automations.models import Run, StepRecord
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.locking import locked
from wagtail_kwiga.mailing.reasons import Why
from wagtail_kwiga.orders.events import PurchasesJoined

#: Why a run ended, or what a run was told that stays.
JOINED = "joined"


def join(event: PurchasesJoined) -> None:
    """Runs of the emptied purchases go over to the one that stays, and with them what is known of when they last wrote, so
    that nobody is written to anew. Of two runs of one scenario the one that has mailed stays, else the older; the other ends
    and its waiting mail is cancelled.

    A fixed number of queries.
    """
    inside = Run.objects.filter(
        purchase_id__in=[*event.joined, event.into],
        state__in=[Run.State.LIVE, Run.State.PARKED],
        version__event__in=registry.recovery_events(),
    )
    runs = {run.pk: run for run in locked(inside).order_by("pk")}
    ended = entry_rules.ended_by_joining(
        entry_rules.JoiningRun(run.pk, run.scenario_id, run.entered_at, run.first_message_at) for run in runs.values()
    )
    losing = [runs[pk] for pk in sorted(ended)]
    endings.end(losing, Run.State.LEFT, JOINED, event.at)
    endings.call_back(losing, Why.JOINED)
    moving = [run for run in runs.values() if run.pk not in ended and run.purchase_id != event.into]
    StepRecord.objects.bulk_create(
        StepRecord(run=run, step=run.position, kind=RUN, outcome="waited", reason=JOINED, at=event.at) for run in moving
    )
    # Those that have ended go along: when they last wrote counts for the purchase that stays.
    key = Case(When(Q(entry_key__startswith=UNPAID), then=Value(unpaid_key(event.into))), default=F("entry_key"))
    Run.objects.filter(purchase_id__in=event.joined).update(purchase_id=event.into, entry_key=key)
