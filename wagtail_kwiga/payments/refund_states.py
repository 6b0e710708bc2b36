"""What becomes of a refund: each move of its state, with the order's lock held by the caller.

What is done is booked here and nowhere else; what is odd goes on a person's list.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from wagtail_kwiga import redaction
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import booking, provider_text
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.payments.statuses import FailureCode, RefundState, TransactionKind
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Between two looks at a refund that has not come to its end; the last one is repeated.
RETRY_AFTER = (dt.timedelta(minutes=5), dt.timedelta(minutes=30), dt.timedelta(hours=3), dt.timedelta(hours=24))
#: Looks after which it becomes a person's business: in doubt about a day, under way at the provider about ten.
MOST_TRIES_IN_DOUBT = 5
MOST_TRIES_PENDING = 13


def match(attempt: PaymentAttempt, reference: str, token: str) -> Refund | None:
    """The refund that a provider speaks of. The attempt's order is locked, so nobody adds or moves one meanwhile."""
    rows = list(Refund.objects.filter(attempt=attempt.pk).select_related("attempt").order_by("pk"))
    by_reference = next((row for row in rows if reference and row.reference == reference), None)
    if by_reference is not None and by_reference.state == RefundState.DONE:
        return by_reference  # whatever token comes with it: that money is booked
    return next((row for row in rows if token and row.token == token), None) or by_reference


def move(
    order: Order,
    row: Refund,
    to: RefundState,
    *,
    now: dt.datetime,
    reference: str = "",
    money: Money | None = None,
    code: FailureCode | None = None,
    why: str = "",
    by: AbstractBaseUser | None = None,
) -> bool:
    """Move ``row`` to the state ``to``, and book it where it is done; whether anything changed.

    ``reference`` is the provider's handle, ``money`` what it says has moved, ``code`` and ``why`` why it failed. States only go
    forward: what is done stays so, and what failed can only turn out to be done.
    """
    was = RefundState(row.state)
    if was == RefundState.DONE:
        if to == RefundState.FAILED:
            flag(order, row, "payments.refund_says_failed", now)
        elif to == RefundState.DONE and money is not None and money.amount != row.amount:
            facts = {"amount": money, "booked": row.money, "reference": row.reference or row.token}
            flag(order, row, "payments.says_other_amount", now, **facts)
        return False
    if (was == to and to != RefundState.PENDING) or (was == RefundState.FAILED and to != RefundState.DONE):
        return False
    twin = _twin(row, reference)
    if twin is not None and to != RefundState.FAILED:
        # The provider told of it before its handle was known here, and it was booked as a refund of its own.
        to, why = RefundState.FAILED, "It was booked as another refund."
        writing.write(order, "payments.refund_known_already", now=now, amount=row.money, method=row.attempt.method)
    elif to == RefundState.FAILED:
        flag(order, row, "payments.refund_failed", now, code=code or FailureCode.UNKNOWN, why=why)
    row.reference = row.reference or ("" if twin is not None else reference)
    row.state, row.changed_at = to.value, now
    row.next_try_at = None
    if to == RefundState.PENDING and row.tries < MOST_TRIES_PENDING:
        row.next_try_at = next_try(row, now)
    elif to == RefundState.PENDING:
        flag(order, row, "payments.refund_pending_long", now)
    row.failure_code = str(code or "") if to == RefundState.FAILED else ""
    row.failure_message = provider_text.cleaned(redaction.redact(why))[:255] if to == RefundState.FAILED else ""
    if to == RefundState.DONE and money is not None and money.amount != row.amount:
        flag(order, row, "payments.refund_other_amount", now, asked=row.money, amount=money)
        row.amount = money.amount
    row.save()
    if to == RefundState.DONE:
        undone = row.transactions.filter(kind=TransactionKind.REFUND).first() if was == RefundState.FAILED else None
        booking.book_refund(order, row, now=now, by=by, undone=undone)
    elif to == RefundState.PENDING and was != to:
        writing.write(order, "payments.refund_pending", now=now, amount=row.money, method=row.attempt.method)
    return was != to


def _twin(row: Refund, reference: str) -> Refund | None:
    if not reference or row.reference == reference:
        return None
    return Refund.objects.filter(attempt=row.attempt_id, reference=reference).exclude(pk=row.pk).first()


def flag(order: Order, row: Refund, code: str, now: dt.datetime, /, **facts: Any) -> None:
    """Put ``row`` in front of a person."""
    facts = {"amount": row.money, "method": row.attempt.method, **facts}
    writing.write(order, code, now=now, attention=True, **facts)


def next_try(row: Refund, now: dt.datetime) -> dt.datetime:
    """When to look at ``row`` again, by how often that was done."""
    return now + RETRY_AFTER[min(max(row.tries, 1), len(RETRY_AFTER)) - 1]
