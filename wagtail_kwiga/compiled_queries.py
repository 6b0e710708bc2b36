"""SQL for the hot paths: statements that are made once and run often, and many rows written by one statement.

Making the SQL of a query costs Django several times what running it costs the database, and so does turning many objects
into the values of a ``bulk_create``. Where a sweep does one thing for thousands of people, that is most of its time. So the
sweeps, and only they, use this: the queries are still written as QuerySets, and are compiled once. Nothing here sends
signals or looks at defaults; whoever writes rows gives every column that the database asks for.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from django.apps import apps
from django.db import connections, models, router
from django.db.models.expressions import Expression
from django.db.models.sql import UpdateQuery

from wagtail_kwiga import upserts


class Param(Expression):
    """A value that is put in at each run: ``Order.objects.filter(number=Param("number", CharField()))``."""

    def __init__(self, name: str, output_field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]  # the place of the value; ``_Compiled.filled`` puts it there


class _Compiled:
    """SQL with places for what is given, on one database."""

    def __init__(self, sql: str, params: Sequence[Any]) -> None:
        self.sql, self.params = sql, params

    def filled(self, values: dict[str, Any], connection: Any) -> list[Any]:
        return [
            one.output_field.get_db_prep_value(values[one.name], connection) if isinstance(one, Param) else one
            for one in self.params
        ]


class Select:
    """A query that is asked again and again with other values. Rows are tuples, in the order of ``values_list``.

    ``make`` returns the QuerySet. It is called when the question is first asked on a database, so it may hold locks
    (``locking.locked``) and be written where models are not loaded yet.
    """

    def __init__(self, make: Callable[[], models.QuerySet[Any]]) -> None:
        self._make = make
        self._made: dict[str, tuple[_Compiled, dict[int, Any]]] = {}

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """All rows for these values."""
        using = router.db_for_write(_any_model())
        compiled, converters = self._made.get(using) or self._compile(using)
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(values, connection))
            found = cursor.fetchall()
        return [_converted(row, converters, connection) for row in found] if converters else found

    def row(self, **values: Any) -> tuple[Any, ...] | None:
        """The one row for these values, if there is one."""
        found = self.rows(**values)
        return found[0] if found else None

    def _compile(self, using: str) -> tuple[_Compiled, dict[int, Any]]:
        compiler = self._make().using(using).query.get_compiler(using)
        compiled = _Compiled(*compiler.as_sql())
        made = self._made[using] = compiled, compiler.get_converters([column[0] for column in compiler.select])
        return made


def _converted(row: Sequence[Any], converters: dict[int, Any], connection: Any) -> tuple[Any, ...]:
    """A row as Django would give it: SQLite keeps instants as text, for example."""
    values = list(row)
    for position, (functions, expression) in converters.items():
        for function in functions:
            values[position] = function(values[position], expression, connection)
    return tuple(values)


class ExistsMany:
    """Several questions of the kind “is there any?”, asked in one statement."""

    def __init__(self, make: Callable[[], Sequence[models.QuerySet[Any]]]) -> None:
        self._make = make
        self._made: dict[str, _Compiled] = {}

    def ask(self, **values: Any) -> tuple[bool, ...]:
        """The answers, in the order of the QuerySets."""
        using = router.db_for_write(_any_model())
        compiled = self._made.get(using) or self._compile(using)
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(values, connection))
            return tuple(bool(answer) for answer in cursor.fetchone())

    def _compile(self, using: str) -> _Compiled:
        asked = [one.using(using).query.exists().get_compiler(using).as_sql() for one in self._make()]
        sql = "SELECT " + ", ".join(f"EXISTS({sql})" for sql, _params in asked)
        compiled = self._made[using] = _Compiled(sql, [one for _sql, params in asked for one in params])
        return compiled


class Update:
    """An UPDATE that is run again and again. ``make`` returns the QuerySet and the new values by field name."""

    def __init__(self, make: Callable[[], tuple[models.QuerySet[Any], dict[str, Any]]]) -> None:
        self._make = make
        self._made: dict[str, _Compiled] = {}

    def run(self, **values: Any) -> int:
        """How many rows it changed."""
        using = router.db_for_write(_any_model())
        compiled = self._made.get(using) or self._compile(using)
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(values, connection))
            changed: int = cursor.rowcount
            return changed

    def _compile(self, using: str) -> _Compiled:
        queryset, values = self._make()
        query: Any = queryset.using(using).order_by().query.chain(UpdateQuery)
        query.add_update_values(values)
        compiled = self._made[using] = _Compiled(*query.get_compiler(using).as_sql())
        return compiled


# --- many rows ----------------------------------------------------------------------------------------------------------


def insert(
    model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]], *, or_ignore: bool = False
) -> int:
    """Insert ``rows``, each the values of the columns ``names`` (attribute names) in that order. One statement.

    Returns how many there are now. With ``or_ignore`` a row that breaks a unique constraint is left out without a word.
    """
    rows = list(rows)
    if not rows:
        return 0
    connection, table, columns = _target(model, names)
    quoted = [column.quoted for column in columns]
    insert_sql = partial(upserts.insert_sql, table, quoted, on_conflict=upserts.DO_NOTHING if or_ignore else "")
    if connection.vendor == "postgresql":
        typed = ", ".join(f"{column.quoted} {column.type}" for column in columns)
        sql = insert_sql(f"SELECT {', '.join(quoted)} FROM json_to_recordset(%s::json) AS new({typed})")  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(sql, [_document(columns, rows)])
            changed: int = cursor.rowcount
            return changed
    # Several rows in one execution each: SQLite compiles it once and runs it at the speed of C.
    sql = insert_sql(f"VALUES ({', '.join(['%s'] * len(columns))})")
    with connection.cursor() as cursor:
        cursor.executemany(sql, list(_bound(columns, rows, connection)))
        inserted: int = cursor.rowcount
        return inserted


def update(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write ``rows``: the primary key first, then the values of the columns ``names``. One statement.

    A CASE per column and row, as ``bulk_update`` makes it, takes a hundred times as long.
    """
    rows = list(rows)
    if not rows:
        return
    connection, table, columns = _target(model, [model._meta.pk.attname, *names])
    key, *others = columns
    if connection.vendor == "postgresql":
        sets = ", ".join(f"{column.quoted} = new.{column.quoted}" for column in others)
        typed = ", ".join(f"{column.quoted} {column.type}" for column in columns)
        sql = (
            f"UPDATE {table} SET {sets} FROM json_to_recordset(%s::json) AS new({typed}) "  # noqa: S608
            f"WHERE {table}.{key.quoted} = new.{key.quoted}"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [_document(columns, rows)])
        return
    sets = ", ".join(f"{column.quoted} = %s" for column in others)
    sql = f"UPDATE {table} SET {sets} WHERE {key.quoted} = %s"  # noqa: S608  (names of our own models)
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(*row[1:], row[0]) for row in _bound(columns, rows, connection)])


class _Column:
    """One column to be written: its name, its type, and how a value becomes what the database takes."""

    def __init__(self, field: models.Field[Any, Any], connection: Any) -> None:
        self.name = field.column
        self.quoted = connection.ops.quote_name(field.column)
        # Text for every kind of text: a cast to varchar(12) would cut what is too long instead of refusing it.
        is_text = isinstance(field, models.CharField | models.TextField)
        self.type = "text" if is_text else field.cast_db_type(connection)
        self.is_json = isinstance(field, models.JSONField)
        while isinstance(field, models.ForeignKey):  # what refers to a key is written like that key
            field = field.target_field
        self.is_plain = is_text or isinstance(field, models.IntegerField | models.BooleanField)
        self.field = field

    def for_document(self) -> Callable[[Any], Any] | None:
        """What makes a value of this column fit for JSON; ``None`` where every value is."""
        if self.is_json or self.is_plain:
            return None
        return _remembering(lambda value: value.isoformat() if isinstance(value, dt.datetime) else str(value))

    def for_parameter(self, connection: Any) -> Callable[[Any], Any] | None:
        if self.is_plain:
            return None
        if self.is_json:
            encoder = self.field.encoder  # type: ignore[attr-defined]  # a JSONField has one
            return lambda value: None if value is None else json.dumps(value, cls=encoder)
        return _remembering(lambda value: self.field.get_db_prep_save(value, connection))


def _remembering(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Most columns of a batch hold few different values, the present above all."""
    known: dict[Any, Any] = {None: None}

    def made(value: Any) -> Any:
        if value not in known:
            known[value] = make(value)
        return known[value]

    return made


def _target(model: type[models.Model], names: Sequence[str]) -> tuple[Any, str, tuple[_Column, ...]]:
    using = router.db_for_write(model)
    return connections[using], *_described(using, model, tuple(names))


@cache
def _described(using: str, model: type[models.Model], names: tuple[str, ...]) -> tuple[str, tuple[_Column, ...]]:
    """A table and columns of it in the words of a database. These never change."""
    connection = connections[using]
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    columns = tuple(_Column(by_name[name], connection) for name in names)
    return connection.ops.quote_name(model._meta.db_table), columns


def _bound(columns: Sequence[_Column], rows: Iterable[Sequence[Any]], connection: Any) -> Iterator[Sequence[Any]]:
    """The rows as parameters."""
    return _prepared(rows, [column.for_parameter(connection) for column in columns])


def _document(columns: Sequence[_Column], rows: Iterable[Sequence[Any]]) -> str:
    """The rows as one JSON document: one parameter, written and read at the speed of C, whatever their number."""
    names = [column.name for column in columns]
    prepared = _prepared(rows, [column.for_document() for column in columns])
    return json.dumps([dict(zip(names, row, strict=True)) for row in prepared])


def _prepared(
    rows: Iterable[Sequence[Any]], functions: Sequence[Callable[[Any], Any] | None]
) -> Iterator[Sequence[Any]]:
    wanted = [(position, function) for position, function in enumerate(functions) if function is not None]
    for row in rows:
        values = list(row)
        for position, function in wanted:
            values[position] = function(values[position])
        yield values


@cache
def _any_model() -> type[models.Model]:
    return apps.get_model("wagtail_kwiga", "Heartbeat")
