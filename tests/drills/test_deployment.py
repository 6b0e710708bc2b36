"""Cluster and loop told to stop in the middle of their work, as by a deployment, and started again: nothing is left in doubt.

The first process alone is told (``KillMode=mixed`` in the how-to page). It lets the task under way end; told one by one, the
workers of a cluster would drop what they hold.
"""

from __future__ import annotations

import signal

import pytest

from tests.drills.crew import Group, Ticker, until, working
from tests.drills.servers import mail_server
from tests.drills.shop import Shop

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def drill(folder, number, times):
    shop, tick = Shop(number), Ticker()
    with mail_server(folder, seconds=0.1) as mail:
        given = {"folder": folder, "MAIL_PORT": mail.port, "WAGTAIL_KWIGA": {"SWEEP_SECONDS": 4, "SWEEP_BATCH": 20}}
        groups = [Group("cluster", "qcluster", **given), Group("loop", "kwiga_work", "--loop", "0.2", **given)]
        with working(*groups):
            for _ in range(times):
                goal = len(mail.arrived()) + shop.release(number // (times + 1)) // 4
                until(
                    lambda goal=goal: tick() or len(mail.arrived()) >= goal, "mails go out", groups=groups, pause=0.02
                )
                for group in groups:
                    group.tell(signal.SIGTERM)
                for group in groups:
                    until(lambda group=group: not group.is_alive, f"{group.name} comes to its end", groups=groups)
                    assert group.process.returncode == 0, group.tail()
                    group.kill()  # whoever of it is left
                    group.start()
                until(lambda: all(group.is_ready for group in groups), "they are up again", groups=groups)
            shop.release()
            until(lambda: tick() or shop.is_settled(), "all is settled", groups=groups)
        shop.balance(mail.arrived(), doubts=0)


def test_once(tmp_path):
    drill(tmp_path, 80, 1)


@pytest.mark.long
def test_ten_times(tmp_path):
    drill(tmp_path, 660, 10)
