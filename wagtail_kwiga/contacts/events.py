"""What happens to contacts, told inside the transaction (see ``wagtail_kwiga.events``)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class ContactUnsubscribed:
    """Somebody wants no more promotional mail. ``source`` says how we know: ``link``, ``one_click``, ``staff`` …"""

    contact_id: int
    at: dt.datetime
    source: str
