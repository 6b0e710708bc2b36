"""Orders that are paid in parts: planning the parts, and how far an order is on time."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, OrderKind
from wagtail_kwiga.payments import booking, references
from wagtail_kwiga.payments import standing as standings
from wagtail_kwiga.payments.events import PaymentSettled
from wagtail_kwiga.payments.models import Payment
from wagtail_kwiga.payments.standing import DuePart, Standing
from wagtail_kwiga.payments.statuses import DueKind, PaymentState
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


@dataclass(frozen=True)
class PartDraft:
    """A part to be: how much, and when it is due. ``opens_access``: access begins when it is paid."""

    amount: Money | Decimal
    due_at: dt.datetime
    kind: DueKind = DueKind.PART
    opens_access: bool = False


def plan_parts(order: Order, parts: Sequence[PartDraft], now: dt.datetime) -> list[Payment]:
    """Have ``order`` be paid in ``parts``, in the transaction that places it, before an attempt to pay is begun.

    An order in several parts is of kind *instalments*. It then binds and can be paid until its last part is due and ``PAYMENT_GRACE_DAYS`` more, where that is later than
    its own time. Raises ``ValueError`` where the parts are no plan: none at all, a sum that is not the order's total, a part
    of nothing, due instants out of order, none that opens access, or an order that has its sums due already; and
    ``MoneyMismatch`` for another currency. Two statements, and one a part.
    """
    amounts = [booking.in_currency_of(order, part.amount).amount for part in parts]
    if not parts or sum(amounts) != order.total_amount or min(amounts) <= 0:
        raise ValueError(f"the parts {amounts} are not a plan for {order.total}")
    if any(later.due_at < part.due_at for part, later in itertools.pairwise(parts)):
        raise ValueError("the parts of a plan are due one after the other")
    if not any(part.opens_access for part in parts):
        raise ValueError("one part of a plan opens access")
    planned = []
    for sequence, (part, amount) in enumerate(zip(parts, amounts, strict=True), start=1):
        payment = Payment(
            order=order,
            sequence=sequence,
            kind=part.kind.value,
            amount=amount,
            currency=order.currency,
            due_at=part.due_at,
            opens_access=part.opens_access,
        )
        if not references.insert(payment):
            raise ValueError(f"order {order.number} has its sums due already")
        planned.append(payment)
    end = parts[-1].due_at + dt.timedelta(days=conf.settings.PAYMENT_GRACE_DAYS)
    order.price_holds_until = max(order.price_holds_until, end)
    order.expires_at = max(order.expires_at, end)
    if len(parts) > 1 and order.kind == OrderKind.ONE_TIME:
        order.kind = OrderKind.INSTALMENTS.value
    order.save(update_fields=["kind", "price_holds_until", "expires_at"])
    return planned


def waive(
    part: Payment, *, now: dt.datetime | None = None, by: AbstractBaseUser | None = None, reason: str = ""
) -> Order:
    """Ask for ``part`` no more, and let its order be what the ledger says then; the order as it is now. Waiving it once more
    changes nothing.

    Money that was paid for it counts for the other parts. Where nothing else is to be paid, the order becomes paid. Access
    that would have begun with it begins with the first part that is left: at once, where that one is paid. A screen or view
    that calls it asks for the permission ``edit_order``; ``by`` is who decided it.

    Raises ``PaymentRefused``: ``not_due`` for a part that is paid or was given back, ``closed`` for an order that takes no
    payment, and ``nothing_left`` where the order would be without any money (cancel it, or give access by hand).
    """
    now = now or conf.now()
    with locking.atomic_write():
        order = transitions.lock(part.order_id)
        parts = list(Payment.objects.filter(order=order.pk).order_by("sequence"))
        row = next(each for each in parts if each.pk == part.pk)
        if row.state == PaymentState.WAIVED:
            return order
        if row.state != PaymentState.DUE:
            raise PaymentRefused(_("Only a part that is still to be paid can be waived."), code="not_due")
        if order.status not in PAYABLE:
            raise PaymentRefused(_("This order is closed."), code="closed")
        writing.write(order, "payments.waived", now=now, by=by, number=row.sequence, amount=row.rest, reason=reason)
        heir = _heir(row, parts)
        row.state, row.paid_amount, row.opens_access = (
            PaymentState.WAIVED.value,
            Decimal(0),
            row.opens_access and not heir,
        )
        row.save(update_fields=["state", "paid_amount", "opens_access"])
        if heir is not None:
            heir.opens_access = True
            heir.save(update_fields=["opens_access"])
        result = booking.book(order, None, now=now, by=by, payer_known=False)
        if not result.totals.paid and result.totals.settled >= order.total_amount:
            raise PaymentRefused(
                _("Nothing would be left to pay. Cancel the order instead, or give access by hand."),
                code="nothing_left",
            )
        if heir is not None and heir.state == PaymentState.PAID:  # told as settled before, when it opened nothing
            events.publish(PaymentSettled(heir.pk, order.pk, order.contact_id, True, now, again=result.again))
    part.refresh_from_db()
    return order


def _heir(waived: Payment, parts: Sequence[Payment]) -> Payment | None:
    """The part with which access begins in place of ``waived``; ``None`` where that opened none, or is not the only one."""
    left = [each for each in parts if each.pk != waived.pk and each.state != PaymentState.WAIVED]
    if not waived.opens_access or any(each.opens_access for each in left):
        return None
    return next(iter(left), None)


def standing(order: Order, now: dt.datetime) -> Standing:
    """How far ``order`` is on time at ``now``. An order without sums due has nothing overdue. One query."""
    rows = Payment.objects.filter(order=order.pk)
    return standings.judge(
        [DuePart(row.due_at, row.amount - row.paid_amount, PaymentState(row.state)) for row in rows], now
    )


def waits_for_opening_part(order_id: int) -> bool:
    """Whether an order that was never paid as a whole has no paid part with which access begins. One query."""
    opening = Payment.objects.filter(order=OuterRef("pk"), opens_access=True, state=PaymentState.PAID.value)
    return Order.objects.filter(~Exists(opening), pk=order_id, paid_at=None).exists()


def next_due(order: Order) -> Payment | None:
    """The part to be paid next; ``None`` where nothing is due, or nothing was asked for yet. One query."""
    return Payment.objects.filter(order=order.pk, state=PaymentState.DUE.value).order_by("sequence").first()


def part_asked_for(order: Order) -> Payment | None:
    """The part that the buyer is asked for now; ``None`` where the order is paid at once. One query at most."""
    return None if order.kind == OrderKind.ONE_TIME else next_due(order)
