"""The names that other apps expect.

wagtail-localize reverses ``wagtailsnippets_<app>_<model>:edit`` for whatever snippet it translates, as Wagtail names the
addresses of a snippet by default. Ours bear names of their own; so those of translatable models answer to both.
"""

from __future__ import annotations

from typing import Any

from django.urls import URLResolver, include, path

from wagtail_kwiga.mailing.models import EmailTemplate

MODELS: tuple[Any, ...] = (EmailTemplate,)


def patterns() -> list[URLResolver]:
    """The same views at the same addresses, under the conventional namespace."""
    found = []
    for model in MODELS:
        viewset = model.snippet_viewset
        namespace = f"wagtailsnippets_{viewset.app_label}_{viewset.model_name}"
        found.append(path(f"{viewset.url_prefix}/", include((viewset.get_urlpatterns(), namespace))))
    return found
