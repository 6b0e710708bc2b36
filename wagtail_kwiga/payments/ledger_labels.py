"""What people read for the words of the ledger (``payments.statuses``), and the choices of Django that are made of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.payments.statuses import DueKind, PaymentState, RefundState, TransactionKind

_DUE: dict[DueKind, Any] = {
    DueKind.FULL: _("all at once"),
    DueKind.PART: _("part"),
    DueKind.PREPAYMENT: _("prepayment"),
    DueKind.RENEWAL: _("renewal"),
    DueKind.EXTRA: _("extra"),
}
_PAYMENT_STATES: dict[PaymentState, Any] = {
    PaymentState.DUE: _("due"),
    PaymentState.PAID: _("paid"),
    PaymentState.WAIVED: _("waived"),
    PaymentState.CANCELLED: _("cancelled"),
}
_TRANSACTIONS: dict[TransactionKind, Any] = {
    TransactionKind.CHARGE: _("payment received"),
    TransactionKind.REFUND: _("refund"),
    TransactionKind.CHARGEBACK: _("chargeback"),
    TransactionKind.CHARGEBACK_REVERSED: _("chargeback reversed"),
    TransactionKind.ADJUSTMENT: _("correction"),
}
_REFUNDS: dict[RefundState, Any] = {
    RefundState.REQUESTED: _("requested"),
    RefundState.PENDING: _("under way"),
    RefundState.DONE: _("refunded"),
    RefundState.FAILED: _("failed"),
    RefundState.UNKNOWN: _("outcome unknown"),
}

DUE_KINDS = [(kind.value, label) for kind, label in _DUE.items()]
PAYMENT_STATES = [(state.value, label) for state, label in _PAYMENT_STATES.items()]
TRANSACTION_KINDS = [(kind.value, label) for kind, label in _TRANSACTIONS.items()]
REFUND_STATES = [(state.value, label) for state, label in _REFUNDS.items()]
