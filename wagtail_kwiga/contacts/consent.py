"""How somebody says yes or no to promotional mail. Who may get a mail is said in ``mailing.permission``.

``Contact.consented_at`` and ``unsubscribed_at`` say how things stand; each yes is a ``Consent`` row as well, with the words that
were agreed to, and each no ends the rows that hold.
"""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.events import ContactUnsubscribed
from wagtail_kwiga.contacts.models import Consent, Contact
from wagtail_kwiga.journal import writing
from wagtail_kwiga.legal_texts import archive
from wagtail_kwiga.legal_texts.models import LegalText

writing.register_sentences(
    {
        "contact.unsubscribed": _("Unsubscribed from promotional mail (%(source)s)."),
        "contact.resubscribed": _("Subscribed to promotional mail again (%(source)s)."),
        "contact.agreed": _("Agreed to get promotional mail (%(source)s)."),
    }
)


def agree(contact: Contact, *, source: str, text: str = "", language: str = "", now: dt.datetime | None = None) -> bool:
    """Record that somebody ticked the box on a form. Returns whether that was news.

    ``source`` names the form (``checkout`` …), ``text`` is what stood beside the box, in ``language``. It does not undo an unsubscription: whoever types somebody's address must not subscribe that person again.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = directory.lock(contact.pk)
        is_news = row.consented_at is None
        if is_news:
            row.consented_at = now
            row.save(update_fields=["consented_at"])
            _give(row, source, text, language, now)
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
            Consent.objects.filter(contact=row, kind=Consent.Kind.PROMOTION, withdrawn_at__isnull=True).update(
                withdrawn_at=now
            )
            writing.write(row, "contact.unsubscribed", now=now, source=source)
            events.publish(ContactUnsubscribed(contact_id=row.pk, at=now, source=source))
    _copy(row, contact)
    return is_news


def resubscribe(
    contact: Contact, *, source: str, text: str = "", language: str = "", now: dt.datetime | None = None
) -> bool:
    """The person themselves (by a link only they have) or staff in their name takes an unsubscription back.

    Counts as consent, to ``text`` where words were shown. Returns whether that was news.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = directory.lock(contact.pk)
        is_news = row.unsubscribed_at is not None
        if is_news:
            row.unsubscribed_at = None
            row.consented_at = now
            row.save(update_fields=["unsubscribed_at", "consented_at"])
            _give(row, source, text, language, now)
            writing.write(row, "contact.resubscribed", now=now, source=source)
    _copy(row, contact)
    return is_news


def _give(row: Contact, form: str, text: str, language: str, now: dt.datetime) -> None:
    words = archive.store(LegalText.Kind.PROMO_CONSENT, language, "", text, now) if text else None
    Consent.objects.create(
        contact=row, kind=Consent.Kind.PROMOTION, text=words, language=language, form=form, given_at=now
    )


def _copy(row: Contact, contact: Contact) -> None:
    """The caller's object tells the truth as well."""
    contact.unsubscribed_at = row.unsubscribed_at
    contact.consented_at = row.consented_at
