"""What people read for the words of ``payments.statuses``, and the choices of Django that are made of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.payments.statuses import EventKind, FailureCode

EVENT_KIND_LABELS: dict[EventKind, Any] = {
    EventKind.PAYMENT: pgettext_lazy("sales", "payment"),
    EventKind.REFUND: pgettext_lazy("sales", "refund"),
    EventKind.DISPUTE: pgettext_lazy("sales", "dispute"),
    EventKind.MANDATE: pgettext_lazy("sales", "mandate"),
}
FAILURE_LABELS: dict[FailureCode, Any] = {
    FailureCode.DECLINED: pgettext_lazy("sales", "declined"),
    FailureCode.INSUFFICIENT_FUNDS: _("not enough money in the account"),
    FailureCode.EXPIRED_CARD: _("the card has expired"),
    FailureCode.CANCELLED_BY_BUYER: _("cancelled by the buyer"),
    FailureCode.AUTHENTICATION_FAILED: _("the bank could not make sure who it was"),
    FailureCode.EXPIRED: _("the time to pay was over"),
    FailureCode.TECHNICAL: _("a technical fault at the provider"),
    FailureCode.UNKNOWN: _("no reason given"),
}
#: What a buyer reads about a payment that came to nothing, on pages and in mails. Of one without a reason nothing is said.
FAILURES_FOR_BUYERS: dict[FailureCode, Any] = {
    FailureCode.DECLINED: _("Your bank declined the payment."),
    FailureCode.INSUFFICIENT_FUNDS: _("Your bank says that there was not enough money in the account."),
    FailureCode.EXPIRED_CARD: _("The card has expired."),
    FailureCode.CANCELLED_BY_BUYER: _("The payment was cancelled."),
    FailureCode.AUTHENTICATION_FAILED: _("Your bank could not make sure that it was you."),
    FailureCode.EXPIRED: _("The time to pay was over."),
    FailureCode.TECHNICAL: _("There was a technical fault at the payment service."),
    FailureCode.UNKNOWN: "",
}

# Plain strings: what stands in a migration must not need this module.
EVENT_KIND_CHOICES = [(kind.value, label) for kind, label in EVENT_KIND_LABELS.items()]
FAILURE_CHOICES = [(code.value, label) for code, label in FAILURE_LABELS.items()]
