"""Addresses that get nothing any more, or no promotion. Looked at when a mail is queued and again at hand-over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from django.utils.translation import gettext

from wagtail_kwiga import conf
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.mailing import permission
from wagtail_kwiga.mailing.models import Suppression
from wagtail_kwiga.orders.models import Order

#: address → scope → reason, as loaded.
Known = dict[str, dict[str, str]]


def known_among(addresses: Iterable[str]) -> Known:
    """What is known about these addresses, in one query."""
    found: Known = {}
    wanted = {_key(address) for address in addresses}
    for email, scope, reason in Suppression.objects.filter(email__in=wanted).values_list("email", "scope", "reason"):
        found.setdefault(email, {})[scope] = reason
    return found


def recipient(contact: Contact, scopes: Mapping[str, str]) -> permission.Recipient:
    """``contact`` as the rules about mail see them; ``scopes``: what the address is suppressed for, and why. No query."""
    return permission.Recipient(
        is_placeholder=contact.is_placeholder,
        consented=contact.consented_at is not None,
        unsubscribed=contact.unsubscribed_at is not None,
        **permission.suppressions(scopes),
    )


def recipient_among(contact: Contact, known: Known) -> permission.Recipient:
    """``recipient`` with what is known about the contact's own address."""
    return recipient(contact, known.get(_key(contact.email), {}))


def suppress(address: str, *, scope: str, reason: str, source: str = "", now: dt.datetime | None = None) -> bool:
    """Send nothing of ``scope`` to ``address`` from now on. Returns whether that was news; the first reason is kept."""
    _row, made = Suppression.objects.get_or_create(
        email=_key(address), scope=scope, defaults={"reason": reason, "source": source[:120], "at": now or conf.now()}
    )
    return made


def lift(address: str, *, scope: str, reason: str) -> bool:
    """Take back a suppression of exactly this scope and reason. Returns whether there was one."""
    deleted, _rows = Suppression.objects.filter(email=_key(address), scope=scope, reason=reason).delete()
    return bool(deleted)


def _key(address: str) -> str:
    return address.strip().lower()


def note_for_buyer(order: Order) -> str:
    """What the page of an order says where no mail about it will reach its buyer; else empty. Nothing of the address is told.
    One query."""
    to = order.contact.email.strip().lower()
    why = Suppression.objects.filter(email=to, scope=Suppression.Scope.ALL).values_list("reason", flat=True).first()
    if why is None:
        return ""
    if why in (Suppression.Reason.BOUNCED, Suppression.Reason.REFUSED):
        return gettext(
            "You will get no mail about this order: your e-mail address does not accept our mail. Please keep the address of "
            "this page, and tell us another e-mail address if you have one."
        )
    return gettext(
        "You will get no mail about this order: we do not write to your e-mail address any more. Please keep the address of "
        "this page. If you would like to have mail again, tell us."
    )
