"""The panels of an order's card about its money: sums, tries to pay, refunds."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn

from wagtail_kwiga.backoffice.orders.panel import ROWS, OrderPanel
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.columns import NUMBER, TableCard
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.payments.statuses import OPEN_REFUNDS, RefundState
from wagtail_kwiga.pricing.money import Money


class Prices(OrderPanel):
    """The sums."""

    heading = pgettext_lazy("sales", "Prices")
    icon = "tag"

    def card(self) -> TableCard:
        order = self.order
        back = Money(order.refunded_amount, order.currency)
        rows = [
            (_("List price"), order.list_price),
            (pgettext_lazy("sales", "Discount"), order.discount),
            (pgettext_lazy("sales", "Total"), order.total),
        ]
        # ``received`` is what is left here; beside a row of what was given back it would count that twice.
        rows.append((pgettext_lazy("sales", "Received"), order.received + back))
        if back:
            rows += [(_("Given back"), back), (pgettext_lazy("sales", "Kept"), order.received)]
        rows.append((_("To pay"), order.outstanding))
        return TableCard(
            [
                Column("what", label=pgettext_lazy("sales", "What"), accessor=lambda row: row[0]),
                Column(
                    "sum",
                    label=pgettext_lazy("sales", "Sum"),
                    accessor=lambda row: money_for_reader(row[1]),
                    classname=NUMBER,
                ),
            ],
            rows,
            "",
            narrow=True,
        )


class Payments(OrderPanel):
    """Each try to pay."""

    heading = pgettext_lazy("sales", "Payments")
    icon = "download"

    def card(self) -> TableCard:
        found = PaymentAttempt.objects.filter(payment__order=self.order.pk).annotate(
            refunded=Sum("refunds__amount", filter=Q(refunds__state=RefundState.DONE))
        )
        return TableCard(
            [
                Column(
                    "method", label=pgettext_lazy("sales", "Method"), accessor=lambda row: registry.label(row.method)
                ),
                Column("reference", label=pgettext_lazy("sales", "Reference")),
                StatusTagColumn(
                    "state", label=pgettext_lazy("sales", "State"), accessor="get_state_display", primary=_is_confirmed
                ),
                Column("asked", label=pgettext_lazy("sales", "Asked"), accessor=_money_of("amount"), classname=NUMBER),
                Column(
                    "came",
                    label=pgettext_lazy("sales", "Came"),
                    accessor=_money_of("confirmed_amount"),
                    classname=NUMBER,
                ),
                Column("back", label=_("Given back"), accessor=_given_back, classname=NUMBER),
                DateColumn("started_at", label=pgettext_lazy("sales", "Started")),
            ],
            list(found[:ROWS]),
            _("No payment was tried yet."),
        )


def _is_confirmed(attempt: PaymentAttempt) -> bool:
    return attempt.state == PaymentAttempt.State.CONFIRMED


def _money_of(name: str) -> Any:
    return lambda row: money_for_reader(Money(getattr(row, name), row.currency))


def _given_back(attempt: Any) -> str:
    return money_for_reader(Money(attempt.refunded, attempt.currency)) if attempt.refunded else ""


class Refunds(OrderPanel):
    """Money given back or to be given back, and how far it is."""

    heading = pgettext_lazy("sales", "Refunds")
    icon = "rotate"

    def __init__(self, *, order: Order, request: HttpRequest) -> None:
        super().__init__(order=order, request=request)
        self.refunds = list(Refund.objects.filter(order=order.pk).select_related("attempt", "by")[:ROWS])

    def is_shown(self) -> bool:
        return bool(self.refunds)

    def card(self) -> TableCard:
        may_decide = policies.can(self.user, "refund_order")
        return TableCard(
            [
                Column(
                    "amount", label=pgettext_lazy("sales", "Amount"), accessor=_money_of("amount"), classname=NUMBER
                ),
                StatusTagColumn(
                    "state", label=pgettext_lazy("sales", "State"), accessor="get_state_display", primary=_is_refunded
                ),
                Column(
                    "method",
                    label=pgettext_lazy("sales", "Method"),
                    accessor=lambda row: registry.label(row.attempt.method),
                ),
                Column("reference", label=pgettext_lazy("sales", "Reference")),
                Column(
                    "reason",
                    label=pgettext_lazy("sales", "Reason"),
                    accessor=lambda row: row.failure_message or row.reason,
                ),
                DateColumn("requested_at", label=pgettext_lazy("sales", "Requested")),
                Column("by", label=pgettext_lazy("sales", "By"), accessor=lambda row: row.by or ""),
                Column("decide", label="", accessor=lambda row: _decide_link(row) if may_decide else ""),
            ],
            self.refunds,
            "",
        )


def _is_refunded(refund: Refund) -> bool:
    return refund.state == RefundState.DONE


def _decide_link(refund: Refund) -> Any:
    """Where a person says what became of a refund that the provider does not speak of any more."""
    if refund.state not in OPEN_REFUNDS or refund.next_try_at is not None:
        return ""
    return format_html(
        '<a href="{}">{}</a>', linking.url("wagtail_kwiga_orders:refund_outcome", refund.pk), _("What became of it?")
    )
