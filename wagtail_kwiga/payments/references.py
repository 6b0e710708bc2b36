"""The sum an order asks for, and the short reference that a buyer writes on a transfer."""

from __future__ import annotations

from wagtail_kwiga import readable_codes, upserts
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.models import Payment


def new_reference() -> str:
    """Such as ``K7M3-C9XR``: eight signs in two groups, random, so that neighbours are never one slip apart."""
    return readable_codes.generate((4, 4))


def payment_of(order: Order) -> Payment:
    """The sum asked for by ``order``, made on first use. Call with the order locked."""
    payment = Payment.objects.filter(order=order.pk).order_by("pk").first()
    if payment is None:
        return first_payment(order)
    payment.order = order
    return payment


def first_payment(order: Order) -> Payment:
    """``payment_of`` for an order that has none yet. Call with the order locked. One statement."""
    while True:
        payment = Payment(
            order=order,
            amount=order.total_amount,
            currency=order.currency,
            due_at=order.expires_at,
            reference=new_reference(),
        )
        if upserts.insert_or_ignore(payment):  # else that reference is taken: try the next
            return payment
