"""Where the site has put our URLs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

from wagtail_kwiga.checks.saying import error


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003, E004: our URLs are included, and Wagtail's catch-all does not swallow them."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    line = 'path("shop/", include("wagtail_kwiga.urls"))'
    swallowing: list[str] = []
    lost = False
    for kind, prefix in _walk(get_resolver().url_patterns, ""):
        if kind == "wagtail":
            swallowing.append(prefix)
        elif any(prefix.startswith(earlier) for earlier in swallowing):
            lost = True
        else:
            return []
    if lost:
        return [
            error(
                4,
                "wagtail_kwiga.urls comes after Wagtail's catch-all, so every pay link would be a page that does not exist.",
                f"In {django_settings.ROOT_URLCONF} put {line} above include(wagtail_urls).",
            )
        ]
    return [
        error(
            3,
            "wagtail_kwiga.urls is not included, so there are no pay links and no links in mails.",
            f"Add {line} to urlpatterns in {django_settings.ROOT_URLCONF}, above include(wagtail_urls).",
        )
    ]


def _walk(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str]]:
    """Where our URLs ("ours") and Wagtail's page serving ("wagtail") stand, in the order in which Django asks them."""
    for entry in patterns:
        here = prefix + str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            if entry.app_name == "wagtail_kwiga":
                yield "ours", here
            else:
                yield from _walk(entry.url_patterns, here)
        elif entry.name == "wagtail_serve":
            yield "wagtail", prefix
