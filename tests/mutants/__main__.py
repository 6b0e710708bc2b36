"""``python -m tests.mutants``: which changes to a rule would no test notice?"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from tests.mutants.accepted import as_table, reason
from tests.mutants.modules import MODULES, ROOT
from tests.mutants.running import Outcome, Report, Unusable, run

SAMPLE, WANTED = 60, 90


def main(arguments: list[str] | None = None) -> int:
    """0: every module reaches ``WANTED`` per cent; 1: one does not; 2: what was asked for cannot be run."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help="as listed without any, or: all")
    parser.add_argument("--long", action="store_true", help=f"all mutants, not a fixed sample of {SAMPLE}")
    parser.add_argument("--killers", action="store_true", help="also name the test that noticed each mutant first")
    parser.add_argument("--accepted", action="store_true", help="print the accepted survivors as a table")
    given = parser.parse_args(arguments)
    if given.accepted:
        print(as_table())
        return 0
    if not given.modules:
        print("make mutants ARGS=…  (one or several of these, or all)\n")
        for module in MODULES.values():
            print(f"  {module.name:24} tested by {', '.join(module.tests)}")
        return 0
    names = list(MODULES) if given.modules == ["all"] else given.modules
    if unknown := [name for name in names if name not in MODULES]:
        print(f"No such module: {', '.join(unknown)}. There are: {', '.join(MODULES)}.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # leaves no child and no temporary folder behind
    worst = 0
    for name in names:
        worst = max(worst, _try(name, None if given.long else SAMPLE, given.killers))
    return worst


def _try(name: str, size: int | None, killers: bool) -> int:
    began = time.monotonic()
    try:
        report = run(MODULES[name], size=size, workers=int(os.environ.get("KWIGA_WORKERS", "2")))
    except Unusable as error:
        print(f"{name}: without any change its tests do not pass:\n\n{error}", file=sys.stderr)
        return 2
    return tell(report, time.monotonic() - began, killers)


def tell(report: Report, seconds: float = 0.0, killers: bool = False) -> int:
    """Print what became of the mutants of one module; 1 where too few were noticed."""
    name = report.module.name
    excused = {o.mutant.key: reason(name, o.mutant) for o in report.outcomes if reason(name, o.mutant)}
    killed = [outcome for outcome in report.outcomes if outcome.is_killed]
    alive = [outcome for outcome in report.outcomes if not outcome.is_killed]
    counted = len(report.outcomes) - sum(outcome.mutant.key in excused for outcome in alive)
    score = 100 * len(killed) / counted if counted else 100.0
    print(f"\n{name}: {len(report.outcomes)} of {report.all} mutants, {report.tests} tests reach it, {seconds:.0f} s")
    numbers = {
        status: sum(o.status == status for o in report.outcomes) for status in ("killed", "timeout", "suspicious")
    }
    survived = [outcome for outcome in alive if outcome.status != "suspicious"]
    numbers["survived"] = len(survived)
    accepted = sum(outcome.mutant.key in excused for outcome in survived)
    print("  " + ", ".join(f"{status} {number}" for status, number in numbers.items()) + f" ({accepted} accepted)")
    for outcome in alive:
        _show(report, outcome, excused.get(outcome.mutant.key, ""))
    for outcome in killed:
        if outcome.mutant.key in excused:
            print("  listed as accepted, and yet a test notices it (take it off the list):")
            _show(report, outcome, "")
        elif killers:
            _show(report, outcome, "")
    print(f"  score {score:.0f} %{'' if score >= WANTED else f', and {WANTED} % are wanted'}")
    sys.stdout.flush()
    return int(score < WANTED)


def _show(report: Report, outcome: Outcome, excuse: str) -> None:
    mutant = outcome.mutant
    path = report.module.path
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    times = f", the {mutant.nth}. time it stands there" if mutant.nth > 1 else ""
    print(f"  {outcome.status}: {where}:{mutant.first} {mutant.function}{times}")
    for line in mutant.diff.splitlines():
        print(f"      {line}")
    for word in filter(None, (outcome.detail, excuse and f"accepted: {excuse}")):
        print(f"      ({word})")


if __name__ == "__main__":
    sys.exit(main())
