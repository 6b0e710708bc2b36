"""How the package writes: one transaction helper, one lock helper, one order of locks.

The order everywhere: contact → order → run → coupon counter (whose conditional UPDATE comes last in the transaction).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.apps import apps
from django.db import connections, models, router, transaction

_Queryset = TypeVar("_Queryset", bound="models.QuerySet[Any, Any]")


#: Whether ``atomic_write`` is open in this thread or task.
_is_writing: ContextVar[bool] = ContextVar("wagtail_kwiga_is_writing", default=False)


class ReadsWhereItWrites:
    """A database router for sites that read from replicas: inside a transaction, reads go where the transaction writes.

    A replica does not have what is not committed yet, so an order would stay open beside its own money. ``atomic_write`` puts
    this in front of the site's routers; it speaks of this package's models within any transaction, of all others within
    ``atomic_write``, and leaves the rest to the site.
    """

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        using = router.db_for_write(model, **hints)
        is_ours = model._meta.app_label == "wagtail_kwiga"
        return using if (is_ours or _is_writing.get()) and connections[using].in_atomic_block else None


_READS_WHERE_IT_WRITES = ReadsWhereItWrites()


def _read_where_it_writes() -> None:
    """See to it that our router is asked first, where there are any. Done at use: tests exchange the list of routers."""
    if (routers := router.routers) and routers[0] is not _READS_WHERE_IT_WRITES:
        routers.insert(0, _READS_WHERE_IT_WRITES)


@contextmanager
def atomic_write(using: str | None = None, *, savepoint: bool = True) -> Iterator[None]:
    """A transaction that is going to write. Within another one it is a savepoint; without ``savepoint`` a part of that
    one, for moves of which no half can be caught and survived.

    On SQLite a transaction that starts by reading and then writes fails with *database is locked* when another one
    wrote in between, whatever the timeout; so the outermost one starts with a write that touches nothing.
    """
    _read_where_it_writes()
    using = using or router.db_for_write(_anchor())
    connection = connections[using]
    outermost = not connection.in_atomic_block
    before = _is_writing.set(True)
    try:
        with transaction.atomic(using=using, savepoint=savepoint):
            if outermost and connection.vendor == "sqlite":
                model = _anchor()
                table = connection.ops.quote_name(model._meta.db_table)
                with connection.cursor() as cursor:
                    cursor.execute(f"DELETE FROM {table} WHERE 0 = 1")
            yield
    finally:
        _is_writing.reset(before)


def mark_locked(row: models.Model) -> None:
    """Remember on ``row`` that it is locked, in the block of the present transaction. Call right after locking it."""
    blocks = connections[row._state.db or router.db_for_write(type(row))].atomic_blocks
    row._kwiga_held_in = blocks[-1] if blocks else None  # type: ignore[attr-defined]  # our own mark


def is_held(row: models.Model) -> bool:
    """Whether ``row`` was locked in a block that is still open: then it needs neither a lock nor a fresh look.

    The block and not the transaction is asked, because a savepoint that is rolled back lets go of its locks.
    """
    held_in = getattr(row, "_kwiga_held_in", None)
    blocks = connections[row._state.db or router.db_for_write(type(row))].atomic_blocks
    return held_in is not None and any(block is held_in for block in blocks)


def _anchor() -> type[models.Model]:
    return apps.get_model("wagtail_kwiga", "Heartbeat")


def locked(queryset: _Queryset, *, skip: bool = False) -> _Queryset:
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
