"""What happens to sums due and to attempts to pay them. (An order that is paid as a whole is told by ``orders.events``.)"""

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


@dataclass(frozen=True)
class PaymentUnderWay:
    """A provider said that an attempt is under way: the buyer has done their part, and the bank has not confirmed it yet."""

    order_id: int
    attempt_id: int
    at: dt.datetime


@dataclass(frozen=True)
class PaymentSettled:
    """A sum due is paid. ``opens_access``: access begins with it. ``again``: after all money of its order, or that
    of the part that opens access, had gone back.

    Told after ``OrderPaid``, where the same money pays the whole order.
    """

    payment_id: int
    order_id: int
    contact_id: int
    opens_access: bool
    at: dt.datetime
    again: bool = False
