"""What a new e-mail opens with: a mail that wins back an unpaid order, so that nobody faces an empty page.

Heading, text, coupon card, one button and the order. An editor writes over it or takes blocks out; each is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Starter:
    """The words of a mail, fit for an ``EmailTemplate``: ``body`` is raw StreamField data."""

    subject: str
    preheader: str
    body: list[dict[str, Any]] = field(default_factory=list)


def win_back(language: str) -> Starter:
    """The starter in ``language``."""
    with translation.override(language or None):
        texts = (
            _("You began an order for {{ order.title }}, and it is not paid yet. We have kept it for you."),
            _("Come back by {{ coupon.valid_until }}, and you pay {{ price.after }} instead of {{ price.before }}."),
        )
        return Starter(
            subject=_("{{ coupon.size }} off {{ order.title }}: your order is still here"),
            preheader="{{ coupon.deadline }}",
            body=[
                _block("heading", {"text": _('Hello {{ contact.first_name | default: "there" }}')}),
                _block("text", {"text": "".join(f"<p>{words}</p>" for words in texts)}),
                _block("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
                _block("button", {"label": _("Back to my order"), "where": "resume", "url": ""}),
                _block("order_summary", {"title": ""}),
            ],
        )


def _block(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "value": value}
