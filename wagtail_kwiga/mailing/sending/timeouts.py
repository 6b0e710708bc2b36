"""How long a mail server may keep a worker waiting: a hand-over must have ended before another worker takes this one for dead.

Where a site sets no limit at all, ``mail_connection`` sets one.
"""

from __future__ import annotations

from collections.abc import Iterator

from wagtail_kwiga import conf
from wagtail_kwiga.mailing.sending import mailers


def faults(backend: object) -> Iterator[tuple[str, str]]:
    """What is wrong with the limit that the site sets ``backend``, as (what, hint); used by a system check."""
    given = getattr(backend, "timeout", None)
    if given is None:
        return
    longest = conf.settings.LEASE_SECONDS / 2
    waits = given if isinstance(given, tuple | list) else [given]
    if any(wait is None or (isinstance(wait, int | float) and wait > longest) for wait in waits):
        yield (
            f"{mailers.timeout_setting(backend)} lets a mail server that hangs keep a worker waiting for so long that others take it for dead, and mails "
            "that may yet be sent count as unknown.",
            f"Set it to at most {longest:g} seconds (half of WAGTAIL_KWIGA['LEASE_SECONDS']); 30 is plenty.",
        )
