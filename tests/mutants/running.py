"""Runs the mutants of one module, and says of each whether a test noticed it.

First the forked children of ``forking``, quick and in memory. A mutant that takes effect while the module is loaded, and
each one that survives there, is then tried the slow way: a Python of its own that loads the changed text
(``loading``). So a survivor has survived an ordinary run of all tests of the module. Nothing is ever written
below the folder of the module; what is written is in a temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants import generating
from tests.mutants.modules import ROOT, Module

#: Tests that start processes, servers or browsers never meet the change that is made in memory.
_NOT = "not browser and not processes and not pgserver and not postgres and not redis and not install and not long"


#: The variables that name the job of each plugin.
MANY, ONE = "KWIGA_MUTANTS", "KWIGA_MUTANT"
#: How much longer than in memory it may take to load everything anew, in seconds.
PATIENCE = 60.0


class Unusable(Exception):
    """The tests fail without any change, or do not start; the message has their words."""


@dataclass(frozen=True)
class Outcome:
    """``status``: *killed*, *timeout* (counts as killed), *survived*, or *suspicious* (pytest itself broke down)."""

    mutant: generating.Mutant
    status: str
    detail: str = ""

    @property
    def is_killed(self) -> bool:
        return self.status in {"killed", "timeout"}


@dataclass(frozen=True)
class Report:
    module: Module
    all: int
    tests: int
    outcomes: list[Outcome]


def run(module: Module, *, size: int | None, workers: int, database: bool = True) -> Report:
    """Try a sample of ``size`` mutants of ``module`` (``None``: all). Raises ``Unusable``."""
    every = generating.mutants(module.source)
    chosen = generating.sample(every, size)
    with tempfile.TemporaryDirectory(prefix="kwiga-mutants-") as name:
        bench = _Bench(module, Path(name), workers, _template() if database else None)
        answer = bench.fork(chosen)
        outcomes = {mutant.key: bench.outcome(mutant, answer["results"][mutant.key]) for mutant in chosen}
        again = [mutant for mutant in chosen if outcomes[mutant.key].status in {"reload", "survived"}]
        with ThreadPoolExecutor(workers) as pool:
            patience = answer["patience"] + PATIENCE
            tried = pool.map(lambda mutant: bench.load(mutant, answer["tests"], patience), again)
            outcomes.update((outcome.mutant.key, outcome) for outcome in tried)
    return Report(module, len(every), answer["touching"], [outcomes[mutant.key] for mutant in chosen])


class _Bench:
    def __init__(self, module: Module, folder: Path, workers: int, template: Path | None) -> None:
        self.module, self.folder, self.workers, self.template = module, folder, workers, template

    # --- in memory ----------------------------------------------------------------------------------------------------

    def fork(self, mutants: Iterable[generating.Mutant]) -> dict[str, Any]:
        job = {
            "path": str(self.module.path),
            "folder": str(self.folder),
            "workers": self.workers,
            "database": self.template is not None,
            "mutants": [{"key": each.key, **_without_key(each)} for each in mutants],
        }
        with self._running("forking", MANY, job, *self.module.test_files) as process:
            process.wait()
        results = self.folder / "results.json"
        if not results.exists():
            raise Unusable((self.folder / "forking.log").read_text(errors="replace"))
        answer = json.loads(results.read_text())
        if answer["unchanged"] != 0:
            raise Unusable((self.folder / "unchanged.log").read_text(errors="replace"))
        return answer

    def outcome(self, mutant: generating.Mutant, result: dict[str, Any]) -> Outcome:
        killer = self.folder / f"{mutant.key}.killer"
        match result["status"]:
            case 0:
                return Outcome(mutant, "survived")
            case 1:
                return Outcome(mutant, "killed", killer.read_text() if killer.exists() else "")
            case "timeout":
                return Outcome(mutant, "timeout")
            case "reload":
                return Outcome(mutant, "reload")
            case "unreached":
                return Outcome(mutant, "unreached", "no test reaches this line")
            case other:
                return Outcome(mutant, "suspicious", f"pytest ended with {other}")

    # --- loaded anew --------------------------------------------------------------------------------------------------

    def load(self, mutant: generating.Mutant, tests: list[str], patience: float) -> Outcome:
        job = {"module": self.module.dotted, "source": mutant.source, "tests": tests}
        files = sorted({nodeid.partition("::")[0] for nodeid in tests})
        with self._running("loading", ONE, job, *files, name=mutant.key) as process:
            try:
                status = process.wait(patience)
            except subprocess.TimeoutExpired:
                return Outcome(mutant, "timeout")
        match status:
            case 0:
                return Outcome(mutant, "survived")
            case 1:
                return Outcome(mutant, "killed")
            case 2 | 3 | 4:  # the package, or a test file, cannot even be imported
                return Outcome(mutant, "killed", "nothing can be loaded")
        return Outcome(mutant, "suspicious", f"pytest ended with {status}")

    # --- both ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _running(self, plugin: str, variable: str, job: dict[str, Any], *tests: str, name: str = "") -> Iterator[Any]:
        name = name or plugin
        (self.folder / f"{name}.json").write_text(json.dumps(job), encoding="utf-8")
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DJANGO", "KWIGA_"))}
        keep = {key: value for key, value in keep.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        environment = {
            **keep,
            variable: str(self.folder / f"{name}.json"),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(self.module.root), str(ROOT)])),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "hypothesis"),
            "KWIGA_HYPOTHESIS": "kwiga-few",
        }
        arguments = ["-q", "-s", "-x", "--tb=short", "-m", _NOT, "--hypothesis-seed=0", "-p", f"tests.mutants.{plugin}"]
        if self.template is not None:
            database = self.folder / f"{name}.sqlite3"
            shutil.copyfile(self.template, database)
            environment["TEST_DATABASE_FILE"] = str(database)
            arguments.append("--reuse-db")
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments, *tests],
                cwd=self.module.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _without_key(mutant: generating.Mutant) -> dict[str, Any]:
    return {"function": mutant.function, "first": mutant.first, "last": mutant.last, "source": mutant.source}


# --- a database with all migrations -----------------------------------------------------------------------------------

_MAKE = "import django; django.setup(); from django.test.utils import setup_databases as s; s(0, False)"


def _template() -> Path:
    """A migrated SQLite database, made once for these migrations and these versions, and kept in the temporary folder."""
    import django
    import wagtail

    digest = hashlib.sha256(f"{sys.version} {django.__version__} {wagtail.__version__}".encode())
    for path in sorted(
        [*ROOT.glob("*/migrations/*.py"), *ROOT.glob("tests/*/migrations/*.py"), ROOT / "tests/settings.py"]
    ):
        digest.update(path.read_bytes())
    template = Path(tempfile.gettempdir()) / f"kwiga-mutants-{digest.hexdigest()[:16]}.sqlite3"
    if template.exists():
        return template
    with tempfile.TemporaryDirectory(prefix="kwiga-mutants-") as name:
        fresh = Path(name) / "fresh.sqlite3"
        environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_FILE": str(fresh)}
        subprocess.run(
            [sys.executable, "-c", _MAKE], cwd=ROOT, check=True, env={**environment, "PYTHONPATH": str(ROOT)}
        )
        fresh.replace(template)
    return template
