"""The one *Sales* menu."""

from __future__ import annotations

from typing import Any

from django.utils.translation import pgettext_lazy
from wagtail import hooks
from wagtail.snippets.views.snippets import SnippetViewSetGroup

from wagtail_kwiga.backoffice import worker
from wagtail_kwiga.backoffice.attention import AttentionViewSet
from wagtail_kwiga.backoffice.catalogue.offers import OfferViewSet
from wagtail_kwiga.backoffice.catalogue.products import ProductViewSet
from wagtail_kwiga.backoffice.coupons.viewset import CouponViewSet
from wagtail_kwiga.backoffice.emails.viewset import EmailTemplateViewSet
from wagtail_kwiga.backoffice.lists.viewset import ContactListViewSet
from wagtail_kwiga.backoffice.mail.viewset import EmailViewSet
from wagtail_kwiga.backoffice.orders.viewset import OrderViewSet
from wagtail_kwiga.backoffice.scenarios.runs import RunViewSet
from wagtail_kwiga.backoffice.scenarios.viewset import ScenarioViewSet


class SalesGroup(SnippetViewSetGroup):
    """Everything of the package in the admin, in the order of the day's work."""

    menu_label = pgettext_lazy("sales", "Sales")
    menu_name = "kwiga-sales"
    menu_icon = "tag"
    menu_order = 250
    #: Where a site adds items of its own. Wagtail 8.0 asks it; for 7.4 see below.
    submenu_hook = "register_kwiga_menu_item"
    items = (
        AttentionViewSet,
        OrderViewSet,
        OfferViewSet,
        ProductViewSet,
        CouponViewSet,
        ContactListViewSet,
        ScenarioViewSet,
        RunViewSet,
        EmailTemplateViewSet,
        EmailViewSet,
    )

    def __init__(self) -> None:
        super().__init__()
        for viewset in self.registerables:
            worker.watch(viewset)

    def get_submenu_items(self) -> list[Any]:
        """The items, each at the place that its viewset names (7.4 would count them through)."""
        items = [viewset.get_menu_item(order=viewset.menu_order) for viewset in self.registerables]
        if not hasattr(SnippetViewSetGroup, "submenu_hook"):
            items += [item() for item in hooks.get_hooks(self.submenu_hook)]
        return items
