"""However the demo ends, and whenever: nothing that it started is left behind, and the next start finds nothing broken."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sandbox.conftest import ROOT, clean_environment, free_port, processes_of, start_shop, stop_shop

pytestmark = pytest.mark.processes

OPEN = "is open"


class Demo:
    """A demo that has just been started, by itself or by ``make``, as the leader of a process group."""

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.out = folder, folder / "demo.out"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                command or [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                env=clean_environment(folder, free_port()), start_new_session=True,
            )  # fmt: skip
        self.group = self.process.pid

    def until(self, words: str, seconds: float = 300) -> None:
        """Wait until the terminal shows ``words``."""
        deadline = time.monotonic() + seconds
        while words not in self.told:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.05)

    def until_the_worker_works(self, seconds: float = 60) -> None:
        """Wait for the whole family: demo, web, and a cluster with its guard, its two workers and their two servants."""
        deadline = time.monotonic() + seconds
        while len(processes_of(self.folder)) < 8:
            assert time.monotonic() < deadline, processes_of(self.folder)
            time.sleep(0.05)

    @property
    def told(self) -> str:
        return self.out.read_text()

    def is_over(self, seconds: float = 60) -> int | None:
        """The exit code, once nothing of the demo runs any more; fails with what is left."""
        deadline = time.monotonic() + seconds
        while (left := processes_of(self.folder)) and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.05)
        assert left == [], [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in left]
        return self.process.wait(timeout=10)


@pytest.fixture
def begin() -> Iterator[Callable[..., Demo]]:
    """Starts demos; whatever is left of them when the test is over is killed."""
    begun: list[Demo] = []

    def start(*arguments, **named) -> Demo:
        begun.append(Demo(*arguments, **named))
        return begun[-1]

    yield start
    for demo in begun:
        for pid in processes_of(demo.folder):
            os.kill(pid, signal.SIGKILL)
        demo.process.wait()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo that has run before and was stopped while it served."""
    folder = tmp_path_factory.mktemp("prepared")
    assert stop_shop(start_shop(folder)) == 0
    return folder


@pytest.fixture
def filled(prepared: Path, tmp_path: Path) -> Path:
    """A copy of it: no test sees what another one broke."""
    return shutil.copytree(prepared, tmp_path / "filled")


def _group(demo: Demo, number: int, *, flood: float = 0.0, pause: float = 0.0) -> None:
    """A signal to the whole group, for ``flood`` seconds again and again, and once more after ``pause``.

    A service manager sends it once and ``make`` passes it on, some microseconds later: a flood meets whatever instant that
    is, if sender and receiver run at the same time. On one processor the receiver would always be done before the next one.
    """
    processors = os.sched_getaffinity(0)
    if flood:
        one, *others = sorted(processors)
        os.sched_setaffinity(demo.process.pid, {one})
        os.sched_setaffinity(0, others or {one})
    until = time.monotonic() + flood
    os.killpg(demo.group, number)
    while time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.group, number)
    os.sched_setaffinity(0, processors)
    time.sleep(pause)
    if demo.process.poll() is None:
        os.killpg(demo.group, number)


@pytest.mark.parametrize(("flood", "pause"), [(0.3, 0), (0, 0), (0, 0.02), (0, 0.5)])
def test_sigterm_to_the_group_while_it_serves_and_again(begin, filled, flood, pause):
    demo = begin(filled)
    demo.until(OPEN)
    demo.until_the_worker_works()
    _group(demo, signal.SIGTERM, flood=flood, pause=pause)
    assert demo.is_over() == 0
    assert "Traceback" not in demo.told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_twice_and_a_terminal_that_is_closed(begin, filled, number):
    demo = begin(filled)
    demo.until(OPEN)
    _group(demo, number, flood=0.1)
    assert demo.is_over() == 0
    assert "Traceback" not in demo.told


def test_sigterm_twice_while_web_and_worker_start(begin, filled):
    """At moments spread over the second and a half in which children come up."""
    for number in range(4):
        demo = begin(filled)
        demo.until("Reading the code" if number < 2 else OPEN)
        time.sleep(0.1 * number)
        _group(demo, signal.SIGTERM, flood=0.1)
        assert demo.is_over() == 0
        assert "Traceback" not in demo.told


def test_sigterm_twice_during_preparation_and_then_a_start_that_finishes_it(begin, tmp_path):
    demo = begin(tmp_path)
    demo.until("Preparing the database")
    time.sleep(0.5)
    _group(demo, signal.SIGTERM, flood=0.1)
    assert demo.is_over() == 0
    demo = begin(tmp_path)
    demo.until("Setting up")
    time.sleep(1)
    _group(demo, signal.SIGTERM, flood=0.1)
    assert demo.is_over() == 0
    shop = start_shop(tmp_path)
    try:
        told = shop.manage("kwiga_demo")
        assert "5 languages, 69 orders" in told
        with shop.visitor() as visitor:
            for address in ("/", "/watercolour/", "/de/aquarell/", "/course/", "/inbox/"):
                visitor.get(address)
    finally:
        assert stop_shop(shop) == 0


def test_make_and_its_demo_are_told_together(begin, filled):
    """make hands the signal on, so that the demo gets it a second time, a moment later."""
    words = ["make", "-s", "--old-file=env-demo", "demo", f"DEMO_PY={sys.executable}", f"PYTHON={sys.executable}"]
    demo = begin(filled, words)
    demo.until(OPEN)
    os.killpg(demo.group, signal.SIGTERM)
    demo.is_over()
    assert "Traceback" not in demo.told


@pytest.mark.parametrize("moment", ["Reading the code", OPEN])
def test_a_demo_that_is_killed_takes_its_children_along(begin, filled, moment):
    demo = begin(filled)
    demo.until(moment)
    time.sleep(0.3)
    assert len(processes_of(filled)) > 1
    demo.process.kill()
    assert demo.is_over() == -signal.SIGKILL


# --- the process between the demo and each of its children ------------------------------------------------------------------

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"])
    print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def tethered(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts a program with the tether, as the demo does."""
    running: list[subprocess.Popen] = []

    def start(source: str) -> subprocess.Popen:
        program = tmp_path / "program.py"
        # Nobody waits twenty seconds for a test.
        program.write_text(source)
        tether = tmp_path / "tether.py"
        tether.write_text((ROOT / "sandbox" / "tether.py").read_text().replace("GRACE = 20.0", "GRACE = 1.0"))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(tether), sys.executable, str(program)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=clean_environment(tmp_path, 1), start_new_session=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for pid in processes_of(tmp_path):
        os.kill(pid, signal.SIGKILL)
    for process in running:
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _none_left(folder: Path, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return processes_of(folder) == []


def test_the_closed_pipe_ends_the_most_stubborn_and_what_it_started(tethered, tmp_path):
    process = tethered(STUBBORN)
    assert process.stdout.readline() == "up\n"
    process.stdin.close()
    assert _none_left(tmp_path)


def test_the_exit_code_is_handed_on(tethered):
    assert tethered("raise SystemExit(7)").wait(timeout=20) == 7
    assert tethered("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait(timeout=20) == 128 + 9


def test_one_signal_reaches_the_program_however_many_come(tethered):
    counting = """
import signal, sys, time
came = []
signal.signal(signal.SIGTERM, lambda *_: came.append(1))
print("up", flush=True)
while not came: time.sleep(0.01)
time.sleep(0.5)
sys.exit(40 + len(came))
"""
    process = tethered(counting)
    assert process.stdout.readline() == "up\n"
    for _time in range(3):
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 41
