"""The mails that the package itself brings, in the active language: subject, preview line and blocks.

They say nothing that an editor's own e-mail could not say with the same blocks, so each can be the beginning of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext

from wagtail_kwiga.mailing.authoring.compiling import Block
from wagtail_kwiga.mailing.placeholder_syntax import Token

#: Subject, preview line and blocks.
Builtin = tuple[str, str, list[Block]]


class Rich:
    """Rich text of a built-in mail, where a StreamField has a ``RichText``."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __str__(self) -> str:
        return self.source


def _order_received() -> Builtin:
    """At once after an order that is to be paid: what was agreed to, and how to pay."""
    news = gettext("We have your order. Here is what you ordered, and how to pay.")
    return (
        gettext("Your order %(number)s: %(title)s") % {"number": "{{ order.number }}", "title": "{{ order.title }}"},
        news,
        [
            Block("heading", {"text": gettext("We have your order")}),
            Block("text", {"text": Rich("<p>" + gettext("Thank you. It is yours as soon as it is paid.") + "</p>")}),
            Block("how_to_pay", {"title": ""}),
            Block("order_details", {"title": ""}),
            Block("text", {"text": Rich("<p>" + gettext("Please keep this mail.") + "</p>")}),
        ],
    )


def _receipt() -> Builtin:
    """What was bought, for how much, from whom, on which terms, and the way in."""
    arrived = gettext("Your order is complete. Here is your receipt.")
    return (
        gettext("Your order %(number)s: thank you") % {"number": "{{ order.number }}"},
        arrived,
        [
            Block("heading", {"text": gettext("Thank you for your order")}),
            Block("text", {"text": Rich(f"<p>{arrived}</p><p>{_way_in()}</p>")}),
            Block("button", {"label": gettext("Open what you bought"), "where": "access", "url": ""}),
            Block("order_details", {"title": gettext("Your receipt")}),
            Block("text", {"text": Rich("<p>" + gettext("Please keep this mail as your receipt.") + "</p>")}),
        ],
    )


def _free() -> Builtin:
    """The one mail about an order that costs nothing."""
    return (
        gettext("Your order %(number)s: thank you") % {"number": "{{ order.number }}"},
        gettext("It is yours, and there is nothing to pay."),
        [
            Block("heading", {"text": gettext("It is yours")}),
            Block("text", {"text": Rich(f"<p>{_way_in()}</p>")}),
            Block("button", {"label": gettext("Open it"), "where": "access", "url": ""}),
            Block("order_details", {"title": ""}),
            Block("text", {"text": Rich("<p>" + gettext("Please keep this mail.") + "</p>")}),
        ],
    )


def _way_in() -> str:
    """The words above the button that opens what was ordered, or when it will be open."""
    return str(Token("access.opens", gettext("Here is the way in:")))


def _payment_waiting() -> Builtin:
    """A payment has begun, and the payment service or the bank has not confirmed it yet."""
    news = gettext("The bank has not confirmed it yet.")
    calm = gettext("You need not do anything, and please do not pay again. We will write to you when it has arrived.")
    return (
        gettext("Your payment for “%(title)s” is under way") % {"title": "{{ order.title }}"},
        news,
        [
            Block("heading", {"text": gettext("Your payment is under way")}),
            Block("text", {"text": Rich(f"<p>{news}</p><p>{calm}</p>")}),
            Block("button", {"label": gettext("See your order"), "where": "order", "url": ""}),
            Block("order_summary", {"title": ""}),
        ],
    )


def _payment_failed() -> Builtin:
    """A payment came to nothing."""
    failure = str(Token("payment.failure", gettext("No reason was given.")))
    kept = gettext("Your order is kept for you. You can pay again, also in another way.")
    return (
        gettext("Your payment for “%(title)s” did not go through") % {"title": "{{ order.title }}"},
        kept,
        [
            Block("heading", {"text": gettext("Your payment did not go through")}),
            Block("text", {"text": Rich(f"<p>{failure}</p><p>{kept}</p>")}),
            Block("button", {"label": gettext("Pay again"), "where": "pay", "url": ""}),
            Block("order_summary", {"title": ""}),
        ],
    )


def _access_opened() -> Builtin:
    """Something has opened, because a day has come, or because staff gave it."""
    news = gettext("This is open for you now:")
    return (
        gettext("Your access is open"),
        gettext("You can begin. Here is the way in."),
        [
            Block("heading", {"text": gettext("Your access is open")}),
            Block("text", {"text": Rich(f"<p>{news}</p><p>{{{{ access.opened }}}}</p>")}),
            Block("button", {"label": gettext("Open it"), "where": "access", "url": "", "optional": True}),
        ],
    )


def _waiting_rest() -> Builtin:
    """To the buyer of an order paid in part, when somebody orders anew with that address."""
    news = gettext("A part of your order is paid. Still to be paid: %(amount)s.") % {"amount": Token("payment.amount")}
    return _waiting(news, Block("button", {"label": gettext("Pay the rest"), "where": "pay", "url": ""}))


def _waiting_payment() -> Builtin:
    """The same where the bank has not confirmed yet."""
    news = gettext("The payment for your order is under way. Here is the link to see how it stands.")
    return _waiting(news, Block("button", {"label": gettext("See your order"), "where": "order", "url": ""}))


def _waiting_price() -> Builtin:
    """The same where the order waits unpaid, at a better price than a new one would have."""
    news = gettext("Your order still holds its price, which is better than today's. Here is the link to pay it.")
    return _waiting(news, Block("button", {"label": gettext("Pay the order"), "where": "pay", "url": ""}))


def _waiting(news: str, button: Block) -> Builtin:
    why = gettext(
        "You get this mail because somebody has just filled in the order form with your e-mail address. "
        "If it was not you, you need not do anything: nothing has changed."
    )
    return (
        gettext("Your order is waiting"),
        news,
        [
            Block("heading", {"text": gettext("Your order is waiting")}),
            Block("text", {"text": Rich(f"<p>{news}</p>")}),
            button,
            Block("order_summary", {"title": ""}),
            Block("text", {"text": Rich(f"<p>{why}</p>")}),
        ],
    )


def _already_owned() -> Builtin:
    """To the owner of something, when somebody orders it anew with that address."""
    title = {"title": "{{ order.title }}"}
    news = gettext("You have all of this already: “%(title)s”.") % title
    why = gettext(
        "You get this mail because somebody has just ordered it with your e-mail address. "
        "If it was not you, or you only looked for the way in, you need not do anything."
    )
    more = gettext("Would you like it once more, for somebody else perhaps? Then order it here:")
    return (
        gettext("You have this already"),
        news,
        [
            Block("heading", {"text": gettext("You have this already")}),
            Block("text", {"text": Rich(f"<p>{news}</p><p>{_way_in()}</p>")}),
            Block("button", {"label": gettext("Open what you bought"), "where": "access", "url": ""}),
            Block("text", {"text": Rich(f"<p>{why}</p><p>{more}</p>")}),
            Block("button", {"label": gettext("Order once more"), "where": "resume", "url": ""}),
        ],
    )


#: Name → what makes its subject, preview line and blocks, in the active language.
BUILTINS: dict[str, Callable[[], Builtin]] = {
    "order_received": _order_received,
    "receipt": _receipt,
    "free": _free,
    "payment_waiting": _payment_waiting,
    "payment_failed": _payment_failed,
    "access_opened": _access_opened,
    "waiting_rest": _waiting_rest,
    "waiting_payment": _waiting_payment,
    "waiting_price": _waiting_price,
    "already_owned": _already_owned,
}

#: Those that a site may have an e-mail of its own for, in the order of an order's life.
REPLACEABLE = ("order_received", "receipt", "free", "payment_waiting", "payment_failed", "access_opened")


def as_stream(blocks: list[Block]) -> list[dict[str, Any]]:
    """The blocks as raw StreamField data: the beginning of an e-mail of the site's own."""
    return [
        {
            "type": block.block_type,
            "value": {
                name: value.source if isinstance(value, Rich) else value
                for name, value in block.value.items()
                if name != "optional"
            },
        }
        for block in blocks
    ]
