"""In which currency an offer page is priced. It is written into the page when it is first priced, and nothing but its editor
changes it: another default of the site is for what is priced from then on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.db.models.signals import pre_save
from wagtail.models import Page, Site, get_page_models

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.site_settings import KwigaSettings, sales_settings


def default_currency(page: Any, parent: Any = None) -> str:
    """What the site of ``page`` sells in where nothing else is said; that of ``parent``, or of the page above, for a page that
    has no address yet, and of the default site for one outside of every site."""
    place = page if page.url_path else parent or (page.get_parent() if page.path else None)
    return sales_settings(place.get_site() if place is not None else None).default_currency


def currency_of(page: Any, parent: Any = None) -> str:
    """The currency of ``page``: its own; where none is written (pages of before 0.2), that in which its offer was last
    published; else the default. No query for a page that has one."""
    return page.currency or _published(page) or default_currency(page, parent)


def connect() -> None:
    """Listen to the settings of sites. Safe to call twice."""
    pre_save.connect(_on_settings, sender=KwigaSettings, dispatch_uid="wagtail_kwiga.offers.default_currency")


def _published(page: Any) -> str:
    offers = Offer.objects.filter(translation_key=page.translation_key, tariff_key="")
    return offers.values_list("currency", flat=True).first() or ""


def _on_settings(instance: KwigaSettings, raw: bool = False, **_given: Any) -> None:
    """Before the default becomes another one, whatever was priced in the old one says so itself."""
    if raw:
        return
    stored = KwigaSettings.objects.filter(site=instance.site_id).values_list("default_currency", flat=True).first()
    before = stored or cast(str, KwigaSettings._meta.get_field("default_currency").default)
    if before == instance.default_currency:
        return
    for page in _without_currency(instance.site):
        type(page)._default_manager.filter(pk=page.pk).update(currency=_published(page) or before)


def _without_currency(site: Site) -> Iterator[Any]:
    """Priced pages of ``site`` in which no currency is written; those outside of every site belong to the default one."""
    for kind in page_kinds():
        for page in kind._default_manager.filter(currency="", price__isnull=False):
            place = page.get_site()
            if place == site or (place is None and site.is_default_site):
                yield page


def page_kinds() -> list[Any]:
    """Every type of offer page that this site has."""
    return [kind for kind in get_page_models() if kind is not Page and getattr(kind, "is_kwiga_offer", False)]
