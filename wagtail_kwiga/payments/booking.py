"""Writing the ledger: the one place where a ``Transaction`` comes into being, and where an order takes note of it.

For this room: ``payments.ledger`` and ``payments.refunds`` have the verbs. The caller holds the contact's and the order's lock.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from wagtail_kwiga import events, locking
from wagtail_kwiga.exceptions import MoneyMismatch, PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import allocation
from wagtail_kwiga.payments.events import PaymentSettled
from wagtail_kwiga.payments.models import Payment, PaymentAttempt, Refund, Transaction
from wagtail_kwiga.payments.statuses import OPEN_REFUNDS, PaymentState, TransactionKind
from wagtail_kwiga.pricing.money import Money, fits

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def book(
    order: Order,
    entry: Transaction | None,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    payer_known: bool = True,
) -> allocation.Allocation:
    """Write ``entry`` (``None``: nothing moved, a free order settles itself) and let its order be what the ledger says.

    For this room. ``order`` is locked, and so is its contact. Six statements and what a change of status takes.
    """
    so_far = _movements(Transaction.objects.filter(order=order.pk))
    parts = list(Payment.objects.filter(order=order.pk).order_by("sequence"))
    if entry is not None:
        entry.order, entry.currency, entry.at = order, order.currency, now
        entry.by = by  # type: ignore[assignment]  # the user model is the site's
        entry.save()
    result = allocation.allocate(
        order.total_amount,
        [
            allocation.Part(row.pk, row.amount, row.paid_amount, PaymentState(row.state), row.opens_access)
            for row in parts
        ],
        so_far,
        _new_movement(entry),
    )
    for row, part in zip(parts, result.parts, strict=True):
        if (row.paid_amount, row.state) != (part.paid, part.state):
            row.paid_amount, row.state = part.paid, part.state.value
            row.save(update_fields=["paid_amount", "state"])
    transitions.apply_totals(order, result.totals, now=now, by=by, payer_known=payer_known)
    for row in parts:
        if row.pk in result.settled_now:
            events.publish(
                PaymentSettled(row.pk, order.pk, order.contact_id, row.opens_access, now, again=result.again)
            )
    return result


def book_refund(
    order: Order,
    refund: Refund,
    *,
    now: dt.datetime,
    by: AbstractBaseUser | None = None,
    undone: Transaction | None = None,
) -> Transaction:
    """Write the ledger's row of a refund that is done. For this room; ``order`` is locked, and so is its contact.

    ``undone`` is its row of before, where that was corrected away: a further correction lets it count again.
    """
    kind = TransactionKind.REFUND if undone is None else TransactionKind.ADJUSTMENT
    entry = Transaction(
        kind=kind.value,
        attempt=refund.attempt,
        refund=refund,
        amount=-refund.amount,
        method=refund.attempt.method,
        reference=refund.token if undone is None else "",
        corrects=undone,
    )
    writing.write(
        order, "payments.refunded", now=now, by=by, amount=refund.money, method=entry.method, reason=refund.reason
    )
    book(order, entry, now=now, by=by)
    return entry


def refundable(order: Order, only: PaymentAttempt | None = None) -> list[tuple[PaymentAttempt, Decimal]]:
    """Confirmed attempts, latest first, each with what is there of it and not yet asked back. Call with the order locked.
    Three queries."""
    rows = PaymentAttempt.objects.filter(payment__order=order.pk, state=PaymentAttempt.State.CONFIRMED)
    if only is not None:
        rows = rows.filter(pk=only.pk)
    found = locking.locked(rows).order_by("-changed_at", "-pk")
    # Added up here: SQLite adds decimals as floats.
    left: dict[int | None, Decimal] = defaultdict(Decimal)
    for attempt_id, amount in Transaction.objects.filter(order=order.pk).values_list("attempt_id", "amount"):
        left[attempt_id] += amount
    asked_back = Refund.objects.filter(order=order.pk, state__in=sorted(OPEN_REFUNDS))
    for attempt_id, amount in asked_back.values_list("attempt_id", "amount"):
        left[attempt_id] -= amount
    return [(row, left[row.pk]) for row in found]


def shares(sources: list[tuple[PaymentAttempt, Decimal]], amount: Decimal) -> list[tuple[PaymentAttempt, Decimal]]:
    """How much of ``amount`` comes out of which attempt. Raises ``PaymentRefused`` (``too_much``)."""
    found, rest = [], amount
    for source, left in sources:
        share = min(rest, left)
        if share > 0:
            found.append((source, share))
            rest -= share
    if rest > 0:
        raise PaymentRefused(_("That is more than was received and not yet given back."), code="too_much")
    return found


def order_of(attempt: PaymentAttempt) -> Order:
    """The order that ``attempt`` is for: where it came locked from this very transaction, itself, else read. One query at most."""
    payment = attempt._state.fields_cache.get("payment")
    order = payment._state.fields_cache.get("order") if payment is not None else None
    return order if order is not None and locking.is_held(order) else Order.objects.get(payments__attempts=attempt)


def in_currency_of(order: Order, amount: Money | Decimal) -> Money:
    """``amount`` as money of the order's currency. Raises ``MoneyMismatch`` where it is of another one, ``PaymentRefused``
    (``smaller_parts``) for a number with more digits than the currency has: nothing is rounded without a word."""
    if not isinstance(amount, Money) and not fits(amount, order.currency):
        raise PaymentRefused(
            _("%(currency)s has no parts as small as those of %(amount)s.")
            % {"currency": order.currency, "amount": amount},
            code="smaller_parts",
        )
    money = amount if isinstance(amount, Money) else Money(amount, order.currency)
    if money.currency != order.currency:
        raise MoneyMismatch(
            _("Order %(number)s is in %(currency)s.") % {"number": order.number, "currency": order.currency}
        )
    return money


def _movements(rows: QuerySet[Transaction]) -> list[allocation.Movement]:
    columns = rows.order_by("pk").values_list("pk", "kind", "amount", "attempt__payment_id", "corrects_id")
    return [
        allocation.Movement(pk, TransactionKind(kind), amount, part, corrects)
        for pk, kind, amount, part, corrects in columns
    ]


def _new_movement(entry: Transaction | None) -> allocation.Movement | None:
    if entry is None:
        return None
    part = entry.attempt.payment_id if entry.attempt is not None else None
    return allocation.Movement(entry.pk, TransactionKind(entry.kind), entry.amount, part, entry.corrects_id)
