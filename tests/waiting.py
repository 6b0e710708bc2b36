"""Whether somebody waits for a row that this session holds. PostgreSQL, in tests that really commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from wagtail_kwiga.contacts import directory

#: Seconds after which whoever neither waits nor ends is given up.
PATIENCE = 20


def while_held(contact_id: int, deed: Callable[[], Any], meanwhile: Callable[[], Any] = lambda: None) -> Any:
    """Do ``deed`` in another session while this one holds the contact's row, and return what it returned.

    Once it waits for us, ``meanwhile`` happens in the transaction that holds the row, which then commits: so the deed is
    certain to go on behind it. Fails where the deed came to its end without waiting: no clock and no luck in it.
    """
    came_to: list[Any] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            came_to.append(deed())
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        directory.lock(contact_id)
        thread.start()
        has_waited = _waits_for_us(thread)
        meanwhile()
    thread.join(PATIENCE)
    if errors:
        raise errors[0]
    assert has_waited, "it did not wait for whoever held the contact"
    assert came_to, "it is waiting still"
    return came_to[0]


def _waits_for_us(thread: threading.Thread) -> bool:
    ends = time.monotonic() + PATIENCE
    # Asked of the locks themselves: the activity of sessions is a picture kept for the whole transaction.
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    while thread.is_alive() and time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.01)
    return False
