"""Writing down where the runs of a batch stand: one statement, whatever their number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from wagtail_kwiga import statements
from wagtail_kwiga.automations.decisions import Decision
from wagtail_kwiga.automations.facts import Batch
from wagtail_kwiga.automations.models import Run

#: What a decision changes, and what letting go of the lease does.
_COLUMNS = [
    "state", "position", "due_at", "stepped_at", "in_flight_since", "order_id", "family", "first_message_at",
    "last_message_at", "ended_at", "reason", "error", "lease", "leased_until", "attempts",
]  # fmt: skip


def save(batch: Batch, decisions: Sequence[Decision], written_to: Collection[int], now: dt.datetime) -> None:
    """Save what ``decisions`` say of their runs and let go of the leases. ``written_to``: who was sent a message."""
    runs = []
    for decision in decisions:
        run = batch.runs[decision.run_id]
        _take_over(run, decision, batch, now)
        if run.pk in written_to:
            run.first_message_at = run.first_message_at or now
            run.last_message_at = now
        runs.append(run)
    statements.update(Run, _COLUMNS, [[run.pk, *(getattr(run, name) for name in _COLUMNS)] for run in runs])


def _take_over(run: Run, decision: Decision, batch: Batch, now: dt.datetime) -> None:
    run.state, run.position, run.due_at = decision.state, decision.position, decision.due_at
    run.stepped_at, run.in_flight_since = decision.stepped_at, decision.in_flight_since
    if decision.order_id != run.order_id and decision.order_id in batch.orders:
        run.order_id, run.family = decision.order_id, batch.orders[decision.order_id].family
    run.lease, run.leased_until, run.attempts = "", None, 0
    if decision.state != Run.State.LIVE:
        run.ended_at = None if decision.state == Run.State.PARKED else now
        run.reason = decision.because
        run.error = decision.error
