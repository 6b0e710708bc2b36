"""Who used a coupon, with which order, and how it stands."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.tables import Column, DateColumn, StatusFlagColumn, StatusTagColumn

from wagtail_kwiga.backoffice.parts import columns, filters, linking, policies
from wagtail_kwiga.backoffice.parts.columns import person
from wagtail_kwiga.backoffice.parts.records import RecordIndexView
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.orders.models import Order


class UseFilterSet(WagtailFilterSet):
    """Filters of the uses."""

    state = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "State"), choices=CouponUse.State.choices, widget=forms.CheckboxSelectMultiple
    )
    reserved_at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Ordered"))

    class Meta:
        model = CouponUse
        fields = ["state", "reserved_at"]


class CouponUsesView(RecordIndexView):
    """The uses of one coupon, newest first. For people who may see orders."""

    model = CouponUse
    any_permission_required = None
    filterset_class = UseFilterSet
    search_fields = ["contact__email", "contact__name", "order__number"]
    search_backend_name = None
    paginate_by = 50
    default_ordering = "-reserved_at"
    header_icon = "tag"
    page_title = pgettext_lazy("sales", "Uses")
    verbose_name = pgettext_lazy("sales", "use")
    verbose_name_plural = pgettext_lazy("sales", "uses")
    list_export = [
        "contact.email", "contact.name", "order_number", "get_state_display", "reserved_at", "reserved_until", "redeemed_at",
        "released_at", "over_limit",
    ]  # fmt: skip
    export_headings = {
        "contact.email": pgettext_lazy("sales", "E-mail"),
        "contact.name": pgettext_lazy("sales", "Name"),
        "order_number": pgettext_lazy("sales", "Order"),
        "get_state_display": pgettext_lazy("sales", "State"),
    }

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.coupon = get_object_or_404(Coupon, pk=kwargs["pk"])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (policies.may(request.user, "view", Coupon) and policies.may(request.user, "view", Order)):
            raise PermissionDenied
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def get_base_queryset(self) -> QuerySet[CouponUse]:
        uses = CouponUse.objects.filter(coupon=self.coupon).select_related("contact", "order")
        return uses.annotate(order_number=F("order__number"))

    def order_queryset(self, queryset: QuerySet[CouponUse]) -> QuerySet[CouponUse]:
        ordered: QuerySet[CouponUse] = super().order_queryset(queryset)
        return ordered.order_by(*ordered.query.order_by, "-pk")

    def get_edit_url(self, instance: CouponUse) -> str | None:
        return None

    def get_page_subtitle(self) -> str:
        return self.coupon.code

    def get_filename(self) -> str:
        return f"coupon-{self.coupon.pk}-uses"

    def get_index_url(self) -> str:
        return reverse("wagtail_kwiga_coupons:uses", args=[self.coupon.pk])

    def get_index_results_url(self) -> str:
        return reverse("wagtail_kwiga_coupons:uses_results", args=[self.coupon.pk])

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        may_change = policies.may(self.request.user, "change", Coupon)
        screen = "wagtail_kwiga_coupons:edit" if may_change else "wagtail_kwiga_coupons:inspect"
        return [
            *self.breadcrumbs_items,
            {"url": reverse("wagtail_kwiga_coupons:list"), "label": pgettext("sales", "Coupons")},
            {"url": reverse(screen, args=[self.coupon.pk]), "label": self.coupon.code},
            {"url": "", "label": self.get_page_title(), "sublabel": self.coupon.code},
        ]

    def nothing_yet(self) -> str:
        return _("Nobody has ordered with this coupon yet. Each order with it will stand here.")

    @cached_property
    def columns(self) -> list[Any]:
        user = self.request.user
        return [
            Column(
                "contact",
                label=pgettext("sales", "Buyer"),
                accessor=lambda use: person(use.contact),
                sort_key="contact__email",
                classname="wrap-anywhere",
            ),
            Column("order", label=pgettext("sales", "Order"), accessor=lambda use: _order(use, user), classname="w-whitespace-nowrap"),
            StatusTagColumn(
                "state", label=pgettext("sales", "State"), accessor="get_state_display", sort_key="state",
                primary=lambda use: use.state == CouponUse.State.REDEEMED,
            ),
            DateColumn("reserved_at", label=pgettext("sales", "Ordered"), sort_key="reserved_at"),
            Column("reserved_until", label=_("Held until"), accessor=_held_until),
            DateColumn("redeemed_at", label=pgettext("sales", "Paid"), sort_key="redeemed_at"),
            DateColumn("released_at", label=_("Given back"), sort_key="released_at"),
            StatusFlagColumn("over_limit", label=pgettext("sales", "Note"), true_label=_("over the limit")),
        ]  # fmt: skip


def _order(use: CouponUse, user: Any) -> Any:
    order = getattr(use, "order", None)
    return linking.linked(order, order.number, user) if order is not None else ""


def _held_until(use: CouponUse) -> str:
    return columns.coming(use.reserved_until if use.state == CouponUse.State.RESERVED else None)
