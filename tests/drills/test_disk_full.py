"""A full disk below the folder of ``.eml`` files: what does not fit is tried again later, what fits goes out, nothing is lost.

The limit is a real one, of the kernel (RLIMIT_FSIZE): writing fails in the middle of a file, as on a full disk.
"""

from __future__ import annotations

import datetime as dt

import pytest

from sandbox.mailbox import FolderBackend
from tests.drills.crew import Group
from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing

# Not on SQLite: the database is a file of the same process there, and would meet the limit first.
pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Status = m.OutgoingEmail.Status
BACKEND = f"{FolderBackend.__module__}.{FolderBackend.__qualname__}"


def one_pass(folder, name: str, at: dt.datetime, **limits) -> str:
    mails = folder / "mails"
    group = Group(
        name, "kwiga_work", "--at", at.isoformat(), folder=folder, more={"KWIGA_DEMO_DIR": str(folder / "demo")},
        MAIL_BACKEND=BACKEND, MAIL_FOLDER=str(mails), **limits,
    ).start()  # fmt: skip
    try:
        assert group.process.wait(240) == 0, group.tail()
    finally:
        group.kill()
    return group.said()


def test_what_does_not_fit_waits_and_the_rest_goes_out(tmp_path):
    settings_of_default_site()
    small, big = make_template(), make_template([("text", {"text": f"<p>{'Water and paper. ' * 6000}</p>"})])
    rows = [queue_one(template=big if n in (0, 2, 3, 4) else small) for n in range(7)]
    too_big = {rows[n].pk for n in (0, 2, 3, 4)}
    mails = tmp_path / "mails"

    told = one_pass(tmp_path, "full", START, FILE_SIZE=60_000)
    waiting = m.OutgoingEmail.objects.filter(status=Status.QUEUED)
    assert set(waiting.values_list("pk", flat=True)) == too_big, told
    assert m.OutgoingEmail.objects.filter(status=Status.SENT).count() == 3
    assert len(list(mails.glob("*.eml"))) == 3
    assert len(list(mails.iterdir())) == 3, "what could be written of a mail was left there"
    assert all("452" in mail.why and mail.due_at > START and mail.attempts == 1 for mail in waiting)

    one_pass(tmp_path, "emptied", after(minutes=3))
    assert set(m.OutgoingEmail.objects.values_list("status", flat=True)) == {Status.SENT}
    assert len(list(mails.iterdir())) == 7
    assert not writing.open_attention().exists()
    everybody = sorted(row.to_email for row in rows)
    assert sorted(line.split(b"<")[-1].strip(b">\r\n").decode() for line in _to_lines(mails)) == everybody


def _to_lines(mails) -> list[bytes]:
    return [
        next(line for line in file.read_bytes().splitlines() if line.startswith(b"To: ")) for file in mails.iterdir()
    ]
