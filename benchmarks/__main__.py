"""``python -m benchmarks [--quick] [--only NAME] [--database-url URL]``"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import platform

from benchmarks import database, report
from benchmarks.scale import QUICK, Scale

#: What ``--only`` may name → the module that measures it.
SECTIONS = {
    "page": "benchmarks.page",
    "checkout": "benchmarks.checkout",
    "sweep": "benchmarks.sweep",
    "delivery": "benchmarks.handing_over",
    "coupon": "benchmarks.coupon",
}


def main() -> None:
    given = _arguments()
    with database.throwaway(given.database_url) as words:
        import django
        import wagtail

        from benchmarks.shop import open_shop

        logging.getLogger("wagtail_kwiga").setLevel(logging.ERROR)
        versions = f"Python {platform.python_version()}, Django {django.__version__}, Wagtail {wagtail.__version__}"
        print(f"{versions}, {words}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        shop, scale = open_shop(), QUICK if given.quick else Scale()
        sections = [importlib.import_module(SECTIONS[name]) for name in given.only or SECTIONS]
        report.heading("Queries (+ BEGIN, COMMIT and savepoints)")
        for section in sections:
            report.section(section.TITLE)
            for what, cost in section.counts(shop, scale):
                report.cost(what, cost)
        report.heading("Times: medians of runs in turns, and the median of their ratios")
        report.columns()
        for section in sections:
            report.section(section.TITLE, section.FLOOR)
            done = 0
            for what, pair in section.times(shop, scale):
                report.pair(what, pair)
                done += 1
            if not done:
                report.note("Not on this database: it needs PostgreSQL (--database-url or DATABASE_URL).")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the package costs.")
    parser.add_argument("--quick", action="store_true", help="a few rounds of everything, to see that it runs")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section; may be given several times")
    parser.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL", ""),
        help="measure on this server, in a database of our own (default: DATABASE_URL, else an SQLite file)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
