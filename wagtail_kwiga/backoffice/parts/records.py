"""What the screens of machine-written records have in common: looked at, never typed in, and given away with care."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.functional import cached_property
from wagtail.admin.views import generic
from wagtail.admin.views.mixins import SpreadsheetExportMixin
from wagtail.admin.viewsets.model import ModelViewSet
from wagtail.coreutils import multigetattr

from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.backoffice.parts.long_lists import LongListMixin

#: What a spreadsheet program may take for a formula. A phone number is none, though it begins with a plus.
#: It may also begin behind a semicolon: where the comma is a decimal sign, such a program splits the cells of a CSV there.
#: The same signs in the width of Chinese and Japanese letters are taken for formulas, too.
_FORMULA = re.compile(r"(\A|[;；\t\r\n])(\s*[=+\-@＝＋－＠])|(\A)([\t\r])")
_NUMBER = re.compile(r"\+?[\d\s()./-]+")
#: Control characters, which no spreadsheet file may hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def harmless(words: str) -> str:
    """``words`` for a spreadsheet: what would begin a formula there begins with an apostrophe."""
    words = _CONTROL.sub("", words)
    return words if _NUMBER.fullmatch(words) else _FORMULA.sub(r"\1\3'\2\4", words)


def keys(words: Iterable[Any]) -> list[int]:
    """What of ``words``, as an address has them, may be the key of a row."""
    return [int(word) for word in map(str, words) if word.isascii() and word.isdigit() and len(word) < 19]


#: Classes of a table whose columns may be more than a screen is wide (see ``backoffice.css``).
WIDE_LISTING = "listing kwiga-listing"


class HarmlessExport:
    """A list whose spreadsheets are harmless to open."""

    custom_value_preprocess = {
        **SpreadsheetExportMixin.custom_value_preprocess,
        str: {SpreadsheetExportMixin.FORMAT_CSV: harmless, SpreadsheetExportMixin.FORMAT_XLSX: harmless},
    }


class RecordIndexView(LongListMixin, HarmlessExport, generic.IndexView):
    """A list that stays quick when it is long, whose spreadsheets are harmless to open, with words and a way on while it is
    empty. Records name people, so taking them home as a spreadsheet needs a right of its own beside that to look.
    """

    table_classname = WIDE_LISTING

    #: What a spreadsheet holds in columns that are no attribute of the row: name → function of the row.
    exported: dict[str, Callable[[Any], Any]] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.is_export and not policies.can(request.user, "export_contacts"):
            raise PermissionDenied
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    @cached_property
    def show_export_buttons(self) -> bool:
        return bool(self.list_export) and policies.can(self.request.user, "export_contacts")

    def to_row_dict(self, item: Any) -> dict[str, Any]:
        return {name: self._exported_value(item, name) for name in self.list_export}

    def _exported_value(self, item: Any, name: str) -> Any:
        if name in self.exported:
            return self.exported[name](item)
        if not (name.startswith("get_") and name.endswith("_display")):
            return multigetattr(item, name)
        # Django translates every choice there is to find one: half the time of an export.
        raw = getattr(item, name[len("get_") : -len("_display")])
        if (name, raw) not in self._choices_told:
            self._choices_told[name, raw] = str(getattr(item, name)())
        return self._choices_told[name, raw]

    @cached_property
    def _choices_told(self) -> dict[tuple[str, Any], str]:
        return {}

    def get_paginator(self, *args: Any, **kwargs: Any) -> Any:
        """Below the list the rows are counted under the name that the list gives them, not the model's."""
        paginator = super().get_paginator(*args, **kwargs)
        paginator.verbose_name, paginator.verbose_name_plural = self.verbose_name, self.verbose_name_plural
        return paginator

    def nothing_yet(self) -> str:
        """What to say, and where to go, where there is nothing at all."""
        return ""

    @cached_property
    def no_results_message(self) -> Any:
        words = "" if self.is_searching or self.is_filtering else self.nothing_yet()
        return words or super().no_results_message


class RecordViewSet(ModelViewSet):
    """List and inspect, no way to add, edit, copy or delete. The model's policy is a ``policies.RecordPolicy``."""

    add_to_reference_index = False
    copy_view_enabled = False
    inspect_view_enabled = True
    index_view_class = RecordIndexView
    search_backend_name = None
    list_per_page = 30

    def get_permissions_to_register(self) -> Any:
        """What a group may be given: whatever nobody can do by hand is not offered."""
        name = self.model._meta.model_name
        return super().get_permissions_to_register().exclude(codename__in=[f"add_{name}", f"delete_{name}"])

    def get_urlpatterns(self) -> list[Any]:
        return [
            path("", self.index_view, name="index"),
            path("results/", self.index_results_view, name="index_results"),
            path(f"inspect/<{self.pk_path_converter}:pk>/", self.inspect_view, name="inspect"),
        ]
