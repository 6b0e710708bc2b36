"""What the money of an order means for its status. Plain Python: decided from values, written by ``orders.transitions``."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from wagtail_kwiga.orders.statuses import CLOSED_UNPAID, Status

NOTHING = Decimal(0)


@dataclass(frozen=True)
class OrderTotals:
    """An order's money after one more movement, added up from the ledger (``payments.allocation``).

    ``paid`` is the sum of all movements, ``refunded`` what was given back. ``settled`` is how much of the total is asked for
    no more: what came, less chargebacks; all of it once everything was given back. ``money_came`` and ``money_went`` say which
    way this movement went; ``was_given_back``: there are refunds or chargebacks among the movements. ``again``:
    money that had opened access had gone before this movement.
    """

    paid: Decimal
    refunded: Decimal = NOTHING
    settled: Decimal = NOTHING
    money_came: bool = False
    money_went: bool = False
    was_given_back: bool = False
    again: bool = False


@dataclass(frozen=True)
class Verdict:
    """``becomes_paid``: for the first time. ``again``: once more, after its money had gone. The last two are for a person."""

    status: Status
    becomes_paid: bool = False
    again: bool = False
    is_late: bool = False
    is_too_much: bool = False


def judge(status: Status, total: Decimal, totals: OrderTotals, *, was_paid: bool) -> Verdict:
    """What ``totals`` make of an order of ``total`` that is in ``status``; ``was_paid``: it has been paid before."""
    new = _status(status, total, totals, was_paid=was_paid)
    becomes_paid = new == Status.PAID and not was_paid
    came = totals.money_came
    return Verdict(
        new,
        becomes_paid,
        again=new == Status.PAID and was_paid and status not in (Status.PAID, Status.PARTLY_PAID),
        is_late=came and (status in CLOSED_UNPAID or status == Status.REFUNDED),
        is_too_much=came and totals.paid > total,
    )


def _status(status: Status, total: Decimal, totals: OrderTotals, *, was_paid: bool) -> Status:
    if totals.settled >= total and (totals.paid > 0 or not total):
        return Status.PAID
    if totals.paid <= 0:
        if totals.was_given_back or was_paid:
            return Status.REFUNDED
        # A wrong entry was corrected away: the order waits for money as before it.
        return Status.OPEN if status in (Status.PARTLY_PAID, Status.REFUNDED) else status
    if status == Status.REFUNDED:  # of what was paid once a part is there again: a person decides
        return status if was_paid else Status.PARTLY_PAID
    if status == Status.PAID:  # a part was charged back, or corrected away
        return Status.PARTLY_PAID
    # Money revives a closed order; giving a part of it back does not.
    return Status.PARTLY_PAID if totals.money_came else status
