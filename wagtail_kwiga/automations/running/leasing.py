"""Leasing due runs, so that several workers share them and one that dies loses none.

Tries are counted and committed before the risky work. Whoever was in a batch that killed its worker twice is a suspect,
and suspects are tried alone: so one poisonous run pauses itself and takes nobody with it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connections, router
from django.db.models import Exists, F, Q
from django.utils.crypto import get_random_string

from wagtail_kwiga import conf, installation, locking
from wagtail_kwiga.automations.models import Run

#: Tries after which a run is a suspect.
SUSPECT_AFTER = 2


@dataclass(frozen=True)
class Claim:
    """Runs leased in one go, under one token."""

    token: str
    #: Run → contact: those to be decided together, and those to be tried alone.
    together: dict[int, int]
    alone: dict[int, int]
    #: Run → contact: tried as often as allowed already.
    worn_out: dict[int, int]

    def __bool__(self) -> bool:
        return bool(self.together or self.alone or self.worn_out)


def claim(now: dt.datetime, batch: int) -> Claim:
    """Lease up to ``batch`` due runs, longest due first. One statement on PostgreSQL, where workers pass by each other's
    rows; elsewhere a look, and where somebody is due two statements in a writing transaction. Nobody is leased on a copy of the
    database (``installation``): the same statement asks that."""
    token = get_random_string(32)
    until = now + dt.timedelta(seconds=conf.settings.LEASE_SECONDS)
    if connections[router.db_for_write(Run)].vendor == "postgresql":
        rows = _claim_in_one(now, until, token, batch)
    else:
        rows = _claim_in_two(now, until, token, batch)
    most = conf.settings.MAX_ATTEMPTS
    together = {pk: contact for pk, contact, before in rows if before < min(SUSPECT_AFTER, most)}
    worn_out = {pk: contact for pk, contact, before in rows if before >= most}
    alone = {pk: contact for pk, contact, _before in rows if pk not in together and pk not in worn_out}
    return Claim(token, together, alone, worn_out)


def count_try(run_id: int, token: str) -> bool:
    """Count one more try of a suspect, committed before it is made. False where the lease is no longer ours."""
    return bool(Run.objects.filter(pk=run_id, lease=token).update(attempts=F("attempts") + 1))


def let_go(token: str) -> None:
    """Give back what was leased and not decided. Locked in order, because others may be moving some of these runs."""
    with locking.atomic_write():
        mine = locking.locked(Run.objects.filter(lease=token).order_by("pk")).values_list("pk", flat=True)
        Run.objects.filter(pk__in=list(mine), lease=token).update(lease="", leased_until=None)


def _due(now: dt.datetime) -> Q:
    free = Q(lease="") | Q(leased_until__lte=now)
    return Q(state=Run.State.ACTIVE, due_at__lte=now) & free


def _claim_in_two(now: dt.datetime, until: dt.datetime, token: str, batch: int) -> list[tuple[int, int, int]]:
    due = Run.objects.using(router.db_for_write(Run)).filter(_due(now)).order_by("due_at", "pk")
    if not due.filter(~Exists(installation.holding())).exists():
        return []
    with locking.atomic_write():
        rows = list(locking.locked(due, skip=True).values_list("pk", "contact_id", "attempts")[:batch])
        mine = Run.objects.filter(pk__in=[pk for pk, _contact, _attempts in rows])
        mine.filter(attempts__lt=SUSPECT_AFTER).update(attempts=F("attempts") + 1)
        mine.update(lease=token, leased_until=until)
    return rows


def _claim_in_one(now: dt.datetime, until: dt.datetime, token: str, batch: int) -> list[tuple[int, int, int]]:
    connection = connections[router.db_for_write(Run)]
    table = connection.ops.quote_name(Run._meta.db_table)
    held, identities = installation.holding().values("pk").query.get_compiler(connection=connection).as_sql()
    sql = f"""
        WITH due AS MATERIALIZED (
            SELECT id, contact_id, attempts FROM {table}
            WHERE state = 'active' AND due_at <= %s AND (lease = '' OR leased_until <= %s) AND NOT EXISTS ({held})
            ORDER BY due_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {table} AS run
        SET lease = %s, leased_until = %s, attempts = due.attempts + (CASE WHEN due.attempts < %s THEN 1 ELSE 0 END)
        FROM due WHERE run.id = due.id
        RETURNING run.id, run.contact_id, due.attempts
    """  # noqa: S608  (a table name of our own)
    with connection.cursor() as cursor:
        cursor.execute(sql, [now, now, *identities, batch, token, until, SUSPECT_AFTER])
        return list(cursor.fetchall())
