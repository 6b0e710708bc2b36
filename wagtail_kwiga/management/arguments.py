"""Arguments that several commands take."""

from __future__ import annotations

import contextlib
import datetime as dt

from django.core.management.base import CommandError
from django.utils import timezone


def instant(option: str, text: str) -> dt.datetime:
    """The aware instant that ``text`` names; without an offset it is meant in the site's TIME_ZONE. A day without a time is refused:
    whether its beginning or its end is meant makes the difference between mail that is sent again and mail that is not. Raises
    ``CommandError``."""
    wanted = f"{option} wants an instant such as 2027-03-01T12:30+01:00, not {text!r}."
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(wanted) from error
    with contextlib.suppress(ValueError):
        dt.date.fromisoformat(text)
        raise CommandError(wanted)
    return timezone.make_aware(found) if timezone.is_naive(found) else found
