"""How long a mail server may keep a worker waiting: a hand-over must have ended before another worker takes this one for dead.

Where a site sets no limit at all, ``handover`` sets one.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings as django_settings

from wagtail_kwiga import conf


def faults() -> Iterator[tuple[str, str]]:
    """What is wrong with the site's limit, as (what, hint); used by a system check."""
    name, given = "EMAIL_TIMEOUT", django_settings.EMAIL_TIMEOUT
    if "anymail" in django_settings.EMAIL_BACKEND:
        options = getattr(django_settings, "ANYMAIL", None) or {}
        name = "ANYMAIL['REQUESTS_TIMEOUT']"
        given = options.get("REQUESTS_TIMEOUT", getattr(django_settings, "ANYMAIL_REQUESTS_TIMEOUT", 30))
    if given is None:
        return
    longest = conf.settings.LEASE_SECONDS / 2
    waits = given if isinstance(given, tuple | list) else [given]
    if any(wait is None or wait > longest for wait in waits):
        yield (
            f"{name} lets a mail server that hangs keep a worker waiting for so long that others take it for dead, and mails "
            "that may yet be sent count as uncertain.",
            f"Set it to at most {longest:g} seconds (half of WAGTAIL_KWIGA['LEASE_SECONDS']); 30 is plenty.",
        )
