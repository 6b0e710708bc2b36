"""Addresses that get nothing any more, or no promotion. Looked at when a mail is queued and again at hand-over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from wagtail_kwiga import conf
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import Suppression

#: address → scope → reason, as loaded.
Known = dict[str, dict[str, str]]


def known_among(addresses: Iterable[str]) -> Known:
    """What is known about these addresses, in one query."""
    found: Known = {}
    wanted = {_key(address) for address in addresses}
    for email, scope, reason in Suppression.objects.filter(email__in=wanted).values_list("email", "scope", "reason"):
        found.setdefault(email, {})[scope] = reason
    return found


def why_not(address: str, kind: str, known: Known | None = None) -> str | None:
    """The reason for which ``address`` gets no mail of this kind, or ``None``. One query unless ``known`` is given."""
    scopes = (known_among([address]) if known is None else known).get(_key(address), {})
    if Suppression.Scope.ALL in scopes:
        return scopes[Suppression.Scope.ALL]
    if kind == Kind.PROMOTION and Suppression.Scope.PROMOTION in scopes:
        return scopes[Suppression.Scope.PROMOTION]
    return None


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
