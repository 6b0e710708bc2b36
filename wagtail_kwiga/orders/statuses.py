"""The status of an order: the words, the allowed moves, and what each word means for paying."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """The payment status of the order card. The funnel's stage is another thing."""

    OPEN = "open", _("open")
    PROCESSING = "processing", _("payment under way")
    PARTLY_PAID = "partly_paid", _("partly paid")
    PAID = "paid", _("paid")
    SUPERSEDED = "superseded", _("replaced by a newer order")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")
    REFUNDED = "refunded", _("refunded")


class Origin(models.TextChoices):
    """Who made the order."""

    WEB = "web", _("the buyer, on the web")
    STAFF = "staff", _("staff, by hand")
    IMPORT = "import", _("an import")


class PaymentKind(models.TextChoices):
    """How the chosen method settles; scenarios filter by it (a transfer takes days)."""

    ONLINE = "online", _("online")
    TRANSFER = "transfer", _("bank transfer")
    NONE = "none", _("nothing to pay")


#: At most one order of a contact and an offer is in one of these (promise 2; the database guards it).
UNSETTLED = frozenset({Status.OPEN, Status.PROCESSING})
#: Orders that still wait for money.
PAYABLE = frozenset({Status.OPEN, Status.PROCESSING, Status.PARTLY_PAID})
#: Orders that ended without a purchase.
CLOSED_UNPAID = frozenset({Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED})

#: from → to. Money may reach an order in any status (promise 7), so ``PAID`` and ``PARTLY_PAID`` are reachable from all.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.OPEN: frozenset(
        {Status.PROCESSING, Status.PARTLY_PAID, Status.PAID, Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.PROCESSING: frozenset(
        {Status.OPEN, Status.PARTLY_PAID, Status.PAID, Status.SUPERSEDED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.PARTLY_PAID: frozenset({Status.PAID, Status.CANCELLED, Status.REFUNDED}),
    Status.PAID: frozenset({Status.REFUNDED}),
    Status.SUPERSEDED: frozenset({Status.PARTLY_PAID, Status.PAID}),
    # Refunded too: a cancelled order may still hold a part that was paid.
    Status.CANCELLED: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.PAID, Status.REFUNDED}),
    Status.EXPIRED: frozenset({Status.OPEN, Status.PARTLY_PAID, Status.PAID}),
    Status.REFUNDED: frozenset({Status.PARTLY_PAID, Status.PAID}),
}


def can_transition(old: str, new: str) -> bool:
    """Whether the table allows going from ``old`` to ``new``."""
    return Status(new) in TRANSITIONS[Status(old)]
