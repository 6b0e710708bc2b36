"""What a provider says, sanitized so that every database can keep it. Plain Python.

PostgreSQL takes neither the character zero nor halves of a character (a gateway has cut a text in the middle of an emoji), and no
more letters than a column has. What cannot be kept is an error each time that it is repeated: money that is never booked.
"""

from __future__ import annotations

import hashlib
from typing import Any

#: Letters of a provider's handle (of an event, a payment, a refund, a dispute) that the database holds.
LONGEST_HANDLE = 200


def cleaned(value: Any) -> Any:
    """``value``, a text or JSON with texts at any depth, without what no database takes. By the texts themselves: in JSON as
    it is written a buyer may have typed the escape."""
    if isinstance(value, dict):
        return {cleaned(key): cleaned(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(each) for each in value]
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def handle(value: str, *, longest: int | None = LONGEST_HANDLE) -> str:
    """A provider's own handle of something as it is kept here: itself, or its hash where it cannot be kept as it is.

    Hashed and not cleaned, so that two handles stay two, and the same one is found again whoever tells it. ``longest`` is
    in letters; ``None`` leaves the length to the caller.
    """
    if value == cleaned(value) and (longest is None or len(value) <= longest):
        return value
    return hashed(value)


def hashed(value: str) -> str:
    """64 letters that stand for ``value``, whatever characters it has."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
