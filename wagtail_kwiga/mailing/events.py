"""What happens to mail, as told to the site's hooks after commit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class EmailSent:
    """A mail was handed over and accepted; argument of ``after_kwiga_email_sent``."""

    email_id: int
    contact_id: int | None
    order_id: int | None
    purpose: str
    at: dt.datetime
