"""``python -m sandbox.demo``: from a fresh clone to a running shop in one command.

Runs the site (which first makes the data folder, migrates, and fills in demo content where there is none) and the worker as
child processes until Ctrl-C, SIGTERM or SIGHUP. Only the loopback interface is bound.
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
from typing import TextIO

from sandbox.datadir import HERE, data_dir
from sandbox.serving import HOST, UNPREPARED
from sandbox.tether import GRACE, Stop

#: Seconds before a worker that died is started again; doubled each time it dies young, up to the second number.
RESTART, RESTART_MOST = 1.0, 30.0
#: A worker that lived this many seconds died of something new.
GREW_UP = 60.0


class Child:
    """One child process with a process group of its own (see ``tether``), talking to a log file or to the terminal."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, is_quiet: bool = True) -> None:
        self.name, self.log, self.is_quiet = name, log, is_quiet
        self.command = [sys.executable, "-I", "-S", str(HERE / "tether.py"), sys.executable, *command]
        self.process: subprocess.Popen | None = None
        self.started = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            # Our end of the pipe stays open for as long as we live, and nobody else has it.
            self.process = subprocess.Popen(
                self.command,
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=out if self.is_quiet else None,
                stderr=subprocess.STDOUT if self.is_quiet else None,
                start_new_session=True,
            )
        self.started = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code of a child that has ended."""
        return self.process.poll() if self.process is not None else None

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
        self.process.stdin.close()

    def last_words(self, lines: int = 15) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


def main() -> int:
    """Run the demo; the exit code."""
    stop = Stop()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    try:
        port = int(os.environ.get("PORT") or 8000)
        if not 1 <= port <= 65535:
            raise ValueError(port)
    except ValueError:
        return _fail(f"PORT={os.environ['PORT']!r} is no port. Use a number from 1 to 65535, such as PORT=8001.")
    if fault := port_fault(port):
        return _fail(fault)
    folder = data_dir()
    logs = folder / "logs"
    web = Child("web", ["-m", "sandbox.serving", str(port), str(logs / "web.log")], logs / "web.log", is_quiet=False)
    worker = Child("worker", [str(HERE / "manage.py"), "qcluster"], logs / "worker.log")
    try:
        web.start()
        if wait_until_up(port, web, stop):
            worker.start()
            _say(banner(port, folder))
            return watch(web, worker, stop)
        if stop.asked:
            return 0
        if web.code == UNPREPARED:  # it has told why
            return 1
        return _fail(f"The web server did not start. Its last words:\n{web.last_words()}")
    finally:
        end([web, worker])
        stop.ignore_the_rest()


def watch(web: Child, worker: Child, stop: Stop) -> int:
    """Keep both running until told to stop: a dead worker is started again, a dead web server ends the demo."""
    pause = RESTART
    while not stop.asked:
        if not web.is_alive:
            return _fail(f"The web server has ended. Its last words:\n{web.last_words()}")
        if worker.is_alive:
            stop.wait(1.0)
            continue
        lived = time.monotonic() - worker.started
        pause = RESTART if lived >= GREW_UP else min(pause * 2, RESTART_MOST)
        worker.sweep_group(time.monotonic())
        _say(f"The worker has ended (see {worker.log}); starting it again in {pause:.0f} s.")
        until = time.monotonic() + pause
        while not stop.asked and time.monotonic() < until:
            stop.wait(max(0.0, until - time.monotonic()))
        if not stop.asked:
            worker.start()
    return 0


def end(children: Sequence[Child]) -> None:
    """Stop every child and everything it started."""
    running = [child for child in children if child.process is not None]
    if not running:
        return
    _say("\nStopping the demo …", end=" ")
    for child in running:
        child.ask_to_stop()
    deadline = time.monotonic() + GRACE + 1  # the tether has waited for as long by then
    for child in running:
        child.sweep_group(deadline)
    _say("done.")


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


def wait_until_up(port: int, web: Child, stop: Stop) -> bool:
    """Whether the web server accepts connections before it ends or somebody wants the demo to stop."""
    while web.is_alive and not stop.asked:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        stop.wait(0.1)
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


def _say(words: str, *, end: str = "\n", to: TextIO | None = None) -> None:
    """Print, unless the terminal is gone: that is no reason to leave children behind."""
    try:
        print(words, end=end, file=to or sys.stdout, flush=True)
    except OSError:
        # What could not be written must not be tried again when Python ends.
        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def _fail(words: str) -> int:
    _say(words, to=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
