"""The copy of the migrated database that runs of the tests begin with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import SimpleNamespace

from django.apps import apps
from django.db.utils import ConnectionHandler

from tests import migrated_database


def made(folder, number, statement=""):
    """Rows of a test database made with ``folder``; ``statement`` stands for migrating it."""
    path = str(folder / f"test-{number}.sqlite3")
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "TEST": {"NAME": path}}
    connection = ConnectionHandler({"default": settings})["default"]
    with migrated_database.kept(connection, folder):
        connection.creation._create_test_db(verbosity=0, autoclobber=True)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS done (what TEXT)")
            if statement:
                database.execute(statement)
            return [what for (what,) in database.execute("SELECT what FROM done")]


def test_the_first_leaves_what_the_second_begins_with(tmp_path):
    assert made(tmp_path, 1, "INSERT INTO done VALUES ('migrated')") == ["migrated"]
    assert made(tmp_path, 2) == ["migrated"]
    assert made(tmp_path, 3, "INSERT INTO done VALUES ('more')") == ["migrated", "more"]
    assert made(tmp_path, 4) == ["migrated"]  # nobody writes into the copy


def test_another_migration_is_another_copy(tmp_path, monkeypatch):
    before = migrated_database.name()
    (tmp_path / "migrations").mkdir()
    app = SimpleNamespace(label="more", path=str(tmp_path))
    monkeypatch.setattr(apps, "get_app_configs", lambda: [app])
    empty = migrated_database.name()
    (tmp_path / "migrations" / "0001_initial.py").write_text("one")
    one = migrated_database.name()
    (tmp_path / "migrations" / "0001_initial.py").write_text("two")
    assert len({before, empty, one, migrated_database.name()}) == 4


def test_old_copies_go(tmp_path):
    for number in range(migrated_database.KEPT + 3):
        (tmp_path / f"{number}.sqlite3").touch()
    made(tmp_path, "x")
    left = [path.stem for path in tmp_path.glob("*.sqlite3") if not path.stem.startswith("test-")]
    assert len(left) <= migrated_database.KEPT
