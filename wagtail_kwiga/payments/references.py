"""The sums that an order asks for, and the short reference that a buyer writes on a transfer."""

from __future__ import annotations

from wagtail_kwiga import readable_codes, upserts
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.models import Payment
from wagtail_kwiga.payments.statuses import PaymentState


def new_reference() -> str:
    """Such as ``K7M3-C9XR``: eight signs in two groups, random, so that neighbours are never one slip apart."""
    return readable_codes.generate((4, 4))


def payment_of(order: Order) -> Payment:
    """The sum to be paid next: the first part that is not paid, where all are, the last one. Made on first use, for the
    whole order. Call with the order locked."""
    parts = list(Payment.objects.filter(order=order.pk).order_by("sequence"))
    if not parts:
        return first_payment(order)
    asked_for = (PaymentState.DUE, PaymentState.CANCELLED)  # cancelled: all went back, and money begins anew
    payment = next((part for part in parts if part.state in asked_for), parts[-1])
    payment.order = order
    return payment


def first_payment(order: Order) -> Payment:
    """``payment_of`` for an order that has just been placed: the first part of its plan, where it has one. Call with the
    order locked. One statement without a plan."""
    payment = Payment(order=order, amount=order.total_amount, currency=order.currency, due_at=order.expires_at)
    return payment if insert(payment) else payment_of(order)


def insert(payment: Payment) -> bool:
    """Write a new sum due under a reference that nobody has; False where its order has one of this ``sequence`` already.
    Call with the order locked."""
    while True:
        payment.reference = new_reference()
        if upserts.insert_or_ignore(payment):
            return True
        if Payment.objects.filter(order=payment.order_id, sequence=payment.sequence).exists():
            return False  # else that reference is taken: try the next
