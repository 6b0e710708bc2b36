"""Saying no to promotional mail by the link in a mail, and taking it back. Service mail (receipts) still comes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from wagtail_kwiga import conf, locking, signing
from wagtail_kwiga.contacts import consent, directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.mailing.models import Suppression

#: How we know: stable words in journals and suppressions.
ONE_CLICK = "one_click"
LINK = "link"


@dataclass(frozen=True)
class Holder:
    """Whom a link speaks of, and the language of the mail it stood in."""

    contact: Contact
    language: str


def holder_of(token: str, now: dt.datetime | None = None) -> Holder:
    """Whose link this is. An expired one still counts: nobody may be kept on a list by a date. Raises ``BadToken``; with code
    ``gone`` also where the contact has another address by now: whoever got the mail must not speak for its new reader."""
    try:
        payload = signing.read(signing.Purpose.UNSUBSCRIBE, token, now)
    except BadToken as fault:
        if fault.code != "expired_token":
            raise
        payload = fault.facts["payload"]
    contact = signing.with_handle(Contact.objects.all(), payload.get("contact")).first()
    if contact is None or not signing.is_written_to(payload.get("to"), contact.email):
        raise BadToken(code="gone")
    return Holder(contact, str(payload.get("lang") or ""))


def unsubscribe(contact: Contact, *, source: str = LINK, now: dt.datetime | None = None) -> bool:
    """No promotional mail for this person and this address from now on. Returns whether that was news."""
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(contact.pk)
        is_news = consent.unsubscribe(contact, source=source, now=now)
        suppression.suppress(
            contact.email,
            scope=Suppression.Scope.PROMOTION,
            reason=Suppression.Reason.UNSUBSCRIBED,
            source=source,
            now=now,
        )
    return is_news


def undo(contact: Contact, *, source: str = LINK, now: dt.datetime | None = None) -> bool:
    """Take it back. A complaint or a bounce of the address is not taken back with it. Returns whether that was news."""
    now = now or conf.now()
    with locking.atomic_write():
        directory.lock(contact.pk)
        is_news = consent.resubscribe(contact, source=source, now=now)
        suppression.lift(contact.email, scope=Suppression.Scope.PROMOTION, reason=Suppression.Reason.UNSUBSCRIBED)
    return is_news
