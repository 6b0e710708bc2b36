"""Writing the timeline, reading it, and putting an entry into words.

Entries hang on their subject by content type, so this room knows no other. Each room registers the sentences for its
own codes. Facts are kept as values (money, instants) and put into words for the reader, in the reader's language.
"""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import QuerySet

from wagtail_kwiga import conf, redaction
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.journal.acting import Actor, current_actor
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("wagtail_kwiga.journal")

#: A row, or where only its key is at hand, its model and key.
Subject = models.Model | tuple[type[models.Model], int]

_sentences: dict[str, Any] = {}
_words: dict[str, Callable[[Any], Any]] = {}


def register_sentences(sentences: Mapping[str, Any]) -> None:
    """Teach the journal the sentences of a room: ``{"order.placed": gettext_lazy("Order %(number)s placed.")}``.

    ``%(name)s`` stands for a fact. Registering a code again replaces its sentence, so a site may reword it.
    """
    _sentences.update(sentences)


def register_words(name: str, words: Callable[[Any], Any]) -> None:
    """Teach the journal what people read for the fact ``name``, such as the label of a method for its alias."""
    _words[name] = words


def draft(
    subject: Subject,
    code: str,
    /,
    *,
    now: dt.datetime | None = None,
    by: AbstractBaseUser | None = None,
    attention: bool = False,
    contact_id: int | None = None,
    **facts: Any,
) -> TimelineEntry:
    """An entry that is not saved yet, for ``write_many``. Facts may be anything; see ``write``."""
    model, pk = subject if isinstance(subject, tuple) else (type(subject), subject.pk)
    by = by if getattr(by, "pk", None) else None  # nobody who is not logged in is somebody
    return TimelineEntry(  # type: ignore[misc]  # the user model is the site's
        subject_type=ContentType.objects.get_for_model(model),
        subject_id=pk,
        code=code,
        facts=_plain(facts),
        at=now or conf.now(),
        by=by,
        actor=str(Actor.USER if by is not None else current_actor()),
        contact_id=getattr(subject, "contact_id", None) if contact_id is None else contact_id,
        needs_attention=attention,
    )


def write(
    subject: Subject,
    code: str,
    /,
    *,
    now: dt.datetime | None = None,
    by: AbstractBaseUser | None = None,
    attention: bool = False,
    contact_id: int | None = None,
    **facts: Any,
) -> TimelineEntry:
    """Record that ``code`` happened to ``subject``. One INSERT.

    ``by`` is the member of staff who did it, if any; else it is by whoever is at work (``journal.acting``). ``contact_id`` is
    the person it is about, by default that of the subject. ``attention`` puts it on the list of things a person must look at.
    Facts are kept as JSON: ``Money`` and instants so that they can be shown in the reader's own way, other values as
    they are or as text.
    """
    entry = draft(subject, code, now=now, by=by, attention=attention, contact_id=contact_id, **facts)
    entry.save(force_insert=True)
    return entry


def write_many(entries: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Save what ``draft`` made, in one query."""
    return TimelineEntry.objects.bulk_create(entries)


def attend(entry: TimelineEntry, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> bool:
    """Tick off an entry that needs attention. Returns whether it was open; whoever was first stays on record."""
    at = now or conf.now()
    by = by if getattr(by, "pk", None) else None
    done = TimelineEntry.objects.filter(pk=entry.pk, needs_attention=True, attended_at__isnull=True).update(
        attended_at=at, attended_by=by
    )
    if done:
        entry.attended_at, entry.attended_by = at, by  # type: ignore[assignment]  # the user model is the site's
    return bool(done)


def put_back(entry: TimelineEntry) -> bool:
    """Undo ``attend``: the entry asks for a person again. Returns whether it had been ticked off."""
    undone = TimelineEntry.objects.filter(pk=entry.pk, needs_attention=True, attended_at__isnull=False).update(
        attended_at=None, attended_by=None
    )
    if undone:
        entry.attended_at = entry.attended_by = None
    return bool(undone)


def timeline(subject: Subject) -> QuerySet[TimelineEntry]:
    """What happened to ``subject``, oldest first, with who did it. One query."""
    model, pk = subject if isinstance(subject, tuple) else (type(subject), subject.pk)
    return TimelineEntry.objects.filter(
        subject_type=ContentType.objects.get_for_model(model), subject_id=pk
    ).select_related("by")


def open_attention() -> QuerySet[TimelineEntry]:
    """What a person must still look at, oldest first, with its subjects: two queries and one per kind of subject."""
    return (
        TimelineEntry.objects.filter(needs_attention=True, attended_at__isnull=True)
        .select_related("by")
        .prefetch_related("subject_type", "subject")
    )


def told_since(model: type[models.Model], pks: Iterable[int], code: str, since: dt.datetime) -> set[int]:
    """Those of the rows of which an entry with ``code`` is open, or was written since ``since``. One query."""
    entries = TimelineEntry.objects.filter(
        subject_type=ContentType.objects.get_for_model(model), subject_id__in=list(pks), code=code
    )
    is_open = models.Q(needs_attention=True, attended_at__isnull=True)
    return set(entries.filter(is_open | models.Q(at__gt=since)).values_list("subject_id", flat=True))


def open_about(model: type[models.Model], pk: Any) -> QuerySet[TimelineEntry]:
    """What a person must still look at about one row; ``pk`` may be an ``OuterRef``, for use in a subquery."""
    return TimelineEntry.objects.filter(
        subject_type=ContentType.objects.get_for_model(model),
        subject_id=pk,
        needs_attention=True,
        attended_at__isnull=True,
    )


def sentence(entry: TimelineEntry) -> str:
    """The entry in words, in the active language. Never fails: a timeline with one odd entry is still a timeline."""
    template = _sentences.get(entry.code)
    if template is not None:
        facts = entry.facts if isinstance(entry.facts, Mapping) else {}
        try:
            return str(template % _Shown({name: _said(name, value) for name, value in facts.items()}))
        except Exception:
            logger.warning("The sentence for %s does not fit the facts of entry %s", entry.code, entry.pk)
    return _spelled(entry.code)


class _Shown(dict[str, Any]):
    """Facts for a sentence; one that is missing (an entry of an older version) shows as an ellipsis."""

    def __missing__(self, key: str) -> str:
        return "…"


def _spelled(code: str) -> str:
    """A readable stand-in for a code without a sentence: ``order.paid_late`` → ``Order: paid late``."""
    words = code.replace("_", " ").replace(".", ": ").strip()
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> Any:
    """``value`` as JSON that PostgreSQL takes. Odd values become their text."""
    match value:
        case enum.Enum():
            return _plain(value.value)
        case None | bool() | int():
            return value
        case str():
            return _text(value)
        case Money():
            return {"money": str(value.amount), "currency": value.currency}
        case Decimal():
            return str(value)
        case dt.datetime():
            return {"instant": value.isoformat()}
        case Mapping():
            return {_text(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return _text(value)


def _text(value: Any) -> str:
    """As text without the site's secrets, and without NUL and half surrogates, neither of which PostgreSQL stores."""
    return redaction.redact(str(value)).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _said(name: str, value: Any) -> Any:
    """The fact ``name`` as the reader sees it: by the words of its room where there are some."""
    return _words[name](value) if name in _words and isinstance(value, str) else _shown(value)


def _shown(value: Any) -> Any:
    """A fact as the reader sees it."""
    if isinstance(value, Mapping):
        if set(value) == {"money", "currency"}:
            return money_for_reader(Money(Decimal(value["money"]), value["currency"]))
        if set(value) == {"instant"}:
            return instants.short_moment(dt.datetime.fromisoformat(value["instant"]))
    if isinstance(value, list):
        return ", ".join(str(_shown(inner)) for inner in value)
    return value
