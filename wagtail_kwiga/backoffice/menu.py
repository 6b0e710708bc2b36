"""The one *Sales* menu."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from wagtail.snippets.views.snippets import SnippetViewSetGroup

from wagtail_kwiga.backoffice.contact_lists import ContactListViewSet
from wagtail_kwiga.backoffice.coupons import CouponViewSet
from wagtail_kwiga.backoffice.emails import EmailTemplateViewSet
from wagtail_kwiga.backoffice.mail import EmailViewSet
from wagtail_kwiga.backoffice.offers import OfferViewSet
from wagtail_kwiga.backoffice.orders import OrderViewSet
from wagtail_kwiga.backoffice.products import ProductViewSet
from wagtail_kwiga.backoffice.scenarios import ScenarioViewSet


class SalesGroup(SnippetViewSetGroup):
    """Everything of the package in the admin, in the order of the day's work."""

    menu_label = _("Sales")
    menu_name = "kwiga-sales"
    menu_icon = "tag"
    menu_order = 250
    items = (
        OrderViewSet,
        OfferViewSet,
        ProductViewSet,
        CouponViewSet,
        ContactListViewSet,
        ScenarioViewSet,
        EmailTemplateViewSet,
        EmailViewSet,
    )
