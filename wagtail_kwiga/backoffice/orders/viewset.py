"""The list of orders, the order's card, and the one thing staff do to an order for now: *Money arrived*."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, cast

import django_filters
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.tables import Column, DateColumn, StatusFlagColumn, StatusTagColumn, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import HeaderButton

from wagtail_kwiga import locking
from wagtail_kwiga.backoffice.orders import answers, order_card, refunding
from wagtail_kwiga.backoffice.parts import filters, linking, long_lists, policies
from wagtail_kwiga.backoffice.parts.columns import MoneyColumn, person
from wagtail_kwiga.backoffice.parts.records import RecordIndexView, RecordViewSet
from wagtail_kwiga.catalogue.amount_field import AmountField
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.exceptions import ConfigurationFault, KwigaError
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.labels import ORIGIN_CHOICES, PAYMENT_KIND_CHOICES, STATUS_CHOICES, STATUS_LABELS
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PaymentKind, Status
from wagtail_kwiga.payments import ledger, registry
from wagtail_kwiga.pricing.money import Money

#: Statuses that are good news, shown as a filled tag.
SETTLED = {Status.PAID}


def _methods() -> list[tuple[str, Any]]:
    """The ways to pay that orders bear, as filter choices."""
    try:
        known = [(provider.alias, provider.label) for provider in registry.enabled()]
    except ConfigurationFault:  # a check names it
        known = []
    return [*known, ("manual", _("by hand"))]


class OrderFilterSet(WagtailFilterSet):
    """Filters of the order list. None looks at other rows than the order's own, so none needs DISTINCT, which would put every
    order that fits in order, all columns of it, before the first page is known.
    """

    status = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "Payment"),
        choices=STATUS_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        distinct=False,
    )
    attention = django_filters.ChoiceFilter(
        label=_("Needs a person"),
        choices=[("yes", pgettext_lazy("sales", "Yes"))],
        empty_label=pgettext_lazy("sales", "All"),
        method="needing_a_person",
        widget=forms.RadioSelect,
    )
    offer = filters.RowsFilter(
        label=pgettext_lazy("sales", "Offer"), queryset=Offer.objects.order_by("title"), distinct=False
    )
    payment_method = django_filters.MultipleChoiceFilter(
        label=_("Payment method"), choices=_methods, widget=forms.CheckboxSelectMultiple, distinct=False
    )
    payment_kind = django_filters.MultipleChoiceFilter(
        label=_("Kind of payment"), choices=PAYMENT_KIND_CHOICES, widget=forms.CheckboxSelectMultiple, distinct=False
    )
    origin = django_filters.MultipleChoiceFilter(
        label=_("Made by"), choices=ORIGIN_CHOICES, widget=forms.CheckboxSelectMultiple, distinct=False
    )
    placed_at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Placed"))

    class Meta:
        model = Order
        fields = ["status", "attention", "offer", "payment_method", "payment_kind", "origin", "placed_at"]

    def needing_a_person(self, orders: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return orders.filter(needs_person=True) if value == "yes" else orders


class OrderIndexView(RecordIndexView):
    """All orders, newest first."""

    exported = {"answers": answers.in_one_cell}

    @staticmethod
    def beginnings(words: str) -> list[Q]:
        return [long_lists.by_order_number(words), *long_lists.by_contact(words), Q(coupon__code__iexact=words)]

    def get_base_queryset(self) -> QuerySet[Order]:
        of_order = writing.open_about(Order, OuterRef("pk"))
        orders: QuerySet[Order] = (
            super().get_base_queryset().select_related("contact").annotate(needs_person=Exists(of_order))
        )
        return orders

    def nothing_yet(self) -> str:
        return format_html(
            '{} <a href="{}">{}</a>',
            _("No orders yet: publish an offer page, and each form that a buyer sends becomes an order here."),
            linking.url("wagtail_kwiga_offers:list"),
            _("See your offers"),
        )


class OrderInspectView(generic.InspectView):
    """An order's card."""

    page_title = pgettext_lazy("sales", "Order")

    def get_object(self, queryset: Any = None) -> Order:
        orders = Order.objects.select_related("contact", "offer", "superseded_by", "site", "coupon")
        return get_object_or_404(orders, pk=self.pk)

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    @property
    def header_buttons(self) -> list[Any]:
        buttons = []
        if self.object.outstanding and policies.can(self.request.user, "record_payment"):
            buttons.append(
                HeaderButton(
                    label=_("Money arrived"),
                    url=reverse("wagtail_kwiga_orders:money_arrived", args=[self.object.pk]),
                    icon_name="check",
                )
            )
        if self.object.paid_amount > 0 and policies.can(self.request.user, "refund_order"):
            buttons.append(
                HeaderButton(
                    label=pgettext_lazy("sales", "Refund"),
                    url=reverse("wagtail_kwiga_orders:refund", args=[self.object.pk]),
                    icon_name="rotate",
                )
            )
        return buttons

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = order_card.panels(self.object, self.request)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


#: How ``MoneyForm.known`` is written.
_PLAIN_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")


class MoneyForm(forms.Form):
    """What arrived."""

    amount = AmountField(label=pgettext_lazy("sales", "Amount"), min_value=0)
    reference = forms.CharField(
        label=pgettext_lazy("sales", "Reference"),
        max_length=200,
        required=False,
        help_text=_("The bank's number of this transfer, if there is one: the same number is never booked twice."),
    )
    #: What had been received when the form was opened: by it a form without a reference that is sent twice is told.
    known = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    #: Shown once more was typed than there is to pay: a slip cannot be taken back.
    is_more = forms.BooleanField(
        label=_("It is more than is to be paid, and all of it arrived"), required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order = order
        cast(AmountField, self.fields["amount"]).currency = order.currency

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        amount, left = data.get("amount"), self._left()
        if amount is not None and amount > left.amount:
            self.fields["is_more"].widget = forms.CheckboxInput()
            if not data["is_more"]:
                words = _("%(amount)s is to be paid. If more arrived, tick the box below: what is booked stays booked.")
                self.add_error("amount", words % {"amount": money_for_reader(left)})
        return data

    def _left(self) -> Money:
        """What was to be paid when the form was opened; money that came since is somebody else's question (``_book``)."""
        known = self.data.get("known", "")
        since = self.order.received.amount - Decimal(known if _PLAIN_NUMBER.fullmatch(known) else 0)
        return Money(self.order.outstanding.amount + max(since, Decimal(0)), self.order.currency)


def _method_for(order: Order) -> str:
    """A transfer that was announced settles by its own method; other money that came by itself is *manual*."""
    return order.payment_method if order.payment_kind == PaymentKind.TRANSFER and order.payment_method else "manual"


def _book(order: Order, data: dict[str, Any], user: Any) -> ledger.Receipt:
    """Book what a form says, unless money came since it was opened; a reference says by itself what was booked before."""
    reference = data["reference"].strip()
    with locking.atomic_write():
        directory.lock(order.contact_id)
        order.refresh_from_db()
        if not reference and data["known"] not in ("", str(order.received.amount)):
            words = _("Money has been booked for this order since you opened this form. Please look at the sums again.")
            raise KwigaError(words, code="booked_meanwhile")
        return ledger.record_payment(
            order=order, amount=data["amount"], method=_method_for(order), reference=reference, by=user
        )


def money_arrived(request: HttpRequest, pk: int) -> HttpResponse:
    """Book money that came without a provider's webhook, after the sum was looked at once more."""
    if not policies.can(request.user, "record_payment"):
        raise PermissionDenied
    order = get_object_or_404(Order.objects.select_related("contact"), pk=pk)
    card = reverse("wagtail_kwiga_orders:inspect", args=[order.pk])
    initial = {"amount": order.outstanding.amount, "known": order.received.amount}
    form = MoneyForm(request.POST or None, initial=initial, order=order)
    if request.method == "POST" and form.is_valid():
        try:
            receipt = _book(order, form.cleaned_data, request.user)
        except KwigaError as refusal:
            order.refresh_from_db()
            form.data = {**cast(QueryDict, form.data).dict(), "known": order.received.amount}
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
            "outstanding": money_for_reader(order.outstanding),
            "header_icon": "check",
            "page_title": _("Money arrived"),
            "page_subtitle": order.number,
            "header_title": f"{_('Money arrived')}: {order.number}",
            "breadcrumbs_items": [
                {"url": reverse("wagtail_kwiga_orders:index"), "label": pgettext_lazy("sales", "Orders")},
                {"url": card, "label": order.number},
                {"url": "", "label": _("Money arrived")},
            ],
        },
    )


class OrderViewSet(RecordViewSet):
    """Orders in the admin: looked at, never typed in."""

    model = Order
    name = "wagtail_kwiga_orders"
    url_prefix = "kwiga/orders"
    icon = "form"
    menu_label = pgettext_lazy("sales", "Orders")
    menu_name = "kwiga-orders"
    menu_order = 100
    index_view_class = OrderIndexView
    inspect_view_class = OrderInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    filterset_class = OrderFilterSet
    search_fields = ["number", "contact__email", "contact__name", "buyer_name", "coupon_code"]
    ordering = ["-placed_at", "-pk"]
    export_filename = "orders"
    list_export = [
        "number", "placed_at", "get_status_display", "contact.name", "contact.email", "buyer_name", "buyer_phone", "title",
        "list_price.amount", "discount.amount", "total.amount", "received.amount", "currency", "coupon_code",
        "payment_method", "get_payment_kind_display", "get_origin_display", "language", "paid_at", "answers",
    ]  # fmt: skip
    export_headings = {
        "get_status_display": pgettext_lazy("sales", "Payment"),
        "contact.name": pgettext_lazy("sales", "Name"),
        "contact.email": pgettext_lazy("sales", "E-mail"),
        "list_price.amount": _("List price"),
        "discount.amount": pgettext_lazy("sales", "Discount"),
        "total.amount": pgettext_lazy("sales", "Total"),
        "received.amount": pgettext_lazy("sales", "Received"),
        "get_payment_kind_display": _("Kind of payment"),
        "get_origin_display": _("Made by"),
        "answers": _("Answers on the order form"),
    }

    @property
    def list_display(self) -> list[Any]:
        return [
            TitleColumn(
                "number",
                label=_("Order number"),
                url_name=self.get_url_name("inspect"),
                sort_key="number",
                classname="w-whitespace-nowrap",
            ),
            DateColumn("placed_at", label=pgettext_lazy("sales", "Placed"), sort_key="placed_at"),
            Column("buyer", label=pgettext_lazy("sales", "Buyer"), accessor=lambda order: person(order.contact), sort_key="contact__email", classname="wrap-anywhere"),
            Column("title", label=pgettext_lazy("sales", "What"), sort_key="title"),
            MoneyColumn("total", label=pgettext_lazy("sales", "Total"), sort_key="total_amount"),
            StatusTagColumn(
                "status", label=pgettext_lazy("sales", "Payment"), accessor=lambda order: STATUS_LABELS[Status(order.status)], sort_key="status",
                primary=lambda order: order.status in SETTLED,
            ),
            StatusFlagColumn("needs_person", label=_("Needs a person"), true_label=_("look here")),
            Column("coupon_code", label=pgettext_lazy("sales", "Coupon")),
        ]  # fmt: skip

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("money-arrived/<int:pk>/", money_arrived, name="money_arrived"),
            path("refund/<int:pk>/", refunding.refund, name="refund"),
            path("refund-outcome/<int:pk>/", refunding.refund_outcome, name="refund_outcome"),
        ]
