"""What orders leave behind: rows and megabytes, table by table."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connection

from benchmarks.scale import Scale
from benchmarks.shop import Shop

TITLE = "What 1,000 orders leave behind"
FLOOR = (
    "Of 100 orders 36 are paid at once, 50 are reminded and expire, 12 are six people who are won back with a second order,"
    " 2 still wait. Megabytes with indexes, freshly written: updates and deletions leave some air until it is used again."
)
COLUMNS = ("table", "rows", "MB")


def table(shop: Shop, scale: Scale) -> Iterator[tuple[str, str, str]]:
    before = _sizes()
    at_first = shop.history.orders
    shop.history.grow_to(at_first + scale.weighed)
    found = [
        (name, rows - before[name][0], size - before[name][1])
        for name, (rows, size) in _sizes().items()
        if rows > before[name][0]
    ]
    thousands = scale.weighed / 1000
    for name, rows, size in sorted(found, key=lambda one: -one[2] or -one[1]):
        yield name, f"{rows / thousands:,.0f}", _megabytes(size / thousands)
    yield (
        "all",
        f"{sum(rows for _name, rows, _size in found) / thousands:,.0f}",
        _megabytes(sum(size for _name, _rows, size in found) / thousands),
    )


def _sizes() -> dict[str, tuple[int, int]]:
    """Table → (rows, bytes with indexes; 0 where the database does not tell)."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_app_config("wagtail_kwiga").get_models():
            name, size = model._meta.db_table, 0
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_total_relation_size(%s)", [name])
                size = cursor.fetchone()[0]
            found[name] = model._default_manager.count(), size
    return found


def _megabytes(size: float) -> str:
    return f"{size / 1_000_000:.2f}" if connection.vendor == "postgresql" else "–"
