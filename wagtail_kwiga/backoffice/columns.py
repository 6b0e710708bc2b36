"""Columns and tables shared by the screens."""

from __future__ import annotations

from typing import Any

from django.utils import formats, timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from wagtail.admin.ui.components import Component
from wagtail.admin.ui.tables import Column, DateColumn, Table

from wagtail_kwiga.journal import writing
from wagtail_kwiga.pricing.formatting import format_money
from wagtail_kwiga.pricing.money import Money


def shown_money(money: Money) -> str:
    """Money in words and figures of the reader's locale."""
    return format_money(money, translation.get_language() or "en")


class MoneyColumn(Column):
    """Money, aligned at its end so that figures can be compared; ``accessor`` gives a ``Money``."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        kwargs.setdefault("classname", "w-text-right")
        super().__init__(name, **kwargs)

    def get_value(self, instance: Any) -> str:
        return shown_money(super().get_value(instance))


class TableCard(Component):
    """A table on an inspect page, with a sentence where it is empty."""

    def __init__(self, columns: list[Column], rows: list[Any], empty: Any) -> None:
        self.table, self.rows, self.empty = Table(columns, rows), rows, empty

    def render_html(self, parent_context: Any = None) -> str:
        if not self.rows:
            from django.utils.html import format_html

            return format_html("<p>{}</p>", self.empty)
        context = parent_context if parent_context is not None else {}
        return SafeString(self.table.render_html(context))


def timeline_card(subject: Any) -> TableCard:
    """The timeline of a record, newest first: what happened, when, and who did it."""
    entries = list(writing.timeline(subject).select_related("by"))
    entries.reverse()
    columns = [
        Column("what", label=_("What"), accessor=writing.sentence),
        DateColumn("at", label=_("When")),
        Column("moment", label=_("Exactly"), accessor=lambda entry: exact(entry.at)),
        Column("by", label=_("By"), accessor=lambda entry: entry.by or ""),
    ]
    return TableCard(columns, entries, _("Nothing has happened yet."))


def exact(instant: Any) -> str:
    """An instant to the second, with its zone."""
    if instant is None:
        return ""
    local = timezone.localtime(instant)
    return f"{formats.date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S} {local.tzname()}"
