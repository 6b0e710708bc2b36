"""What happened, told inside the transaction in which it happened.

A room publishes; ``reactions.py`` alone subscribes. Handlers run at once, in the order of the table, within the same
transaction: a handler that raises undoes the whole move. (Strangers use hooks, which run after commit.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

_handlers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)
_for_all: list[Callable[[Any], None]] = []


def subscribe(kind: type, handler: Callable[[Any], None]) -> None:
    """Have ``handler`` called for each published event of exactly this class; subscribing twice counts once."""
    if handler not in _handlers[kind]:
        _handlers[kind].append(handler)


def subscribe_to_all(handler: Callable[[Any], None]) -> None:
    """Have ``handler`` called for every published event, of whatever class, after those of its class."""
    if handler not in _for_all:
        _for_all.append(handler)


def publish(event: Any) -> None:
    """Hand ``event`` to its handlers, here and now. Must be called inside ``locking.atomic_write``."""
    for handler in (*_handlers.get(type(event), ()), *_for_all):
        handler(event)
