"""What every look at an offer page needs of the database, in one statement: the page in its languages, the offer, who sells.

Three tables without a foreign key between them, so the ORM would ask three times. The rows are few (one a language), and
become the same models that it would have made.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections, models, router
from wagtail.models import Locale

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.site_settings import KwigaSettings

#: Of the pages only what an address and a language need.
_OF_PAGES = frozenset({"id", "url_path", "live", "locale", "translation_key"})


@dataclass(frozen=True)
class Found:
    """``versions``: the page in every language, oldest first, with its locale; ``settings`` are ``None`` where none are made."""

    versions: list[Any]
    offer: Offer | None
    settings: KwigaSettings | None


def read(translation_key: uuid.UUID, site_id: int) -> Found:
    """Everything under ``translation_key`` and of the site. One statement; reads only."""
    pages = publishing.page_model()
    using = router.db_for_read(pages)
    parts = _parts(pages)
    sql, keys = _sql(using, pages)
    key = pages._meta.get_field("translation_key").get_db_prep_value(translation_key, connections[using])
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [site_id, key])
        rows = cursor.fetchall()
    versions, offer, settings = [], None, None
    for row in rows:
        page, locale, *others = _made(using, parts, keys, row, with_others=not versions)
        page.locale = locale
        versions.append(page)
        if others:
            offer, settings = others
    return Found(versions, offer, settings)


@cache
def _parts(pages: type[models.Model]) -> tuple[tuple[type[models.Model], tuple[models.Field, ...]], ...]:
    """Each model of the statement with the fields that are read of it, in the order of the columns."""
    of_pages = tuple(
        field for field in pages._meta.concrete_fields if field.name in _OF_PAGES
    )  # in ``from_db``'s order
    whole = (Locale, Offer, KwigaSettings)
    return ((pages, of_pages), *((model, tuple(model._meta.concrete_fields)) for model in whole))


@cache
def _sql(using: str, pages: type[models.Model]) -> tuple[str, tuple[tuple[Any, Sequence[Any]], ...]]:
    """The statement, and for each column what turns its value into the field's."""
    connection = connections[using]
    quote = connection.ops.quote_name
    columns, converters = [], []
    for number, (_model, fields) in enumerate(_parts(pages)):
        for field in fields:
            expression = field.get_col(f"t{number}")
            columns.append(f"t{number}.{quote(field.column)}")
            converters.append(
                (
                    expression,
                    [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)],
                )
            )
    page, locale, offer, settings = (quote(model._meta.db_table) for model, _fields in _parts(pages))
    column = {
        name: quote(model._meta.get_field(name).column)
        for model, name in ((pages, "locale"), (pages, "translation_key"), (KwigaSettings, "site"))
    }
    sql = (
        f"SELECT {', '.join(columns)} FROM {page} t0 "  # noqa: S608
        f"JOIN {locale} t1 ON t1.{quote(Locale._meta.pk.column)} = t0.{column['locale']} "
        f"LEFT JOIN {offer} t2 ON t2.{column['translation_key']} = t0.{column['translation_key']} "
        f"LEFT JOIN {settings} t3 ON t3.{column['site']} = %s "
        f"WHERE t0.{column['translation_key']} = %s ORDER BY t0.{quote(pages._meta.pk.column)}"
    )
    return sql, tuple(converters)


def _made(using: str, parts: Any, keys: Any, row: Sequence[Any], *, with_others: bool) -> list[Any]:
    """The models of one row; a row that a join did not find is ``None``. Offer and settings are the same in every row."""
    made, start = [], 0
    for model, fields in parts if with_others else parts[:2]:
        values = list(row[start : start + len(fields)])
        for place, (expression, converters) in enumerate(keys[start : start + len(fields)]):
            for convert in converters:
                values[place] = convert(values[place], expression, connections[using])
        start += len(fields)
        names = [field.attname for field in fields]
        is_there = values[names.index(model._meta.pk.attname)] is not None
        made.append(model.from_db(using, names, values) if is_there else None)
    return made
