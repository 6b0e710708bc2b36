"""Filling a compiled version for one person: the finished ``Mail``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wagtail_kwiga import hooks
from wagtail_kwiga.mailing import link_building, placeholder_syntax
from wagtail_kwiga.mailing.models import OutgoingEmail


@dataclass(frozen=True)
class Mail:
    """A mail as it leaves. ``construct_kwiga_email`` may return a changed one (``dataclasses.replace``).

    ``email`` is the outbox row it was made for (``None`` in a preview): for reading only.
    """

    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    language: str = ""
    email: OutgoingEmail | None = None


def fill(version: Any, context: Mapping[str, str], links: Mapping[str, str]) -> Mail:
    """``version`` (stored, or freshly compiled) with values put in: escaped in HTML, raw in text, on one line in the subject.

    ``links`` maps link placeholders to addresses. Pure; each part takes one pass, so no value is expanded again.
    """
    values = {**context, **links}
    return Mail(
        subject=subject(version, context),
        html=placeholder_syntax.fill_html(version.html, values),
        text=placeholder_syntax.fill_text(version.text, values),
        language=getattr(version, "language", ""),
    )


def subject(version: Any, context: Mapping[str, str]) -> str:
    """The subject alone: what the outbox keeps for lists."""
    line = placeholder_syntax.one_line(placeholder_syntax.fill_text(version.subject, context))
    # "=?" would begin an encoded word, out of which mail programs read the line break that was taken out.
    return line.replace("=?", "= ?")[:255]


def mail_of(email: OutgoingEmail, links: Mapping[str, str] | None = None) -> Mail:
    """The mail as it is handed over, its links working. Needs ``email.version`` and, for links to it, ``email.order``."""
    return _finished(email, link_building.of(email) if links is None else links)


def view_of(email: OutgoingEmail) -> Mail:
    """The very mail for staff to look at. Its links lead nowhere: looking must not unsubscribe, pay or order anything."""
    return _finished(email, link_building.neutral(email))


def _finished(email: OutgoingEmail, links: Mapping[str, str]) -> Mail:
    mail = replace(
        fill(email.version, email.context, links), subject=email.subject, language=email.language, email=email
    )
    changed: Mail = hooks.transform("construct_kwiga_email", mail)
    return changed
