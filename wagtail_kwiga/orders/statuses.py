"""The status of an order: the words, the allowed moves, and what each word means for paying.

Plain Python, so that the pure deciding of ``automations.core`` speaks the very words that the database keeps. What people
read for them stands in ``orders.labels``.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The payment status of the order card. The funnel's stage is another thing."""

    OPEN = "open"
    PROCESSING = "processing"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"


class Origin(StrEnum):
    """Who made the order."""

    WEB = "web"
    STAFF = "staff"
    IMPORT = "import"


class OrderKind(StrEnum):
    """How what an order agrees to is to be paid."""

    ONE_TIME = "one_time"
    INSTALMENTS = "instalments"
    SUBSCRIPTION = "subscription"
    #: A later period of a subscription.
    RENEWAL = "renewal"


class PaymentKind(StrEnum):
    """How the chosen method settles; scenarios filter by it (a transfer takes days)."""

    ONLINE = "online"
    TRANSFER = "transfer"
    NONE = "none"


#: At most one order of a contact and an offer is in one of these (promise 2; the database guards it).
UNSETTLED = frozenset({Status.OPEN, Status.PROCESSING})
#: Orders that still wait for money.
PAYABLE = frozenset({Status.OPEN, Status.PROCESSING, Status.PARTLY_PAID})
#: Orders that ended without a purchase.
CLOSED_UNPAID = frozenset({Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED})

#: from → to. Money may reach an order in any status (promise 7), so ``PAID`` and ``PARTLY_PAID`` are reachable from all. A
#: chargeback takes a paid order back to ``PARTLY_PAID``; only the correction of a wrong entry takes one back to ``OPEN``.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.OPEN: frozenset(
        {Status.PROCESSING, Status.PARTLY_PAID, Status.PAID, Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.PROCESSING: frozenset(
        {Status.OPEN, Status.PARTLY_PAID, Status.PAID, Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.PARTLY_PAID: frozenset({Status.OPEN, Status.PAID, Status.CANCELLED, Status.REFUNDED}),
    Status.PAID: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.REFUNDED}),
    Status.SUPERSEDED: frozenset({Status.PARTLY_PAID, Status.PAID}),
    # Refunded too: a cancelled order may still hold a part that was paid.
    Status.CANCELLED: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.PAID, Status.REFUNDED}),
    Status.EXPIRED: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.PAID}),
    Status.REFUNDED: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.PAID}),
}


def can_transition(old: str, new: str) -> bool:
    """Whether the table allows going from ``old`` to ``new``."""
    return Status(new) in TRANSITIONS[Status(old)]
