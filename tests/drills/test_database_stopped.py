"""PostgreSQL goes away in the middle of a sweep and comes back: cluster and loop go on by themselves, each mail once.

A server of the drill's own is stopped: in order, so that every session is told, and like a crash. What was being handed over
just then is in doubt, at most one mail per worker process; leases come back.
"""

from __future__ import annotations

import time

import pytest
from django.db import connection

from tests.drills.crew import Group, Ticker, until, working
from tests.drills.servers import mail_server, own_postgres
from tests.drills.shop import Shop
from wagtail_kwiga import installation

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.pgserver,
    pytest.mark.django_db(transaction=True),
]

WORKERS = 3  # two of the cluster, and the loop


def drill(folder, number, *, outages, batch, tick=None):
    """``outages``: how the server is stopped, and for how many seconds."""
    shop = Shop(number)
    with own_postgres() as server, mail_server(folder, seconds=0.05) as mail:
        installation.decide("production")  # a copy would hold back
        quick = {"LEASE_SECONDS": 10, "SWEEP_SECONDS": 4, "SWEEP_BATCH": batch}
        given = {"MAIL_PORT": mail.port, "WAGTAIL_KWIGA": quick, "folder": folder}
        cluster, loop = Group("cluster", "qcluster", **given), Group("loop", "kwiga_work", "--loop", "0.5", **given)
        groups = (cluster, loop)

        def ticked(answer):
            if tick:
                tick()
            return answer

        def sweeps():
            return cluster.said().count("processing")

        with working(*groups):
            for turn, (how, seconds) in enumerate(outages):
                before = len(mail.arrived())
                released = shop.release(number // (len(outages) + 1))
                goal = before + released // 3
                until(lambda goal=goal: ticked(len(mail.arrived()) >= goal), "mails go out", groups=groups)
                swept = sweeps()
                server.stop(how)
                connection.close()
                until(lambda turn=turn: loop.said().count("broke off") > turn, "the loop says so", groups=groups)
                time.sleep(seconds)  # that long it is away
                assert cluster.is_alive and loop.is_alive
                server.start()
                until(
                    lambda swept=swept: ticked(sweeps() > swept),
                    "the cluster takes up work again",
                    groups=groups,
                    pause=0.5,
                )
            shop.release()
            until(lambda: ticked(shop.is_settled()), "all is settled", groups=groups, seconds=600)
        shop.balance(mail.arrived(), doubts=WORKERS * len(outages))


def test_for_some_seconds(tmp_path):
    drill(tmp_path, 60, outages=[("fast", 3)], batch=10, tick=Ticker())


@pytest.mark.long
def test_twice_for_forty_seconds(tmp_path):
    """Nobody but the cluster asks its scheduler."""
    drill(tmp_path, 1000, outages=[("fast", 40), ("immediate", 40)], batch=50)
