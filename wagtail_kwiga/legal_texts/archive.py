"""Keeping a text that somebody agrees to: copied once, found again by its checksum or by where it was read."""

from __future__ import annotations

import datetime as dt
import hashlib

from wagtail_kwiga import upserts
from wagtail_kwiga.legal_texts.models import LegalText, LegalTextSource

#: What the column of a source's key holds.
_LONGEST = 200


def store(kind: str, language: str, title: str, text: str, now: dt.datetime, source: str = "") -> LegalText:
    """The row of this wording, written where it is not there yet.

    ``source`` names what was read, unmistakably and for ever (a page and its revision): ``find`` then spares the reading.
    Safe against two who keep the same text at once; rows are never changed. One statement for a new text, two for a known
    one, and one more for ``source``. Raises ``ValueError`` for a kind that nobody knows.
    """
    kind = LegalText.Kind(kind).value
    title, text = _clean(title)[:255], _clean(text)
    row = LegalText(
        kind=kind, language=language, title=title, text=text, checksum=checksum(title, text), first_seen_at=now
    )
    if not upserts.insert_or_ignore(row):
        row = LegalText.objects.get(kind=kind, language=language, checksum=row.checksum)
    if source:
        upserts.insert_or_ignore(LegalTextSource(key=_key(kind, source), text=row))
    return row


def find(kind: str, source: str) -> LegalText | None:
    """What ``store`` wrote for this source, with its text not read from the database before somebody asks. One query."""
    return LegalText.objects.only("kind", "language").filter(sources__key=_key(kind, source)).first()


def checksum(title: str, text: str) -> str:
    """SHA-256 of a wording, in hexadecimal."""
    return hashlib.sha256(f"{title}\n\n{text}".encode()).hexdigest()


def _key(kind: str, source: str) -> str:
    key = f"{kind}:{source}"
    # Two long ones that begin alike must not become one: somebody would be shown what they did not agree to.
    return key if len(key) <= _LONGEST else f"{key[: _LONGEST - 65]}#{hashlib.sha256(key.encode()).hexdigest()}"


def _clean(text: str) -> str:
    """PostgreSQL takes no NUL, and half a surrogate pair cannot be written at all."""
    return str(text).replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()
