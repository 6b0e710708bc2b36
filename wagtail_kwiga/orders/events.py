"""What happens to orders, as told inside the transaction (``events.publish``) and, after commit, to the site's hooks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PlaceOrder:
    """An order is about to be placed; handed to ``before_kwiga_place_order``, which may veto by raising OrderRefused."""

    contact: Any
    offer: Any
    quote: Any
    site: Any
    origin: str
    #: What the site's own fields of the order form were answered, as ``Order.answers`` will hold it.
    answers: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class OrderPlaced:
    """An order was placed; ``superseded_ids`` are the older open orders it replaced."""

    order_id: int
    contact_id: int
    offer_id: int | None
    purchase_id: int
    superseded_ids: tuple[int, ...]
    at: dt.datetime
    #: ``Order.answers``: what the site's own fields of the order form were answered.
    answers: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class PurchasesJoined:
    """A new order was about several open purchases of one contact, which are one from now on.

    All orders of those in ``joined`` belong to ``into``, the one that was opened first, and ``Purchase.joined_into`` says so.
    Told before ``OrderPlaced``, with the open orders of all of them superseded.
    """

    contact_id: int
    joined: tuple[int, ...]
    into: int
    at: dt.datetime


@dataclass(frozen=True)
class OrderPaid:
    """An order became paid. ``first`` is False where its purchase was paid already (money twice for one purchase)."""

    order_id: int
    contact_id: int
    offer_id: int | None
    purchase_id: int
    at: dt.datetime
    first: bool
    #: Paid after all of the money that had come before was gone: given back, or taken by the buyer's bank.
    again: bool = False


@dataclass(frozen=True)
class OrderClosed:
    """An order ended without a purchase; ``status`` is superseded, cancelled or expired."""

    order_id: int
    contact_id: int
    offer_id: int | None
    purchase_id: int
    status: str
    at: dt.datetime


@dataclass(frozen=True)
class OrdersClosed:
    """Orders that closed in one move. In sets, because a sweep closes hundreds at once."""

    orders: tuple[OrderClosed, ...]
    at: dt.datetime


@dataclass(frozen=True)
class OrderRefunded:
    """Money of an order was given back; ``whole`` when nothing of it is left."""

    order_id: int
    contact_id: int
    offer_id: int | None
    purchase_id: int
    refunded: str
    currency: str
    whole: bool
    at: dt.datetime
