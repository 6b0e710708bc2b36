"""A real database that a history may wreck: kept in memory, put back in a millisecond, with real commits.

Between histories only the tables that the last one touched are put back. While an operation plays, *trouble* may strike
at its n-th statement: the worker is killed there (nothing after it runs, the open transaction is lost), the database
fails there (and, as PostgreSQL has it, the transaction is of no use until a savepoint is rolled back), or another worker
does something of its own in the n-th gap between two transactions.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import InternalError, OperationalError, connection

_WRITES = re.compile(r'^\s*(?:INSERT(?: OR \w+)? INTO|REPLACE INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)

#: The search index of pages, which no promise reads.
_NOT_KEPT = "wagtailsearch"


class Killed(BaseException):
    """The worker was killed here. Not an ``Exception``: no code may catch it, as none can catch a SIGKILL."""


@dataclass(frozen=True)
class Trouble:
    """``kind``: ``killed`` or ``broken`` at the ``at``-th statement (COMMIT counts as one), or ``meanwhile``: in the
    ``at``-th gap between transactions ``act`` is done by somebody else."""

    kind: str
    at: int
    act: str = ""


class Stage:
    """The database of one worker process, as Django's default connection."""

    def __init__(self) -> None:
        self.touched: set[str] = set()
        self.snapshots: list[str] = []
        self.statements = 0
        self._trouble: Trouble | None = None
        self._meanwhile: Callable[[str], None] | None = None
        self._count = self._gaps = 0
        self.dead = self.struck = self._aborted = self._is_aside = False

    @contextmanager
    def opened(self) -> Iterator[Stage]:
        """Swap the test database for a copy in memory; everything Django does happens there until the end."""
        connection.ensure_connection()
        outside, name = connection.connection, connection.settings_dict["NAME"]
        inside = connection.get_new_connection({**connection.get_connection_params(), "database": ":memory:"})
        outside.backup(inside)
        self.raw: sqlite3.Connection = inside
        connection.connection, connection.settings_dict["NAME"] = inside, ":memory:"  # now close() does nothing
        commit = connection._commit
        connection._commit = self._commit
        try:
            with connection.execute_wrapper(self._statement):
                yield self
        finally:
            self._come_round()
            connection._commit = commit
            connection.connection, connection.settings_dict["NAME"] = outside, name
            inside.close()
            cache.clear()

    # --- what it was like --------------------------------------------------------------------------------------------

    def keep(self) -> str:
        """Remember the present rows; ``restore`` brings them back."""
        name = f"kept{len(self.snapshots)}"
        self.raw.execute(f"ATTACH ':memory:' AS {name}")
        tables = self.raw.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if not table.startswith(_NOT_KEPT):
                self.raw.execute(
                    f'CREATE TABLE {name}."{table.replace("sqlite_", "")}" AS SELECT * FROM main."{table}"'
                )
        self.snapshots.append(name)
        return name

    def restore(self, name: str) -> None:
        """Put back the rows of every table that was written to since some other snapshot was put back."""
        self._come_round()
        cache.clear()
        self.raw.execute("PRAGMA foreign_keys = OFF")
        self.raw.execute("BEGIN")
        for table in self.touched:
            self.raw.execute(f'DELETE FROM main."{table}"')
            self.raw.execute(f'INSERT INTO main."{table}" SELECT * FROM {name}."{table}"')
        self.raw.execute("DELETE FROM main.sqlite_sequence")
        self.raw.execute(f"INSERT INTO main.sqlite_sequence SELECT * FROM {name}.sequence")
        self.raw.execute("COMMIT")
        self.raw.execute("PRAGMA foreign_keys = ON")

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A look at the rows that neither counts nor suffers."""
        return self.raw.execute(sql, values).fetchall()

    # --- an operation and its trouble --------------------------------------------------------------------------------

    def play(
        self,
        operation: Callable[[], Any],
        trouble: Trouble | None = None,
        meanwhile: Callable[[str], None] | None = None,
    ) -> Any:
        """Do it, with whatever trouble; a ``Killed`` comes out of here with the database as the dead worker left it."""
        if self._is_aside:
            return operation()
        self._trouble, self._meanwhile = trouble, meanwhile
        self._count = self._gaps = 0
        self.struck = False
        try:
            return operation()
        finally:
            self.statements = self._count
            self._trouble = self._meanwhile = None
            if self.dead or connection.in_atomic_block:
                self._come_round()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What somebody else does or looks at meanwhile: no trouble there, and nothing counts."""
        before, self._is_aside = self._is_aside, True
        try:
            yield
        finally:
            self._is_aside = before

    def kill(self) -> None:
        """Here the worker dies; whatever ``finally`` blocks still ask of the database is refused."""
        self.dead = self.struck = True
        raise Killed

    def _come_round(self) -> None:
        """What the operating system and the next worker make of a dead one's connection."""
        self.raw.rollback()
        self.raw.isolation_level = None
        connection.in_atomic_block = connection.needs_rollback = connection.closed_in_transaction = False
        connection.savepoint_ids, connection.run_on_commit, connection.atomic_blocks = [], [], []
        connection.commit_on_exit = connection.autocommit = True
        connection.run_commit_hooks_on_set_autocommit_on = connection.errors_occurred = False
        self.dead = self._aborted = self._is_aside = False

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._strike()
        if self._aborted:
            if not connection.in_atomic_block or sql.startswith("ROLLBACK TO"):
                self._aborted = False
            else:
                raise InternalError("current transaction is aborted, commands ignored until end of transaction block")
        if not connection.in_atomic_block:
            self._gap()
        if (found := _WRITES.match(sql)) and not found[1].startswith(_NOT_KEPT):
            self.touched.add(found[1])
        return execute(sql, params, many, context)

    def _commit(self) -> None:
        try:
            self._strike()
        except BaseException:
            self.raw.rollback()
            raise
        if self._aborted:
            self._aborted = False
            self.raw.rollback()  # PostgreSQL answers ROLLBACK to this COMMIT, and Django does not look
        else:
            self.raw.commit()

    def _strike(self) -> None:
        if self.dead:
            raise Killed
        if self._is_aside:
            return
        self._count += 1
        if self._trouble is None or self._count != self._trouble.at or self.struck:
            return
        if self._trouble.kind == "killed":
            self.kill()
        if self._trouble.kind == "broken":
            self.struck, self._aborted = True, connection.in_atomic_block
            raise OperationalError("disk I/O error")

    def _gap(self) -> None:
        trouble, meanwhile = self._trouble, self._meanwhile
        if trouble is None or meanwhile is None or trouble.kind != "meanwhile" or self.struck or self._is_aside:
            return
        self._gaps += 1
        if self._gaps == trouble.at:
            self.struck = True
            with self.aside():
                meanwhile(trouble.act)
