"""Writing down where the runs of a batch stand: one statement, whatever their number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connections, router

from wagtail_kwiga.automations.decisions import Decision
from wagtail_kwiga.automations.facts import Batch
from wagtail_kwiga.automations.models import Run

#: What a decision changes, with the PostgreSQL type of each column.
_COLUMNS = {
    "state": "text",
    "position": "text",
    "due_at": "timestamptz",
    "stepped_at": "timestamptz",
    "in_flight_since": "timestamptz",
    "order_id": "bigint",
    "family": "uuid",
    "first_message_at": "timestamptz",
    "last_message_at": "timestamptz",
    "ended_at": "timestamptz",
    "reason": "text",
    "error": "text",
}
_FREED = ["lease", "leased_until", "attempts"]


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
    if not runs:
        return
    if connections[router.db_for_write(Run)].vendor == "postgresql":
        _save_by_arrays(runs)
    else:
        fields = [Run._meta.get_field(name.removesuffix("_id")).name for name in _COLUMNS]
        Run.objects.bulk_update(runs, [*fields, *_FREED])


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


def _save_by_arrays(runs: list[Run]) -> None:
    """One UPDATE from arrays. A CASE per column and row, as ``bulk_update`` makes it, takes a hundred times as long."""
    connection = connections[router.db_for_write(Run)]
    quote = connection.ops.quote_name
    names = [Run._meta.get_field(name.removesuffix("_id")).column for name in _COLUMNS]
    sets = ", ".join(f"{quote(name)} = new.{quote(name)}" for name in names)
    arrays = ", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())
    table = quote(Run._meta.db_table)
    sql = (
        f"UPDATE {table} SET {sets}, lease = '', leased_until = NULL, attempts = 0 "  # noqa: S608  (names of our own)
        f"FROM unnest(%s::bigint[], {arrays}) AS new(id, {', '.join(map(quote, names))}) WHERE {table}.id = new.id"
    )
    values: list[list[Any]] = [[getattr(run, name) for run in runs] for name in ("pk", *_COLUMNS)]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
