"""Offers in the admin: what offer pages have put on sale."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.tables import BulkActionsCheckboxColumn, Column, DateColumn, StatusTagColumn
from wagtail.admin.views.pages.choose_parent import ChooseParentView
from wagtail.admin.widgets.button import HeaderButton
from wagtail.snippets.views.snippets import InspectView, SnippetViewSet

from wagtail_kwiga.backoffice.catalogue import offer_emails, offer_panels
from wagtail_kwiga.backoffice.coupons import gates
from wagtail_kwiga.backoffice.parts import policies, records
from wagtail_kwiga.backoffice.parts.choosers import OfferChooser
from wagtail_kwiga.backoffice.parts.columns import NUMBER, MoneyColumn
from wagtail_kwiga.backoffice.parts.filters import ReadableLocale
from wagtail_kwiga.backoffice.parts.listings import GuidedIndexView
from wagtail_kwiga.backoffice.recovery import winning_back
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.offers.models import OfferPage
from wagtail_kwiga.orders.models import Order


class OfferIndexView(GuidedIndexView):
    """All offers."""

    def nothing_yet(self) -> str:
        return gettext(
            "Offers come from offer pages: make a page of the type “Offer page”, give it a price and publish it. "
            "There is none yet."
        )

    @cached_property
    def columns(self) -> list[Any]:
        """Without checkboxes: the only thing to do with ticked rows would be to delete them, which nobody may."""
        return [column for column in super().columns if not isinstance(column, BulkActionsCheckboxColumn)]

    def way_on(self) -> tuple[str, Any]:
        if self.header_buttons:
            return reverse("wagtail_kwiga_offers:add_page"), gettext("Add offer page")
        return reverse("wagtailadmin_explore_root"), gettext("Go to the pages")

    @cached_property
    def header_buttons(self) -> list[Any]:
        """An offer is made as a page: this leads to where the reader may add one."""
        choosing = AddOfferPageView(model=OfferPage)
        choosing.setup(self.request)
        if not choosing.get_valid_parent_pages(self.request.user).exists():
            return []
        url = reverse("wagtail_kwiga_offers:add_page")
        return [HeaderButton(label=gettext("Add offer page"), url=url, icon_name="plus")]


class AddOfferPageView(ReadableLocale, ChooseParentView):
    """Below which page the new offer page shall be; goes straight on where there is only one."""

    index_url_name = "wagtail_kwiga_offers:list"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.get_valid_parent_pages(request.user).exists():
            raise PermissionDenied
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def get_form(self) -> Any:
        """What is no key of a page is nothing chosen: the chooser's field would fall over it."""
        form = super().get_form()
        if form.is_bound and not records.keys([form.data.get("parent_page", "")]):
            form.data = {**form.data.dict(), "parent_page": ""}
        return form


class OfferInspectView(InspectView):
    """An offer's card."""

    page_title = pgettext_lazy("sales", "Offer")

    @property
    def header_buttons(self) -> list[Any]:
        url, label = gates.page_button(
            gates.source_pages([self.object]).get(self.object.translation_key), self.request.user
        )
        page = [HeaderButton(label=label, url=url, icon_name="edit")] if url else []
        user = self.request.user
        return [
            *page,
            *offer_emails.header_button(self.object, user),
            *winning_back.offer_header_button(self.object, user),
        ]

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = offer_panels.cards(self.object, self.request)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


class OfferURLFinder:
    """Where a chosen offer leads from a chooser: to its card, for nobody edits it here."""

    def __init__(self, user: Any = None) -> None:
        self.user = user

    def get_edit_url(self, offer: Offer) -> str | None:
        if self.user is not None and not policies.may(self.user, "view", Offer):
            return None
        return reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])


class OfferViewSet(SnippetViewSet):
    """What offer pages have put on sale: for looking up and choosing; edited on the page."""

    model = Offer
    base_url_path = "kwiga/offers"
    admin_url_namespace = "wagtail_kwiga_offers"
    chooser_viewset_class = OfferChooser
    url_finder_class = OfferURLFinder
    icon = "doc-full-inverse"
    menu_label = pgettext_lazy("sales", "Offers")
    menu_name = "kwiga-offers"
    menu_order = 150
    copy_view_enabled = False
    index_view_class = OfferIndexView
    index_results_template_name = OfferIndexView.results_template_name
    inspect_view_enabled = True
    inspect_view_class = OfferInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    search_fields = ["title"]
    search_backend_name = None
    list_filter = ["state", "coupon_mode", "is_listed"]
    edit_handler = ObjectList([FieldPanel("title", read_only=True)])

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            MoneyColumn("price", label=pgettext_lazy("sales", "Price"), sort_key="amount"),
            StatusTagColumn(
                "state", label=pgettext_lazy("sales", "State"), accessor=offer_panels.state, sort_key="state", primary=offer_panels.is_on_sale
            ),
            Column("coupon_mode", label=pgettext_lazy("sales", "Coupons"), accessor="get_coupon_mode_display", sort_key="coupon_mode"),
            Column("orders", label=pgettext_lazy("sales", "Orders"), accessor="order_count", sort_key="order_count", classname=NUMBER),
            Column(
                "until", label=_("Sold until"), accessor=lambda offer: _last_day(offer.sales_until), sort_key="sales_until"
            ),
            DateColumn("updated_at", label=_("Last published"), sort_key="updated_at"),
        ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        orders = Order.objects.filter(offer=OuterRef("pk")).order_by().values("offer")
        number = Subquery(orders.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
        return Offer.objects.annotate(order_count=Coalesce(number, 0)).order_by("title")

    def get_permissions_to_register(self) -> Any:
        """What a group may be given: to look. Nobody makes, edits or deletes an offer by hand."""
        return super().get_permissions_to_register().filter(codename="view_offer")

    def get_urlpatterns(self) -> list[Any]:
        add_page = AddOfferPageView.as_view(model=OfferPage)
        ours = [*offer_emails.urlpatterns(), *winning_back.urlpatterns()]
        return [*super().get_urlpatterns(), path("add-page/", add_page, name="add_page"), *ours]


def _day(instant: dt.datetime | None) -> dt.date | str:
    return instants.local_day(instant) if instant else ""


def _last_day(end: dt.datetime | None) -> dt.date | str:
    return instants.local_day(instants.last_minute(end)) if end else ""
