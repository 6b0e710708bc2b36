"""Lists of records that stay quick when there are a million, and exact while there are few.

What makes a long list slow is not the page that is shown: it is counting everything, looking for words anywhere in
everything, and fetching the rows of a late page together with all that come before. So a list counts up to ``COUNTED``
and then says *more than*; for a late page it finds the keys first; and the search of a list with more rows than that looks
anywhere in the words of the newest ``READ`` records, and by index at how the words of older ones begin. A list of up to
``COUNTED`` rows is Wagtail's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from wagtail.admin.paginator import WagtailPaginator

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.parts import unions

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.admin.views.generic import IndexView as _ListView
else:
    _ListView = object

#: Rows that a list counts and pages through; and more than which make it a long one.
COUNTED = 10_000
#: In a long list: the newest rows, in which the search looks anywhere, and how many rows it finds.
READ = 2_000
FOUND = 1_000
#: Rows after which a page is fetched by its keys.
NEAR = 1_000
#: Rows that a spreadsheet holds in memory at a time.
CHUNK = 2_000


class LongPaginator(WagtailPaginator):
    """Pages through the first ``most`` rows. Those behind them are reached by a filter, a search, or the other order."""

    most = COUNTED
    #: Rows that come before all others, few and with an index of their own: to put them there by ORDER BY, a database would
    #: put everything in order.
    first: Q | None = None

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        return rows.order_by().values("pk")[: self.most + 1].count() if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.most)

    @property
    def has_more(self) -> bool:
        """Whether there are rows behind those that are counted."""
        return self._counted > self.most

    @cached_property
    def items_count_label(self) -> str:
        if not self.has_more:
            label: str = super().items_count_label
            return label
        counted = number_format(self.most, force_grouping=True)
        return _("more than %(number)s %(things)s") % {"number": counted, "things": self.verbose_name_plural}

    def page(self, number: Any) -> Any:
        page = super().page(number)
        if not isinstance(self.object_list, QuerySet):
            return page
        first = list(self._keys(self.object_list.filter(self.first))[: self.most]) if self.first else []
        if first:
            keys = self._with_first(first, page.start_index() - 1, page.end_index())
            rows = {row.pk: row for row in self.object_list.filter(pk__in=keys)}
            page.object_list = [rows[key] for key in keys if key in rows]
        elif page.start_index() > NEAR:
            page.object_list = self.object_list.filter(pk__in=list(self._keys(page.object_list)))
        return page

    def _with_first(self, first: list[Any], bottom: int, top: int) -> list[Any]:
        """The keys of the places from ``bottom`` to ``top``."""
        others = self._keys(self.object_list.exclude(self.first))
        return [*first[bottom:top], *others[max(0, bottom - len(first)) : max(0, top - len(first))]]

    @staticmethod
    def _keys(rows: QuerySet[Model]) -> QuerySet[Model, Any]:
        return rows.values_list("pk", flat=True)


class LongListMixin(_ListView):
    """For a list view: counts, searches and exports as above. Put it before Wagtail's view."""

    paginator_class = LongPaginator
    results_template_name = "wagtail_kwiga/backoffice/long_listing_results.html"
    #: From the words of a search: how those of older records may begin, as conditions that each have an index.
    #: Without it the search always looks anywhere in everything.
    beginnings: Callable[[str], list[Q]] | None = None

    @cached_property
    def is_long(self) -> bool:
        """Whether a search must be content with less than everything."""
        return self.beginnings is not None and self._key_after(COUNTED) is not None

    def get_paginator(self, *args: Any, **kwargs: Any) -> Any:
        paginator = super().get_paginator(*args, **kwargs)
        paginator.most = FOUND if self.is_searching and self.is_long else COUNTED
        return paginator

    def search_queryset(self, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if not (self.is_searching and self.is_long):
            found: QuerySet[Model] = super().search_queryset(queryset)
            return found
        newest = queryset.filter(pk__gt=self._key_after(READ))
        beginnings: Any = self.beginnings  # there are some: it is long
        parts = [super().search_queryset(newest), *map(queryset.filter, beginnings(self.search_query))]
        keys = _united([rows.order_by().values_list("pk", flat=True) for rows in parts], whole=self.is_export)
        return queryset.filter(pk__in=keys)

    def _key_after(self, number: int) -> Any:
        """The newest key behind so many others; ``None`` where there are no more. (Of many rows that were written at once
        the instants may be the same, the keys are not.)"""
        keys = self.model._default_manager.order_by("-pk").values_list("pk", flat=True)
        return next(iter(keys[number : number + 1]), None)

    def as_spreadsheet(self, queryset: Any, spreadsheet_format: str) -> Any:
        rows = _InChunks(queryset) if isinstance(queryset, QuerySet) else queryset
        return super().as_spreadsheet(rows, spreadsheet_format)


class _InChunks:
    """The rows of an export, a part of them in memory at a time."""

    def __init__(self, rows: QuerySet[Model]) -> None:
        self.rows, self.model = rows, rows.model

    def __iter__(self) -> Iterator[Model]:
        return self.rows.iterator(chunk_size=CHUNK)


def _united(keys: list[QuerySet[Model, Any]], *, whole: bool) -> Any:
    """The keys of all. Not ``whole``: found now and no more than a list shows, because a database that meets them in a
    subquery guesses wrong how many there are, and may go through everything to put the few in order."""
    if not whole and connections[keys[0].db].features.supports_slicing_ordering_in_compound:
        keys = [rows[: FOUND + 1] for rows in keys]
    together = unions.united(keys)
    return together if whole else list(together.order_by("-pk")[: FOUND + 1])


def by_contact(words: str) -> list[Q]:
    """Records of people whose address or name begins like that, whatever the capitals (as people write names)."""
    names = {words, words.lower(), words.title(), words.upper()}
    named = reduce(Q.__or__, (Q(contact__name__startswith=name) for name in sorted(names)))
    return [Q(contact__email__startswith=words.lower()), named]


def by_order_number(words: str, field: str = "number") -> Q:
    """Orders whose number begins like that, with or without the shop's letters in front."""
    prefix, large = conf.settings.ORDER_NUMBER_PREFIX, words.upper()
    bare = large.removeprefix(prefix.upper())
    return reduce(Q.__or__, (Q(**{f"{field}__startswith": start}) for start in sorted({large, prefix + bare})))
