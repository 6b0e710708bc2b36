"""A cluster that looks alive and does nothing: the system check, ``kwiga_work --status`` and the admin tell of it, and they
go quiet once it works again.

django-q2 hangs for good when an idle worker dies: it dies holding the lock of the queue of tasks, so the one that replaces it
waits for ever, while guard and pusher go on. A worker that is merely stopped (SIGSTOP) looks alive even to the guard.
"""

from __future__ import annotations

import os
import signal

import pytest
from django.core.checks import run_checks
from django.urls import reverse

from tests.drills import clock
from tests.drills.crew import Group, Ticker, until, working
from tests.drills.shop import Shop
from tests.processes import manage
from wagtail_kwiga import background

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

BANNER = "No worker has run since"


@pytest.fixture
def later(tmp_path, monkeypatch, settings):
    """Put the clock of all processes of the drill ahead by so many seconds more."""
    file = tmp_path / "clock"
    file.write_text("0")
    monkeypatch.setenv(clock.VARIABLE, str(file))
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.drills.clock.now"}

    def put_ahead(seconds: float) -> None:
        draft = file.with_suffix(".new")
        draft.write_text(str(float(file.read_text()) + seconds))
        draft.replace(file)

    return put_ahead


def warnings() -> list[str]:
    """Ids of the checks that speak of the worker."""
    return [found.id for found in run_checks(databases=["default"]) if found.id == "wagtail_kwiga.W011"]


def ask_status() -> tuple[int, str]:
    child = manage("kwiga_work", "--status", DJANGO_SETTINGS_MODULE="tests.drills.settings")
    told, _ = child.communicate(timeout=240)
    return child.returncode, told


def test_it_is_noticed_and_forgotten(tmp_path, later, admin_client):
    Shop(1)
    tick = Ticker()
    cluster = Group("cluster", "qcluster", folder=tmp_path, Q_CLUSTER={"workers": 1, "queue_limit": 1, "timeout": 600})

    def screen() -> str:
        return admin_client.get(reverse("wagtail_kwiga_orders:index")).content.decode()

    def works(since) -> None:
        """Sweep after ``since``."""
        until(lambda: tick() or (background.last_beat(background.SWEEP) or since) > since, "a sweep", groups=[cluster])

    def does_nothing() -> None:
        """It is given work, takes it from the broker, and that is the end of it."""
        last = background.last_beat(background.SWEEP)
        until(lambda: tick() or tick.broker.lock_size(), "the pusher takes a task", groups=[cluster])
        assert cluster.is_alive
        later(6 * 60)
        assert background.last_beat(background.SWEEP) == last

    def is_told(status: bool = True) -> None:
        assert warnings() == ["wagtail_kwiga.W011"]
        assert BANNER in screen()
        if status:
            code, told = ask_status()
            assert code == 1 and "That is more than 5 minutes." in told, told

    def is_quiet(status: bool = True) -> None:
        assert not warnings()
        assert BANNER not in screen()
        if status:
            code, told = ask_status()
            assert code == 0 and "The last pass ran at" in told, told

    with working(cluster):
        works(clock.now())
        is_quiet()

        (worker,) = until(lambda: cluster.pids("worker"), "the worker names itself", groups=[cluster])
        until(lambda: not tick.broker.lock_size() and not tick.broker.queue_size(), "it is idle", groups=[cluster])
        os.kill(worker, signal.SIGSTOP)  # alive for whoever looks
        does_nothing()
        is_told()
        os.kill(worker, signal.SIGCONT)
        works(clock.now())
        is_quiet(status=False)

        until(lambda: not tick.broker.lock_size() and not tick.broker.queue_size(), "it is idle", groups=[cluster])
        os.kill(worker, signal.SIGKILL)
        until(lambda: len(cluster.pids("worker")) == 2, "the guard replaces the worker", groups=[cluster])
        does_nothing()
        is_told(status=False)
        cluster.kill()
        cluster.start()
        works(clock.now())
        is_quiet(status=False)
