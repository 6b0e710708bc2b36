"""What people read for the words of ``orders.statuses``, and the choices of Django that are made of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.orders.statuses import OrderKind, Origin, PaymentKind, Status

STATUS_LABELS: dict[Status, Any] = {
    Status.OPEN: pgettext_lazy("sales", "open"),
    Status.PROCESSING: _("payment under way"),
    Status.PARTLY_PAID: _("partly paid"),
    Status.PAID: pgettext_lazy("sales", "paid"),
    Status.SUPERSEDED: _("replaced by a newer order"),
    Status.CANCELLED: pgettext_lazy("sales", "cancelled"),
    Status.EXPIRED: pgettext_lazy("sales", "expired"),
    Status.REFUNDED: pgettext_lazy("sales", "refunded"),
}
ORIGIN_LABELS: dict[Origin, Any] = {
    Origin.WEB: _("the buyer, on the web"),
    Origin.STAFF: _("staff, by hand"),
    Origin.IMPORT: _("an import"),
}
ORDER_KIND_LABELS: dict[OrderKind, Any] = {
    OrderKind.ONE_TIME: _("paid once"),
    OrderKind.INSTALMENTS: _("in instalments"),
    OrderKind.SUBSCRIPTION: _("a subscription"),
    OrderKind.RENEWAL: _("a renewal"),
}
PAYMENT_KIND_LABELS: dict[PaymentKind, Any] = {
    PaymentKind.ONLINE: pgettext_lazy("sales", "online"),
    PaymentKind.TRANSFER: _("bank transfer"),
    PaymentKind.NONE: _("nothing to pay"),
}

# Plain strings: what stands in a migration must not need this module.
STATUS_CHOICES = [(status.value, label) for status, label in STATUS_LABELS.items()]
ORIGIN_CHOICES = [(origin.value, label) for origin, label in ORIGIN_LABELS.items()]
ORDER_KIND_CHOICES = [(kind.value, label) for kind, label in ORDER_KIND_LABELS.items()]
PAYMENT_KIND_CHOICES = [(kind.value, label) for kind, label in PAYMENT_KIND_LABELS.items()]
