"""Two clusters and a loop on one PostgreSQL, all at the same due runs: each run is decided once, each mail arrives once.

No mocks: ``manage.py qcluster`` twice and ``manage.py kwiga_work --loop``, the schedule that ``kwiga_setup`` makes, a real
SMTP server in a process of its own that writes down what it took.
"""

from __future__ import annotations

import pytest

from tests.drills.crew import Group, Ticker, until, working
from tests.drills.servers import mail_server
from tests.drills.shop import Shop
from wagtail_kwiga import background

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

SWEEP = "processing"  # what the worker of a cluster says when it begins a sweep


def drill(folder, number, *, batch, mail_seconds, loop, tick=None):
    shop = Shop(number)
    with mail_server(folder, seconds=mail_seconds) as mail:
        given = {"MAIL_PORT": mail.port, "WAGTAIL_KWIGA": {"SWEEP_BATCH": batch}}
        clusters = [Group(name, "qcluster", folder=folder, **given) for name in ("cluster-1", "cluster-2")]
        with working(*clusters, Group("loop", "kwiga_work", "--loop", str(loop), folder=folder, **given)) as groups:
            shop.release()

            def settled():
                if tick:
                    tick()
                return shop.is_settled()

            until(settled, "all is settled", groups=groups, seconds=900)
            swept = [cluster.name for cluster in clusters if SWEEP in cluster.said()]
            assert all(group.is_alive for group in groups)
        shop.balance(mail.arrived())
        assert len(mail.arrived()) == number
    assert background.last_beat(background.SWEEP) is not None
    return swept


def test_each_mail_once(tmp_path):
    assert drill(tmp_path, 150, batch=10, mail_seconds=0.02, loop=0.2, tick=Ticker())


@pytest.mark.long
def test_two_thousand_with_nobody_else_asking_the_scheduler(tmp_path):
    swept = drill(tmp_path, 2000, batch=500, mail_seconds=0.02, loop=10)
    assert swept, "no cluster ran the package's schedule by itself"
