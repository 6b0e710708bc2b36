"""The benchmark runs from end to end. How fast it is, is nobody's promise here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from benchmarks.__main__ import SECTIONS
from tests.processes import ROOT


@pytest.mark.processes
def test_the_quick_benchmark_counts_and_times_every_section():
    """In a database of its own, whichever this run uses; nothing of the test's is touched."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    counted, timed = done.stdout.split("\nTimes: ")
    for part in (counted, timed):
        titles = re.findall(r"^[A-Z]\. .+$", part, re.MULTILINE)
        assert len(titles) == len(SECTIONS), part
        for section in re.split(r"^[A-Z]\. .+$", part, flags=re.MULTILINE)[1:]:
            assert re.search(r"\d|needs PostgreSQL", section), (titles, section)
