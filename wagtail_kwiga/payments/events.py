"""What happens to attempts to pay. (Money that arrives is told by ``orders.events``.)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class PaymentFailed:
    """A provider said that an attempt came to nothing. ``why`` is the provider's own word, cut short, or empty."""

    order_id: int
    attempt_id: int
    why: str
    at: dt.datetime
