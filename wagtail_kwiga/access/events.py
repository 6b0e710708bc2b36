"""What the access room tells, inside the transaction in which it happened."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class AccessGranted:
    """Grants were made: what ``contact_id`` may open has grown. ``order_id`` is null for a grant without an order."""

    grant_ids: tuple[int, ...]
    contact_id: int
    order_id: int | None
    at: dt.datetime


@dataclass(frozen=True)
class AccessEnded:
    """Grants were taken away before their time. What other grants give is not touched (promise 12)."""

    grant_ids: tuple[int, ...]
    contact_id: int
    order_id: int | None
    at: dt.datetime


@dataclass(frozen=True)
class AccessAdjusted:
    """Staff changed the time of a grant: ``kind`` is ``extend``, ``freeze``, ``unfreeze`` or ``end``."""

    grant_id: int
    kind: str
    contact_id: int
    order_id: int | None
    at: dt.datetime


@dataclass(frozen=True)
class OpenedGrant:
    """A grant by which something may be opened from now on. ``until``: its end, ``None`` where it has none."""

    grant_id: int
    contact_id: int
    product_id: int
    until: dt.datetime | None


@dataclass(frozen=True)
class AccessOpened:
    """What people may open has opened, and they are to be told: the start date has come, or staff gave it. In sets, because a
    course begins for hundreds at once."""

    grants: tuple[OpenedGrant, ...]
    at: dt.datetime
