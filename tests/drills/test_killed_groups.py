"""Clusters and loop killed with SIGKILL, whole process groups at random moments, and started again: nothing twice at the mail
server, nothing lost, at most one mail in doubt per kill, and each doubt on a person's list (promise 6).

A cluster has one worker here, so that a kill ends exactly one hand-over. The seed is printed; ``KWIGA_DRILL_SEED`` sets it.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.drills.crew import Group, Ticker, kill_again_and_again, until, working
from tests.drills.servers import mail_server, own_redis
from tests.drills.shop import Shop

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

#: Leases run out soon, and a sweep is short in proportion. A cluster has one worker.
QUICK = {
    "WAGTAIL_KWIGA": {"LEASE_SECONDS": 8, "SWEEP_SECONDS": 3, "SWEEP_BATCH": 20},
    "Q_CLUSTER": {"workers": 1, "queue_limit": 1},
}


def drill(folder, number, kills, *, tick, environment=None, between=None):
    seed = int(os.environ.get("KWIGA_DRILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"KWIGA_DRILL_SEED={seed}, {number} runs, {kills} kills")
    dice, shop = random.Random(seed), Shop(number)
    with mail_server(folder, seconds=0.1) as mail:
        given = {"folder": folder, "more": environment, "MAIL_PORT": mail.port, **QUICK}
        groups = [Group(name, "qcluster", **given) for name in ("cluster-1", "cluster-2")]
        groups.append(Group("loop", "kwiga_work", "--loop", "0.2", **given))

        def release(turn):
            if between:
                between(turn)
            return shop.release(number // kills)

        with working(*groups):
            kill_again_and_again(
                groups, kills=kills, dice=dice, release=release, progress=lambda: len(mail.arrived()), tick=tick
            )
            shop.release()

            def settled():
                tick()
                return shop.is_settled()

            until(settled, "all is settled", groups=groups, seconds=600)
        counts = shop.balance(mail.arrived(), doubts=kills)
        assert counts["sent"] + counts["unknown"] == number


def test_a_few_kills(tmp_path):
    drill(tmp_path, 120, 4, tick=Ticker())


@pytest.mark.long
def test_fifty_kills(tmp_path):
    drill(tmp_path, 2000, 50, tick=Ticker())


class Forgetting:
    """A Redis as the queue, which forgets what it was told: flushed, and by turns killed and started again."""

    def __init__(self, redis) -> None:
        from django_q.brokers.redis_broker import Redis

        self.redis, self.lost = redis, 0
        self.broker = Redis()
        self.broker.connection = redis.client()
        self.tick = Ticker(self.broker)

    def forget(self, turn: int) -> None:
        # Far more tasks than the clusters take at once, so that there is something to lose.
        aside = Aside(self.broker.list_key)
        Ticker(aside).make_task()
        self.broker.connection.rpush(self.broker.list_key, *[aside.task] * 100)
        if turn % 2:
            self.redis.kill()
            self.redis.start()
        else:
            self.lost += self.redis.flush(self.broker.list_key)


class Aside:
    """A broker that only keeps the last task it was given."""

    def __init__(self, list_key: str) -> None:
        self.list_key, self.task = list_key, ""

    def enqueue(self, task: str) -> None:
        self.task = task


def lossy(folder, number, kills):
    with own_redis() as redis:
        queue = Forgetting(redis)
        drill(folder, number, kills, tick=queue.tick, environment={"REDIS_URL": redis.url}, between=queue.forget)
        print(f"{queue.lost} tasks lost, and more when Redis itself was killed")
        assert queue.lost


@pytest.mark.redis
def test_a_queue_that_forgets(tmp_path):
    lossy(tmp_path, 60, 2)


@pytest.mark.redis
@pytest.mark.long
def test_a_queue_that_forgets_and_fifty_kills(tmp_path):
    lossy(tmp_path, 2000, 50)
