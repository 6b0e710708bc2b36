"""The benchmark runs from end to end. How fast it is, is nobody's promise here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from benchmarks.__main__ import SECTIONS, _number
from benchmarks.measuring import Cost, Note, Pair
from benchmarks.report import Report
from benchmarks.scale import Scale
from tests.processes import ROOT

PAIR = Pair(floor=1.5, ours=3.0, cpu=2.25, ratio=2.0, runs=5)


@pytest.mark.processes
def test_the_quick_benchmark_counts_and_times_every_section():
    """In a database of its own, whichever this run uses; nothing of the test's is touched."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    counted, rest = done.stdout.split("\nTimes: ")
    timed, weighed = rest.split("\nWeight\n")
    for part in (counted, timed):
        titles = re.findall(r"^[A-Z]\. .+$", part, re.MULTILINE)
        assert len(titles) == len(SECTIONS) - 1, part  # all but the weight
        for section in re.split(r"^[A-Z]\. .+$", part, flags=re.MULTILINE)[1:]:
            assert re.search(r"\d|needs PostgreSQL", section), (titles, section)
    assert re.search(r"^  wagtail_kwiga_order +1,000 ", weighed, re.MULTILINE), weighed
    assert "Traceback" not in done.stderr


def test_tables_for_people_and_for_the_documentation(capsys):
    for report in (Report(), Report(is_markdown=True)):
        report.section("E. Lists", "Floor: nothing.")
        report.costs([("a look", Cost(3, 2))])
        assert report.times([("a look", PAIR), ("a look", Note("quick enough"))])
        assert not report.times([])
    plain, markdown = capsys.readouterr().out.split("\n### ")
    assert re.search(r"^  a look +3 \+ 2$", plain, re.MULTILINE)
    assert re.search(r"^  a look +1\.50 +3\.00 +2\.25 +2\.00x +5$", plain, re.MULTILINE)
    assert "\n\n|  | queries |\n| --- | --: |\n| a look | 3 + 2 |\n" in markdown
    assert "\n| a look | 1.50 | 3.00 | 2.25 | 2.00x | 5 |\n" in markdown
    assert "a look: quick enough." in plain and "\n\na look: quick enough." in markdown


@pytest.mark.parametrize(
    ("words", "number"), [("100000", 100_000), ("10_000", 10_000), ("100k", 100_000), ("1M", 10**6)]
)
def test_sizes(words, number):
    assert _number(words) == number
    assert Scale().up_to(number).orders[-1] == number
    assert list(Scale().up_to(number).orders) == sorted(set(Scale().up_to(number).orders))


@pytest.mark.parametrize("words", ["", "k", "many", "10", "1q", "-100k"])
def test_no_sizes(words):
    with pytest.raises(ValueError):
        _number(words)
