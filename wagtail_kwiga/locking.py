"""How the package writes: one transaction helper, one lock helper, one order of locks.

The order everywhere: contact → order → run → coupon counter (whose conditional UPDATE comes last in the transaction).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, models, router, transaction


@contextmanager
def atomic_write(using: str | None = None) -> Iterator[None]:
    """A transaction that is going to write.

    On SQLite a transaction that starts by reading and then writes fails with *database is locked* when another one
    wrote in between, whatever the timeout; so the outermost one starts with a write that touches nothing.
    """
    using = using or router.db_for_write(_anchor())
    connection = connections[using]
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=using):
        if outermost and connection.vendor == "sqlite":
            model = _anchor()
            table = connection.ops.quote_name(model._meta.db_table)
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE 0 = 1")
        yield


def _anchor() -> type[models.Model]:
    from django.apps import apps

    return apps.get_model("wagtail_kwiga", "Heartbeat")


def locked(queryset: models.QuerySet, *, skip: bool = False) -> models.QuerySet:
    """``queryset`` with its rows locked until the transaction ends, the way that lives with foreign-key inserts.

    PostgreSQL: FOR NO KEY UPDATE (a plain FOR UPDATE deadlocks with inserts that refer to the row). With ``skip`` rows
    that somebody else holds are left out. On SQLite the whole database is locked by ``atomic_write`` already.
    """
    connection = connections[queryset.db]
    if not connection.features.has_select_for_update:
        return queryset
    return queryset.select_for_update(
        no_key=connection.features.has_select_for_no_key_update,
        skip_locked=skip and connection.features.has_select_for_update_skip_locked,
        of=("self",) if connection.features.has_select_for_update_of else (),
    )
