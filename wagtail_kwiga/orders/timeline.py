"""The sentences of an order's timeline."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.journal import writing

SENTENCES = {
    "order.placed": _("Order placed: %(total)s"),
    "order.purchases_joined": _("Several open orders of the buyer are one purchase from now on: %(numbers)s"),
    "order.processing": _("A payment is under way"),
    "order.waiting_again": _("The payment came to nothing; the order waits for another"),
    "order.superseded": _("Replaced by a newer order of the same buyer"),
    "order.corrected": _("Replaced by order %(number)s, placed from the same browser with another address"),
    "order.corrects": _("Takes the place of %(numbers)s, placed from the same browser with another address"),
    "order.cancelled": pgettext_lazy("sales", "Cancelled"),
    "order.expired": _("Expired unpaid"),
    "order.reopened": _("Opened again"),
    "order.partly_paid": _("A part arrived: %(received)s of %(total)s"),
    "order.paid": _("Paid: %(received)s"),
    "order.refunded": pgettext_lazy("sales", "Refunded"),
    "order.sibling_paid": _("Closed: the same purchase was paid with order %(paid)s"),
    "order.late_money": _("Money arrived although the order was “%(was)s”. Accepted; please check that all is right"),
    "order.too_much_money": _(
        "More money than agreed: %(received)s instead of %(total)s. The difference is to be given back"
    ),
    "order.paid_twice": _(
        "This purchase was paid already with another order. One of the two payments is to be given back"
    ),
    "order.bought_twice": _(
        "The buyer has this already from order %(earlier)s. Perhaps one of the two is to be given back"
    ),
    "order.owned_now": _("Closed: with order %(paid)s the buyer has all that is in it"),
    "order.part_overdue": _(
        "%(received)s of %(total)s was paid, and the time for the rest is over. To be given back, credited or waited for; "
        "a new order no longer waits for it"
    ),
    "order.part_left_over": _("%(received)s was paid here, but order %(paid)s paid for the whole. To be given back"),
    "order.opens_nothing": _("Paid, and there is nothing in it that opens any access. Give access, or the money back"),
    "order.no_confirmation": _(
        "The mail about this order could not be made (%(error)s). The order stands all the same"
    ),
    "order.no_mail": _("A mail about this order could not be made (%(error)s)"),
    "order.no_receipt": _("The receipt could not be made (%(error)s). The payment is booked all the same"),
    "order.coupon_over_limit": _(
        "Coupon %(coupon)s was used up when this late payment came; it was honoured all the same"
    ),
}


def register() -> None:
    """Make the sentences known. Called when Django is ready, so that every process has them."""
    writing.register_sentences(SENTENCES)
