"""A shop that is put back to where it was, and a copy of one, by the lines of *Copy, back up, restore*: nothing is sent twice, nobody
is shown what is somebody else's, and a copy keeps quiet."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.attacks.test_lost_rows import mail_about, paths_in
from tests.backoffice.screens import page_of, says
from tests.drills import clock
from tests.drills.servers import MailServer, mail_server, own_postgres
from tests.journeys.school import make_school
from tests.orders.shop import order_for
from tests.processes import ROOT, environment
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.payments import ledger

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PAGE = (ROOT / "docs" / "how-to" / "copy-back-up-restore.md").read_text()
KIND = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
OTHER = "the-secret-of-the-staging-site-which-is-long-enough-too"


def lines_of(title: str, kind: str = "") -> list[str]:
    """The lines of a section of the page that a shell runs; of ``kind`` where it says different ones for each database."""
    (section,) = re.findall(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    start = rf"^{kind}[^\n]*:\n\n" if kind else "^"
    (block,) = re.findall(rf"{start}```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return block.splitlines()


@contextmanager
def own_database(folder: Path) -> Iterator[None]:
    """A copy of the test's database, which the test and its processes use in its place."""
    if connection.vendor == "postgresql":
        with own_postgres() as server:
            os.environ["PATH"] = f"{server.bin}{os.pathsep}{os.environ['PATH']}"
            yield
        return
    given, copy = connection.settings_dict["NAME"], folder / "db.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    connection.close()
    connection.settings_dict["NAME"] = str(copy)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = given


class Place:
    """The folder of a site with its ``manage.py``, its mail server and its clock."""

    def __init__(self, folder: Path, mail: MailServer) -> None:
        self.folder, self.mail = folder, mail
        self.file = folder / "clock"
        self.began = clock.now()
        (folder / "media").mkdir()
        (folder / "media" / "picture.txt").write_text("watercolour")
        (folder / "manage.py").write_text(
            "import sys\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n"
        )

    def put(self, **passed: float) -> None:
        """So much time has passed since the drill began."""
        self.file.write_text(str(dt.timedelta(**passed).total_seconds()))

    def bash(self, line: str, **settings: str) -> tuple[int, str]:
        connection.close()  # nobody else works on the data
        given = {
            "DJANGO_SETTINGS_MODULE": "tests.drills.settings",
            "KWIGA_DRILL": json.dumps({"MAIL_PORT": self.mail.port, **settings}),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder, env={**environment(), **given}, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def must(self, line: str, **settings: str) -> str:
        code, told = self.bash(line, **settings)
        assert code == 0, f"{line}\n{told}"
        return told

    def work(self, **settings: str) -> tuple[int, str]:
        return self.bash("python manage.py kwiga_work", **settings)

    def came(self) -> Counter[str]:
        """To whom how many mails came."""
        return Counter(address.partition("@")[0] for address in self.mail.recipients())


@pytest.fixture
def place(tmp_path, monkeypatch, settings) -> Iterator[Place]:
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.drills.clock.now"}
    monkeypatch.setenv(clock.VARIABLE, str(tmp_path / "clock"))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    with mail_server(tmp_path) as mail:
        yield Place(tmp_path, mail)


def order(school, name: str) -> m.Order:
    now = clock.now()
    contact = m.Contact.objects.create(email=f"{name}@example.com", name=f"{name.title()} Buyer", created_at=now)
    site = school.page.get_site()
    return order_for(contact, school.offer, now=now, language="en", site=site, confirmation=True)


def mail(name: str, about: str) -> m.OutgoingEmail:
    return m.OutgoingEmail.objects.get(to_email=f"{name}@example.com", key__startswith=f"{about}:")


def test_a_shop_put_back_to_where_it_was(place):
    with own_database(place.folder):
        place.must("python manage.py kwiga_setup")
        school = make_school(now=place.began)
        order(school, "ada")
        paid = order(school, "dan")
        ledger.record_payment(order=paid, amount=paid.total, method="transfer", now=clock.now())
        backup = clock.now()
        for line in lines_of("Back up", KIND):
            place.must(line)

        # What the backup knows nothing of: mails leave, and Bob orders.
        place.put(minutes=31)
        assert place.work()[0] == 0
        lost = order(school, "bob")
        old_links, key = paths_in(mail_about(lost)), lost.pk
        place.put(minutes=62)
        assert place.work()[0] == 0
        before = (
            place.came()
        )  # each order in writing at once (Dan's receipt says it all), and the two who did not pay are reminded
        assert before == {"ada": 2, "dan": 1, "bob": 2}
        (place.folder / "media" / "picture.txt").unlink()

        place.put(minutes=90)
        for line in lines_of("2. Put the data back", KIND):
            place.must(line)
        told = [
            place.must(line.replace("2027-03-01T03:00+01:00", backup.isoformat()))
            for line in lines_of("3. Say when the backup was made")
        ]
        (left,) = (line for line in told[-1].splitlines() if line.startswith("Restored from"))
        assert "3 mails whose delivery is unknown, 1 people held inside scenarios, 0 refunds" in left
        assert "would be left to people" in told[-2]
        assert (place.folder / "media" / "picture.txt").read_text() == "watercolour"
        for minutes in (91, 120, 240):
            place.put(minutes=minutes)
            assert place.work()[0] == 0
        assert place.came() == before, "something was sent twice"
        doubtful = [mail("ada", "order_received"), mail("dan", "order_received"), mail("dan", "receipt")]
        assert {each.status for each in doubtful} == {"unknown"}

        # The next order gets the key of the one that was lost, and no link of that opens it.
        hers = order(school, "grace")
        assert hers.pk == key
        for purpose, path in old_links.items():
            answer = Client().get(path)
            assert answer.status_code == (404 if purpose == "unsubscribe" else 410), purpose
            assert not [one for one in ("Grace", "grace@", hers.number, "Bob") if one in answer.content.decode()]

        # People decide, and all goes on.
        for each in doubtful:
            outbox.settle(each, "was_sent", now=clock.now())
        endings.stop(m.Run.objects.get(contact__email="ada@example.com"), now=clock.now())
        place.put(minutes=271)
        assert place.work()[0] == 0
        assert place.came() == {**before, "grace": 2}


def test_a_copy_for_staging_sends_nothing_and_says_so(place, settings, admin_user):
    secret = settings.SECRET_KEY
    place.must("python manage.py kwiga_setup")  # production works on the database of the test
    school = make_school(now=place.began)
    theirs = order(school, "ada")
    links_of_production = paths_in(mail_about(theirs))
    boss = Client()
    with own_database(place.folder):  # the copy
        place.put(minutes=31)
        here = {"SECRET_KEY": OTHER}
        code, told = place.work(**here)
        assert code == 3, told
        assert "This database is that of another installation" in told
        assert "W033" in place.must("python manage.py check --database default", **here)
        assert place.bash("python manage.py kwiga_work --status", **here)[0] == 3

        settings.SECRET_KEY = OTHER
        boss.force_login(admin_user)
        says(page_of(boss, reverse("wagtailadmin_home")), "This database is that of another installation")
        answers = {name: Client().get(path).status_code for name, path in links_of_production.items()}
        assert set(answers.values()) <= {404, 410}, answers
        links_of_the_copy = paths_in(mail_about(m.Order.objects.get()))

        for line in lines_of("A copy for staging"):
            place.must(line, **here)
        code, told = place.work(**here)
        assert code == 0, told
        assert "This installation is held" in told
        assert "W033" not in place.must("python manage.py check --database default", **here)
        says(page_of(boss, reverse("wagtailadmin_home")), "This installation is held")
        assert place.came() == {}
        assert set(m.Run.objects.values_list("state", "position")) == set(
            m.Run.objects.filter(first_message_at=None).values_list("state", "position")
        )
        settings.SECRET_KEY = secret

    answers = {name: Client().get(path).status_code for name, path in links_of_the_copy.items()}
    assert set(answers.values()) <= {404, 410}, answers
    assert all(Client().get(path).status_code in (200, 302) for path in links_of_production.values())
    assert place.work()[0] == 0  # production goes on
    assert place.came() == {"ada": 2}
    shutil.rmtree(place.folder / "media")
