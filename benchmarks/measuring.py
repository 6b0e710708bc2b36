"""Counting queries, and timing two pieces of work in turns."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
#: What only begins and ends transactions and savepoints. Cheap, but each is a way to the server and back.
MARKS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True)
class Cost:
    """``queries`` that read or write, and ``marks`` that begin or end transactions and savepoints."""

    queries: int
    marks: int

    def __str__(self) -> str:
        return f"{self.queries} + {self.marks}" if self.marks else str(self.queries)


@dataclass(frozen=True)
class Pair:
    """Medians of the same number of runs of each, in milliseconds; ``ratio`` is the median of the ratios of the pairs.

    The machine may slow down in the middle: then both of a pair slow down, and their ratio stays. ``cpu`` is what ours took
    of the processor in this process, whoever else wanted it: the figure that a busy machine changes least.
    """

    floor: float
    ours: float
    cpu: float
    ratio: float
    runs: int


@dataclass(frozen=True)
class Note:
    """Words about what was measured, printed below it."""

    words: str


def cost_of(work: Work) -> Cost:
    """What ``work`` asks of the database. Warm up before, where caches are not the point."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    # Django keeps the last 9,000 statements, and a thousand mails take about as many.
    connection.queries_log = deque(maxlen=1_000_000)
    with CaptureQueriesContext(connection) as captured:
        work()
    marks = sum(query["sql"].lstrip().upper().startswith(MARKS) for query in captured)
    return Cost(len(captured) - marks, marks)


def timed(work: Work) -> tuple[float, float]:
    """Milliseconds that passed, and those of them that this process had the processor."""
    began, had = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - began) * 1000, (time.process_time() - had) * 1000


def paired(rounds: int, floor: Work, ours: Work, *, prepare: Work | None = None) -> Pair:
    """Run ``floor`` and ``ours`` in turns, ``rounds`` times after one that does not count. ``prepare`` is not timed."""
    below, above = [], []
    for number in range(rounds + 1):
        if prepare:
            prepare()
        for work, found in ((floor, below), (ours, above)) if number % 2 else ((ours, above), (floor, below)):
            found.append(timed(work))
    return pair_of(below[1:], above[1:])


def pair_of(below: list[tuple[float, float]], above: list[tuple[float, float]]) -> Pair:
    """The ``Pair`` of what ``timed`` said of the floor and of ours, in the order of the runs."""
    return Pair(
        floor=statistics.median(wall for wall, _cpu in below),
        ours=statistics.median(wall for wall, _cpu in above),
        cpu=statistics.median(cpu for _wall, cpu in above),
        ratio=statistics.median(ours / floor for (floor, _), (ours, _) in zip(below, above, strict=True)),
        runs=len(above),
    )
