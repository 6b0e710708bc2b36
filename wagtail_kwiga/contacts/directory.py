"""Who is who: finding or making the contact behind an address, and locking it."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from django.db import IntegrityError, transaction
from django.db.models import CharField, QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, locking, upserts
from wagtail_kwiga.contacts import phones
from wagtail_kwiga.contacts.addresses import normalise
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

__all__ = [
    "AccountConflict",
    "find",
    "find_or_make",
    "get_or_create_contact",
    "link_user",
    "lock",
    "lock_many",
    "locked",
    "normalise",
    "of_user",
]

writing.register_sentences({"contact.linked": _("Belongs to the account %(account)s from now on.")})


class AccountConflict(KwigaError):
    """A contact and an account cannot be joined. ``contact_linked``: the contact belongs to another account.
    ``user_linked``: the account belongs to another contact (``facts["contact"]`` is its id). ``contact_merged`` and
    ``contact_erased``: the contact stands for nobody any more."""

    code = "contact_linked"


def find(email: str) -> Contact | None:
    """The contact with this address, however it is written, or ``None``. Raises ``KwigaError`` (``bad_email``)."""
    return _by_email(normalise(email)).first()


def get_or_create_contact(
    *,
    email: str,
    name: str = "",
    phone: str = "",
    language: str = "",
    verified: bool = False,
    source: str = "",
    now: dt.datetime | None = None,
) -> Contact:
    """Find or make the contact with this address, and learn from what is given.

    A form (``verified=False``) only fills in what is empty, and for a verified contact only the language: whoever types
    somebody's address must not rewrite that person. ``verified=True`` is for data that money or staff stand up for:
    a name or phone that is given replaces the old one, and the contact counts as verified. Every phone number that is given
    is kept beside the others, with ``source`` (``checkout``, ``staff``, ``import`` …) and the moment (``PhoneNumber``).

    Safe against two forms at once. Raises ``KwigaError`` (``bad_email``). Writes at most one contact, so locks keep
    their order; do not call it for several people in one transaction.
    """
    email = normalise(email)  # before the block: a refusal that is caught must not undo the caller's transaction
    with locking.atomic_write(savepoint=False):
        contact, _is_new = find_or_make(
            email=email,
            name=name,
            phone=phone,
            language=language,
            verified=verified,
            source=source,
            now=now,
            lock_known=False,
        )
        is_held = locking.is_held(contact)
    if is_held:
        locking.mark_locked(contact)  # in the caller's block, where there is one
    return contact


def find_or_make(
    *,
    email: str,
    name: str = "",
    phone: str = "",
    language: str = "",
    verified: bool = False,
    source: str = "",
    now: dt.datetime | None = None,
    lock_known: bool = True,
) -> tuple[Contact, bool]:
    """``get_or_create_contact``, and whether the contact was made just now. Call inside ``locking.atomic_write``; the contact comes
    back locked (without ``lock_known`` only somebody new, or of whom something is learnt). One statement for somebody
    new, two for somebody known, three where something is learnt; one more where a phone number is given."""
    now = now or conf.now()
    given = {
        "name": _clean(name, Contact, "name"),
        "phone": _clean(phone, Contact, "phone"),
        "language": _clean(language, Contact, "language"),
    }
    contact = Contact(email=normalise(email), is_verified=verified, created_at=now, **given)
    is_new = upserts.insert_or_ignore(contact)
    if is_new:
        locking.mark_locked(contact)
        _note_phone(contact, given["phone"], source, now)
        return contact, True
    rows = _by_email(contact.email)
    if lock_known:
        contact = locking.locked(rows).get()
        locking.mark_locked(contact)
    else:
        contact = rows.get()
    if _news(contact, given, verified):
        contact = locked(contact)
        news = _news(contact, given, verified)
        for field, value in news.items():
            setattr(contact, field, value)
        if news:
            contact.save(update_fields=sorted(news))
    if given["phone"]:
        contact = locked(contact)
        _note_phone(contact, given["phone"], source, now)
    return contact, False


def of_user(user: AbstractBaseUser | AnonymousUser | None, *, verified_email: str = "") -> Contact | None:
    """The contact of an account: the one that is linked to it, else the one with ``verified_email`` that belongs to no account
    yet; ``None`` for neither. Links nothing. One query, two where nothing is linked.

    ``verified_email`` is an address that the site knows to be the user's, because they followed a link that was sent there
    (allauth's ``EmailAddress.verified``, for example). ``user.email`` alone is no proof: whoever signs up may type any address,
    and would be shown what somebody else has bought. Raises ``AccountConflict`` (``contact_linked``) where that address
    belongs to the contact of another account, and ``KwigaError`` (``bad_email``).
    """
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    linked = Contact.objects.filter(user=user.pk).first()
    if linked is not None or not verified_email:
        return linked
    contact = find(verified_email)
    if contact is None or contact.erased_at is not None:
        return None
    _refuse_conflicts(contact, user)
    return contact


def link_user(contact: Contact, user: AbstractBaseUser, now: dt.datetime | None = None) -> bool:
    """Have ``contact`` belong to the account ``user`` from now on. Returns whether that was news.

    The caller vouches that the account is the person's: it signed in by a link to the address, or staff say so. Locks the
    contact, and stands on its timeline. Raises ``AccountConflict`` where either belongs to somebody else.
    """
    now = now or conf.now()
    with locking.atomic_write():
        row = locked(contact)
        is_news: bool = row.user_id != user.pk
        if is_news:
            _refuse_conflicts(row, user)
            other = Contact.objects.filter(user=user.pk).values_list("pk", flat=True).first()
            if other is not None:
                raise _taken(other)
            row.user = user  # type: ignore[assignment]  # the user model is the site's
            try:
                with transaction.atomic():
                    row.save(update_fields=["user"])
            except IntegrityError as fault:  # somebody linked the account to another contact at this very moment
                row.user_id = None
                raise _taken(None) from fault
            writing.write(row, "contact.linked", now=now, account=user.get_username())
    contact.user_id = row.user_id
    return is_news


def _refuse_conflicts(contact: Contact, user: AbstractBaseUser | AnonymousUser) -> None:
    if contact.erased_at is not None:
        raise AccountConflict(_("The data of this contact were removed."), code="contact_erased")
    if contact.merged_into_id is not None:
        raise AccountConflict(_("This contact was merged into another one."), code="contact_merged")
    if contact.user_id is not None and contact.user_id != user.pk:
        raise AccountConflict(_("This contact belongs to another account already."), code="contact_linked")


def _taken(contact_id: int | None) -> AccountConflict:
    return AccountConflict(
        _("This account belongs to another contact already."), code="user_linked", contact=contact_id
    )


def lock(contact_id: int) -> Contact:
    """The contact, read afresh and locked until the transaction ends: the first lock of every move.

    Raises ``Contact.DoesNotExist``.
    """
    contact = locking.locked(Contact.objects.filter(pk=contact_id)).get()
    locking.mark_locked(contact)
    return contact


def locked(contact: Contact) -> Contact:
    """``lock``, or ``contact`` itself where it came locked from this very transaction."""
    return contact if locking.is_held(contact) else lock(contact.pk)


def lock_many(contact_ids: Iterable[int]) -> dict[int, Contact]:
    """The contacts by id, locked in the order of their ids so that two batches never wait for each other. One query."""
    rows = locking.locked(Contact.objects.filter(pk__in=sorted(set(contact_ids))).order_by("pk"))
    return {contact.pk: contact for contact in rows}


def _note_phone(contact: Contact, number: str, source: str, now: dt.datetime) -> None:
    if number:
        phones.note(contact, number, source=source, now=now)


def _by_email(address: str) -> QuerySet[Contact]:
    # LOWER, not iexact: that is what the unique index is made of.
    return Contact.objects.alias(lower_email=Lower("email")).filter(lower_email=address)


def _news(contact: Contact, given: dict[str, str], verified: bool) -> dict[str, object]:
    """The fields of ``contact`` that ``given`` may change, with their new values."""
    news: dict[str, object] = {}
    for field in ("name", "phone"):
        may_change = verified or not (contact.is_verified or getattr(contact, field))
        if may_change and given[field] and given[field] != getattr(contact, field):
            news[field] = given[field]
    if given["language"] and not contact.language:
        news["language"] = given["language"]
    if verified and not contact.is_verified:
        news["is_verified"] = True
    return news


def _clean(text: str, model: type[Contact], field: str) -> str:
    """``text`` on one line, without control characters (PostgreSQL takes no NUL), cut to what the column holds."""
    visible = "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text or "")
    text = " ".join(unicodedata.normalize("NFC", visible).split())
    return text[: cast("CharField[str, str]", model._meta.get_field(field)).max_length].strip()
