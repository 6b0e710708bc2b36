"""A worker process of its own for tests that kill it, and the site's step on which it can be caught.

``python -m tests.automations.workers NOW MODE``: one sweep at ``NOW``. MODE ``apply`` and ``load`` say ``here`` in the
middle of that part of the sweep and then wait to be killed; ``poison`` dies by itself as soon as it is asked to decide
the run of a contact called Poison; ``plain`` just sweeps and prints the summary.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

from wagtail_kwiga.automations.core.intents import Intent
from wagtail_kwiga.automations.core.steps import Step, StepResult

MODE = "plain"


def _wait_to_be_killed() -> None:
    print("here", flush=True)
    time.sleep(120)


@dataclass(frozen=True)
class Note(Intent):
    """Does nothing but take its time."""

    kind: ClassVar[str] = "note"

    @classmethod
    def apply_all(cls, intents, *, now):
        if MODE == "apply":
            _wait_to_be_killed()


@dataclass(frozen=True)
class Slow(Step):
    """A site's step in whose middle the worker can be killed."""

    kind: ClassVar[str] = "slow"

    def decide(self, run, facts, now):
        if facts.extra["slow"] == "Poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return StepResult("acted", "due", (Note(run.run.id),))

    @classmethod
    def load(cls, runs, now):
        if MODE == "load":
            _wait_to_be_killed()
        if MODE != "poison":
            return {}
        from wagtail_kwiga.models import Contact

        names = dict(Contact.objects.values_list("pk", "name"))
        return {run.id: names[run.contact_id] for run in runs}


def main() -> None:
    global MODE
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django
    from django.conf import settings

    django.setup()
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "MAX_ATTEMPTS": 3}
    from wagtail import hooks

    from tests.automations import workers  # this file once more, under the name by which the engine pickles nothing
    from wagtail_kwiga.automations.running import engine

    workers.MODE = MODE = sys.argv[2]
    hooks.register("register_kwiga_steps", lambda: [workers.Slow])
    print(engine.run_due(dt.datetime.fromisoformat(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
