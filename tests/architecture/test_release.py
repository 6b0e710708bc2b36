"""The release checklist of CONTRIBUTING.md: each line has its proof, and what can be proved about a commit is."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from wagtail_kwiga import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAIRINGS = [
    line.split(maxsplit=3)
    for line in (ROOT / ".ci" / "pairings").read_text().splitlines()
    if line and not line.startswith("#")
]


def checklist() -> dict[str, str]:
    """Name → text of every line of the list."""
    _, _, text = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Release\n")
    items = re.split(r"^- \[ \] ", text.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    return dict(re.match(r"\*\*(.+?)\*\*: (.+)", item, re.DOTALL).groups() for item in items)


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_the_list_is_there():
    assert {"Version", "Change log", "Versions that are tried", "Wheel", "Metadata", "Translations"} <= set(checklist())


@pytest.mark.parametrize("name", checklist())
def test_every_line_has_its_proof(name):
    text = " ".join(checklist()[name].split())
    proofs = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert proofs or text.endswith("by hand."), f"{name}: neither a proof nor “by hand”"
    for file, function in proofs:
        assert (ROOT / file).is_file(), file
        tests = {one for one in functions(ROOT / file) if one.startswith("test_")}
        assert (function in tests) if function else tests, f"{file}::{function}"


# --- the proofs that stand nowhere else ---------------------------------------------------------------------------------


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0|(a|b|rc)\d+)?", __version__)
    stage = {"3 - Alpha"} if __version__.startswith("0.") else {"4 - Beta", "5 - Production/Stable"}
    assert any(f"Development Status :: {one}" in PROJECT["classifiers"] for one in stage)


def test_change_log():
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if __version__.endswith(".dev0"):
        assert heads[0] == "Unreleased"
    else:
        assert re.fullmatch(rf"{re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)", heads[0])
    assert "Unreleased" not in heads[1:]


def named(prefix: str) -> list[str]:
    """The versions among the classifiers that begin so."""
    return [one.removeprefix(prefix) for one in PROJECT["classifiers"] if re.fullmatch(rf"{prefix}\d+(\.\d+)?", one)]


def listed(versions: list[str]) -> str:
    """``1, 2 and 3``"""
    return " and ".join(filter(None, [", ".join(versions[:-1]), versions[-1]]))


def ordered(column: int) -> list[str]:
    return sorted({row[column] for row in PAIRINGS}, key=lambda version: [int(part) for part in version.split(".")])


def test_pairings():
    """Classifiers, lower bounds, README and the page about dependencies claim exactly what is run."""
    pythons, djangos, wagtails = ordered(0), ordered(1), ordered(2)
    assert named("Programming Language :: Python :: ") == ["3", *pythons]
    assert named("Framework :: Django :: ") == djangos
    assert named("Framework :: Wagtail :: ") == sorted({version.partition(".")[0] for version in wagtails})
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert {f"Django>={djangos[0]}", f"wagtail>={wagtails[0]}"} <= set(PROJECT["dependencies"])

    readme = " ".join((ROOT / "README.md").read_text().split())
    assert (
        f"Supported: Wagtail {listed(wagtails)}; Django {listed(djangos)}; Python {pythons[0]} to {pythons[-1]};"
        in readme
    )

    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    rows = re.findall(r"^\| (3\.\d+) \| (\d\.\d) \| (\d\.\d) \| (.+) \|$", page, re.MULTILINE)
    assert [list(row[:3]) for row in rows] == [row[:3] for row in PAIRINGS]
    assert all(row[3].startswith(much) for row, (*_, much) in zip(rows, PAIRINGS, strict=True))


def test_every_pairing_is_run():
    """``.ci/run`` takes the oldest row by its numbers, the newest as pip chooses it (and says so where that is another than
    claimed), and the one between by its numbers; each has a stage, the one between beside the stage of the installed wheel."""
    script = (ROOT / ".ci" / "run").read_text()
    (_, old_django, old_wagtail, old_much), (_, django, wagtail, _), (*_, new_much) = PAIRINGS
    assert f'OLD=(PYTHON="$OLD_PYTHON" WAGTAIL={old_wagtail} DJANGO={old_django})' in script
    assert f'MIDDLE=(PYTHON="$MIDDLE_PYTHON" WAGTAIL={wagtail} DJANGO={django})' in script
    assert 'NEW=(PYTHON="$NEW_PYTHON")' in script
    assert old_much == new_much == "everything"
    for stage in (r'full "\$OLD_ENV"', r'full "\$NEW_ENV"', "installed$"):
        assert re.search(rf'^[^#]*stage "[^"]+" (\\\n\s+)?{stage}', script, re.MULTILINE), stage
    beside = re.search(r"^installed\(\) \{.*?^ +beside .*?^beside\(\) \{(.*?)^\}", script, re.MULTILINE | re.DOTALL)
    assert beside and '"$MIDDLE_ENV/bin/python" -m pytest' in beside[1]
