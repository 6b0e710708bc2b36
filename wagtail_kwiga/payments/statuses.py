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
