"""Template tags for visitor pages: the base, who sells, money and instants in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.conf import settings as django_settings
from django.template.base import FilterExpression, Parser, Token
from django.template.context import Context
from django.utils import translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from wagtail.models import Site

from wagtail_kwiga.formatting import instants, languages
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.offers import base_templates
from wagtail_kwiga.offers.base_templates import BaseNode
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import KwigaSettings, sales_settings

register = template.Library()


@register.tag("kwiga_base")
def do_kwiga_base(parser: Parser, token: Token) -> BaseNode:
    """Use as ``{% kwiga_base %}`` where ``{% extends %}`` would stand; the rest of the file may only hold blocks."""
    return BaseNode(parser.parse(), FilterExpression(f'"{base_templates.OWN_DOCUMENT}"', parser))


@register.simple_tag
def kwiga_base_says(says: str = "") -> frozenset[str]:
    """What the base of this site says of a page itself, by the names of ``base_templates.SAYINGS``: what its templates
    show, and what ``says`` names, with spaces between."""
    return base_templates.current().says | set(says.split())


@register.filter
def money(value: Money | None) -> str:
    """A ``Money`` written for the reader's language."""
    return money_for_reader(value) if value is not None else ""


@register.filter
def instant(value: dt.datetime | None) -> SafeString | str:
    """Date, time and zone of an instant, marked up as ``<time>``: a deadline is never told without its zone."""
    if value is None:
        return ""
    iso = instants.local(value).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', iso, instants.moment(value))


@register.filter
def until(end: dt.datetime | None) -> SafeString | str:
    """The same of an end: what ends with a day is told as its last minute; ``<time>`` holds the end itself."""
    if end is None:
        return ""
    iso = instants.local(end).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', iso, instants.until(end))


@register.inclusion_tag("wagtail_kwiga/seller.html", takes_context=True)
def kwiga_seller(context: Context) -> dict[str, Any]:
    """Who sells, for the foot of every visitor page."""
    return {"kwiga_settings": _settings_in(context)}


@register.simple_tag(takes_context=True)
def kwiga_seller_name(context: Context) -> str:
    """The seller's name, for the head of every visitor page."""
    return _settings_in(context).seller_name


def _settings_in(context: Context) -> KwigaSettings:
    """The settings in the context, or those of the request's site."""
    settings = context.get("kwiga_settings")
    if settings is None:
        request = context.get("request")
        site = context.get("site")
        if not isinstance(site, Site):  # other apps put other things under that name
            site = Site.find_for_request(request) if request else None
        settings = sales_settings(site) if site else KwigaSettings()
    return settings


@register.simple_tag
def kwiga_lang(language: str = "") -> SafeString:
    """The attributes that tell the language of an element, `` lang="de"``: by default the active one.

    With the direction of writing, where that may not be what the element would have anyway.
    """
    spoken = language or translation.get_language() or django_settings.LANGUAGE_CODE
    direction = (
        "rtl" if languages.fallbacks(spoken)[-1] in django_settings.LANGUAGES_BIDI else "ltr" if language else ""
    )
    return format_html(' lang="{}" dir="{}"' if direction else ' lang="{}"', spoken, direction)


@register.filter
def kwiga_words(text: str) -> list[str]:
    """The words of ``text``, to loop over."""
    return text.split()


@register.filter
def kwiga_field(form: Any, name: str) -> Any:
    """The field ``name`` of ``form``, or ``None`` where the form has no such field."""
    return form[name] if name in form.fields else None
