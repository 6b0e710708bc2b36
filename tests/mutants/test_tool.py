"""The tool itself, on a module of four rules: what is tested is killed, what is not survives, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import generating
from tests.mutants.__main__ import main, tell
from tests.mutants.accepted import accepted, as_table
from tests.mutants.modules import MODULES, ROOT, Module
from tests.mutants.running import Unusable, run

SOURCE = '''"""A shelf."""

from dataclasses import dataclass

LIMIT = 3


@dataclass
class Book:
    pages: int = 80


def has_room(taken: int) -> bool:
    return taken < LIMIT


def label(number: int) -> str:
    return "shelf" if number > 1 else ""


def never(number: int) -> int:
    return number


def spin(number: int) -> int:
    while number > 0:
        number -= 1
    return number
'''
TESTS = """import shelf


def test_room():
    assert shelf.has_room(2)
    assert not shelf.has_room(3)


def test_book():
    assert shelf.Book().pages == 80


def test_label():
    assert shelf.label(5) == "shelf"


def test_spin():
    assert shelf.spin(2) == 0
"""


@pytest.fixture
def shelf(tmp_path) -> Module:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (tmp_path / "shelf.py").write_text(SOURCE)
    (tmp_path / "test_shelf.py").write_text(TESTS)
    return Module("shelf", "shelf", ("test_*.py",), tmp_path)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_tells_what_no_test_notices_and_writes_nothing(shelf, capsys):
    before = _tree(shelf.root)
    report = run(shelf, size=None, workers=2, database=False)
    assert _tree(shelf.root) == before
    found = {(o.mutant.function, o.mutant.diff): o for o in report.outcomes}

    boundary = found["has_room", "- return taken < LIMIT\n+ return taken <= LIMIT"]
    assert (boundary.status, boundary.detail) == ("killed", "test_shelf.py::test_room")
    limit = found["", "- LIMIT = 3\n+ LIMIT = 4"]  # takes effect while the module is loaded
    assert limit.status == "killed"
    pages = found["", "- pages: int = 80\n+ pages: int = 81"]  # noticed by a test that reaches no line of the module
    assert pages.status == "killed"
    surviving = found["label", '- return "shelf" if number > 1 else ""\n+ return "shelf" if number >= 1 else ""']
    assert surviving.status == "survived"
    unreached = found["never", "- return number\n+ return None"]
    assert (unreached.status, unreached.detail) == ("unreached", "no test reaches this line")
    endless = found["spin", "- number -= 1\n+ number = 1"]
    assert endless.status == "timeout"
    assert {o.status for o in report.outcomes} == {"killed", "survived", "unreached", "timeout"}

    assert tell(report) == 1
    told = capsys.readouterr().out
    assert "survived: " in told and 'shelf.py:18 label\n      - return "shelf" if number > 1 else ""' in told
    assert "90 % are wanted" in told


def test_tests_that_fail_without_a_change_are_no_test(shelf):
    (shelf.root / "test_shelf.py").write_text("def test_fails():\n    assert 1 == 2\n")
    with pytest.raises(Unusable, match="assert 1 == 2"):
        run(shelf, size=5, workers=1, database=False)


def test_the_sample_is_fixed_spread_and_stays_where_other_functions_change():
    every = generating.mutants(SOURCE)
    chosen = generating.sample(every, 6)
    assert chosen == generating.sample(list(reversed(every)), 6)
    assert len({mutant.first for mutant in chosen}) == 6
    later = generating.mutants(SOURCE.replace("LIMIT = 3", "# a line more\nLIMIT = 7"))
    assert {mutant.key for mutant in every if mutant.function} == {mutant.key for mutant in later if mutant.function}


def test_what_nobody_could_notice_is_not_changed():
    source = '''"""Words."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import os
def f(a: int | None) -> "str":
    """Doc."""
    log.info("said", 1)
    raise ValueError(_("for people"))
'''
    assert generating.mutants(source) == []


def test_every_module_exists_and_has_tests():
    for module in MODULES.values():
        assert module.path.is_file(), module.name
        assert all(list(module.root.glob(pattern)) for pattern in module.tests), module.name


def test_what_is_accepted_still_exists_and_stands_in_the_documentation():
    """Whoever changes the line must look at the reason again."""
    sources = {}
    for entry in accepted():
        if entry.module not in sources:
            every = generating.mutants(MODULES[entry.module].source)
            sources[entry.module] = {(mutant.function, mutant.diff, mutant.nth) for mutant in every}
        assert entry.identity in sources[entry.module], f"no such mutant any more: {entry}"
        assert len(entry.reason) > 20, entry
    assert as_table() in (ROOT / "docs/explanation/testing.md").read_text()


def test_without_a_module_it_lists_them(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in MODULES)
    assert main(["nonsense"]) == 2
    assert "No such module: nonsense" in capsys.readouterr().err
