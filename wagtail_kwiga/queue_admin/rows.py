"""What stands in the rows of the queue, read so that a row that cannot be read breaks no screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django_q.models import OrmQ
from django_q.utils import get_func_repr

#: Longer texts are cut off on a screen; a result may be megabytes.
LONGEST = 5000


@dataclass(frozen=True)
class Package:
    """A queued task as it was packed; ``fault`` says why it cannot be opened, and then all else is empty."""

    func: str = ""
    name: str = ""
    task_id: str = ""
    args: str = ""
    kwargs: str = ""
    fault: str = ""


def opened(row: OrmQ) -> Package:
    """The package of a queued row: signed and pickled, so it may be forged, cut off, or of code that is gone."""
    known = getattr(row, "_kwiga_package", None)
    if known is None:
        known = row._kwiga_package = _open(row)
    return known


def _open(row: OrmQ) -> Package:
    task = row.task  # what it cannot load, django-q2 tells as {"id": "*BadSignature"}
    if not isinstance(task, Mapping) or not task.get("func"):
        why = str(task.get("id", "")).lstrip("*") if isinstance(task, Mapping) else type(task).__name__
        return Package(fault=why or "?")
    return Package(
        func=_function(task["func"]),
        name=shown(task.get("name")),
        task_id=shown(task.get("id")),
        args=shown(task.get("args")),
        kwargs=shown(task.get("kwargs")),
    )


def _function(func: Any) -> str:
    try:
        return str(get_func_repr(func))
    except Exception:
        return gettext("cannot be shown")


def shown(value: Any) -> str:
    """``value`` in words for a screen; empty for nothing. Whatever ``str`` raises on is told as such."""
    if value is None or value == () or value == {}:
        return ""
    try:
        text = str(value)
    except Exception:
        return gettext("cannot be shown")
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def last_line(value: Any) -> str:
    """The line of a failure that says what went wrong: of a traceback, the last one."""
    lines = [line.strip() for line in shown(value).splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
