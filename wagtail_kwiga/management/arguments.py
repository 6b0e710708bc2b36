"""Arguments that several commands take."""

from __future__ import annotations

import datetime as dt

from django.core.management.base import CommandError
from django.utils import timezone


def instant(option: str, text: str) -> dt.datetime:
    """The aware instant that ``text`` names; without an offset it is meant in the site's TIME_ZONE. Raises ``CommandError``."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} wants an instant such as 2027-03-01T12:30+01:00, not {text!r}.") from error
    return timezone.make_aware(found) if timezone.is_naive(found) else found
