"""The ledger: the only way an order becomes paid or refunded.

Every movement of money is one ``Transaction``, and none is ever changed (promise 15). What an order has, and which of its
parts are paid, is worked out anew from these rows (``payments.allocation``) under the contact's and the order's lock each
time, and handed to ``orders.transitions.apply_totals``. Money is never refused (promise 7): what is odd about it, that verb
puts on a person's list.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking, signing
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PaymentKind, Status
from wagtail_kwiga.payments import booking, references
from wagtail_kwiga.payments.models import PaymentAttempt, Refund, Transaction
from wagtail_kwiga.payments.statuses import RefundState, TransactionKind
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

State = PaymentAttempt.State
#: Letters of a reference that leave room for a number behind it.
_BARE = 190


@dataclass(frozen=True)
class Receipt:
    """What was booked. ``attempt`` is ``None`` for a free order; ``new`` is False where it had been booked before."""

    attempt: PaymentAttempt | None
    order: Order
    new: bool = True


@dataclass(frozen=True)
class BookedChargeback:
    """What was booked. ``transaction`` is ``None`` where a dispute was decided for the seller and nothing had been taken."""

    transaction: Transaction | None
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
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
    attempt: PaymentAttempt | None = None,
) -> Receipt:
    """Book money that has arrived for ``order``, whatever the order's status.

    ``method`` is the alias of a provider or the word staff give for money that came by itself; ``reference`` is the bank's
    or provider's own handle of this one movement of money. The same method, reference and amount again is the same money
    and changes nothing, unless ``correct`` has undone it; without a reference every call is new money. ``attempt`` is the hand-over that brought it; where
    none is given, a started one of the same method is taken (the buyer who announced a transfer), else a new row is made.

    A bare ``Decimal`` is in the order's currency. Raises ``MoneyMismatch`` for another currency and ``PaymentRefused`` for
    nothing or less (``no_money``), and for a reference that already stands for another sum or order (``reference_used``).
    """
    now = now or conf.now()
    money = booking.in_currency_of(order, amount)
    if money.amount <= 0:
        raise PaymentRefused(_("Please say how much money arrived."), code="no_money")
    with locking.atomic_write():
        fresh = transitions.lock(order)
        known = _booked_before(fresh, method, reference, money)
        if known is None and attempt is not None:
            attempt = locking.locked(PaymentAttempt.objects.filter(pk=attempt.pk)).get()
            known = attempt if attempt.state == State.CONFIRMED and not reference else None
        is_again = known is not None and not known.confirmed_amount  # corrected away: its reference is free for money
        if known is not None and not is_again:
            return Receipt(known, transitions.copy_columns(order, fresh), new=False)
        entry_reference = _reference_once_more(fresh, method, reference, known) if is_again else reference
        attempt = _confirm(_row_for(fresh, attempt, method, reference, money, now), reference, money, now)
        writing.write(fresh, "payments.received", now=now, by=by, amount=money, method=method, reference=reference)
        booked = Transaction(
            kind=TransactionKind.CHARGE.value,
            attempt=attempt,
            amount=money.amount,
            method=method,
            reference=entry_reference or attempt.reference,
        )
        booking.book(fresh, booked, now=now, by=by, payer_known=attempt.payer_is_known)
    return Receipt(attempt, transitions.copy_columns(order, fresh))


def record_refund(
    *,
    amount: Money | Decimal,
    attempt: PaymentAttempt | None = None,
    order: Order | None = None,
    reference: str = "",
    reason: str = "",
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
) -> Repayment:
    """Book money that has been given back, out of one ``attempt`` or, with ``order``, out of its latest attempts first.

    The same reference again for the same attempt is the same refund. Raises ``PaymentRefused`` (``too_much``) for more than
    is there and not yet asked back, ``no_money`` for nothing or less, ``MoneyMismatch`` for another currency. The money
    itself is moved by ``payments.refunds``, or by hand.
    """
    now = now or conf.now()
    if order is None:
        if attempt is None:
            raise TypeError("record_refund() wants an attempt or an order")
        order = booking.order_of(attempt)
    money = booking.in_currency_of(order, amount)
    if money.amount <= 0:
        raise PaymentRefused(_("Please say how much was given back."), code="no_money")
    with locking.atomic_write():
        fresh = transitions.lock(order)
        sources = booking.refundable(fresh, attempt)
        if reference:
            known = Refund.objects.filter(attempt__in=[source for source, _left in sources], reference=reference)
            if before := tuple(row for row in known.order_by("pk") if row.state != RefundState.FAILED):
                if sum(row.amount for row in before) != money.amount:
                    raise PaymentRefused(_("This reference stands for another refund already."), code="reference_used")
                return Repayment(before, transitions.copy_columns(order, fresh), new=False)
            known.update(reference="")  # it came to nothing, or was corrected away: the reference is this refund's
        made = []
        for source, share in booking.shares(sources, money.amount):
            refund = Refund.objects.create(  # type: ignore[misc]  # the user model is the site's
                token=signing.random_token(),
                order=fresh,
                attempt=source,
                amount=share,
                currency=money.currency,
                state=RefundState.DONE.value,
                reference=reference,
                reason=reason,
                requested_at=now,
                changed_at=now,
                by=by,
            )
            booking.book_refund(fresh, refund, now=now, by=by)
            made.append(refund)
    return Repayment(tuple(made), transitions.copy_columns(order, fresh))


def record_chargeback(
    *,
    attempt: PaymentAttempt,
    amount: Money | Decimal,
    reference: str,
    reversed: bool = False,
    now: dt.datetime | None = None,
) -> BookedChargeback:
    """Book money that the buyer's bank took back (or, with ``reversed``, returned), and put it on a person's list.

    ``reference`` is the provider's handle of the dispute; the same one again is booked once, and another sum for it goes on a
    person's list. Of a dispute in which nothing
    was taken nothing is returned either: that is only told. Raises ``MoneyMismatch`` and ``PaymentRefused`` (``no_money``).
    """
    now = now or conf.now()
    order = booking.order_of(attempt)
    money = booking.in_currency_of(order, amount)
    if money.amount <= 0:
        raise PaymentRefused(_("A chargeback needs an amount."), code="no_money")
    kind = TransactionKind.CHARGEBACK_REVERSED if reversed else TransactionKind.CHARGEBACK
    facts: dict[str, Any] = {
        "method": attempt.method,
        "amount": money,
        "reference": reference or attempt.reference or attempt.token,
    }
    with locking.atomic_write():
        fresh = transitions.lock(order)
        same = Transaction.objects.filter(order=fresh.pk, method=attempt.method, reference=facts["reference"])
        rows = {TransactionKind(row.kind): row for row in same}
        if kind in rows:
            booked_with = Money(abs(rows[kind].amount), fresh.currency)
            if booked_with != money:
                writing.write(fresh, "payments.says_other_amount", now=now, attention=True, booked=booked_with, **facts)
            return BookedChargeback(rows[kind], fresh, new=False)
        if reversed and TransactionKind.CHARGEBACK not in rows:
            writing.write(fresh, "payments.dispute_won", now=now, attention=True, **facts)
            return BookedChargeback(None, fresh, new=False)
        booked = Transaction(
            kind=kind.value,
            attempt=attempt,
            amount=money.amount if reversed else -money.amount,
            method=attempt.method,
            reference=facts["reference"],
        )
        code = "payments.chargeback_reversed" if reversed else "payments.charged_back"
        writing.write(fresh, code, now=now, attention=True, **facts)
        booking.book(fresh, booked, now=now)
    return BookedChargeback(booked, fresh)


def correct(
    transaction: Transaction,
    *,
    to: Money | Decimal,
    reason: str = "",
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
) -> Transaction:
    """Set a hand-made entry right: a further row makes it count as if it had been made with the amount ``to`` (0: not at all).

    The entry itself stays as it is (promise 15). It is a payment or a refund that a person booked; what a provider reported
    is corrected by what the provider reports. Raises ``PaymentRefused``: ``not_by_hand``, ``same_amount``, ``negative``.
    """
    now = now or conf.now()
    with locking.atomic_write():
        order = transitions.lock(transaction.order)
        money = booking.in_currency_of(order, to)
        if transaction.kind not in (TransactionKind.CHARGE, TransactionKind.REFUND) or transaction.by_id is None:
            raise PaymentRefused(_("Only an entry that was made by hand can be corrected."), code="not_by_hand")
        if money.amount < 0:
            raise PaymentRefused(_("Please say how much it should have been."), code="negative")
        is_refund = transaction.kind == TransactionKind.REFUND
        corrected = sum(transaction.corrections.values_list("amount", flat=True), Decimal(0))
        change = (-money.amount if is_refund else money.amount) - (transaction.amount + corrected)
        if not change:
            raise PaymentRefused(_("That is what the entry says already."), code="same_amount")
        entry = Transaction(
            kind=TransactionKind.ADJUSTMENT.value,
            attempt_id=transaction.attempt_id,
            refund_id=transaction.refund_id,
            amount=change,
            method=transaction.method,
            corrects=transaction,
        )
        if is_refund:
            state = RefundState.DONE if money.amount else RefundState.FAILED
            Refund.objects.filter(pk=cast(int, transaction.refund_id)).update(
                state=state.value,
                **({"amount": money.amount} if money.amount else {"failure_message": reason[:255]}),
                changed_at=now,
            )
        else:
            PaymentAttempt.objects.filter(pk=cast(int, transaction.attempt_id)).update(confirmed_amount=money.amount)
        was = Money(abs(transaction.amount + corrected), order.currency)
        writing.write(order, "payments.corrected", now=now, by=by, was=was, amount=money, reason=reason)
        booking.book(order, entry, now=now, by=by)
    return entry


def complete_free(order: Order, now: dt.datetime | None = None, *, by: AbstractBaseUser | None = None) -> Receipt:
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
        booking.book(fresh, None, now=now, by=by)
    return Receipt(None, transitions.copy_columns(order, fresh))


def totals(order: Order) -> tuple[Decimal, Decimal]:
    """What ``order`` has received (less chargebacks) and what of it was given back, added up from the ledger. One query."""
    # Added up here: SQLite adds decimals as floats.
    paid = refunded = Decimal(0)
    rows = Transaction.objects.filter(order=order.pk).order_by()
    for kind, corrected, amount in rows.values_list("kind", "corrects__kind", "amount"):
        paid += amount
        if TransactionKind.REFUND in (kind, corrected):
            refunded -= amount
    return paid + refunded, refunded


def _booked_before(order: Order, method: str, reference: str, money: Money) -> PaymentAttempt | None:
    """The attempt under which this money was booked, or, with nothing confirmed, that was corrected away."""
    if not reference:
        return None
    known = PaymentAttempt.objects.select_related("payment__order").filter(method=method, reference=reference).first()
    if known is None:
        return None
    booked = Money(known.confirmed_amount, known.currency)
    if known.state == State.CONFIRMED and not booked:
        return known
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


def _reference_once_more(order: Order, method: str, reference: str, undone: PaymentAttempt | None) -> str:
    """Take ``reference`` from an attempt that was corrected away, and say under which the ledger of ``order`` takes it now.

    The rows of the ledger stay, and so does the reference of an entry: where this order has one, the next bears a number.
    """
    if undone is not None:
        PaymentAttempt.objects.filter(pk=undone.pk, confirmed_amount=0).update(reference="")
    entries = Transaction.objects.filter(order=order.pk, method=method, kind=TransactionKind.CHARGE)
    taken = set(entries.filter(reference__startswith=reference[:_BARE]).values_list("reference", flat=True))
    numbered = (f"{reference[:_BARE]}#{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([reference], numbered) if each not in taken)


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
