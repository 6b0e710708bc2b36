"""Page types of the site that are offers: whether an editor can say what they sell, a visitor can order it, and who finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, register
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from wagtail.models import Page, get_page_models

from wagtail_kwiga.checks.saying import error, warning
from wagtail_kwiga.offers import public_listings
from wagtail_kwiga.offers.choices import SOURCE_FIELDS
from wagtail_kwiga.offers.models import OfferPageMixin

#: Where Wagtail's own routes are made; named, because a site need not have that app.
_ROUTABLE = "wagtail.contrib.routable_page.models"


@register("wagtail_kwiga")
def check_page_types(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E031, E032, W032: own page types with ``OfferPageMixin``. Reads no database."""
    kinds = [kind for kind in get_page_models() if issubclass(kind, OfferPageMixin)]
    return [message for kind in kinds for message in faults(kind)]


@register("wagtail_kwiga")
def check_public_listings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W034: an API that lists offers which are not shown in the store. Reads no database."""
    return [
        warning(
            34,
            f"{app} of this version of Wagtail lists offers that are not shown in the store: this package does not know where "
            "its listing begins.",
            "Leave them out in a view set of your own with wagtail_kwiga.offers.public_listings.listed(pages). Where nobody "
            "reaches that API, silence this.",
        )
        for app in public_listings.unguarded()
    ]


def faults(kind: type[Page]) -> Iterator[CheckMessage]:
    """What is wrong with one page type that is an offer."""
    name = f"{kind._meta.app_label}.{kind.__name__}"
    if missing := _without_panel(kind):
        yield warning(
            32,
            f"The editor of {name} has no fields for: {', '.join(missing)}. So nobody can say there what it sells.",
            "A base of it builds an editor of its own: put *OfferPageMixin.selling_panels into its panels, or write "
            "edit_handler = wagtail_kwiga.offers.panels.editor(…) as OfferPageMixin does. Where that is meant, silence this.",
        )
    if kind.get_template is Page.get_template and (lacking := _missing_template(kind)):
        yield error(
            31,
            f"Pages of {name} cannot be shown: there is no template {lacking!r}.",
            'Write it, or name one in the class: template = "wagtail_kwiga/offers/offer_page.html".',
        )
    if _is_routed_first(kind):
        yield error(
            32,
            f"{name} has RoutablePageMixin before OfferPageMixin, so an order sent to the page is answered as if nothing came.",
            f"Put OfferPageMixin first: class {kind.__name__}(OfferPageMixin, RoutablePageMixin, Page).",
        )


def _without_panel(kind: type[Page]) -> list[str]:
    fields = kind.get_edit_handler().get_form_options()["fields"]
    return [field for field in SOURCE_FIELDS if field not in fields]


def _missing_template(kind: type[Page]) -> str:
    try:
        get_template(kind.template)
    except TemplateDoesNotExist as fault:
        return str(fault)
    except Exception:  # a template that is there and cannot be read: Django says so itself, in better words
        return ""
    return ""


def _is_routed_first(kind: type[Page]) -> bool:
    line = [parent for parent in kind.__mro__ if parent is OfferPageMixin or parent.__module__ == _ROUTABLE]
    return bool(line) and line[0] is not OfferPageMixin
