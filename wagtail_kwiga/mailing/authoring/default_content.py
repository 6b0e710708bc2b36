"""The standard mail that wins back an unpaid order: what a new e-mail opens with, and what a ready-made recovery sends.

Heading, text, coupon card, one button and the order. An editor writes over it or takes blocks out; each is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

PREHEADER = "{{ coupon.deadline }}"


@dataclass(frozen=True)
class Texts:
    """What an editor may reword. Plain words with placeholders; an empty line in ``text`` begins a new paragraph."""

    subject: str
    heading: str
    text: str
    button: str


@dataclass(frozen=True)
class Starter:
    """The words of a mail, fit for an ``EmailTemplate``: ``body`` is raw StreamField data."""

    subject: str
    preheader: str
    body: list[dict[str, Any]] = field(default_factory=list)


def standard_texts(language: str) -> Texts:
    """Our own words in ``language``; where we have none, in the language that Django falls back to."""
    with translation.override(language or None):
        return Texts(
            subject=_("{{ coupon.size }} off {{ order.title }}: your order is still here"),
            heading=_('Hello {{ contact.first_name | default: "there" }}'),
            text="\n\n".join(
                (
                    _("You began an order for {{ order.title }}, and it is not paid yet. We have kept it for you."),
                    _("Come back by {{ coupon.valid_until }}, and you pay {{ price.after }} instead of {{ price.before }}."),
                )
            ),
            button=_("Back to my order"),
        )  # fmt: skip


def win_back(language: str) -> Starter:
    """The standard mail in ``language``."""
    texts = standard_texts(language)
    return Starter(texts.subject, PREHEADER, body_of(texts))


def body_of(texts: Texts) -> list[dict[str, Any]]:
    """The blocks of the standard mail with ``texts``, as raw StreamField data."""
    blocks: list[tuple[str, dict[str, Any]]] = [
        ("heading", {"text": texts.heading}),
        ("text", {"text": as_rich_text(texts.text)}),
        ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
        ("button", {"label": texts.button, "where": "resume", "url": ""}),
        ("order_summary", {"title": ""}),
    ]
    return [{"type": kind, "value": value} for kind, value in blocks]


def as_rich_text(text: str) -> str:
    """Plain words as the rich text of a mail's block: paragraphs at empty lines, whatever looks like markup escaped."""
    paragraphs = "\n".join(line.strip() for line in text.splitlines()).strip().split("\n\n")
    # Quotes stay: a placeholder's default is written in them.
    return "".join(
        "<p>" + escape(part.strip("\n"), quote=False).replace("\n", "<br/>") + "</p>" for part in paragraphs if part
    )
