"""Products that pages name in what is not published yet: a draft, or a revision that is planned. They are not deleted from
under it, as those that are sold are not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import ProtectedError, Q
from django.db.models.signals import pre_delete
from django.utils.translation import gettext as _
from wagtail.models import Page, Revision

from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.offers import page_currency


def pages_naming(products: Collection[int]) -> list[Page]:
    """The pages whose draft or planned revision sells any of ``products``, given by key; each once, in the order of titles.

    Two queries for each type of offer page.
    """
    wanted = set(products)
    found: dict[int, Page] = {}
    for kind in page_currency.page_kinds():
        drafted = kind._default_manager.filter(Q(live=False) | Q(has_unpublished_changes=True))
        for page in drafted.select_related("latest_revision"):
            revision = page.latest_revision
            stream = page.products.raw_data if revision is None else revision.content.get("products")
            if wanted & set(_named(stream)):
                found[page.pk] = page
        planned = Revision.objects.filter(
            content_type=ContentType.objects.get_for_model(kind), approved_go_live_at__isnull=False
        )
        for object_id, content in planned.values_list("object_id", "content"):
            if int(object_id) not in found and wanted & set(_named(content.get("products"))):
                found[int(object_id)] = kind._default_manager.get(pk=object_id)
    return sorted(found.values(), key=lambda page: (page.title, page.pk))


def connect() -> None:
    """Protect products. Safe to call twice."""
    pre_delete.connect(_on_delete, sender=Product, dispatch_uid="wagtail_kwiga.offers.drafted_products")


def _named(stream: Any) -> Iterator[int]:
    """The keys of the products in a stream as Wagtail keeps it: JSON in a revision, rows on a page."""
    rows = json.loads(stream or "[]") if isinstance(stream, str | None) else stream
    for row in rows:
        value = row.get("value") if isinstance(row, dict) else None
        key = value.get("product") if isinstance(value, dict) else None
        if isinstance(key, int):
            yield key


def _on_delete(instance: Product, **_given: Any) -> None:
    if pages := pages_naming([instance.pk]):
        names = ", ".join(_("“%(title)s”") % {"title": page.get_admin_display_title()} for page in pages)
        words = _("“%(product)s” cannot be deleted: drafts of these pages sell it: %(pages)s.")
        raise ProtectedError(words % {"product": instance, "pages": names}, set(pages))
