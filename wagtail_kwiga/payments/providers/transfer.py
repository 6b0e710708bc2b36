"""Bank transfer: the order page tells where to send what, and a person says when it has arrived."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import OrderKind, PaymentKind
from wagtail_kwiga.payments.models import Payment, PaymentAttempt
from wagtail_kwiga.payments.provider import Instructions, Provider, TransferDetails, Urls
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import sales_settings


class TransferProvider(Provider):
    """Options: ``label``. The bank data are the editor's, in the sales settings of the order's site."""

    label = _("Bank transfer")
    kind = PaymentKind.TRANSFER

    def is_ready(self, site: Any) -> bool:
        """Without an account number there is nowhere to send money to."""
        return bool(sales_settings(site).bank_iban.strip())

    def reserve_for(self, order: Order) -> dt.timedelta | None:
        """A transfer takes days: a coupon stays reserved until the order expires."""
        return None

    def start(self, attempt: PaymentAttempt, urls: Urls, now: dt.datetime) -> Instructions:
        return self.instructions(attempt)

    def instructions(self, attempt: PaymentAttempt) -> Instructions:
        details = self.transfer_details(attempt.payment)
        told = {field.name: getattr(details, field.name) for field in dataclasses.fields(details)}
        # Some of it may have come by another way since it was announced; of what is paid, what was announced is told.
        asked = {} if details.amount else {"amount": Money(attempt.amount, attempt.currency)}
        return Instructions("wagtail_kwiga/payments/transfer.html", told | asked)

    def transfer_details(self, payment: Payment) -> TransferDetails:
        """One query, for the bank data of the order's site."""
        bank = sales_settings(payment.order.site_id)
        return TransferDetails(
            holder=bank.bank_holder or bank.seller_name,
            iban=grouped(bank.bank_iban),
            bic=bank.bank_bic.strip().upper(),
            bank=bank.bank_name,
            amount=payment.rest,
            reference=payment.reference,
            # The order's own end says nothing about the one part of it that is asked for now.
            due=payment.due_at if payment.order.kind == OrderKind.INSTALMENTS else None,
            until=payment.order.expires_at,
        )


def grouped(iban: str) -> str:
    """An IBAN the way people read it out: in capitals and in groups of four."""
    bare = "".join(iban.split()).upper()
    return " ".join(bare[start : start + 4] for start in range(0, len(bare), 4))
