"""The languages in which orders may come in, by what the live offer pages say: a scenario's mails should speak them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Q

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.offers.choices import languages_spoken
from wagtail_kwiga.offers.models import OfferPageMixin


def of_offers(offers: Collection[Offer]) -> dict[int, list[str]]:
    """Offer → the languages its live pages speak, in the order of ``LANGUAGES``. One query for each type of offer page.

    A page that follows the visitor's browser speaks all languages of the site. An offer without a live page: none.
    """
    keys = {offer.translation_key: offer.pk for offer in offers if offer.translation_key}
    found: dict[int, set[str]] = {offer.pk: set() for offer in offers}
    for model in _page_types():
        rows = model.objects.filter(translation_key__in=keys, live=True).values_list(
            "translation_key", "locale__language_code", "language_mode", "fixed_language"
        )
        for key, own, mode, fixed in rows:
            found[keys[key]].update(languages_spoken(own, mode, fixed))
    order = {code: index for index, (code, _name) in enumerate(settings.LANGUAGES)}
    return {pk: sorted(codes, key=lambda code: order.get(code, len(order))) for pk, codes in found.items()}


def _page_types() -> list[Any]:
    return [model for model in apps.get_models() if issubclass(model, OfferPageMixin)]


def missing(templates: Mapping[int, EmailTemplate], wanted: Mapping[int, Collection[str]]) -> dict[int, list[str]]:
    """``mailing.authoring.versions.languages_missing`` for many templates at once (a test holds the two together). One query."""
    keys = {template.translation_key for template in templates.values()}
    there: dict[Any, set[str]] = {}
    rows = EmailTemplate.objects.filter(Q(live=True) | Q(pk__in=templates), translation_key__in=keys)
    for key, code in rows.values_list("translation_key", "locale__language_code"):
        there.setdefault(key, set()).add(code)
    return {
        pk: [code for code in wanted.get(pk, ()) if languages.nearest(code, there[template.translation_key]) is None]
        for pk, template in templates.items()
    }
