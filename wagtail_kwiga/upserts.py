"""Inserts of rows that may be there already: ``INSERT … ON CONFLICT``, one statement each, without a savepoint.

Django has it for many rows at once only (``bulk_create``), and tells there neither which rows were written nor their keys. PostgreSQL
and SQLite speak the same words for it; others are refused by a system check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from django.db import connections, models, router

#: For ``insert_sql``: a row that breaks a unique constraint is left out without a word.
DO_NOTHING = "DO NOTHING"


def insert_sql(table: str, columns: Iterable[str], source: str, *, on_conflict: str = "", returning: str = "") -> str:
    """An INSERT of ``source`` (``VALUES …`` or ``SELECT …``). All names are quoted already.

    ``on_conflict`` is what stands behind ON CONFLICT; where it is empty a row that breaks a constraint is an error.
    """
    sql = f"INSERT INTO {table} ({', '.join(columns)}) {source}"
    sql += f" ON CONFLICT {on_conflict}" if on_conflict else ""
    return sql + (f" RETURNING {returning}" if returning else "")


def insert_or_ignore(row: models.Model) -> bool:
    """Write a new row unless one of its unique values is taken; whether it was written. One statement.

    Whoever inserts the same values at this moment is waited for. A row just inserted is seen by nobody else, and so is
    as good as locked. ``post_save`` is sent.
    """
    connection = connections[router.db_for_write(type(row))]
    quote, options = _quoter(connection), row._meta
    fields = [field for field in options.concrete_fields if not field.primary_key]
    sql = insert_sql(
        quote(options.db_table),
        [quote(field.column) for field in fields],
        f"VALUES {_places(len(fields))}",
        on_conflict=DO_NOTHING,
        returning=quote(options.pk.column),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields])
        keys = cursor.fetchall()
    if not keys:
        return False
    row.pk = keys[0][0]
    row._state.adding, row._state.db = False, connection.alias
    models.signals.post_save.send(
        sender=type(row), instance=row, created=True, update_fields=None, raw=False, using=connection.alias
    )
    return True


def insert_or_touch(row: models.Model, field: str, *, constraint: str) -> None:
    """Write a new row, or set ``field`` of the one that is there to what ``row`` says, unless that one is later already.

    ``constraint`` names the unique constraint of the model by which it is the same; it may have a condition. One statement; no
    signal is sent, and ``row`` does not learn its key.
    """
    connection = connections[router.db_for_write(type(row))]
    quote, options = _quoter(connection), row._meta
    table, column = quote(options.db_table), quote(_column_field(type(row), field).column)
    fields = [each for each in options.concrete_fields if not each.primary_key]
    sql = insert_sql(
        table,
        [quote(each.column) for each in fields],
        f"VALUES {_places(len(fields))}",
        on_conflict=(
            f"{_target(type(row), constraint)} DO UPDATE SET {column} = EXCLUDED.{column}"
            f" WHERE {table}.{column} < EXCLUDED.{column}"
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [each.get_db_prep_save(each.pre_save(row, add=True), connection) for each in fields])


def _target(model: type[models.Model], constraint: str) -> str:
    """What ON CONFLICT calls a unique constraint: its columns, and its condition in the words of the index."""
    connection = connections[router.db_for_write(model)]
    found = next(each for each in model._meta.constraints if each.name == constraint)
    assert isinstance(found, models.UniqueConstraint)
    columns = ", ".join(_quoter(connection)(_column_field(model, name).column) for name in found.fields)
    if found.condition is None:
        return f"({columns})"
    # Word for word as the index has it, for SQLite compares the two. The editor is not entered: it only quotes.
    condition = found._get_condition_sql(  # type: ignore[attr-defined]  # private, and so not in the stubs
        model, connection.SchemaEditorClass(connection, collect_sql=True)
    )
    return f"({columns}) WHERE {condition}"


def count_up(
    model: type[models.Model], counter: str, *, unique: Sequence[str], ceilings: Mapping[tuple[Any, ...], int]
) -> set[tuple[Any, ...]]:
    """Add one to the field ``counter`` of each row that ``ceilings`` names, unless it has reached its ceiling already.

    ``ceilings``: the values of the fields ``unique`` (a unique constraint of ``model``) → the number allowed, one or more. A row that
    is not there yet begins at one. Returns those that were counted. One statement; no signal is sent.

    The database decides among those who count at the same moment. Rows are locked in the order of their values, so that two
    who share several rows wait for one another instead of deadlocking.
    """
    if not ceilings:
        return set()
    connection = connections[router.db_for_write(model)]
    quote, table = _quoter(connection), connection.ops.quote_name(model._meta.db_table)
    fields = [_column_field(model, name) for name in unique]
    names = [quote(field.column) for field in fields]
    number = quote(_column_field(model, counter).column)
    rows: list[Any] = []
    cases: list[Any] = []
    for key in sorted(ceilings):
        values = [field.get_db_prep_value(value, connection) for field, value in zip(fields, key, strict=True)]
        rows += [*values, 1]
        cases += [*values, ceilings[key]]
    same = " AND ".join(f"{table}.{name} = %s" for name in names)
    allowed = " ".join([f"WHEN {same} THEN %s"] * len(ceilings))
    sql = insert_sql(
        table,
        [*names, number],
        f"VALUES {', '.join([_places(len(names) + 1)] * len(ceilings))}",
        on_conflict=(
            f"({', '.join(names)}) DO UPDATE SET {number} = {table}.{number} + 1"
            f" WHERE {table}.{number} < CASE {allowed} END"
        ),
        returning=", ".join(names),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*rows, *cases])
        found = cursor.fetchall()
    columns = [field.get_col(model._meta.db_table) for field in fields]
    return {
        tuple(_read(value, column, connection) for value, column in zip(row, columns, strict=True)) for row in found
    }


def _read(value: Any, column: Any, connection: Any) -> Any:
    """A value of the database as the ORM would give it: SQLite knows of no time zone, for example."""
    for convert in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)):
        value = convert(value, column, connection)
    return value


def _quoter(connection: Any) -> Callable[[str | None], str]:
    """Puts a name in quotation marks. ``None`` is what the stubs allow a field's column to be; those here have one."""
    quote: Callable[[str | None], str] = connection.ops.quote_name
    return quote


def _column_field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    return cast("models.Field[Any, Any]", model._meta.get_field(name))  # never the other end of a relation


def _places(number: int) -> str:
    return f"({', '.join(['%s'] * number)})"
