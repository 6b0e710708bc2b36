"""Panels that a site adds to the order's card (``register_kwiga_order_panels``). One that fails is logged and shown as a
sentence; the card stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from django.db import connections, router, transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from wagtail import hooks
from wagtail.admin.ui.components import Component

from wagtail_kwiga.orders.models import Order

logger = logging.getLogger("wagtail_kwiga.backoffice")


def panels(order: Order, request: HttpRequest) -> list[SitePanel]:
    """The panels that the site has registered, in the order of its hooks."""
    return [SitePanel(panel, order=order, request=request) for panel in _registered()]


def _registered() -> Iterator[Any]:
    for listener in hooks.get_hooks("register_kwiga_order_panels"):
        found: list[Any] = []
        with _Minded(listener):
            found = list(listener() or [])
        yield from found


class SitePanel(Component):
    """A panel of the site's, which may fail without taking the card along."""

    icon = "placeholder"

    def __init__(self, panel_class: Any, *, order: Order, request: HttpRequest) -> None:
        self.panel: Any = None
        self.heading: Any = getattr(panel_class, "__name__", "")
        self.source, self.shown = panel_class, True
        with self._minded():
            panel = panel_class(order=order, request=request)
            self.shown = bool(getattr(panel, "is_shown", lambda: True)())
            self.heading, self.icon = str(panel.heading), str(getattr(panel, "icon", "") or self.icon)
            self.panel = panel

    def is_shown(self) -> bool:
        return self.shown

    @property
    def media(self) -> Any:
        return getattr(self.panel, "media", None) or super().media

    def render_html(self, parent_context: Any = None) -> str:
        if self.panel is not None:
            with self._minded():
                shown: str = self.panel.render_html(parent_context)
                return shown
        return format_html("<p>{}</p>", _("This panel could not be shown. The site's log says why."))

    def _minded(self) -> Any:
        return _Minded(self.source)


class _Minded:
    """What happens within is logged and swallowed, and a query that failed does not spoil those that follow."""

    def __init__(self, source: Any) -> None:
        self.source = source
        connection = connections[router.db_for_read(Order)]
        self.savepoint = transaction.atomic(using=connection.alias) if connection.in_atomic_block else nullcontext()

    def __enter__(self) -> None:
        self.savepoint.__enter__()

    def __exit__(self, kind: Any, fault: Any, trace: Any) -> bool:
        self.savepoint.__exit__(kind, fault, trace)
        if isinstance(fault, Exception):
            logger.error("The order panel %r failed", self.source, exc_info=(kind, fault, trace))
        return fault is None or isinstance(fault, Exception)
