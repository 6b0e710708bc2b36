"""How somebody says yes or no to promotional mail. Who may get a mail is said in ``mailing.permission``."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.events import ContactUnsubscribed
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal import writing

writing.register_sentences(
    {
        "contact.unsubscribed": _("Unsubscribed from promotional mail (%(source)s)."),
        "contact.resubscribed": _("Subscribed to promotional mail again (%(source)s)."),
        "contact.agreed": _("Agreed to get promotional mail (%(source)s)."),
    }
)


def agree(contact: Contact, *, source: str, now: dt.datetime | None = None) -> bool:
    """Record that somebody ticked the box on a form. Returns whether that was news.

    It does not undo an unsubscription: whoever types somebody's address must not subscribe that person again.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = directory.lock(contact.pk)
        is_news = row.consented_at is None
        if is_news:
            row.consented_at = now
            row.save(update_fields=["consented_at"])
            writing.write(row, "contact.agreed", now=now, source=source)
    _copy(row, contact)
    return is_news


def unsubscribe(contact: Contact, *, source: str, now: dt.datetime | None = None) -> bool:
    """Send this person no promotional mail from now on. Returns whether that was news; doing it again does nothing.

    Publishes ``ContactUnsubscribed``, once.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = directory.lock(contact.pk)
        is_news = row.unsubscribed_at is None
        if is_news:
            row.unsubscribed_at = now
            row.save(update_fields=["unsubscribed_at"])
            writing.write(row, "contact.unsubscribed", now=now, source=source)
            events.publish(ContactUnsubscribed(contact_id=row.pk, at=now, source=source))
    _copy(row, contact)
    return is_news


def resubscribe(contact: Contact, *, source: str, now: dt.datetime | None = None) -> bool:
    """The person themselves (by a link only they have) or staff in their name takes an unsubscription back.

    Counts as consent. Returns whether that was news.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = directory.lock(contact.pk)
        is_news = row.unsubscribed_at is not None
        if is_news:
            row.unsubscribed_at = None
            row.consented_at = now
            row.save(update_fields=["unsubscribed_at", "consented_at"])
            writing.write(row, "contact.resubscribed", now=now, source=source)
    _copy(row, contact)
    return is_news


def _copy(row: Contact, contact: Contact) -> None:
    """The caller's object tells the truth as well."""
    contact.unsubscribed_at = row.unsubscribed_at
    contact.consented_at = row.consented_at
