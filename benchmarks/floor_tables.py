"""The floor of a sweep: two narrow tables, a claim and an insert in plain SQL, each due row found by a partial index."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from benchmarks.history import series
from benchmarks.shop import DUE, instant


def make() -> None:
    """The tables, empty."""
    key = "bigserial PRIMARY KEY" if connection.vendor == "postgresql" else "integer PRIMARY KEY"
    moment = "timestamptz" if connection.vendor == "postgresql" else "text"
    _run(f"CREATE TABLE IF NOT EXISTS floor_run (id {key}, contact_id bigint, state varchar(8), due_at {moment})")
    _run("CREATE INDEX IF NOT EXISTS floor_run_due ON floor_run (due_at, id) WHERE state = 'live'")
    _run(
        f"CREATE TABLE IF NOT EXISTS floor_mail (id {key}, key varchar(120) UNIQUE, contact_id bigint,"
        f" status varchar(14), due_at {moment})"
    )
    _run("CREATE INDEX IF NOT EXISTS floor_mail_due ON floor_mail (due_at, id) WHERE status = 'queued'")


def add(number: int, *, state: str = "live") -> None:
    """So many rows that are due, or in the past (``done``)."""
    if number <= 0:
        return
    before, rows = series(1, number)
    _run(f"{before}INSERT INTO floor_run (contact_id, state, due_at) SELECT i, '{state}', {instant(DUE)} FROM {rows}")


def sweep(now: dt.datetime, batch: int) -> int:
    """Claim what is due and put one mail each into the outbox: two statements, one transaction. How many."""
    with transaction.atomic():
        return _sweep(now, batch)


def _sweep(now: dt.datetime, batch: int) -> int:
    passing = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE floor_run SET state = 'done' WHERE id IN (SELECT id FROM floor_run WHERE state = 'live' AND due_at <= %s"
            f" ORDER BY due_at, id LIMIT %s {passing}) RETURNING id, contact_id",
            [now, batch],
        )
        claimed = cursor.fetchall()
        if claimed:
            cursor.execute(
                "INSERT INTO floor_mail (key, contact_id, status, due_at) VALUES "
                + ", ".join(["(%s, %s, 'queued', %s)"] * len(claimed)),
                [value for run, contact in claimed for value in (f"run-{run}", contact, now)],
            )
    return len(claimed)


def look(now: dt.datetime) -> None:
    """Is anything due? The floor of an idle sweep: one query on the partial index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM floor_run WHERE state = 'live' AND due_at <= %s LIMIT 1", [now])
        cursor.fetchall()


def _run(sql: str, *given: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
