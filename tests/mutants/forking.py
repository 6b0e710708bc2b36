"""pytest plugin: sets Django, the tests and the database up once, then forks a child for each mutant.

The child puts the changed code into the functions that are already loaded (a function keeps its identity, so whoever
imported it meets the change) and goes on with the session that pytest has begun. It is forked before any test has run,
so that nothing which the package computes once in a process and keeps has been computed by the unchanged code.

A first child runs all tests without a change, and notes which lines of the module each of them reaches.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

JOB = "KWIGA_MUTANTS"
#: How long a test may keep a child's processor busy: so many seconds, and so many times what it takes unchanged.
BUSY, TIMES_BUSY = 2.0, 4.0
#: How long a child may take by the clock, and so many times what all tests take unchanged (for one that hangs idle).
PATIENCE, TIMES = 20.0, 4.0

_job: dict[str, Any] = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
_folder = Path(_job["folder"])


class _ImportTime:
    """Which functions of the module run while everything is loaded. A change to one of those comes too late here."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        sys.settrace(self)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if frame.f_code.co_filename == _job["path"]:
            self.functions.add(_outermost(frame.f_code.co_qualname))


def _outermost(qualname: str) -> str:
    return qualname.split(".<locals>")[0]


_import_time = _ImportTime()


class _Reached:
    """Which lines of the module each test reaches."""

    def __init__(self) -> None:
        self.lines: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        lines: set[int] = set()

        def of_module(frame: FrameType, event: str, arg: Any):
            lines.add(frame.f_lineno)
            return of_module

        def tracer(frame: FrameType, event: str, arg: Any):
            return of_module(frame, event, arg) if frame.f_code.co_filename == _job["path"] else None

        began = time.perf_counter()
        threading.settrace(tracer)
        sys.settrace(tracer)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self.lines[item.nodeid] = sorted(lines)
            self.seconds[item.nodeid] = time.perf_counter() - began

    def pytest_sessionfinish(self, session, exitstatus):
        (_folder / "reached.json").write_text(json.dumps({"lines": self.lines, "seconds": self.seconds}))


class _Watch:
    """Ends the child where a test runs on and on (the signal does, by default), and notes which test fails first."""

    def __init__(self, key: str, seconds: dict[str, float]) -> None:
        self._key, self._seconds = key, seconds

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        signal.setitimer(signal.ITIMER_PROF, BUSY + TIMES_BUSY * self._seconds[item.nodeid])
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            (_folder / f"{self._key}.killer").write_text(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """In the parent: forks all children, and runs no test itself (True). In a child: lets pytest go on (None)."""
    sys.settrace(None)
    if session.testsfailed:  # while collecting
        return None
    _set_up_database(session)
    if _fork(session, "unchanged", session.items) is None:
        session.config.pluginmanager.register(_Reached(), "kwiga-mutants-reached")
        return None
    began = time.monotonic()
    status = os.waitstatus_to_exitcode(os.wait()[1])
    if status != 0:
        (_folder / "results.json").write_text(json.dumps({"unchanged": status}))
        return True
    reached = json.loads((_folder / "reached.json").read_text())
    patience = PATIENCE + TIMES * (time.monotonic() - began)
    return _run_all(session, reached, patience)


def _run_all(session, reached: dict[str, Any], patience: float) -> bool | None:
    items = {item.nodeid: item for item in session.items}
    functions = _functions()
    crew = _Crew(_job["workers"], patience)
    for mutant in _job["mutants"]:
        key, function = mutant["key"], mutant["function"]
        alive = functions.get(function, [])
        code = _code(mutant["source"], function)
        if not function or function in _import_time.functions or not _fits(alive, code):
            crew.note(key, "reload")
            continue
        order = _order(reached, mutant)
        if not order:
            crew.note(key, "unreached")
            continue
        crew.wait_for_room()
        pid = _fork(session, key, [items[nodeid] for nodeid in order])
        if pid is None:
            for each in alive:
                each.__code__ = code
            session.config.pluginmanager.register(_Watch(key, reached["seconds"]), "kwiga-mutants-watch")
            return None
        crew.take(pid, key)
    crew.finish()
    touching = _touching(reached)
    # What the module's classes have made for them (the __init__ of a dataclass) is no line of the module, so where it is
    # loaded anew the tests that reach no line are run as well.
    others = [nodeid for nodeid in reached["lines"] if nodeid not in set(touching)]
    answer = {
        "unchanged": 0,
        "results": crew.results,
        "patience": patience,
        "touching": len(touching),
        "tests": touching + others,
    }
    (_folder / "results.json").write_text(json.dumps(answer))
    return True


class _Crew:
    """The children at work; ``results`` has the status and the seconds of each that is done."""

    def __init__(self, workers: int, patience: float) -> None:
        self.results: dict[str, dict[str, Any]] = {}
        self._workers, self._patience = workers, patience
        self._running: dict[int, tuple[str, float]] = {}

    def take(self, pid: int, key: str) -> None:
        self._running[pid] = key, time.monotonic()

    def note(self, key: str, status: int | str, seconds: float = 0.0) -> None:
        self.results[key] = {"status": status, "seconds": round(seconds, 2)}

    def wait_for_room(self) -> None:
        self._wait_until(self._workers - 1)

    def finish(self) -> None:
        self._wait_until(0)

    def _wait_until(self, number: int) -> None:
        try:
            while len(self._running) > number:
                for pid, (key, began) in list(self._running.items()):
                    self._look_after(pid, key, time.monotonic() - began)
                time.sleep(0.02)
        except BaseException:
            for pid in self._running:
                os.kill(pid, signal.SIGKILL)
            raise

    def _look_after(self, pid: int, key: str, seconds: float) -> None:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            self.note(key, "timeout" if code == -signal.SIGPROF else code, seconds)
        elif seconds > self._patience:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self.note(key, "timeout", seconds)
        else:
            return
        del self._running[pid]
        for left in (_folder / f"{key}.sqlite3{end}" for end in ("", "-wal", "-shm")):
            left.unlink(missing_ok=True)


def _touching(reached: dict[str, Any]) -> list[str]:
    lines, seconds = reached["lines"], reached["seconds"]
    return sorted((nodeid for nodeid in lines if lines[nodeid]), key=lambda nodeid: (seconds[nodeid], nodeid))


def _order(reached: dict[str, Any], mutant: dict[str, Any]) -> list[str]:
    """The tests that reach the changed lines, the quickest first, then the others that reach the module at all.

    (What is computed once in a process is reached by the first test only, and matters to the others.) Empty, where no
    test reaches the line.
    """
    changed = set(range(mutant["first"], mutant["last"] + 1))
    touching = _touching(reached)
    near = [nodeid for nodeid in touching if changed & set(reached["lines"][nodeid])]
    return near + [nodeid for nodeid in touching if nodeid not in set(near)] if near else []


# --- the changed code -------------------------------------------------------------------------------------------------


def _functions() -> dict[str, list[FunctionType]]:
    """Every living function of the module, decorated or not, by its qualified name."""
    found: dict[str, list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == _job["path"]:
            found.setdefault(each.__code__.co_qualname, []).append(each)
    return found


@functools.cache
def _codes(source: str) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}

    def look(code: CodeType) -> None:
        for each in code.co_consts:
            if isinstance(each, CodeType):
                found.setdefault(each.co_qualname, []).append(each)
                look(each)

    look(compile(source, _job["path"], "exec", dont_inherit=True))
    return found


def _fits(alive: list[FunctionType], code: CodeType | None) -> bool:
    """Whether the changed code can stand in for that of the living functions."""
    return bool(alive) and code is not None and all(len(f.__code__.co_freevars) == len(code.co_freevars) for f in alive)


def _code(source: str, function: str) -> CodeType | None:
    """The changed function's code; None where its name is not the only one of its kind (a property's setter)."""
    codes = _codes(source).get(function, [])
    return codes[0] if len(codes) == 1 else None


# --- children ---------------------------------------------------------------------------------------------------------


def _fork(session, key: str, items: list[Any]) -> int | None:
    """The child's number, and None in the child, whose session then has ``items`` and a database of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    log = os.open(_folder / f"{key}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    session.items[:] = items
    session.config.pluginmanager.register(_End(), "kwiga-mutants-end")
    _use_copy_of_database(key)
    return None


class _End:
    """A child ends with pytest's status and does nothing more."""

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        sys.stdout.flush()
        os._exit(self.status)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session, exitstatus):
        self.status = int(exitstatus)


# --- the database -----------------------------------------------------------------------------------------------------


def _set_up_database(session) -> None:
    """What pytest-django's fixture does, once for all children; in them it finds everything done."""
    if not _job["database"]:
        return
    import django.test.utils
    from pytest_django.plugin import blocking_manager_key

    with session.config.stash[blocking_manager_key].unblock():
        django.test.utils.setup_databases(verbosity=0, interactive=False, keepdb=True)
        _close()
    django.test.utils.setup_databases = lambda *args, **kwargs: []
    django.test.utils.teardown_databases = lambda *args, **kwargs: None


def _close() -> None:
    from django.db import connections

    connections.close_all()


def _use_copy_of_database(key: str) -> None:
    if not _job["database"]:
        return
    from django.db import connection

    copy = _folder / f"{key}.sqlite3"
    shutil.copyfile(connection.settings_dict["NAME"], copy)
    connection.settings_dict["NAME"] = str(copy)
    connection.settings_dict["TEST"]["NAME"] = str(copy)
