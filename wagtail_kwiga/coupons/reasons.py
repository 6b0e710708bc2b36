"""Why a coupon applies or does not, in the words a buyer reads. The codes are those of ``coupons.rules``.

The words are kind and exact and give nothing away: none names another buyer, another offer, a list, or how often a code
was used. They are lazy, so the language that counts is the one in which the page is rendered.
"""

from __future__ import annotations

from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.coupons.rules import Reason

_MESSAGES: dict[Reason, Any] = {
    Reason.OK: "",
    Reason.UNKNOWN: _("We do not know this code. Please check it for typing mistakes."),
    # Told where a mail would promise it; the page of such an offer has words of its own.
    Reason.NOT_FOR_SALE: _("This is no longer on sale."),
    Reason.INACTIVE: _("This code does not work at present."),
    Reason.NOT_YET: _("This code works from {when} on."),
    Reason.EXPIRED: _("This code worked until {when}."),
    Reason.WRONG_OFFER: _("This code is for something else and takes nothing off here."),
    Reason.OFFER_TAKES_NONE: _("No discount codes can be used here."),
    Reason.OFFER_TAKES_OTHERS: _("This code cannot be used here."),
    Reason.OTHER_CURRENCY: _(
        "This code takes off an amount in {theirs}. The price here is in {ours}, so it does not apply."
    ),
    Reason.NEEDS_ADDRESS: _(
        "This code was made for certain people. Please type the address that got the mail with the code."
    ),
    Reason.OTHER_ADDRESS: _(
        "This code was made for another address. If it was sent to you, please type the address that got the mail."
    ),
    Reason.ENDED_FOR_YOU: _("This discount has ended for you. It held until {when}."),
    Reason.USED_UP: _("This code has been used as often as it may be."),
    Reason.USED_BY_YOU: _("You have used this code already, as often as one person may."),
}


def message(reason: Reason, **facts: Any) -> Any:
    """The buyer's words for ``reason``, lazy. ``facts`` fill the places in it (``when``, ``theirs``, ``ours``)."""
    return format_lazy(_MESSAGES[reason], **facts) if facts else _MESSAGES[reason]
