"""When the access of an order opens by the terms that were sold, so that nobody is shown into what is still closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.orders.models import OrderLine


def later(line: OrderLine, paid_at: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """When the access of ``line`` opens to somebody who has paid at ``paid_at``; ``None`` where that is not after ``now``, and
    where a newer version of the software wrote its terms. What opens with the payment is open, whatever clock of several wrote
    that down."""
    try:
        opens = AccessTerms.from_json(line.access_terms).starts_at(paid_at)
    except KwigaError:
        return None
    return opens if opens > max(now, paid_at) else None


def first_later(lines: Iterable[OrderLine], paid_at: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """When the first of ``lines`` opens; ``None`` where one has opened by ``now``, or there is none."""
    opens = [later(line, paid_at, now) for line in lines]
    return min((one for one in opens if one is not None), default=None) if all(opens) else None
