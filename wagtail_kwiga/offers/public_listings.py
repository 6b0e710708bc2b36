"""Offers that are not shown in the store stay out of what everybody may list: only who has their address shall find them.

Wagtail's public APIs list every page that is live, and have no hook for it. So the two places where they begin their question
are wrapped once the app is ready: a site need not know of it, and neither need its own view sets.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db.models import Q, QuerySet

from wagtail_kwiga.offers import page_currency

#: App of an API → module, class in it (or none) and name of what makes its question.
_BEGINNINGS = {
    "wagtail.api.v2": ("wagtail.api.v2.views", "PagesAPIViewSet", "get_base_queryset"),
    "wagtail.api.v3": ("wagtail.api.v3.querysets", "", "get_public_pages_queryset"),
}


def listed(pages: QuerySet[Any]) -> QuerySet[Any]:
    """``pages`` without the offers that are not shown in the store: for menus, searches and lists of a site's own.

    ``pages`` is a queryset of pages of whatever type, neither cut nor ordered by a search yet. No query more.
    """
    hidden = Q()
    for kind in page_currency.page_kinds():
        hidden |= Q(pk__in=kind._base_manager.filter(is_listed=False).values("pk"))
    return pages.exclude(hidden) if hidden else pages


def connect() -> None:
    """Have the APIs that this site has installed leave them out. Safe to call twice. Raises nothing: ``unguarded`` says what
    could not be had."""
    for app, (module, owner, name) in _BEGINNINGS.items():
        if apps.is_installed(app):
            place = _place(module, owner)
            ask = getattr(place, name, None)
            if ask is not None and not hasattr(ask, "kwiga_listed"):
                setattr(place, name, _leaving_out(ask))


def unguarded() -> list[str]:
    """The installed APIs that list what is not shown in the store, because this version of Wagtail builds them otherwise."""
    return [
        app
        for app, (module, owner, name) in _BEGINNINGS.items()
        if apps.is_installed(app) and not hasattr(getattr(_place(module, owner), name, None), "kwiga_listed")
    ]


def _place(module: str, owner: str) -> Any:
    try:
        found = import_module(module)
    except ImportError:
        return None
    return getattr(found, owner, None) if owner else found


def _leaving_out(ask: Any) -> Any:
    @functools.wraps(ask)
    def leaving_out(*args: Any, **kwargs: Any) -> Any:
        return listed(ask(*args, **kwargs))

    leaving_out.kwiga_listed = True  # type: ignore[attr-defined]  # our own mark
    return leaving_out
