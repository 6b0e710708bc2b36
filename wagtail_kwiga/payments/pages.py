"""How the pages of this room answer: rendered at once in the order's language, never cached, never indexed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from wagtail.models import Site

from wagtail_kwiga import signing
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.site_settings import sales_settings

View = Callable[..., HttpResponse]


def speaking(language: str) -> AbstractContextManager[None]:
    """The language of an order around everything that puts words together."""
    return translation.override(language or django_settings.LANGUAGE_CODE)


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, site_id: int | None = None, status: int = 200
) -> HttpResponse:
    """``template`` rendered here and now in the active language: a lazy response would be rendered in another.

    The sales settings of the site go along for the page's foot, only read: a look at a page must change nothing.
    """
    whole = {"kwiga_settings": sales_settings(site_id), **context}
    answer = HttpResponse(render_to_string(f"wagtail_kwiga/payments/{template}.html", whole, request), status=status)
    answer["Content-Language"] = translation.get_language() or django_settings.LANGUAGE_CODE
    return answer


def private(view: View) -> View:
    """For pages that belong to whoever holds the link: not for caches, search engines, or other sites' logs.

    A token that is wrong or too old gets a friendly page: 404, or 410 where it once was right.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer = view(request, *args, **kwargs)
        except BadToken as fault:
            answer = _link_fault(request, fault)
        answer["Cache-Control"] = "private, no-store"
        answer["X-Robots-Tag"] = "noindex, nofollow"
        answer["Referrer-Policy"] = "same-origin"
        # As Django's own middleware would; a button that pays must not be framed where a site leaves that one out.
        answer.setdefault("X-Frame-Options", django_settings.X_FRAME_OPTIONS)
        return answer

    return guarded


def _link_fault(request: HttpRequest, fault: BadToken) -> HttpResponse:
    """The friendly page, in the language of the order where the link still tells which one it was about."""
    gone = fault.code in ("expired_token", "gone")
    orders = signing.with_handle(Order.objects.all(), (fault.facts.get("payload") or {}).get("order"))
    about = orders.values_list("language", "site_id").first()
    site = Site.find_for_request(request)
    language, site_id = about or (translation.get_language(), site.pk if site else None)
    with speaking(language or ""):
        heading = _("This link is no longer good") if gone else _("This link is not complete")
        message = _("This link has expired.") if fault.code == "expired_token" else fault.message
        # What is gone, no other link leads to; the message says all that there is to say.
        context = {"kwiga_title": heading, "heading": heading, "message": message, "is_gone": fault.code == "gone"}
        return page(request, "link_fault", context, site_id=site_id, status=410 if gone else 404)
