"""``python -m benchmarks [--quick] [--only NAME] [--size ORDERS] [--markdown] [--database-url URL]``"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import platform

from benchmarks import database
from benchmarks.report import Report
from benchmarks.scale import QUICK, Scale

#: What ``--only`` may name → the module that measures it. Those that fill the shop come last.
SECTIONS = {
    "page": "benchmarks.page",
    "checkout": "benchmarks.checkout",
    "decisions": "benchmarks.decisions",
    "delivery": "benchmarks.delivery",
    "coupon": "benchmarks.coupon",
    "weight": "benchmarks.weight",
    "sweep": "benchmarks.sweep",
    "lists": "benchmarks.lists",
}
#: The longest past on SQLite, unless ``--size`` asks for more: filling it takes much longer than on PostgreSQL.
MOST_ON_SQLITE = 100_000


def main() -> None:
    given = _arguments()
    with database.throwaway(given.database_url) as words:
        import django
        import wagtail
        from django.db import connection

        from benchmarks.shop import open_shop

        for name in ("wagtail_kwiga", "django-q"):
            logging.getLogger(name).setLevel(logging.ERROR)
        report = Report(given.markdown)
        versions = f"Python {platform.python_version()}, Django {django.__version__}, Wagtail {wagtail.__version__}"
        report.note(f"{versions}, {words}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        shop, scale = open_shop(), QUICK if given.quick else Scale()
        if given.size:
            scale = scale.up_to(given.size)
        elif connection.vendor == "sqlite" and not given.quick:
            scale = scale.up_to(MOST_ON_SQLITE)
            report.note(f"SQLite: no more than {MOST_ON_SQLITE:,} orders, unless --size says so.")
        _print(report, [importlib.import_module(SECTIONS[name]) for name in given.only or SECTIONS], shop, scale)
        report.note(f"Load at the end: {os.getloadavg()[0]:.1f}.")


def _print(report: Report, sections: list, shop, scale: Scale) -> None:
    report.heading("Queries (+ BEGIN, COMMIT and savepoints)")
    for section in sections:
        if hasattr(section, "counts"):
            report.section(section.TITLE)
            report.costs(section.counts(shop, scale))
    report.heading("Times: medians of runs in turns, and the median of their ratios")
    for section in sections:
        if not hasattr(section, "times"):
            continue
        aim = getattr(section, "AIM", "")
        report.section(section.TITLE, section.FLOOR, f"Aim: {aim}." if aim else "")
        if not report.times(section.times(shop, scale)):
            report.note("Not on this database: it needs PostgreSQL (--database-url or DATABASE_URL).")
    for section in sections:
        if hasattr(section, "table"):
            report.heading("Weight")
            report.section(section.TITLE, section.FLOOR)
            report.table(section.COLUMNS, section.table(shop, scale))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the package costs.")
    parser.add_argument("--quick", action="store_true", help="a few rounds of everything, to see that it runs")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section; may be given several times")
    parser.add_argument(
        "--size",
        type=_number,
        metavar="ORDERS",
        help="the longest past, e.g. 100000 or 1m (default: 1m on PostgreSQL, 100k on SQLite)",
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as the documentation has them")
    parser.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL", ""),
        help="measure on this server, in a database of our own (default: DATABASE_URL, else an SQLite file)",
    )
    return parser.parse_args()


def _number(words: str) -> int:
    """``100000``, ``100_000``, ``100k``, ``1m``. Raises ``ValueError``."""
    times = {"k": 1000, "m": 1_000_000}.get(words[-1:].lower(), 1)
    found = int(words[:-1] if times > 1 else words) * times
    if found < 100:
        raise ValueError(words)
    return found


if __name__ == "__main__":
    main()
