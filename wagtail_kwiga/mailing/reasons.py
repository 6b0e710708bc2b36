"""Why a mail is where it is: stable codes in ``OutgoingEmail.why``, and their words for staff.

``why`` is a code, or a code and what the other side said: ``server_refused: 554 5.7.1 Message rejected``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import redaction
from wagtail_kwiga.mailing import permission, placeholder_syntax


class Why(StrEnum):
    """The codes."""

    PAID = "paid"
    NOT_WAITING = "not_waiting"
    RECOVERY_OFF = "recovery_off"
    TOO_LATE = "too_late"
    PLACEHOLDER = permission.PLACEHOLDER
    UNSUBSCRIBED = permission.UNSUBSCRIBED
    NO_CONSENT = permission.NO_CONSENT
    COMPLAINED = "complained"
    BOUNCED = "bounced"
    REFUSED = "refused"
    STAFF = "staff"
    NO_CONNECTION = "no_connection"
    NOT_NOW = "not_now"
    CONFIGURATION = "configuration"
    GAVE_UP = "gave_up"
    SERVER_REFUSED = "server_refused"
    NOT_TAKEN = "not_taken"
    CANNOT_COMPOSE = "cannot_compose"
    STUMBLED = "stumbled"
    NO_ANSWER = "no_answer"
    WORKER_STOPPED = "worker_stopped"
    SEND_AGAIN = "send_again"
    SCENARIO_STOPPED = "scenario_stopped"
    JOINED = "joined"
    OWNED = "owned"
    #: With what has become of it behind: ``promise_over: coupon_used_up``.
    PROMISE_OVER = "promise_over"
    WORSE_AGAIN = "worse_again"
    CHEAPER_ORDER = "cheaper_order"
    TRANSFER_CHOSEN = "transfer_chosen"
    MARKETING_CAP = "marketing_cap"
    MONEY_BACK = "money_back"
    RESTORED = "restored"
    NEWER_VERSION = "newer_version"
    ORDER_OVER = "order_over"
    PRICE_OVER = "price_over"
    PAYMENT_MOVED_ON = "payment_moved_on"
    ACCESS_CLOSED = "access_closed"


#: Why a coupon takes nothing off for somebody, as staff read it: ``coupon_`` and the reason of ``coupons.rules``.
COUPON_REFUSED: dict[str, Any] = {
    "coupon_unknown": _("The coupon is gone."),
    "coupon_inactive": _("The coupon is not active."),
    "coupon_not_yet": _("The coupon is not valid yet."),
    "coupon_expired": _("The coupon has expired."),
    "coupon_offer_takes_none": _("The offer takes no coupons."),
    "coupon_offer_takes_others": _("The offer takes only other coupons."),
    "coupon_wrong_offer": _("The coupon is for other offers."),
    "coupon_other_currency": _("The coupon is in another currency."),
    "coupon_other_address": _("The coupon is for people on a list, and this person is not on it."),
    "coupon_ended_for_you": _("The coupon is for people on a list, and this person's time on it is over."),
    "coupon_used_by_you": _("The person has used the coupon as often as allowed."),
    "coupon_used_up": _("The coupon is used up."),
}


_SENTENCES: dict[str, Any] = {
    Why.PAID: _("The purchase is paid."),
    Why.NOT_WAITING: _("No order of this purchase waits for a first payment any more."),
    Why.RECOVERY_OFF: _("Winning back unpaid orders is switched off for this site."),
    Why.TOO_LATE: _("It would have come too late to keep what it says."),
    Why.PLACEHOLDER: _("The payment system gave no e-mail address."),
    Why.UNSUBSCRIBED: _("The person has unsubscribed."),
    Why.NO_CONSENT: _("The person has not agreed to promotional mail."),
    Why.COMPLAINED: _("The person complained about an earlier mail."),
    Why.BOUNCED: _("The address does not accept mail."),
    Why.REFUSED: _("The mail server refused this address."),
    Why.STAFF: _("Your team has put this address on the list of those that get no mail."),
    Why.NO_CONNECTION: _("The mail server could not be reached; it will be tried again."),
    Why.NOT_NOW: _("The mail server asked to try again later."),
    Why.CONFIGURATION: _("The mail server does not let this site in: its settings need a look."),
    Why.GAVE_UP: _("Tried as often as allowed, without success."),
    Why.SERVER_REFUSED: _("The mail server refused this mail for good."),
    Why.NOT_TAKEN: _("The mail server or an extension of this site did not take the mail."),
    Why.CANNOT_COMPOSE: _("The mail could not be put together."),
    Why.STUMBLED: _("Something unforeseen went wrong before hand-over; it will be tried again."),
    Why.NO_ANSWER: _("The connection broke during hand-over: it may have arrived or not."),
    Why.WORKER_STOPPED: _("The worker stopped during hand-over: it may have arrived or not."),
    Why.SEND_AGAIN: _("To be sent once more."),
    Why.SCENARIO_STOPPED: _("Your team has stopped the scenario for this person."),
    Why.JOINED: _("A newer order covers this one and another: the other email about them speaks for both."),
    Why.OWNED: _("The person already owns everything this offer includes."),
    Why.PROMISE_OVER: _("What it promises no longer holds."),
    Why.WORSE_AGAIN: _("It was rewritten once, and the price or the deadline has become worse again."),
    Why.CHEAPER_ORDER: _("The person's open order costs less than what this mail would offer."),
    Why.TRANSFER_CHOSEN: _("After this mail was queued, the person chose to pay by bank transfer."),
    Why.MONEY_BACK: _("All of the money was given back."),
    Why.MARKETING_CAP: _("The person has got as much promotional mail today as the site allows."),
    Why.RESTORED: _("The database was restored from a backup: it may have been sent before that."),
    Why.NEWER_VERSION: _("It was written by a newer version of the software, and waits for a worker that knows it."),
    Why.ORDER_OVER: _("The order was replaced by a newer one, or is closed."),
    Why.PRICE_OVER: _("The price of the order no longer holds, or is no longer better than today's."),
    Why.PAYMENT_MOVED_ON: _("The payment has gone on since."),
    Why.ACCESS_CLOSED: _("What it tells of has been taken away or frozen since."),
    "order_price": _("The price of this order no longer holds."),
    "not_for_sale": _("The offer is not for sale at present."),
    **COUPON_REFUSED,
}


def told(why: Why, detail: object = "") -> str:
    """What is stored: the code, with what the other side said behind it."""
    words = placeholder_syntax.one_line(redaction.redact(str(detail)))
    return f"{why}: {words}"[:255] if words else str(why)


def sentence(why: str) -> str:
    """``OutgoingEmail.why`` in words, in the active language."""
    code, _colon, detail = why.partition(": ")
    words = str(_SENTENCES.get(code, code))
    if detail.partition(": ")[0] in _SENTENCES:  # given up: the last reason is a reason too
        return f"{words} {sentence(detail)}"
    return f"{words} ({detail})" if detail else words
