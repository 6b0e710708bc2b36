"""The forms of the start events."""

from __future__ import annotations

from typing import Any

from django.forms import CheckboxSelectMultiple
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.blocks import BooleanBlock, MultipleChoiceBlock, StructValue

from wagtail_kwiga.automations.editing.blocks import EventBlock, offer_choices
from wagtail_kwiga.orders.labels import ORIGIN_CHOICES, PAYMENT_KIND_CHOICES
from wagtail_kwiga.orders.statuses import Origin, PaymentKind


def _paying() -> list[tuple[str, Any]]:
    return [(kind, label) for kind, label in PAYMENT_KIND_CHOICES if kind != PaymentKind.NONE]


def offers_block() -> MultipleChoiceBlock:
    """The choice of offers that both events share."""
    return MultipleChoiceBlock(
        label=pgettext_lazy("sales", "Offers"),
        choices=offer_choices,
        required=False,
        widget=CheckboxSelectMultiple,
        help_text=_("Which offers it is about. None chosen: all of them."),
    )


class OrderUnpaidBlock(EventBlock):
    """An order was left unpaid."""

    offers = offers_block()
    payment_kinds = MultipleChoiceBlock(
        label=pgettext_lazy("sales", "Paying"),
        choices=_paying,
        default=[PaymentKind.ONLINE.value],
        widget=CheckboxSelectMultiple,
        help_text=_("A bank transfer takes days, so it is left out unless you choose it."),
    )
    origins = MultipleChoiceBlock(
        label=_("Made by"),
        choices=ORIGIN_CHOICES,
        default=[Origin.WEB.value],
        widget=CheckboxSelectMultiple,
        help_text=_("Orders that your team or an import has made are left out unless you choose them."),
    )
    include_free = BooleanBlock(
        label=_("Orders with nothing to pay, too"),
        required=False,
        default=False,
        help_text=_("Left out unless you tick this: there is nothing to win back."),
    )

    class Meta:
        icon = "warning"
        label = _("Order: unpaid")
        description = _("Somebody sent the order form and did not pay. Paying ends the scenario for them at any step.")
        preview_words = _("After an unpaid order for Watercolour, unless paid")

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {
            "offers": sorted(map(int, value["offers"] or [])),
            "payment_kinds": sorted(value["payment_kinds"] or []),
            "origins": sorted(value["origins"] or []),
            "include_free": bool(value["include_free"]),
        }


class OrderPaidBlock(EventBlock):
    """An order was paid."""

    offers = offers_block()

    class Meta:
        icon = "success"
        label = _("Order: paid")
        description = _("Once for each order that is paid.")
        preview_words = _("After a paid order for Watercolour")

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"offers": sorted(map(int, value["offers"] or []))}
