"""``kwiga_work``: everything a worker does, without a queue. Safe beside a running ``qcluster`` and beside itself."""

from __future__ import annotations

import datetime as dt
import select
import signal
import socket
from argparse import ArgumentParser
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from wagtail_kwiga import background, conf, installation, tasks
from wagtail_kwiga.background import Heartbeat
from wagtail_kwiga.installation import Standing
from wagtail_kwiga.management.arguments import instant

#: Exit status of a pass on a database that is another installation's, as long as nobody has said anything.
HOLDS_BACK = 3
UNDECIDED = (
    "This database is that of another installation: mail, scenarios and refunds hold back until you run "
    "kwiga_setup --this-is-production or kwiga_setup --hold."
)
HELD = (
    "This installation is held: mail, scenarios and refunds hold back until you run kwiga_setup --this-is-production."
)


class Command(BaseCommand):
    help = "Run every sweep once: payments in flight, expiry, scenario runs, mail, old counters."

    def check(self, *args: Any, **options: Any) -> None:
        """Errors keep the worker from working. Warnings are for the command ``check``: cron would mail them every minute."""
        found = checks.run_checks(tags=options.get("tags"), databases=options.get("databases"))
        if any(message.is_serious() and not message.is_silenced() for message in found):
            super().check(*args, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument(
            "--at",
            metavar="ISO8601",
            help="Work as if it were this instant. Later than now only with ALLOW_TIME_TRAVEL.",
        )
        mode.add_argument(
            "--loop",
            type=float,
            metavar="SECONDS",
            help="Go on until SIGTERM or Ctrl-C, with this pause between passes.",
        )
        mode.add_argument(
            "--status",
            action="store_true",
            help="Work nothing; tell when a pass last ran, and fail if that is too long ago.",
        )

    def handle(self, *, at: str | None, loop: float | None, status: bool, **options: Any) -> None:
        if status:
            self._status()
        elif loop is not None:
            self._loop(loop)
        elif self._pass(_instant(at) if at else None):
            raise CommandError("Not every sweep ran; see the log.", returncode=1)
        elif installation.standing() == Standing.UNDECIDED:
            raise CommandError(UNDECIDED, returncode=HOLDS_BACK)

    def _pass(self, at: dt.datetime | None) -> bool:
        """One pass; returns whether a sweep failed. A pass at a given instant is no sign of life: no heartbeat."""
        outcomes = tasks.one_pass(at)
        if at is None:
            tasks.beat(outcomes)
        for outcome in outcomes:
            line = f"{outcome} ({outcome.seconds:.1f} s)"
            self.stdout.write(self.style.ERROR(line) if outcome.error else line)
            if isinstance(outcome.result, Standing) and not outcome.result.may_act:
                self.stdout.write(self.style.WARNING(_told(outcome.result)))
        return any(outcome.error for outcome in outcomes)

    def _loop(self, pause: float) -> None:
        """Passes until told to stop. A signal lets the present pass finish, so nothing is left half handed over."""
        if pause <= 0:
            raise CommandError("--loop wants a pause of more than 0 seconds.")
        with _Stop() as stop:
            while not stop.asked:
                try:
                    self._pass(None)
                except Exception as error:  # such as a database that is away: say so and try again
                    self.stderr.write(self.style.ERROR(f"This pass broke off: {error!r}"))
                close_old_connections()
                stop.wait(pause)
        self.stdout.write("Stopped.")

    def _status(self) -> None:
        beat = Heartbeat.objects.filter(name=background.SWEEP).annotate(**installation.columns()).first()
        limit = dt.timedelta(minutes=conf.settings.HEARTBEAT_STALE_MINUTES)
        if beat is None:
            raise CommandError("No pass has ever run here.", returncode=1)
        found = installation.standing_of(beat)
        if found == Standing.UNDECIDED:
            raise CommandError(UNDECIDED, returncode=HOLDS_BACK)
        if not found.may_act:
            self.stdout.write(self.style.WARNING(_told(found)))
        last, note = beat.at, beat.note
        age = conf.now() - last
        told = f"The last pass ran at {last:%Y-%m-%d %H:%M:%S %Z}, {int(age.total_seconds())} seconds ago."
        if age > limit:
            raise CommandError(f"{told} That is more than {limit.total_seconds() / 60:g} minutes.", returncode=1)
        self.stdout.write(told)
        if note:  # no reason to fail: whoever restarts the worker on that would restart it for ever, and mend nothing
            self.stdout.write(self.style.WARNING(f"But not every sweep of it ran ({note}); see the log."))


def _told(standing: Standing) -> str:
    return UNDECIDED if standing == Standing.UNDECIDED else HELD


class _Stop:
    """Notices SIGTERM and SIGINT. Signals wake the wait through a socket: an Event set in a handler can deadlock."""

    def __enter__(self) -> _Stop:
        self.asked = False
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._handlers = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        self._former_fd = signal.set_wakeup_fd(self._waker.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._woken.close()
        self._waker.close()

    def _ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        if not self.asked:
            select.select([self._woken], [], [], seconds)


def _instant(text: str) -> dt.datetime:
    found = instant("--at", text)
    if found > conf.now() and not conf.settings.ALLOW_TIME_TRAVEL:
        raise CommandError(
            f"{found.isoformat()} lies in the future: mails would go out early. "
            'Sandboxes may set WAGTAIL_KWIGA["ALLOW_TIME_TRAVEL"].'
        )
    return found
