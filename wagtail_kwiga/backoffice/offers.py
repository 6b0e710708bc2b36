"""Offers in the admin: what offer pages have put on sale."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga.backoffice.columns import MoneyColumn
from wagtail_kwiga.catalogue.models import Offer


class OfferViewSet(SnippetViewSet):
    """What offer pages have put on sale: for looking up and choosing; edited on the page."""

    model = Offer
    base_url_path = "kwiga/offers"
    admin_url_namespace = "wagtail_kwiga_offers"
    icon = "doc-full-inverse"
    menu_label = _("Offers")
    menu_name = "kwiga-offers"
    menu_order = 150
    copy_view_enabled = False
    inspect_view_enabled = True
    search_fields = ["title"]
    search_backend_name = None
    list_filter = ["state", "coupon_mode"]
    edit_handler = ObjectList([FieldPanel("title", read_only=True)])

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            MoneyColumn("price", label=_("Price"), sort_key="amount"),
            StatusTagColumn("state", label=_("State"), accessor="get_state_display", primary=_on_sale),
            Column("coupon_mode", label=_("Coupons"), accessor="get_coupon_mode_display"),
            Column("until", label=_("Sold until"), accessor=lambda offer: _day(offer.sales_until)),
            DateColumn("updated_at", label=_("Last published")),
        ]


def _on_sale(offer: Offer) -> bool:
    return offer.state == Offer.State.ON_SALE


def _day(instant: Any) -> Any:
    return timezone.localtime(instant).date() if instant else ""
