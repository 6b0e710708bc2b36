"""``python -m sandbox.demo``: from a fresh clone to a running shop in one command.

Makes the data folder, migrates, fills in demo content where there is none, then runs web and worker as child processes
until Ctrl-C or SIGTERM. Only the loopback interface is bound.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.datadir import HERE, data_dir

HOST = "127.0.0.1"
#: Seconds that a child gets to end by itself; the worker may be in the middle of a sweep.
GRACE = 20
#: Seconds before a worker that died is started again; doubled each time it dies young, up to the second number.
RESTART, RESTART_MOST = 1.0, 30.0
#: A worker that lived this many seconds died of something new.
GREW_UP = 60.0


class Child:
    """One child process with a process group of its own, writing to a log file."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.command, self.log = name, list(command), log
        self.process: subprocess.Popen | None = None
        self.started = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                cwd=HERE.parent,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself: it stops its own children in good order."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def sweep_group(self, deadline: float) -> None:
        """Wait until the deadline, then end whatever of the group is left."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, lines: int = 15) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


class Stopped(Exception):
    """Somebody wants the demo to end."""


def main() -> int:
    """Run the demo; the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    try:
        port = int(os.environ.get("PORT") or 8000)
        if not 1 <= port <= 65535:
            raise ValueError(port)
    except ValueError:
        return _fail(f"PORT={os.environ['PORT']!r} is no port. Use a number from 1 to 65535, such as PORT=8001.")
    if fault := port_fault(port):
        return _fail(fault)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    children: list[Child] = []
    try:
        folder = data_dir()
        prepare()
        web = Child(
            "web",
            [sys.executable, "-m", "waitress", f"--listen={HOST}:{port}", "--threads=8", "sandbox.wsgi:application"],
            folder / "logs" / "web.log",
        )
        worker = Child("worker", [sys.executable, str(HERE / "manage.py"), "qcluster"], folder / "logs" / "worker.log")
        children = [web, worker]
        for child in children:
            child.start()
        if not wait_until_up(port, web):
            return _fail(f"The web server did not start. Its last words:\n{web.last_words()}")
        print(banner(port, folder), flush=True)
        return watch(web, worker)
    except Stopped:
        return 0
    finally:
        # From here on a second Ctrl-C must not leave anybody behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end(children)


def prepare() -> None:
    """Bring the database up to date and fill in demo content where there is none."""
    import django
    from django.core.management import call_command

    django.setup()
    with _step("Preparing the database"):
        call_command("migrate", interactive=False, verbosity=0)
    with _step("Setting up schedules, groups and the school"):
        call_command("kwiga_demo", verbosity=0)
    from django.db import connections

    connections.close_all()


def watch(web: Child, worker: Child) -> int:
    """Keep both running: a dead worker is started again, a dead web server ends the demo."""
    pause = RESTART
    while True:
        time.sleep(0.3)
        if not web.is_alive:
            return _fail(f"The web server has ended. Its last words:\n{web.last_words()}")
        if not worker.is_alive:
            lived = time.monotonic() - worker.started
            pause = RESTART if lived >= GREW_UP else min(pause * 2, RESTART_MOST)
            worker.sweep_group(time.monotonic())
            print(f"The worker has ended (see {worker.log}); starting it again in {pause:.0f} s.", flush=True)
            time.sleep(pause)
            worker.start()


def end(children: Sequence[Child]) -> None:
    """Stop every child and everything it started."""
    running = [child for child in children if child.process is not None]
    if not running:
        return
    print("\nStopping web and worker …", end=" ", flush=True)
    for child in running:
        child.ask_to_stop()
    deadline = time.monotonic() + GRACE
    for child in running:
        child.sweep_group(deadline)
    print("done.", flush=True)


def port_fault(port: int) -> str:
    """Why the port cannot be had, in words; empty if it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            if isinstance(fault, PermissionError):
                return f"Port {port} may not be used without special rights. Choose another: PORT=8001 make demo"
            return f"Port {port} is in use by another program. Choose another: PORT={port + 1} make demo"
    return ""


def wait_until_up(port: int, web: Child, seconds: float = 60) -> bool:
    """Whether the web server accepts connections before it ends or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and web.is_alive:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        time.sleep(0.1)
    return False


def banner(port: int, folder: Path) -> str:
    """What the terminal says once everything runs."""
    site = f"http://localhost:{port}"
    rows = [
        ("the school", f"{site}/"),
        ("the offer", f"{site}/watercolour/"),
        ("the inbox", f"{site}/inbox/"),
        ("the admin", f"{site}/admin/     admin / admin   or   editor / editor"),
        ("a buyer", f"{site}/login/     buyer / buyer"),
        ("the data", f"{folder}     (logs are in logs/)"),
    ]
    line = "─" * 78
    body = "\n".join(f"  {name:<12}{value}" for name, value in rows)
    return f"\n{line}\n  Paper Harbour, the demo of wagtail_kwiga, is open.\n\n{body}\n\n  Ctrl-C stops it.\n{line}"


@contextlib.contextmanager
def _step(what: str):
    began = time.monotonic()
    print(f"{what} …", end=" ", flush=True)
    yield
    print(f"done ({time.monotonic() - began:.0f} s).", flush=True)


def _stop(signum, frame) -> None:
    raise Stopped


def _fail(words: str) -> int:
    print(words, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
