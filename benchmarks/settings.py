"""Settings of the benchmark: the test site's, as a real site would tighten them."""

from __future__ import annotations

import os

from tests.mail_settings import MEMORY, mailer
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, WAGTAIL_KWIGA

INSTALLED_APPS = ["benchmarks", *INSTALLED_APPS]
globals().update(mailer(MEMORY))
#: Made by ``benchmarks.database``, and dropped at the end.
DATABASES["default"]["TEST"] = {"NAME": os.environ.get("KWIGA_BENCHMARK_DATABASE") or None}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Safe against a crash of the process, as the how-to pages advise; the tests do without any syncing.
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
WAGTAIL_KWIGA = {
    **WAGTAIL_KWIGA,
    "CLOCK": "benchmarks.shop.clock",
    # All buyers of the benchmark come from one address; a limit must not stop them, but counting is part of the cost.
    "CHECKOUTS_PER_IP": 10**9,
    "COUPON_TRIES_PER_IP": 10**9,
}
