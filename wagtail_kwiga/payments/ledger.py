"""The books: the only way an order becomes paid or refunded.

What an order has received is the sum of its confirmed attempts; what was given back, the sum of its refunds. Both are
added up anew under the contact's and the order's lock each time, and handed to ``orders.transitions.apply_totals``. Money
is never refused (promise 7): what is odd about it, that verb puts on a person's list.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking, signing
from wagtail_kwiga.exceptions import MoneyMismatch, PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PaymentKind, Status
from wagtail_kwiga.payments import references
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.pricing.money import Money

State = PaymentAttempt.State


@dataclass(frozen=True)
class Receipt:
    """What was booked. ``attempt`` is ``None`` for a free order; ``new`` is False where it had been booked before."""

    attempt: PaymentAttempt | None
    order: Order
    new: bool = True


@dataclass(frozen=True)
class Repayment:
    """What was given back: one refund for each attempt it came from. ``new`` is False where it had been booked before."""

    refunds: tuple[Refund, ...]
    order: Order
    new: bool = True


def record_payment(
    *,
    order: Order,
    amount: Money | Decimal,
    method: str,
    reference: str = "",
    by: Any = None,
    now: dt.datetime | None = None,
    attempt: PaymentAttempt | None = None,
) -> Receipt:
    """Book money that has arrived for ``order``, whatever the order's status.

    ``method`` is the alias of a provider or the word staff give for money that came by itself; ``reference`` is the bank's
    or provider's own handle of this one movement of money. The same method, reference and amount again is the same money
    and changes nothing; without a reference every call is new money. ``attempt`` is the hand-over that brought it; where
    none is given, a started one of the same method is taken (the buyer who announced a transfer), else a new row is made.

    A bare ``Decimal`` is in the order's currency. Raises ``MoneyMismatch`` for another currency and ``PaymentRefused`` for
    nothing or less (``no_money``), and for a reference that already stands for another sum or order (``reference_used``).
    """
    now = now or conf.now()
    money = amount if isinstance(amount, Money) else Money(amount, order.currency)
    if money.currency != order.currency:
        raise MoneyMismatch(
            _("Order %(number)s is in %(currency)s.") % {"number": order.number, "currency": order.currency}
        )
    if money.amount <= 0:
        raise PaymentRefused(_("Please say how much money arrived."), code="no_money")
    with locking.atomic_write():
        fresh = transitions.lock(order)
        known = _booked_before(fresh, method, reference, money)
        if known is None and attempt is not None:
            attempt = locking.locked(PaymentAttempt.objects.filter(pk=attempt.pk)).get()
            known = attempt if attempt.state == State.CONFIRMED and not reference else None
        if known is not None:
            return Receipt(known, transitions.copy_columns(order, fresh), new=False)
        attempt = _confirm(_row_for(fresh, attempt, method, reference, money, now), reference, money, now)
        writing.write(fresh, "payments.received", now=now, by=by, amount=money, method=method, reference=reference)
        _balance(fresh, now=now, by=by, payer_known=attempt.payer_is_known)
    return Receipt(attempt, transitions.copy_columns(order, fresh))


def record_refund(
    *,
    amount: Money | Decimal,
    attempt: PaymentAttempt | None = None,
    order: Order | None = None,
    reference: str = "",
    reason: str = "",
    by: Any = None,
    now: dt.datetime | None = None,
) -> Repayment:
    """Book money given back, out of one ``attempt`` or, with ``order``, out of its latest attempts first.

    The same reference again for the same attempt is the same refund. Raises ``PaymentRefused`` (``too_much``) for more than
    is there, ``no_money`` for nothing or less, ``MoneyMismatch`` for another currency. Moving the money itself is the
    provider's business (``Provider.refund``), before this.
    """
    now = now or conf.now()
    if order is None:
        if attempt is None:
            raise TypeError("refund() wants an attempt or an order")
        order = Order.objects.get(payments__attempts=attempt)
    money = amount if isinstance(amount, Money) else Money(amount, order.currency)
    if money.currency != order.currency:
        raise MoneyMismatch(
            _("Order %(number)s is in %(currency)s.") % {"number": order.number, "currency": order.currency}
        )
    if money.amount <= 0:
        raise PaymentRefused(_("Please say how much was given back."), code="no_money")
    with locking.atomic_write():
        fresh = transitions.lock(order)
        sources = _refundable(fresh, attempt)
        if reference:
            known = Refund.objects.filter(attempt__in=[source for source, _left in sources], reference=reference)
            if before := tuple(known.order_by("pk")):
                if sum(row.amount for row in before) != money.amount:
                    raise PaymentRefused(_("This reference stands for another refund already."), code="reference_used")
                return Repayment(before, transitions.copy_columns(order, fresh), new=False)
        made = []
        rest = money.amount
        for source, left in sources:
            share = min(rest, left)
            if share > 0:
                made.append(
                    Refund(
                        attempt=source,
                        amount=share,
                        currency=money.currency,
                        reference=reference,
                        reason=reason,
                        made_at=now,
                    )
                )
                rest -= share
        if rest > 0:
            raise PaymentRefused(_("That is more than was received and not yet given back."), code="too_much")
        for row in made:
            row.save(force_insert=True)
        methods = ", ".join(dict.fromkeys(row.attempt.method for row in made))
        writing.write(fresh, "payments.refunded", now=now, by=by, amount=money, method=methods, reason=reason)
        _balance(fresh, now=now, by=by)
    return Repayment(tuple(made), transitions.copy_columns(order, fresh))


def complete_free(order: Order, now: dt.datetime | None = None, *, by: Any = None) -> Receipt:
    """Make an order with nothing to pay a paid one. Doing it again changes nothing.

    Raises ``PaymentRefused`` (``not_free``) where there is something to pay, or (``closed``) where the order was closed.
    """
    now = now or conf.now()
    with locking.atomic_write():
        fresh = transitions.lock(order)
        if fresh.total_amount:
            raise PaymentRefused(_("This order is not free."), code="not_free")
        if fresh.status == Status.PAID:
            return Receipt(None, transitions.copy_columns(order, fresh), new=False)
        if fresh.status not in (Status.OPEN, Status.PROCESSING):
            raise PaymentRefused(_("This order is closed."), code="closed")
        _balance(fresh, now=now, by=by)
    return Receipt(None, transitions.copy_columns(order, fresh))


def totals(order: Order) -> tuple[Decimal, Decimal]:
    """What ``order`` has received and what of it was given back, added up from the rows. Two queries."""
    received = PaymentAttempt.objects.filter(payment__order=order.pk, state=State.CONFIRMED, currency=order.currency)
    refunds = Refund.objects.filter(attempt__payment__order=order.pk, currency=order.currency)
    return (
        received.order_by().aggregate(sum=Sum("confirmed_amount"))["sum"] or Decimal(0),
        refunds.order_by().aggregate(sum=Sum("amount"))["sum"] or Decimal(0),
    )


def _balance(order: Order, *, now: dt.datetime, by: Any, payer_known: bool = True) -> None:
    received, refunded = totals(order)
    transitions.apply_totals(order, received=received, refunded=refunded, now=now, by=by, payer_known=payer_known)


def _booked_before(order: Order, method: str, reference: str, money: Money) -> PaymentAttempt | None:
    if not reference:
        return None
    known = PaymentAttempt.objects.select_related("payment__order").filter(method=method, reference=reference).first()
    if known is None:
        return None
    booked = Money(known.confirmed_amount, known.currency)
    if known.payment.order_id == order.pk:
        if known.state != State.CONFIRMED:
            return None
        if booked == money:
            return known
    raise PaymentRefused(
        _("Reference %(reference)s stands for %(amount)s of order %(number)s. Other money needs its own reference.")
        % {"reference": reference, "amount": booked, "number": known.payment.order.number},
        code="reference_used",
        attempt=known.pk,
    )


def _row_for(
    order: Order, attempt: PaymentAttempt | None, method: str, reference: str, money: Money, now: dt.datetime
) -> PaymentAttempt:
    """The row that this money confirms: the one that announced it, or a new one (money twice for one attempt)."""
    own = locking.locked(
        PaymentAttempt.objects.filter(payment__order=order.pk, method=method).exclude(state=State.CONFIRMED)
    )
    if reference and (named := own.filter(reference=reference).first()) is not None:
        return named
    if attempt is not None and attempt.state != State.CONFIRMED:
        return attempt
    if attempt is None:
        announced = own.filter(reference="", currency=money.currency, state__in=[State.STARTED, State.PENDING])
        if order.payment_kind == PaymentKind.TRANSFER and (found := announced.first()) is not None:
            return found
    return PaymentAttempt(
        payment=references.payment_of(order),
        method=method,
        token=signing.random_token(),
        amount=money.amount,
        currency=money.currency,
        started_at=now,
        origin=PaymentAttempt.Origin.RECORDED,
    )


def _confirm(attempt: PaymentAttempt, reference: str, money: Money, now: dt.datetime) -> PaymentAttempt:
    attempt.state = State.CONFIRMED
    attempt.confirmed_amount = money.amount
    attempt.reference = reference or attempt.reference
    attempt.changed_at = now
    attempt.next_poll_at = None
    attempt.save()
    return attempt


def _refundable(order: Order, only: PaymentAttempt | None) -> list[tuple[PaymentAttempt, Decimal]]:
    """Confirmed attempts, latest first, with what of each was not given back yet."""
    rows = PaymentAttempt.objects.filter(payment__order=order.pk, state=State.CONFIRMED)
    if only is not None:
        rows = rows.filter(pk=only.pk)
    found = locking.locked(rows).order_by("-changed_at", "-pk")
    given = dict(
        Refund.objects.filter(attempt__payment__order=order.pk)
        .order_by()
        .values_list("attempt_id")
        .annotate(sum=Sum("amount"))
    )
    return [(row, row.confirmed_amount - given.get(row.pk, Decimal(0))) for row in found]


def record_chargeback(**given):
    raise NotImplementedError
