"""Child processes that work on the very database of the running test (mark such a test ``processes``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def environment(**more: str) -> dict[str, str]:
    """The environment of a child. The test must have committed what the child is to see (``transaction=True``)."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{given['NAME']}"
    else:
        login = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
        url = f"postgres://{login}@{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def manage(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """``manage.py`` with these arguments, started in the background; its whole output is in ``stdout``."""
    return subprocess.Popen(
        [sys.executable, "-m", "django", *arguments],
        env=environment(**more),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
