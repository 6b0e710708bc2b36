"""The setting CLOCK of these tests: the views ask it, the tests set it."""

from __future__ import annotations

import datetime as dt

from tests.support import START

_present = [START]


def now() -> dt.datetime:
    return _present[0]


def put(instant: dt.datetime) -> dt.datetime:
    _present[0] = instant
    return instant
