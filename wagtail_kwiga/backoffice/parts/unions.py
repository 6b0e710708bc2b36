"""Several queries in one statement. The only place that calls Django's ``union()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import QuerySet

#: Rows, or values of them.
_Rows = TypeVar("_Rows", bound="QuerySet[Any, Any]")


def united(parts: Sequence[_Rows], *, doubles: bool = False) -> _Rows:
    """The rows of all ``parts`` in no order, ``doubles`` and all or each once; to be put in order as a whole, if at all.

    Since Django 6.1 a union takes on the ordering of its model again, which a database refuses in a union of unions and
    wherever the ordering is by a column that was not selected. So the parts come in one union, and all ordering is taken off;
    a part that is sliced keeps the ordering by which it was sliced.

    Raises ``IndexError`` where there are no parts.
    """
    unordered = [part if part.query.is_sliced else part.order_by() for part in parts]
    return unordered[0].union(*unordered[1:], all=doubles).order_by() if len(unordered) > 1 else unordered[0]
