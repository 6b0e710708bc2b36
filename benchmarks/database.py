"""A database of the benchmark's own: made empty, filled, dropped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def throwaway(url: str = "") -> Iterator[str]:
    """Set Django up on a new database and drop it afterwards. Gives words for which one it is.

    Without ``url``: an SQLite file in a temporary folder. With one: a database of its own beside the one it names, on the
    same server; the role needs the right to create databases. What ``url`` names is neither read nor written.
    """
    with tempfile.TemporaryDirectory(prefix="kwiga-benchmark-") as folder:
        name = f"kwiga_benchmark_{os.getpid()}"
        if not url or url.startswith("sqlite"):
            name = str(Path(folder) / f"{name}.sqlite3")
            url = f"sqlite:///{name}"
        os.environ["DATABASE_URL"] = url
        os.environ["KWIGA_BENCHMARK_DATABASE"] = name
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

        import django

        django.setup()
        from django.db import connection, connections

        standing = connection.settings_dict["NAME"]
        # Without a copy of its first rows as text, which Django made unasked until 6.0.
        plain = {} if django.VERSION >= (6, 1) else {"serialize": False}
        connection.creation.create_test_db(verbosity=0, autoclobber=True, **plain)
        try:
            yield _words(connection)
        finally:
            connections.close_all()
            connection.creation.destroy_test_db(standing, verbosity=0)


def _words(connection) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
            version, fsync = cursor.fetchone()
            return f"PostgreSQL {version.split()[0]}, fsync {fsync}"
        cursor.execute("SELECT sqlite_version()")
        return f"SQLite {cursor.fetchone()[0]}, WAL, synchronous NORMAL"
