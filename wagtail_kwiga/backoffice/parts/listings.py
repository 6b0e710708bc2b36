"""What our lists of snippets have in common: facts fetched for a whole page of rows, and a way on while they are empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wagtail.snippets.views.snippets import IndexView

from wagtail_kwiga.backoffice.parts.records import WIDE_LISTING, HarmlessExport


class GuidedIndexView(HarmlessExport, IndexView):
    """A list that says what to do while it is empty, and may look something up for all rows of a page at once."""

    table_classname = WIDE_LISTING
    results_template_name = "wagtail_kwiga/backoffice/listing_results.html"

    def nothing_yet(self) -> str:
        """What this list is for and how the first row comes about."""
        return ""

    def way_on(self) -> tuple[str, Any]:
        """Address and words of the button below it; by default the one that adds a row."""
        return (self.add_url, self.add_item_label) if self.add_url else ("", "")

    def look_up(self, rows: Sequence[Any]) -> None:
        """Put on the rows of this page what the columns show beside the row's own fields."""

    def get_table(self, object_list: Any) -> Any:
        rows = list(object_list)
        self.look_up(rows)
        return super().get_table(rows)
