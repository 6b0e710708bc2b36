"""``python sandbox/environment.py FOLDER [REQUIREMENT …]``: the virtual environment of the demo, made or brought up to date.

Installs what the demo needs and nothing more, as fast as it can be had: no pip is put into the environment (uv or the pip of the
Python that runs this does the work), nothing is compiled ahead, and the package itself is read from the clone. PostgreSQL's and
Redis' libraries are added where ``DATABASE_URL`` or ``REDIS_URL`` asks for them. Uses the standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Sequence
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: What was installed last, a requirement a line. Where it says what is wanted there is nothing to do.
STAMP = ".demo-requirements"
#: Told after installing.
WORTH_TELLING = ("Django", "wagtail")


class Failed(Exception):
    """The environment could not be made; the text says why and what helps."""


def wanted(more: Sequence[str] = (), environ: dict[str, str] | None = None) -> list[str]:
    """The requirements of the demo by ``pyproject.toml`` and the environment variables, and ``more``, in order."""
    environ = dict(os.environ) if environ is None else environ
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = ["sandbox"]
    if environ.get("DATABASE_URL", "").startswith("postgres"):
        extras.append("postgres")
    if environ.get("REDIS_URL"):
        extras.append("redis")
    return [*more, *project["dependencies"], *_of_extras(extras, project)]


def _of_extras(extras: Sequence[str], project: dict) -> list[str]:
    """The requirements of ``extras``; one that names the package itself with an extra means that extra."""
    found: list[str] = []
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            if requirement.startswith(f"{project['name']}["):
                inner = requirement.partition("[")[2].rstrip("]").split(",")
                found += _of_extras(inner, project)
            else:
                found.append(requirement)
    return found


def bring_up_to_date(folder: Path, requirements: Sequence[str]) -> bool:
    """Have ``requirements`` installed in ``folder``; whether there was anything to do. Raises ``Failed``."""
    stamp, python = folder / STAMP, folder / "bin" / "python"
    text = "".join(f"{requirement}\n" for requirement in requirements)
    if python.exists() and stamp.exists() and stamp.read_text() == text:
        return False
    if not stamp.exists():
        # Half made, by a run that was broken off. (An environment with the tools of development has one.)
        shutil.rmtree(folder, ignore_errors=True)
    if not python.exists():
        venv.create(folder, with_pip=False, symlinks=True)
    print("Installing the packages of the demo …", flush=True)
    _install(python, requirements)
    stamp.write_text(text)
    return True


def _install(python: Path, requirements: Sequence[str]) -> None:
    """With uv, which is fastest; else the pip of the Python that runs this; else a pip put into the environment."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    if (uv := shutil.which("uv")) and _run([uv, "pip", "install", "--quiet", "--python", str(python), *requirements]):
        return
    if _has_pip():
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        if _run([*pip, *options, *requirements]):
            return
        if _run(
            [*pip, "--version"], stdout=subprocess.DEVNULL
        ):  # it works, so another pip would say the same once more
            raise Failed("The packages could not be installed; above stands why.")
    if find_spec("ensurepip") is None or not _run([str(python), "-m", "ensurepip"], stdout=subprocess.DEVNULL):
        raise Failed("No pip could be put into the environment; on Debian and Ubuntu: apt install python3-venv")
    if not _run([str(python), "-m", "pip", *options, *requirements]):
        raise Failed("The packages could not be installed; above stands why.")


def _run(command: Sequence[str], **options: Any) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False, **options).returncode == 0


def _has_pip() -> bool:
    """Whether the Python that runs this has a pip that installs into other environments (22.3 or newer)."""
    found = {one.metadata["Name"].lower(): one.version for one in distributions(name="pip")}
    if find_spec("pip") is None or "pip" not in found:
        return False
    return tuple(int(part) for part in found["pip"].split(".")[:2] if part.isdigit()) >= (22, 3)


def _versions(folder: Path) -> str:
    paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
    found = {one.metadata["Name"]: one.version for one in distributions(path=paths)}
    told = [f"Python {sys.version.split()[0]}"]
    told += [f"{name.capitalize()} {found[name]}" for name in WORTH_TELLING if name in found]
    return ", ".join(told)


def main(folder: Path, more: Sequence[str]) -> int:
    """Make it, tell how long it took; the exit code."""
    began = time.monotonic()
    try:
        if not bring_up_to_date(folder, wanted(more)):
            return 0
    except Failed as fault:
        print(fault, file=sys.stderr)
        return 1
    print(f"{_versions(folder)}: installed in {folder} ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
