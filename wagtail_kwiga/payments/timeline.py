"""The sentences of payments in an order's timeline."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.journal import writing

SENTENCES = {
    "payments.started": _("Went to pay %(amount)s by %(method)s"),
    "payments.unavailable": _("%(method)s could not be reached to start a payment"),
    "payments.received": _("Money arrived: %(amount)s by %(method)s %(reference)s"),
    "payments.refunded": _("Given back: %(amount)s by %(method)s. %(reason)s"),
    "payments.pending": _("%(method)s has the payment of %(amount)s under way"),
    "payments.failed": _("The payment by %(method)s came to nothing. %(why)s"),
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
