"""The list of orders, the order's card, and the one thing staff do to an order for now: *Money arrived*."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from wagtail.admin.filters import DateRangePickerWidget, WagtailFilterSet
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.viewsets.model import ModelViewSet
from wagtail.admin.widgets.button import HeaderButton

from wagtail_kwiga.backoffice.columns import MoneyColumn, TableCard, exact, shown_money, timeline_card
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Origin, PaymentKind, Status
from wagtail_kwiga.payments import books
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.pricing.money import Money

#: Statuses that are good news, shown as a filled tag.
SETTLED = {Status.PAID}


class OrderFilterSet(WagtailFilterSet):
    """Filters of the order list."""

    status = django_filters.MultipleChoiceFilter(
        label=_("Payment"), choices=Status.choices, widget=forms.CheckboxSelectMultiple
    )
    offer = django_filters.ModelMultipleChoiceFilter(
        label=_("Offer"), queryset=Offer.objects.order_by("title"), widget=forms.CheckboxSelectMultiple
    )
    payment_kind = django_filters.MultipleChoiceFilter(
        label=_("Kind of payment"), choices=PaymentKind.choices, widget=forms.CheckboxSelectMultiple
    )
    origin = django_filters.MultipleChoiceFilter(
        label=_("Made by"), choices=Origin.choices, widget=forms.CheckboxSelectMultiple
    )
    placed_at = django_filters.DateFromToRangeFilter(label=_("Placed"), widget=DateRangePickerWidget)

    class Meta:
        model = Order
        fields = ["status", "offer", "payment_kind", "origin", "placed_at"]


class OrderIndexView(generic.IndexView):
    """All orders, newest first."""

    def get_base_queryset(self) -> Any:
        return super().get_base_queryset().select_related("contact")

    def get_edit_url(self, instance: Order) -> str | None:
        return None


class OrderInspectView(generic.InspectView):
    """An order's card."""

    def get_object(self, queryset: Any = None) -> Order:
        orders = Order.objects.select_related("contact", "offer", "superseded_by", "site")
        return get_object_or_404(orders, pk=self.pk)

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    @property
    def header_buttons(self) -> list[Any]:
        buttons = []
        if self.object.outstanding and self.request.user.has_perm("wagtail_kwiga.confirm_money"):
            buttons.append(
                HeaderButton(
                    label=_("Money arrived"),
                    url=reverse("wagtail_kwiga_orders:money_arrived", args=[self.object.pk]),
                    icon_name="check",
                )
            )
        return buttons

    def get_fields(self) -> list[str]:
        return [
            "status", "contact", "title", "prices", "coupon_code", "payment_method", "origin", "language", "site",
            "placed_at", "price_holds_until", "expires_at", "paid_at", "closed_at", "superseded_by", "payments", "timeline",
        ]  # fmt: skip

    def get_field_label(self, field_name: str, field: Any) -> str:
        labels = {"prices": gettext("Prices"), "payments": gettext("Payments"), "timeline": gettext("Timeline")}
        return labels.get(field_name) or super().get_field_label(field_name, field)

    def get_fields_context(self) -> list[dict[str, Any]]:
        return [field for field in super().get_fields_context() if field["value"] not in (None, "")]

    def get_prices_display_value(self) -> TableCard:
        order = self.object
        rows = [
            (_("List price"), order.list_price), (_("Discount"), order.discount), (_("Total"), order.total),
            (_("Received"), order.received), (_("To pay"), order.outstanding),
        ]  # fmt: skip
        return TableCard(
            [
                Column("what", label=_("What"), accessor=lambda row: row[0]),
                Column("sum", label=_("Sum"), accessor=lambda row: shown_money(row[1]), classname="w-text-right"),
            ],
            rows,
            "",
        )

    def get_payments_display_value(self) -> TableCard:
        attempts = list(PaymentAttempt.objects.filter(payment__order=self.object.pk))
        return TableCard(
            [
                Column("method", label=_("Method")),
                Column("reference", label=_("Reference")),
                StatusTagColumn("state", label=_("State"), accessor="get_state_display", primary=_is_confirmed),
                Column("asked", label=_("Asked"), accessor=lambda row: shown_money(Money(row.amount, row.currency))),
                Column(
                    "came", label=_("Came"), accessor=lambda row: shown_money(Money(row.confirmed_amount, row.currency))
                ),
                DateColumn("started_at", label=_("Started")),
            ],
            attempts,
            _("No payment was tried yet."),
        )

    def get_timeline_display_value(self) -> TableCard:
        return timeline_card(self.object)

    def _instant(self, name: str) -> str:
        return exact(getattr(self.object, name))

    def get_placed_at_display_value(self) -> str:
        return self._instant("placed_at")

    def get_price_holds_until_display_value(self) -> str:
        return self._instant("price_holds_until")

    def get_expires_at_display_value(self) -> str:
        return self._instant("expires_at")

    def get_paid_at_display_value(self) -> str:
        return self._instant("paid_at")

    def get_closed_at_display_value(self) -> str:
        return self._instant("closed_at")


def _is_confirmed(attempt: PaymentAttempt) -> bool:
    return attempt.state == PaymentAttempt.State.CONFIRMED


class MoneyForm(forms.Form):
    """What arrived."""

    amount = forms.DecimalField(label=_("Amount"), min_value=0, max_digits=14, decimal_places=4)
    reference = forms.CharField(
        label=_("Reference"),
        max_length=200,
        required=False,
        help_text=_("The bank's number of this transfer, if there is one: the same number is never booked twice."),
    )


def _method_for(order: Order) -> str:
    """A transfer that was announced settles by its own method; other money that came by itself is *manual*."""
    return order.payment_method if order.payment_kind == PaymentKind.TRANSFER and order.payment_method else "manual"


def money_arrived(request: HttpRequest, pk: int) -> HttpResponse:
    """Book money that came without a provider's notice, after the sum was looked at once more."""
    if not request.user.has_perm("wagtail_kwiga.confirm_money"):
        raise PermissionDenied
    order = get_object_or_404(Order.objects.select_related("contact"), pk=pk)
    card = reverse("wagtail_kwiga_orders:inspect", args=[order.pk])
    form = MoneyForm(request.POST or None, initial={"amount": order.outstanding.amount})
    if request.method == "POST" and form.is_valid():
        try:
            receipt = books.receive_money(
                order=order, amount=form.cleaned_data["amount"], method=_method_for(order),
                reference=form.cleaned_data["reference"].strip(), by=request.user,
            )  # fmt: skip
        except KwigaError as refusal:
            form.add_error(None, str(refusal))
        else:
            words = {
                True: _("Booked. The order is now “%(status)s”."),
                False: _("This reference was booked before, so nothing was changed. The order is “%(status)s”."),
            }[receipt.new]
            messages.success(request, words % {"status": receipt.order.get_status_display()})
            return redirect(card)
    return TemplateResponse(
        request,
        "wagtail_kwiga/backoffice/money_arrived.html",
        {
            "order": order,
            "form": form,
            "card": card,
            "outstanding": shown_money(order.outstanding),
            "header_icon": "check",
            "page_title": _("Money arrived"),
            "page_subtitle": order.number,
            "breadcrumbs_items": [
                {"url": reverse("wagtail_kwiga_orders:index"), "label": _("Orders")},
                {"url": card, "label": order.number},
                {"url": "", "label": _("Money arrived")},
            ],
        },
    )


class OrderViewSet(ModelViewSet):
    """Orders in the admin: looked at, never typed in."""

    model = Order
    name = "wagtail_kwiga_orders"
    url_prefix = "kwiga/orders"
    icon = "form"
    menu_label = _("Orders")
    menu_name = "kwiga-orders"
    menu_order = 100
    add_to_reference_index = False
    copy_view_enabled = False
    inspect_view_enabled = True
    index_view_class = OrderIndexView
    inspect_view_class = OrderInspectView
    filterset_class = OrderFilterSet
    search_fields = ["number", "contact__email", "contact__name", "buyer_name", "coupon_code"]
    search_backend_name = None
    ordering = ["-placed_at", "-pk"]
    list_per_page = 50
    form_fields = ["payment_method"]

    @property
    def list_display(self) -> list[Any]:
        return [
            TitleColumn(
                "number",
                label=_("Number"),
                url_name=self.get_url_name("inspect"),
                sort_key="number",
                classname="w-whitespace-nowrap",
            ),
            DateColumn("placed_at", label=_("Placed"), sort_key="placed_at"),
            Column("contact", label=_("Buyer")),
            Column("title", label=_("What"), sort_key="title"),
            MoneyColumn("total", label=_("Total"), sort_key="total_amount"),
            StatusTagColumn(
                "status", label=_("Payment"), accessor="get_status_display", sort_key="status",
                primary=lambda order: order.status in SETTLED,
            ),
            Column("coupon_code", label=_("Coupon")),
        ]  # fmt: skip

    def get_urlpatterns(self) -> list[Any]:
        keep = {"index", "index_results", "inspect"}
        patterns = [pattern for pattern in super().get_urlpatterns() if pattern.name in keep]
        return [*patterns, path("money-arrived/<int:pk>/", money_arrived, name="money_arrived")]
