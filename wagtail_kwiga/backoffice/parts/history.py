"""Wagtail's history of a row, with a filter by day that bears every day that can be typed."""

from __future__ import annotations

from wagtail.admin.views.generic import history
from wagtail.snippets.views import snippets

from wagtail_kwiga.backoffice.parts.filters import DayRangeFilter


class _FilterSet(history.HistoryFilterSet):
    timestamp = DayRangeFilter(label=history.HistoryFilterSet.base_filters["timestamp"].label)


class HistoryView(snippets.HistoryView):
    """What happened to a row, as its audit log tells."""

    filterset_class = _FilterSet
