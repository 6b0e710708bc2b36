"""Four clusters as on four hosts: each with a working directory and settings of its own, one PostgreSQL with the queue in it.

Each run is decided once and each mail arrives once; and the work is really shared. Who did what the database itself writes
down, by a trigger that notes the name of the session.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection

from tests.drills import clock
from tests.drills.crew import Group, Ticker, until, working
from tests.drills.servers import mail_server
from tests.drills.shop import Shop

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

HOSTS = ("host-1", "host-2", "host-3", "host-4")

WATCH = """
CREATE TABLE drill_deed (what text, host text);
CREATE FUNCTION drill_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO drill_deed VALUES (TG_ARGV[0], current_setting('application_name'));
    RETURN NULL;
END $$;
CREATE TRIGGER drill_beat AFTER INSERT OR UPDATE ON wagtail_kwiga_heartbeat
    FOR EACH ROW EXECUTE FUNCTION drill_note('beat');
CREATE TRIGGER drill_decided AFTER INSERT ON wagtail_kwiga_steprecord
    FOR EACH ROW WHEN (NEW.kind = 'send_email') EXECUTE FUNCTION drill_note('decided');
CREATE TRIGGER drill_sent AFTER UPDATE ON wagtail_kwiga_outgoingemail
    FOR EACH ROW WHEN (NEW.status = 'sent' AND OLD.status <> 'sent') EXECUTE FUNCTION drill_note('sent');
"""


@contextmanager
def watched():
    """Within the block the database notes which host beats, decides a run, has sent a mail."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS drill_deed; DROP FUNCTION IF EXISTS drill_note CASCADE")
        cursor.execute(WATCH)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION drill_note CASCADE; DROP TABLE drill_deed")


def deeds(what: str) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT host FROM drill_deed WHERE what = %s", [what])
        return Counter(host for (host,) in cursor.fetchall() if host in HOSTS)


def drill(folder, number, *, portions, batch, fast=(0, 0, 0, 0)):
    """``fast``: by how many seconds the clock of each host is fast."""
    shop, tick = Shop(number), Ticker()
    with mail_server(folder, seconds=0.02) as mail, watched():
        given = {
            "MAIL_PORT": mail.port, "WAGTAIL_KWIGA": {"SWEEP_BATCH": batch, "SWEEP_SECONDS": 2},
            "Q_CLUSTER": {"workers": 1, "queue_limit": 1},
        }  # fmt: skip
        groups = []
        for host, seconds in zip(HOSTS, fast, strict=True):
            (folder / f"{host}.clock").write_text(str(seconds))
            own = {clock.VARIABLE: str(folder / f"{host}.clock")}
            groups.append(Group(host, "qcluster", folder=folder, more=own, **given))
        with working(*groups):
            until(
                lambda: tick() or set(deeds("beat")) == set(HOSTS),
                "each host has swept once",
                groups=groups,
                pause=0.02,
            )
            for portion in range(portions):
                shop.release(number // portions if portion < portions - 1 else None)
                done = number * (portion + 1) // portions
                until(
                    lambda done=done: tick() or len(mail.arrived()) >= done * 0.9,
                    "mails arrive",
                    groups=groups,
                    pause=0.02,
                )
            until(lambda: tick() or shop.is_settled(), "all is settled", groups=groups, seconds=600)
        decided, sent = deeds("decided"), deeds("sent")
        print(f"decided {dict(decided)}, sent {dict(sent)}, sweeps {dict(deeds('beat'))}")
    shop.balance(mail.arrived())
    assert sum(decided.values()) == sum(sent.values()) == number
    assert set(decided) == set(sent) == set(HOSTS), "the work was not shared"


def test_two_hundred_runs(tmp_path):
    drill(tmp_path, 200, portions=10, batch=4)


@pytest.mark.long
def test_two_thousand_runs(tmp_path):
    drill(tmp_path, 2000, portions=20, batch=20)


@pytest.mark.long
def test_clocks_that_disagree(tmp_path):
    """By more than a lease lasts: the host that is ahead takes what another holds, and thinks it dead in the middle of a
    hand-over; that one tells how it ended all the same."""
    drill(tmp_path, 400, portions=10, batch=8, fast=(0, 300, -300, 0))
