"""The workers of a drill: real process groups that are started, watched, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.utils import timezone

from tests.processes import ROOT, environment
from wagtail_kwiga.background import SCHEDULE_NAME

#: Seconds for which anything is waited for. A busy machine is no fault; only what never comes is.
PATIENCE = 240

#: What a group says once it works.
_READY = {"qcluster": "running.", "kwiga_work": "prune_rate_limits:"}


def until(
    condition: Callable[[], Any],
    what: str,
    *,
    groups: Sequence[Group] = (),
    seconds: float = PATIENCE,
    pause: float = 0.1,
) -> Any:
    """Wait for ``condition`` and return what it said; what the groups said last is shown if it never comes."""
    ends = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > ends:
            raise AssertionError(f"Waited {seconds} s in vain: {what}\n" + "\n".join(group.tail() for group in groups))
        time.sleep(pause)
    return answer


class Group:
    """``manage.py`` with these arguments and all its children: one process group with a working directory of its own."""

    def __init__(
        self, name: str, *arguments: str, folder: Path, more: dict[str, str] | None = None, **settings: Any
    ) -> None:
        self.name, self.arguments = name, arguments
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.log = self.folder / "output.txt"
        self.settings, self.more = settings, more or {}
        self.process: subprocess.Popen | None = None
        self._began = 0  # where in the log its present life begins

    def start(self) -> Group:
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "django", *self.arguments],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env=environment(
                    DJANGO_SETTINGS_MODULE="tests.drills.settings", PYTHONUNBUFFERED="1", PYTHONPATH=str(ROOT),
                    KWIGA_DRILL=json.dumps(self.settings), KWIGA_DRILL_NAME=self.name,
                    **{"REDIS_URL": "", **self.more},
                ),
            )  # fmt: skip
        return self

    def kill(self) -> None:
        """SIGKILL for all of it at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
            self.process = None

    def tell(self, number: int) -> None:
        """Send a signal to its first process alone."""
        os.kill(self.process.pid, number)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_ready(self) -> bool:
        return _READY[self.arguments[0]] in self.said()

    def said(self) -> str:
        """What it has said in its present life."""
        with self.log.open("rb") as log:
            log.seek(self._began)
            return log.read().decode(errors="replace")

    def tail(self) -> str:
        return f"--- {self.name}, alive: {self.is_alive}\n{self.log.read_text(errors='replace')[-4000:]}"

    def pids(self, role: str) -> list[int]:
        """Of a cluster: the process ids of its ``worker`` or ``pusher`` children, oldest first."""
        words = {"worker": "ready for work at", "pusher": "pushing tasks at"}[role]
        return [int(pid) for pid in re.findall(rf"{words} (\d+)", self.said())]


@contextmanager
def working(*groups: Group) -> Iterator[tuple[Group, ...]]:
    """The groups, started and ready; killed at the end. What they said last is shown if the block fails."""
    try:
        for group in groups:
            group.start()
        for group in groups:
            until(lambda group=group: group.is_ready or not group.is_alive, f"{group.name} is ready", groups=groups)
            assert group.is_alive, group.tail()
        yield groups
    except BaseException:
        print("\n".join(group.tail() for group in groups))
        raise
    finally:
        for group in groups:
            group.kill()


class Ticker:
    """Makes the package's own schedule due, and has django-q2's own scheduler see to it.

    A cluster asks its scheduler twice a minute; a drill has no time for that, and a cluster that is killed every few seconds
    never comes to it.
    """

    def __init__(self, broker: Any = None) -> None:
        from django_q.brokers.orm import ORM

        self.broker = broker or ORM()

    def __call__(self) -> None:
        if self.broker.queue_size() < 3:  # what nobody has taken yet
            self.make_task()

    def make_task(self) -> None:
        from django_q.models import Schedule
        from django_q.scheduler import scheduler

        due = timezone.now() - timezone.timedelta(seconds=1)
        assert Schedule.objects.filter(name=SCHEDULE_NAME).update(next_run=due) == 1
        scheduler(broker=self.broker)


def kill_again_and_again(
    groups: Sequence[Group],
    *,
    kills: int,
    dice: random.Random,
    release: Callable[[int], None],
    progress: Callable[[], int],
    tick: Callable[[], None],
) -> None:
    """Kill a group at random, start it again, ``kills`` times; before each kill some runs more become due.

    The moment is random: when so many mails more have arrived, and a little later. ``release(n)`` makes the ``n``-th portion
    of runs due, ``progress()`` counts mails.
    """

    def ticking(condition: Callable[[], Any], what: str) -> None:
        def ticked() -> Any:
            tick()
            return condition()

        until(ticked, what, groups=groups, pause=0.02)

    for number in range(kills):
        victim = dice.choice(groups)
        until(lambda victim=victim: victim.is_ready, f"{victim.name} is up again", groups=groups)
        before = progress()
        portion = release(number)
        goal = before + dice.randint(0, max(1, portion // 2))
        ticking(lambda goal=goal: progress() >= goal, f"mail {goal} arrived, before kill {number + 1}")
        time.sleep(dice.uniform(0, 0.2))
        victim.kill()
        victim.start()
