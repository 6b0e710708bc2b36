"""The panels of an order's card about its money: sums, tries to pay, refunds."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
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

    heading = _("Prices")
    icon = "tag"

    def card(self) -> TableCard:
        order = self.order
        back = Money(order.refunded_amount, order.currency)
        rows = [(_("List price"), order.list_price), (_("Discount"), order.discount), (_("Total"), order.total)]
        # ``received`` is what is left here; beside a row of what was given back it would count that twice.
        rows.append((_("Received"), order.received + back))
        if back:
            rows += [(_("Given back"), back), (_("Kept"), order.received)]
        rows.append((_("To pay"), order.outstanding))
        return TableCard(
            [
                Column("what", label=_("What"), accessor=lambda row: row[0]),
                Column("sum", label=_("Sum"), accessor=lambda row: money_for_reader(row[1]), classname=NUMBER),
            ],
            rows,
            "",
            narrow=True,
        )


class Payments(OrderPanel):
    """Each try to pay."""

    heading = _("Payments")
    icon = "download"

    def card(self) -> TableCard:
        found = PaymentAttempt.objects.filter(payment__order=self.order.pk).annotate(
            refunded=Sum("refunds__amount", filter=Q(refunds__state=RefundState.DONE))
        )
        return TableCard(
            [
                Column("method", label=_("Method"), accessor=lambda row: registry.label(row.method)),
                Column("reference", label=_("Reference")),
                StatusTagColumn("state", label=_("State"), accessor="get_state_display", primary=_is_confirmed),
                Column("asked", label=_("Asked"), accessor=_money_of("amount"), classname=NUMBER),
                Column("came", label=_("Came"), accessor=_money_of("confirmed_amount"), classname=NUMBER),
                Column("back", label=_("Given back"), accessor=_given_back, classname=NUMBER),
                DateColumn("started_at", label=_("Started")),
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

    heading = _("Refunds")
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
                Column("amount", label=_("Amount"), accessor=_money_of("amount"), classname=NUMBER),
                StatusTagColumn("state", label=_("State"), accessor="get_state_display", primary=_is_refunded),
                Column("method", label=_("Method"), accessor=lambda row: registry.label(row.attempt.method)),
                Column("reference", label=_("Reference")),
                Column("reason", label=_("Reason"), accessor=lambda row: row.failure_message or row.reason),
                DateColumn("requested_at", label=_("Requested")),
                Column("by", label=_("By"), accessor=lambda row: row.by or ""),
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
