"""Whether there is anything to win back for an offer: what stands in the way, and what an editor should know beforehand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.payments import registry as payment_methods
from wagtail_kwiga.site_settings import PromoPolicy, sales_settings


def source_page(offer: Offer) -> Any | None:
    """The page that owns the terms of ``offer``, whatever its type; ``None`` for an offer without one. Three queries."""
    owner = publishing.source_id(offer.translation_key) if offer.translation_key else None
    page = publishing.page_model().objects.get(pk=owner).specific if owner else None
    return page if publishing.is_offer_page(page) else None


def why_not(offer: Offer, page: Any | None, *, now: dt.datetime | None = None) -> str:
    """Why there is nothing to win back for ``offer``, in words for editors; empty if there is. No query."""
    if page is None:
        return _("This offer has no page, so the link in the mail would lead nowhere.")
    if not page.live:
        return _("The page “%(page)s” is not published, so nobody can order. Publish it first.") % {"page": page.title}
    if not offer.amount:
        return _("This offer costs nothing, so no order of it is ever left unpaid.")
    code = selling.why_not_for_sale(offer, now)
    return selling.message(code, offer) if code and code != selling.NOT_YET else ""


def live_scenarios(offer: Offer) -> QuerySet[Scenario]:
    """Live scenarios about unpaid orders that name ``offer``: whoever leaves an order of it unpaid is written to already."""
    events = registry.recovery_events()
    return Scenario.objects.filter(live=True, version__event__in=events, version__links__offer=offer).distinct()


def live_for_all() -> QuerySet[Scenario]:
    """Live scenarios about unpaid orders that name no offer, and so are about every offer."""
    events = registry.recovery_events()
    named = Scenario.objects.filter(version__links__offer__isnull=False)
    return Scenario.objects.filter(live=True, version__event__in=events).exclude(pk__in=named.values("pk"))


def cautions(offer: Offer, page: Any, *, now: dt.datetime | None = None) -> list[str]:
    """What does not stand in the way of winning back orders of ``offer``, but keeps it from working as one may expect."""
    site = page.get_site()
    settings = sales_settings(site)
    found = []
    if not settings.recovery_on:
        found.append(
            _("Winning back unpaid orders is switched off in the sales settings of this site: nobody is written to.")
        )
    if not any(one.kind == PaymentKind.ONLINE for one in _methods(offer, site)):
        found.append(
            _(
                "Nobody can pay this offer online at present. Orders by bank transfer are left alone, because a transfer "
                "takes days; choose them in the scenario if you want to remind of them as well."
            )
        )
    if settings.promo_policy == PromoPolicy.CONSENTED:
        found.append(_("Only people who ticked the box for promotional mail on the order form are written to."))
    for scenario in live_for_all():
        words = _("The scenario “%(scenario)s” is about unpaid orders of all offers: people may get both mails.")
        found.append(words % {"scenario": scenario})
    if (code := selling.why_not_for_sale(offer, now)) == selling.NOT_YET:
        found.append(selling.message(code, offer))
    return found


def _methods(offer: Offer, site: Any) -> list[Any]:
    return payment_methods.available(offer, currency=offer.currency, site=site)
