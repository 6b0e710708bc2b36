"""What people read for the words of the ledger (``payments.statuses``), and the choices of Django that are made of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.payments.statuses import DueKind, PaymentState, RefundState, TransactionKind

_DUE: dict[DueKind, Any] = {
    DueKind.FULL: _("all at once"),
    DueKind.PART: pgettext_lazy("sales", "part"),
    DueKind.PREPAYMENT: pgettext_lazy("sales", "prepayment"),
    DueKind.RENEWAL: pgettext_lazy("sales", "renewal"),
    DueKind.EXTRA: pgettext_lazy("sales", "extra"),
}
_PAYMENT_STATES: dict[PaymentState, Any] = {
    PaymentState.DUE: pgettext_lazy("sales", "due"),
    PaymentState.PAID: pgettext_lazy("sales", "paid"),
    PaymentState.WAIVED: pgettext_lazy("sales", "waived"),
    PaymentState.CANCELLED: pgettext_lazy("sales", "cancelled"),
}
_TRANSACTIONS: dict[TransactionKind, Any] = {
    TransactionKind.CHARGE: _("payment received"),
    TransactionKind.REFUND: pgettext_lazy("sales", "refund"),
    TransactionKind.CHARGEBACK: pgettext_lazy("sales", "chargeback"),
    TransactionKind.CHARGEBACK_REVERSED: _("chargeback reversed"),
    TransactionKind.ADJUSTMENT: pgettext_lazy("sales", "correction"),
}
_REFUNDS: dict[RefundState, Any] = {
    RefundState.REQUESTED: pgettext_lazy("sales", "requested"),
    RefundState.PENDING: _("under way"),
    RefundState.DONE: pgettext_lazy("sales", "refunded"),
    RefundState.FAILED: pgettext_lazy("sales", "failed"),
    RefundState.UNKNOWN: _("outcome unknown"),
}

DUE_KINDS = [(kind.value, label) for kind, label in _DUE.items()]
PAYMENT_STATES = [(state.value, label) for state, label in _PAYMENT_STATES.items()]
TRANSACTION_KINDS = [(kind.value, label) for kind, label in _TRANSACTIONS.items()]
REFUND_STATES = [(state.value, label) for state, label in _REFUNDS.items()]
