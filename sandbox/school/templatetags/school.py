"""Template tags of the demo site."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.conf import settings
from django.utils.translation import get_language
from wagtail.models import Page

from wagtail_kwiga.models import OfferPage

register = template.Library()


@dataclass(frozen=True)
class Tongue:
    """A page in one language."""

    code: str
    name: str
    url: str
    is_current: bool


@register.simple_tag(takes_context=True)
def tongues(context) -> list[Tongue]:
    """The page in every language it is published in, in the order of ``LANGUAGES``; empty where there is only one.

    Empty on offer pages too: the package's templates name their languages themselves.
    """
    page = context.get("page")
    request = context.get("request")
    if not isinstance(page, Page) or isinstance(page, OfferPage) or page.pk is None:
        return []
    by_code = {
        other.locale.language_code: other
        for other in page.get_translations(inclusive=True).live().select_related("locale").defer_streamfields()
    }
    if len(by_code) < 2:
        return []
    current = page.locale.language_code or get_language()
    return [
        Tongue(code, name, by_code[code].get_full_url(request), code == current)
        for code, name in settings.LANGUAGES
        if code in by_code
    ]
