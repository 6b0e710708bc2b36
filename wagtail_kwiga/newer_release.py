"""What a process does with something that a newer release than its own has written: leave it to a newer process.

While a site is upgraded two releases work on one database. What the older one cannot read is neither wrong nor lost, so it is
*later* and never failed, paused or left out: it stays due, is looked at again every few minutes, and whoever can read it takes it.
Where nobody does, an old process was forgotten or an extension is gone; then a person is told.
"""

from __future__ import annotations

import datetime as dt

#: For how long something unreadable is left alone, so that a newer worker may take it.
RETRY_AFTER = dt.timedelta(minutes=5)
#: For how long newer workers have the time to come before a person is told.
PATIENCE = dt.timedelta(hours=1)
#: After how long a person is told again, where it was ticked off and is still so.
TOLD_AGAIN_AFTER = dt.timedelta(days=1)


def has_waited_too_long(since: dt.datetime, now: dt.datetime) -> bool:
    """Whether a person is to be told of what has waited for a newer worker since ``since``."""
    return now - since >= PATIENCE
