"""The shop's clock in a test: the real time, and the minutes that stand in a file beside the site."""

import datetime as dt
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "minutes"


def now():
    minutes = int(FILE.read_text()) if FILE.exists() else 0
    return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
