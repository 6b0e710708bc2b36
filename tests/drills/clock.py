"""The clock of a drill: the real time, plus what the file named by ``KWIGA_DRILL_CLOCK`` says (seconds).

All processes of a drill share it through the package's own setting ``CLOCK``, so an hour may pass without waiting for it.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

VARIABLE = "KWIGA_DRILL_CLOCK"


def now() -> dt.datetime:
    file = Path(os.environ.get(VARIABLE, ""))
    ahead = float(file.read_text() or 0) if file.is_file() else 0.0
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead)
