"""What happens to attempts to pay. (Money that arrives is told by ``orders.events``.)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from wagtail_kwiga.payments.statuses import FailureCode


@dataclass(frozen=True)
class PaymentFailed:
    """A provider said that an attempt came to nothing: ``code`` is why in our words, ``message`` the provider's own, cut
    short, or empty."""

    order_id: int
    attempt_id: int
    code: FailureCode
    message: str
    at: dt.datetime
