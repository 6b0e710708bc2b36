"""Sessions of PostgreSQL beside the test's own: one that holds a row, one that waits for it (mark such a test ``postgres``).

No sleeping and hoping: whether somebody waits is read from the server, and a row that is held answers ``NOWAIT`` with an
error. So a lock that is gone fails its test every time, not once in two hundred races.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, connections, models, transaction

#: As long as a statement of ``impatient`` waits for a lock. Nobody lets go in the meantime, so it is only the price of a test.
PATIENCE = 200
#: Seconds after which a thread that neither waits nor ends is a fault of the test.
LONGEST = 20


@contextmanager
def another_session() -> Iterator[Any]:
    """A cursor of a second session with a transaction of its own, which is undone at the end."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            yield cursor
        other.rollback()
    finally:
        other.close()


def lock(cursor: Any, row: models.Model) -> None:
    """Lock ``row`` for this session, as ``locking.locked`` does. Raises ``OperationalError`` where another one holds it."""
    table = connection.ops.quote_name(row._meta.db_table)
    cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR NO KEY UPDATE NOWAIT", [row.pk])


def is_free(row: models.Model) -> bool:
    """Whether no session holds ``row``."""
    with another_session() as cursor:
        try:
            lock(cursor, row)
        except OperationalError:
            return False
    return True


@contextmanager
def held_elsewhere(row: models.Model) -> Iterator[None]:
    """Another session holds ``row`` for as long as the block lasts."""
    with another_session() as cursor:
        lock(cursor, row)
        yield


@contextmanager
def impatient() -> Iterator[None]:
    """A transaction whose statements wait ``PATIENCE`` milliseconds for a lock, then raise ``OperationalError``. It is undone."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE}")
        yield
        transaction.set_rollback(True)


def must_wait(deed: Callable[[], Any]) -> bool:
    """Whether ``deed`` waits for a row that somebody else holds. Whatever it did is undone."""
    try:
        with impatient():
            deed()
    except OperationalError as fault:
        if "lock timeout" not in str(fault):
            raise
        return True
    return False


@contextmanager
def meanwhile() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """A function that begins a deed in a session of its own and returns its future. The block ends when the deed has."""

    def run(deed: Callable[[], Any]) -> Any:
        try:
            return deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        yield lambda deed: pool.submit(run, deed)


def is_waited_for(cursor: Any, future: Future[Any]) -> bool:
    """Whether the session of ``future`` has come to wait for that of ``cursor``; False where it ended instead."""
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        if cursor.fetchone()[0]:
            return True
        if future.done():
            return False
        time.sleep(0.01)
    raise AssertionError("neither waiting nor done")
