"""The release of ``baseline.toml`` and this one on one database: the worker of the one beside the web of the other."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.db import migrations
from django.db.models import NOT_PROVIDED

from tests.drills.crew import until
from tests.drills.servers import MailServer, mail_server
from tests.install.conftest import BASELINE, ROOT, git
from tests.processes import environment
from wagtail_kwiga import models as m

pytestmark = pytest.mark.history

OUR_OWN = ROOT / "wagtail_kwiga" / "migrations"


# --- the tables


def since() -> list[migrations.Migration]:
    """The migrations that were added since the baseline."""
    then = set(git("ls-tree", "-r", "--name-only", BASELINE, "wagtail_kwiga/migrations/").decode().split())
    names = sorted(path.stem for path in OUR_OWN.glob("0*.py") if f"wagtail_kwiga/migrations/{path.name}" not in then)
    found = []
    for name in names:
        module = importlib.import_module(f"wagtail_kwiga.migrations.{name}")
        found.append(module.Migration(name, "wagtail_kwiga"))
    return found


def is_fine(operation: migrations.operations.base.Operation) -> bool:
    """Whether the release before goes on working once it was applied."""
    match operation:
        case migrations.AddField(field=field):
            return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
        case (
            migrations.RemoveField()
            | migrations.RenameField()
            | migrations.DeleteModel()
            | migrations.RenameModel()
            | migrations.AlterModelTable()
        ):
            return False
    return True


def test_tables_only_grow_between_two_releases():
    """A new column may be empty or has a default in the database: the release before inserts rows without it."""
    operations = [(one.name, operation) for one in since() for operation in one.operations]
    new = {operation.name.lower() for _name, operation in operations if isinstance(operation, migrations.CreateModel)}
    wrong = [
        f"{name}: {operation.describe()}"
        for name, operation in operations
        # What belongs to a table that the release before does not know is never written by it.
        if not is_fine(operation) and getattr(operation, "model_name", "").lower() not in new
    ]
    assert wrong == []


# --- the processes


@pytest.fixture(scope="module")
def baseline(old_wheel, old_source, tmp_path_factory) -> str:
    """The path on which Python finds the package of the baseline, and its tests with their settings."""
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(old_wheel) as archive:
        archive.extractall(folder)
    return os.pathsep.join([str(folder), str(old_source)])


class Release:
    """Processes of one release, on the database of the test and on the mail server of the test."""

    def __init__(self, path: str, mail: MailServer, folder: Path) -> None:
        self.path, self.mail, self.folder = path, mail, folder

    def run(self, *arguments: object) -> str:
        given = {
            "DJANGO_SETTINGS_MODULE": "tests.drills.settings",
            "PYTHONPATH": self.path,
            "KWIGA_DRILL": json.dumps({"MAIL_PORT": self.mail.port}),
            "KWIGA_DRILL_CLOCK": str(self.folder / "clock"),
        }
        done = subprocess.run(
            [sys.executable, "-Wignore", *map(str, arguments)],
            cwd=self.folder, env={**environment(), **given}, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def work(self) -> str:
        told = self.run("-m", "django", "kwiga_work")
        assert ": failed:" not in told, told
        return told

    def ask(self, script: str) -> str:
        return self.run("-c", f"import django; django.setup()\n{script}")


#: A shop, and whoever orders in it: the same words to both releases.
FILL = """
from tests.journeys.school import make_school
from tests.drills import clock
make_school(now=clock.now())
"""
ORDER = """
import datetime as dt
from tests.drills import clock
from tests.orders.shop import order_for
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
now = clock.now()
contact = m.Contact.objects.create(email="{email}", name="Ada Buyer", created_at=now)
order = order_for(contact, m.Offer.objects.get(), now=now, language="en")
"""
PAY = (
    ORDER
    + """
from wagtail_kwiga.payments import ledger
ledger.record_payment(order=order, amount=order.total, method="transfer", now=now)
"""
)
WHOSE = "import wagtail_kwiga; print(wagtail_kwiga.__path__[0])"


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("works", ["before", "this"])
def test_the_worker_of_one_beside_the_web_of_the_other(baseline, tmp_path, works):
    with mail_server(tmp_path) as mail:
        before, this = Release(baseline, mail, tmp_path), Release(str(ROOT), mail, tmp_path)
        worker, web = (before, this) if works == "before" else (this, before)
        assert not before.run("-c", WHOSE).startswith(str(ROOT))
        assert this.run("-c", WHOSE).startswith(str(ROOT))
        web.ask(FILL)
        web.ask(PAY.format(email="paid@example.com"))
        web.ask(ORDER.format(email="unpaid@example.com"))
        worker.work()
        (tmp_path / "clock").write_text(str(31 * 60))
        worker.work()
        until(lambda: "unpaid@example.com" in mail.recipients(), "the unpaid order is reminded of")
        assert "paid@example.com" in mail.recipients()
        # What the other release has written may wait for its own worker, but nothing was failed, paused or left out.
        assert not m.OutgoingEmail.objects.filter(status="failed").exists()
        assert set(m.Run.objects.values_list("state", flat=True)) <= {"active", "completed", "left"}
        assert m.AccessGrant.objects.get().contact.email == "paid@example.com"
        assert not m.TimelineEntry.objects.filter(needs_attention=True).exists()
        web.work()
        worker.work()
        assert not m.OutgoingEmail.objects.exclude(status="sent").exists()
        assert len(set(mail.arrived())) == len(mail.arrived())
