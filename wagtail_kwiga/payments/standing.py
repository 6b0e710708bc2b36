"""How far an order paid in parts is on time. Plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from wagtail_kwiga.payments.statuses import PaymentState


@dataclass(frozen=True)
class DuePart:
    """A part: when it is due, and what of it is missing."""

    due_at: dt.datetime
    missing: Decimal
    state: PaymentState = PaymentState.DUE


@dataclass(frozen=True)
class Standing:
    """``is_good``: everything that is due by now is paid. ``overdue`` is what is not, ``overdue_since`` since when;
    ``next_due_at`` is when the next part after now is due."""

    is_good: bool
    overdue: Decimal = Decimal(0)
    overdue_since: dt.datetime | None = None
    next_due_at: dt.datetime | None = None


def judge(parts: Sequence[DuePart], now: dt.datetime) -> Standing:
    """How an order with ``parts`` stands at ``now``. A part is due from its very instant on."""
    missing = sorted((p for p in parts if p.state == PaymentState.DUE and p.missing > 0), key=lambda p: p.due_at)
    late = [part for part in missing if part.due_at <= now]
    return Standing(
        not late,
        sum((part.missing for part in late), Decimal(0)),
        late[0].due_at if late else None,
        next((part.due_at for part in missing if part.due_at > now), None),
    )
