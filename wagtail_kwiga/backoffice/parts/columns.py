"""Columns and tables shared by the screens."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.components import Component
from wagtail.admin.ui.tables import Column, DateColumn, Table

from wagtail_kwiga.formatting import instants
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.acting import Actor
from wagtail_kwiga.journal.models import TimelineEntry

#: The class of a cell with a number: aligned at its end, so that figures can be compared.
NUMBER = "w-text-end w-whitespace-nowrap"


class MoneyColumn(Column):
    """Money, aligned at its end so that figures can be compared; ``accessor`` gives a ``Money``."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        kwargs.setdefault("classname", NUMBER)
        super().__init__(name, **kwargs)

    def get_value(self, instance: Any) -> str:
        return money_for_reader(super().get_value(instance))


class TableCard(Component):
    """A table on an inspect page, with a sentence where it is empty."""

    def __init__(self, columns: list[Column], rows: list[Any], empty: Any, *, narrow: bool = False) -> None:
        self.table, self.rows, self.empty = Table(columns, rows), rows, empty
        self.classname = "w-overflow-x-auto kwiga-narrow" if narrow else "w-overflow-x-auto"

    def render_html(self, parent_context: Any = None) -> str:
        if not self.rows:
            return format_html("<p>{}</p>", self.empty)
        context = parent_context if parent_context is not None else {}
        # A wide table scrolls by itself; the page does not.
        return format_html('<div class="{}">{}</div>', self.classname, SafeString(self.table.render_html(context)))


class Facts(Component):
    """Short facts side by side, each with its name; those that are empty are left out."""

    template_name = "wagtail_kwiga/backoffice/facts.html"

    def __init__(self, *facts: tuple[Any, Any]) -> None:
        self.facts = [(name, value) for name, value in facts if value not in (None, "")]

    def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
        return {"facts": self.facts}


def person(contact: Any) -> SafeString:
    """A person's name and address, one below the other; the address alone where there is no name."""
    if not contact.name:
        return breaking(contact.email)
    return format_html('{}<br><span class="kwiga-under">{}</span>', contact.name, breaking(contact.email))


def coming(instant: dt.datetime | None) -> str:
    """An instant that lies ahead, or may, to the minute; the exact one on hover. (Wagtail's own column knows only the past:
    it says *Just now* of next year.)"""
    if instant is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        instants.local(instant).isoformat(), exact(instant), instants.short_moment_without_zone(instant),
    )  # fmt: skip


def exact_end(end: dt.datetime | None) -> str:
    """``exact`` for an end: what ends with a day is told as its last minute."""
    return exact(instants.last_minute(end)) if end is not None else ""


def ending(end: dt.datetime | None) -> str:
    """``coming`` for an end: what ends with a day is told as its last minute."""
    return coming(instants.last_minute(end)) if end is not None else ""


def breaking(email: str) -> SafeString:
    """An address that is broken after its @ first, where it must be broken."""
    name, at, domain = email.rpartition("@")
    return format_html("{}{}<wbr>{}", name, at, domain)


def tag(words: Any, *, primary: bool = False) -> SafeString:
    """A status tag, as Wagtail's own tables show it."""
    return format_html('<span class="w-status {}">{}</span>', "w-status--primary" if primary else "", words)


def timeline_card(subject: Any, **only: Any) -> TableCard:
    """The timeline of a record, newest first: what happened, when, and who did it. ``only`` narrows it down."""
    entries = list(writing.timeline(subject).filter(**only))
    entries.reverse()
    columns = [
        Column("what", label=pgettext_lazy("sales", "What"), accessor=writing.sentence),
        DateColumn("at", label=pgettext_lazy("sales", "When")),
        Column("moment", label=pgettext_lazy("sales", "Exactly"), accessor=lambda entry: exact(entry.at)),
        Column("by", label=pgettext_lazy("sales", "By"), accessor=_doer),
    ]
    return TableCard(columns, entries, _("Nothing has happened yet."))


def _doer(entry: TimelineEntry) -> Any:
    """Who did it: a member of staff by name, else whoever came through the door; nothing for what happens by itself."""
    return entry.by or ("" if entry.actor == Actor.SYSTEM else entry.get_actor_display())


def exact(instant: dt.datetime | None) -> str:
    """An instant to the second, with its zone; nothing for none."""
    return instants.moment_to_the_second(instant) if instant is not None else ""
