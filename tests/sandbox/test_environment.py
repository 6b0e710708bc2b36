"""What ``make demo`` installs, and where; and what is said where a library is asked for that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox import environment
from tests.sandbox.conftest import ROOT, clean_environment, free_port, processes_of

BARE: dict[str, str] = {}


def _names(requirements: list[str]) -> set[str]:
    return {requirement.partition(">")[0].partition("[")[0].lower() for requirement in requirements}


def test_it_needs_the_package_and_the_site_and_nothing_else():
    assert _names(environment.wanted(environ=BARE)) == {
        "django", "wagtail", "django-q2", "django-anymail", "babel", "mjml-python", "nh3", "idna", "segno", "dj-database-url", "whitenoise",
        "waitress", "wagtail-modeladmin",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "more"),
    [
        ({"DATABASE_URL": "postgres://somebody@localhost/demo"}, {"psycopg"}),
        (
            {"DATABASE_URL": "postgresql://somebody@localhost/demo", "REDIS_URL": "redis://localhost"},
            {"psycopg", "redis"},
        ),
        ({"DATABASE_URL": "sqlite:////tmp/demo.sqlite3"}, set()),
        ({"REDIS_URL": "redis://localhost"}, {"redis"}),
    ],
)
def test_a_variable_brings_the_library_it_asks_for(variables, more):
    assert _names(environment.wanted(environ=variables)) - _names(environment.wanted(environ=BARE)) == more


def test_chosen_versions_come_first():
    assert environment.wanted(["Django~=5.2.0"], environ=BARE)[0] == "Django~=5.2.0"


def _wheel(folder: Path, name: str) -> str:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "WORKS = True\n")
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return str(path)


def _imports(folder: Path, name: str) -> bool:
    # Without bytecode, or this would be what compiles it.
    command = [str(folder / "bin" / "python"), "-B", "-c", f"import {name}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.processes
def test_an_environment_is_made_kept_added_to_and_begun_again_where_it_is_half_made(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder, first, second = tmp_path / "env", _wheel(tmp_path, "first"), _wheel(tmp_path, "second")
    assert environment.bring_up_to_date(folder, [first])
    assert _imports(folder, "first")
    assert not _imports(folder, "pip")
    assert not list(folder.rglob("*.pyc"))

    assert not environment.bring_up_to_date(folder, [first])
    (folder / "kept").touch()
    assert environment.bring_up_to_date(folder, [first, second])
    assert _imports(folder, "second")
    assert (folder / "kept").exists()

    (folder / environment.STAMP).unlink()  # as a run leaves it that was broken off
    assert environment.bring_up_to_date(folder, [first])
    assert not (folder / "kept").exists()
    assert not _imports(folder, "second")


@pytest.mark.processes
def test_what_cannot_be_installed_is_told_and_tried_again_next_time(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)  # no uv: its words are not what this is about
    folder, missing = tmp_path / "env", str(tmp_path / "missing-1.0-py3-none-any.whl")
    for _time in range(2):
        with pytest.raises(environment.Failed, match="above stands why"):
            environment.bring_up_to_date(folder, [missing])
        told = capfd.readouterr().err
        assert told.count("ERROR:") == 1, told
        assert "missing-1.0" in told


@pytest.mark.processes
def test_a_python_without_pip_puts_one_into_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setattr(environment, "_has_pip", lambda: False)
    folder = tmp_path / "env"
    assert environment.bring_up_to_date(folder, [_wheel(tmp_path, "first")])
    assert _imports(folder, "first")
    assert _imports(folder, "pip")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variable", "url", "module"),
    [
        ("DATABASE_URL", "postgres://somebody@127.0.0.1:1/demo", "psycopg"),
        ("REDIS_URL", "redis://127.0.0.1:1", "redis"),
    ],
)
def test_a_library_that_is_missing_is_told_in_words(tmp_path, variable, url, module):
    without = (
        f"import importlib.util, sys; find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *more: None if name == {module!r} else find(name, *more)\n"
        f"sys.argv = ['serving', '{free_port()}', {str(tmp_path / 'web.log')!r}]\n"
        f"import runpy; runpy.run_module('sandbox.serving', run_name='__main__')"
    )
    surroundings = clean_environment(tmp_path, 1) | {"DJANGO_SETTINGS_MODULE": "sandbox.settings", variable: url}
    done = subprocess.run(
        [sys.executable, "-c", without],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert f"{variable} is set, and {module} is not installed" in done.stderr
    assert "Traceback" not in done.stderr
    assert processes_of(tmp_path) == []
