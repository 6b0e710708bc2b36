"""The words of the contract with payment providers. Plain Python; what people read for them stands in ``payments.labels``."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What a provider's event speaks of."""

    PAYMENT = "payment"
    #: Money that goes back to the buyer, asked for by us or in the provider's own panel.
    REFUND = "refund"
    #: The buyer's bank takes the money back (chargeback).
    DISPUTE = "dispute"
    #: The buyer's leave to charge later. Remembered; nothing acts on it yet.
    MANDATE = "mandate"


class Outcome(StrEnum):
    """How it stands with what an event speaks of.

    ===========  =======================  ====================  ====================================  =================
    outcome      payment                  refund                dispute                               mandate
    ===========  =======================  ====================  ====================================  =================
    CONFIRMED    money has arrived        money has gone back   money was taken from the seller       it is valid
    PENDING      under way                under way             announced; nothing was taken yet      under way
    FAILED       came to nothing          came to nothing       decided for the seller: given back    no longer valid
    ===========  =======================  ====================  ====================================  =================
    """

    CONFIRMED = "confirmed"
    PENDING = "pending"
    FAILED = "failed"


class FailureCode(StrEnum):
    """Why a payment came to nothing, whatever the provider calls it."""

    DECLINED = "declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    CANCELLED_BY_BUYER = "cancelled_by_buyer"
    AUTHENTICATION_FAILED = "authentication_failed"
    #: The provider's own time to pay was over.
    EXPIRED = "expired"
    TECHNICAL = "technical"
    UNKNOWN = "unknown"


class DueKind(StrEnum):
    """What a sum due is for."""

    FULL = "full"
    PART = "part"
    PREPAYMENT = "prepayment"
    RENEWAL = "renewal"
    EXTRA = "extra"


class PaymentState(StrEnum):
    """How it stands with a sum due."""

    DUE = "due"
    PAID = "paid"
    #: Staff ask for it no more.
    WAIVED = "waived"
    #: All money of its order went back, so it is asked for no more.
    CANCELLED = "cancelled"


class TransactionKind(StrEnum):
    """A movement of money in the ledger."""

    CHARGE = "charge"
    REFUND = "refund"
    #: The buyer's bank took the money back; the buyer owes it again.
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSED = "chargeback_reversed"
    #: Corrects a hand-made entry, which it names.
    ADJUSTMENT = "adjustment"


class RefundState(StrEnum):
    """How it stands with money to be given back."""

    #: Written down. The provider may or may not have been called.
    REQUESTED = "requested"
    #: The provider has taken it on.
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    #: The provider was called and its answer was lost.
    UNKNOWN = "unknown"


#: Refunds that may still move money: they count against what was received.
OPEN_REFUNDS = frozenset({RefundState.REQUESTED, RefundState.PENDING, RefundState.UNKNOWN})
