"""The sentences of payments in an order's timeline."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.labels import FAILURE_LABELS
from wagtail_kwiga.payments.statuses import FailureCode

SENTENCES = {
    "payments.started": _("Went to pay %(amount)s by %(method)s"),
    "payments.unavailable": _("%(method)s could not be reached to start a payment"),
    "payments.received": _("Money arrived: %(amount)s by %(method)s %(reference)s"),
    "payments.refunded": _("Given back: %(amount)s by %(method)s. %(reason)s"),
    "payments.refund_requested": _("Refund of %(amount)s by %(method)s requested. %(reason)s"),
    "payments.refund_pending": _("%(method)s has the refund of %(amount)s under way"),
    "payments.refund_failed": _("The refund of %(amount)s by %(method)s failed: %(code)s. %(why)s"),
    "payments.refund_unknown": _(
        "It is not known whether %(method)s has paid %(amount)s back. Please look there, and say here what became of it"
    ),
    "payments.refund_pending_long": _(
        "%(method)s has had the refund of %(amount)s under way for days. Please look there"
    ),
    "payments.refund_other_amount": _(
        "%(method)s paid %(amount)s back where %(asked)s was asked for. Booked; please check"
    ),
    "payments.refund_says_failed": _(
        "%(method)s now says that the refund of %(amount)s failed, which is booked as done. Nothing was changed; please check"
    ),
    "payments.event_newer": _(
        "What %(method)s told was stored, or is about something that was written, by a newer version of the software; it waits for "
        "a worker that knows it. Please have all workers run the same version"
    ),
    "payments.refund_known_already": _("The refund of %(amount)s by %(method)s was booked already; it counts once"),
    "payments.refund_too_much": _("%(method)s paid %(amount)s back, more than had been received. Booked; please check"),
    "payments.charged_back": _("Chargeback: the buyer's bank took back %(amount)s paid by %(method)s %(reference)s"),
    "payments.chargeback_reversed": _("Chargeback reversed: %(amount)s by %(method)s is here again %(reference)s"),
    "payments.dispute_won": _(
        "A dispute about %(amount)s by %(method)s was decided for you (%(reference)s). No chargeback was booked for it"
    ),
    "payments.corrected": _("An entry of %(was)s was corrected to %(amount)s. %(reason)s"),
    "payments.waived": _("Part %(number)s is waived: %(amount)s less to be paid. %(reason)s"),
    "payments.pending": _("%(method)s has the payment of %(amount)s under way"),
    "payments.failed": _("The payment by %(method)s came to nothing: %(code)s. %(why)s"),
    "payments.abandoned": _("The payment by %(method)s was never finished"),
    "payments.other_amount": _("%(method)s brought %(amount)s where %(asked)s was asked for. Booked; please check"),
    "payments.twice": _("%(method)s brought money twice for one payment: %(amount)s more. Booked; please give it back"),
    "payments.says_other_amount": _(
        "%(method)s now speaks of %(amount)s for payment %(reference)s, booked with %(booked)s. Nothing was changed"
    ),
    "payments.needs_review": _("What %(method)s tells needs review: %(why)s"),
    "payments.pending_long": _("%(method)s has had the payment of %(amount)s under way for a day. Please look there"),
    "payments.unknown_money": _("%(method)s tells of %(amount)s for a payment that is not known here (%(reference)s)"),
    "payments.event_stuck": _("What %(method)s tells could not be processed for a day: %(why)s"),
    "payments.dispute_opened": _(
        "The buyer disputes the payment by %(method)s (%(reference)s). Please answer there in time"
    ),
}


def register() -> None:
    """Make the sentences known. Called when Django is ready, so that every process has them."""
    writing.register_sentences(SENTENCES)
    writing.register_words("method", registry.label)
    writing.register_words("code", _failure)


def _failure(code: str) -> Any:
    """A ``FailureCode`` in words. The provider's own words follow it, so *unknown* does not say that there are none."""
    if code == FailureCode.UNKNOWN:
        return _("reason not known")
    return FAILURE_LABELS[FailureCode(code)] if code in FAILURE_LABELS else code
