"""What the timeline says about mail. Entries stand on the order; a mail without one is told on its contact."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.orders.models import Order

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Codes by the status they tell of.
CODES: dict[str, str] = {
    OutgoingEmail.Status.SENT: "mailing.sent",
    OutgoingEmail.Status.FAILED: "mailing.failed",
    OutgoingEmail.Status.UNKNOWN: "mailing.unknown",
    OutgoingEmail.Status.SUPPRESSED: "mailing.suppressed",
    OutgoingEmail.Status.MISSED: "mailing.missed",
    OutgoingEmail.Status.CANCELLED: "mailing.cancelled",
}


#: What the key of a mail begins with that stands in for a receipt: of an order that costs nothing.
OWED_TOO = "free:"


class _Explained:
    """A sentence with *why* in it: kept as a code in the facts, in words where it is read."""

    def __init__(self, words: Any) -> None:
        self.words = words

    def __mod__(self, facts: dict[str, Any]) -> str:
        why = reasons.sentence(str(facts.get("why") or ""))
        return str(self.words % type(facts)({**facts, "why": why}))


class _ForReader:
    """A sentence with *problems* in it: kept in each language that staff may read, told in the reader's."""

    def __init__(self, words: Any) -> None:
        self.words = words

    def __mod__(self, facts: dict[str, Any]) -> str:
        told = facts.get("problems")
        if isinstance(told, dict):  # where it was kept in one language alone, it is told in that one
            nearest = languages.nearest(languages.active(), told) or languages.nearest(settings.LANGUAGE_CODE, told)
            told = told.get(nearest or next(iter(told), ""), "")  # (a JSON column keeps no order of keys on PostgreSQL)
        return str(self.words % type(facts)({**facts, "problems": told}))


SENTENCES = {
    "mailing.sent": _("Mail sent: “%(title)s”"),
    "mailing.failed": _Explained(_("Mail could not be sent: “%(title)s” (%(why)s)")),
    "mailing.unknown": _("It is not known whether this mail arrived: “%(title)s”. Please look and decide"),
    "mailing.trying_again": _("It is not known whether this mail arrived: “%(title)s”. It will be sent once more"),
    "mailing.suppressed": _Explained(_("Mail not sent: “%(title)s” (%(why)s)")),
    "mailing.missed": _Explained(_("Mail not sent: “%(title)s” (%(why)s)")),
    "mailing.rebuilt": _("Mail rewritten with today's price and deadline, which are no longer as it said: “%(title)s”"),
    "mailing.cancelled": _("Mail not sent, no longer needed: “%(title)s”"),
    "mailing.promises_ended": _(
        "“%(title)s” was changed where nobody could be asked. That ended what people were told by mail and could have used "
        "until %(until)s. People: %(people)s"
    ),
    "mailing.newer_version": _(
        "This mail was written by a newer version of the software and waits for a worker that knows it: “%(title)s”. Please have "
        "all workers run the same version"
    ),
    "mailing.bounced": _Explained(_("This mail came back: “%(title)s” (%(why)s)")),
    "mailing.translation_unsendable": _ForReader(
        _(
            "The e-mail “%(title)s” in %(language)s cannot be sent, so its readers get it in another language: %(problems)s"
        )
    ),
    "mailing.settled_sent": _("Counted as sent: “%(title)s”"),
    "mailing.settled_again": _("To be sent once more: “%(title)s”"),
}


def register() -> None:
    """Make the sentences known. Called when Django is ready, so that every process has them."""
    writing.register_sentences(SENTENCES)


def draft(
    email: OutgoingEmail,
    code: str,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    attention: bool = False,
    why: str | None = None,
) -> TimelineEntry:
    """An entry about ``email``, not saved yet. ``why`` defaults to the mail's own."""
    why = email.why if why is None else why
    facts = {"email": email.pk, "title": email.subject, "purpose": email.purpose, "why": why}
    return writing.draft(
        _subject(email), code, now=now, by=by, attention=attention, contact_id=email.contact_id, **facts
    )


def note(
    email: OutgoingEmail,
    code: str,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    attention: bool = False,
    why: str | None = None,
) -> None:
    """Write an entry about ``email``. One query."""
    draft(email, code, now=now, by=by, attention=attention, why=why).save(force_insert=True)


def suppressed(email: OutgoingEmail, *, now: dt.datetime) -> TimelineEntry:
    """An entry about a mail that its address refuses, not saved yet. A person sees to a receipt, and to what goes out in its
    place: what was bought is then told to nobody, nor is the way in."""
    return draft(email, CODES[OutgoingEmail.Status.SUPPRESSED], now=now, attention=is_owed(email))


def is_owed(email: OutgoingEmail) -> bool:
    """Whether the mail is one that whoever has paid, or got something free, must have in writing."""
    return email.purpose == OutgoingEmail.Purpose.RECEIPT or email.key.startswith(OWED_TOO)


def is_told(email: OutgoingEmail, code: str) -> bool:
    """Whether the timeline has an entry of this code about ``email``."""
    return writing.timeline(_subject(email)).filter(code=code, facts__email=email.pk).exists()


def tick_off(email: OutgoingEmail, *, now: dt.datetime, by: AbstractBaseUser | None = None) -> None:
    """What asked for a person's eye on ``email`` has been seen to."""
    open_entries = writing.timeline(_subject(email)).filter(
        needs_attention=True, attended_at__isnull=True, code__startswith="mailing.", facts__email=email.pk
    )
    for entry in open_entries:
        writing.attend(entry, by, now)


def _subject(email: OutgoingEmail) -> writing.Subject:
    if email.order_id:
        return Order, email.order_id
    if email.contact_id:
        return Contact, email.contact_id
    return OutgoingEmail, email.pk
