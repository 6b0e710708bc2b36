"""Why the engine decided as it did: the words for every reason and outcome, in the active language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.mailing.reasons import COUPON_REFUSED

_WORDS: dict[str, Any] = {
    # done
    "due": _("It was time."),
    "wait_over": _("The wait was over."),
    "waiting": pgettext_lazy("sales", "Waiting."),
    "through": _("Went through all steps."),
    "condition_holds": _("The condition is met."),
    # put off, moved
    "payment_in_flight": _("A payment is under way; asked again every few minutes."),
    "starts_afresh": _("Came back with a newer order before the first message: the wait starts afresh."),
    "follows_order": _("Came back with a newer order; goes on with that one."),
    # missed
    "too_late": _("Missed: the worker came too late for this step."),
    "marketing_cap": _("The person has got as much promotional mail today as the site allows; put off until tomorrow."),
    "list_missed": _("Missed, because adding to the list was missed."),
    # no mail
    "already_sent": _("This mail was sent at this step before."),
    "placeholder": _("There is no real e-mail address."),
    "unsubscribed": _("The person has unsubscribed from promotional mail."),
    "no_consent": _("The person has not agreed to promotional mail."),
    "complained": _("The person complained about an earlier mail."),
    "bounced": _("The address does not accept mail."),
    "refused": _("The mail server refused the address."),
    "staff": _("Staff have put the address on the list of those that get no mail."),
    "template_unpublished": _("The email is not published any more, so it was not sent."),
    "no_end_to_tell": _("The mail names a deadline, and for this person the coupon has none."),
    "coupon_not_for_sale": _("The offer is not for sale at present."),
    **COUPON_REFUSED,
    # left
    "purchase_paid": _("Paid: this purchase is made, by this order or another one."),
    "partly_paid": _("A part is paid; the buyer is asked for the rest instead."),
    "recovery_off": _("Winning back unpaid orders is switched off."),
    "order_cancelled": _("The order was cancelled."),
    "order_expired": _("The order has expired."),
    "order_superseded": _("The order was replaced, and no newer one waits for money."),
    "order_refunded": _("The money was given back."),
    "order_gone": _("The order is gone."),
    "other_kind_of_order": _("Came back with an order that this scenario is not about."),
    "no_longer_meant": _("The order is to be paid in another way by now, and this scenario is not about such orders."),
    "other_offer": _("Went on to another offer, which this scenario is not about."),
    "owned": _("The person already owns everything this offer includes."),
    "joined": _("A newer order covers several purchases, which are one now."),
    "condition_fails": _("The condition is not met."),
    "stopped": _("Stopped by staff."),
    # not let in
    "cooling": _("Was written to about this offer not long ago; left in peace for now."),
    "already_inside": _("Is inside already, and held there."),
    # held
    "error": _("Something went wrong; held until somebody has looked at it."),
    "definition": _("This version of the scenario cannot be read; held until that is mended."),
    "restored": _(
        "The database was restored from a backup, and this step may have been taken before that; held until somebody decides."
    ),
    "template_missing": _("The e-mail cannot be sent; held until that is mended."),
    "too_many_attempts": _("Tried as often as allowed without coming to an end; held."),
}


#: What became of a step, as ``StepRecord.outcome`` says it.
_OUTCOMES: dict[str, Any] = {
    "acted": pgettext_lazy("sales", "done"),
    "waited": pgettext_lazy("sales", "waited"),
    "skipped": _("left out"),
    "missed": pgettext_lazy("sales", "missed"),
    "left": _("ended here"),
    "paused": _("held here"),
}


def register_words(words: Mapping[str, Any]) -> None:
    """Teach the decisions of a site's own steps their words: ``{"because": gettext_lazy("…")}``. Ours stay as they are."""
    for code, sentence in words.items():
        _WORDS.setdefault(code, sentence)


def reason_text(code: str) -> str:
    """A reason code in words; an unknown one (a site's own) is spelled out."""
    words = _WORDS.get(code)
    return str(words) if words is not None else capfirst(code.replace("_", " "))


def outcome_text(outcome: str) -> str:
    """What became of a step, in words."""
    return str(_OUTCOMES.get(outcome, outcome))
