"""What a site's own fields of the order form were answered, in a form that JSON can hold."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.duration import duration_iso_string

#: Letters of JSON that one answer may have.
LONGEST = 10_000


def as_json(answers: Mapping[str, Any]) -> dict[str, Any]:
    """``answers``, name → cleaned value, as ``Order.answers`` keeps them; what was left empty is left out.

    Text, numbers and *yes or no* stay what they are. Dates and times become ISO 8601 text, decimals and UUIDs text, rows their
    primary keys, several values a list. Anything else is kept as its text.
    """
    plain = {_text(name): _plain(value) for name, value in answers.items()}
    return {name: value for name, value in plain.items() if value is not None and value not in ("", [], {})}


def is_too_long(answer: Any) -> bool:
    """Whether ``answer`` takes more than ``LONGEST`` letters of JSON."""
    return len(json.dumps(_plain(answer), ensure_ascii=False)) > LONGEST


def text_of(answer: Any) -> str:
    """An answer of ``Order.answers`` on one line, as a spreadsheet gets it."""
    if isinstance(answer, list):
        return ", ".join(text_of(each) for each in answer)
    if isinstance(answer, dict):
        return ", ".join(f"{text_of(name)}: {text_of(each)}" for name, each in answer.items())
    if answer is None or isinstance(answer, bool):
        return json.dumps(answer)
    return " ".join(str(answer).split())


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return duration_iso_string(value)
    if isinstance(value, models.Model):
        return _plain(value.pk)
    if isinstance(value, Mapping):
        return {_text(name): _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=str)
    if isinstance(value, list | tuple | models.QuerySet):
        return [_plain(each) for each in value]
    return _text(value)


def _text(value: Any) -> str:
    """Without what PostgreSQL's JSON refuses: NUL, and halves of a pair of UTF-16."""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
