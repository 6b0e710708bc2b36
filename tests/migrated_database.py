"""The migrated test database of SQLite, kept between runs and between the workers of one.

Migrating takes ten seconds of a processor, Wagtail's two hundred migrations most of it, and each worker of each run needs
the same database. So the first one keeps a copy beside the virtual environments, named after everything that the migrations are, and the
others begin with it. ``migrate`` runs all the same and finds nothing to do; a copy that lacked something would be migrated.
On PostgreSQL nothing is kept: a copy would have to stay behind on a server that is not ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import django
from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

#: Forgotten by ``make clean``.
FOLDER = Path(__file__).resolve().parents[1] / ".envs" / "migrated"
#: Copies of other versions that are kept beside this one: a few environments are worked with in turn.
KEPT = 6


def name() -> str:
    """What the copy is called: a digest of the versions and of every migration of every app."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {django.VERSION} {sqlite3.sqlite_version}".encode())
    for config in sorted(apps.get_app_configs(), key=lambda config: config.label):
        digest.update(config.label.encode())
        for path in sorted(Path(config.path).glob("migrations/*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:24]


@contextmanager
def kept(connection: BaseDatabaseWrapper, folder: Path) -> Iterator[None]:
    """While this lasts, a test database that is made begins with the copy in ``folder``; where there is none yet, what
    has been made by the end becomes it. Another process that wants the same waits for it."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{name()}.sqlite3"
    with _locked(copy.with_suffix(".lock")) as unlock:
        if copy.exists():
            os.utime(copy)
            unlock()
            _begin_with(connection, copy)
            yield
        else:
            yield
            _keep(connection, copy)


def _begin_with(connection: BaseDatabaseWrapper, copy: Path) -> None:
    make = connection.creation._create_test_db

    def make_from_copy(*arguments, **options):
        path = make(*arguments, **options)
        shutil.copyfile(copy, path)
        return path

    connection.creation._create_test_db = make_from_copy


def _keep(connection: BaseDatabaseWrapper, copy: Path) -> None:
    draft = copy.with_suffix(f".{os.getpid()}")
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
        closing(sqlite3.connect(draft)) as target,
    ):
        source.backup(target)
    draft.replace(copy)
    others = sorted(copy.parent.glob("*.sqlite3"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".lock").unlink(missing_ok=True)


@contextmanager
def _locked(path: Path):
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(file, fcntl.LOCK_UN)
