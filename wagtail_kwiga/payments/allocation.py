"""What the movements of an order's money mean: which parts they fill, and what the order has. Plain Python.

The ledger is walked from its beginning each time, so what an order says never depends on how it came to be said:

* money that comes fills the part it was paid for first, then the parts by their sequence; what no part has room for is
  surplus;
* money given back takes the surplus first. What goes beyond it is the seller's gift: nobody is asked to pay it again. When
  nothing is left, the sale is undone, and every part is cancelled; money that comes after that begins anew;
* a chargeback empties its own part first, then the others from the last one: it is owed again;
* a correction counts as if the entry it names had been made with the right amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from wagtail_kwiga.orders.totals import NOTHING, OrderTotals
from wagtail_kwiga.payments.statuses import PaymentState, TransactionKind


@dataclass(frozen=True)
class Part:
    """A sum due, by its key; ``paid`` and ``state`` as they are on record. Given in their sequence."""

    key: int
    amount: Decimal
    paid: Decimal = NOTHING
    state: PaymentState = PaymentState.DUE
    opens_access: bool = True


@dataclass(frozen=True)
class Movement:
    """A row of the ledger, in the order in which they were written. Money out is negative. ``part``: the key of the part it
    was paid for. ``corrects``: the key of the movement that an adjustment corrects."""

    key: int
    kind: TransactionKind
    amount: Decimal
    part: int | None = None
    corrects: int | None = None


@dataclass(frozen=True)
class Allocation:
    """``parts``: the same ones as they stand now. ``settled_now``: keys of those that this movement made paid; ``again`` is
    whether money that had opened access, or all that had come, had gone before it: given back, or taken by the buyer's bank."""

    totals: OrderTotals
    parts: tuple[Part, ...]
    settled_now: tuple[int, ...] = ()
    again: bool = False


def allocate(
    total: Decimal, parts: Sequence[Part], so_far: Sequence[Movement], new: Movement | None = None
) -> Allocation:
    """What an order of ``total`` in ``parts`` has after ``so_far`` and one ``new`` movement (none: look only).

    Raises ``ValueError`` for a correction of a movement that is not among them.
    """
    books = _walk(total, parts, [*so_far, *([new] if new is not None else [])])
    closed = not books.is_undone and _was_closed(total, parts, so_far)
    standing = tuple(books.standing(part) for part in parts)
    was = {part.key: part.state for part in parts}
    return Allocation(
        OrderTotals(
            books.net,
            books.refunded,
            books.settled,
            money_came=new is not None and new.amount > 0 and not _gives_less_back(new, so_far),
            money_went=new is not None and new.amount < 0,
            was_given_back=books.was_given_back,
            again=closed,
        ),
        standing,
        tuple(p.key for p in standing if p.state == PaymentState.PAID and was[p.key] != PaymentState.PAID),
        again=closed or (not books.is_undone and (PaymentState.CANCELLED in was.values() or _had_gone(so_far))),
    )


def _walk(total: Decimal, parts: Sequence[Part], movements: Sequence[Movement]) -> _Books:
    books = _Books(total, parts)
    for movement in _corrected(movements):
        books.take(movement)
    return books


def _had_gone(so_far: Sequence[Movement]) -> bool:
    """Whether money had come, and none of it was here any more."""
    return bool(so_far) and sum(each.amount for each in so_far) <= 0


def _was_closed(total: Decimal, parts: Sequence[Part], so_far: Sequence[Movement]) -> bool:
    """Whether money had opened access and does so no more. Walks the ledger anew for each of its rows, so it is asked only
    where some money has gone."""
    if all(each.amount > 0 for each in so_far) or _walk(total, parts, so_far).opens(parts):
        return False
    return any(_walk(total, parts, so_far[:end]).opens(parts) for end in range(1, len(so_far)))


def _gives_less_back(new: Movement, so_far: Sequence[Movement]) -> bool:
    """A correction of a refund: no money came, less of it went."""
    return any(each.key == new.corrects and each.kind == TransactionKind.REFUND for each in so_far)


def _corrected(movements: Sequence[Movement]) -> list[Movement]:
    amounts = {each.key: each.amount for each in movements if each.kind != TransactionKind.ADJUSTMENT}
    for each in movements:
        if each.kind == TransactionKind.ADJUSTMENT:
            if each.corrects not in amounts:
                raise ValueError(f"movement {each.key} corrects what is not there")
            amounts[each.corrects] += each.amount
    return [
        Movement(each.key, each.kind, amounts[each.key], each.part)
        for each in movements
        if each.kind != TransactionKind.ADJUSTMENT and amounts[each.key]
    ]


class _Books:
    """The walk through the ledger: sums, and how far each part is filled."""

    def __init__(self, total: Decimal, parts: Sequence[Part]) -> None:
        self.total = total
        waived = sum((part.amount for part in parts if part.state == PaymentState.WAIVED), NOTHING)
        #: What is really asked for.
        self.owed = total - waived
        self.room = {part.key: part.amount for part in parts if part.state != PaymentState.WAIVED}
        self.filled = dict.fromkeys(self.room, NOTHING)
        self.net = self.refunded = NOTHING
        #: What counts towards the total: what came, less chargebacks and refunds of surplus.
        self.held = NOTHING
        self.is_undone = self.was_given_back = False

    @property
    def settled(self) -> Decimal:
        return self.total if self.is_undone else self.total - self.owed + self._due_filled

    @property
    def _due_filled(self) -> Decimal:
        return min(max(self.held, NOTHING), self.owed)

    def opens(self, parts: Sequence[Part]) -> bool:
        """Whether what is here opens access: all of the total, or a part with which it begins."""
        if self.net <= 0:
            return False
        full = (self.filled.get(part.key, NOTHING) >= part.amount for part in parts if part.opens_access)
        return self.settled >= self.total or any(full)

    def take(self, movement: Movement) -> None:
        amount = movement.amount
        self.net += amount
        if movement.kind == TransactionKind.REFUND:
            self.refunded -= amount
            self.was_given_back = True
            self.held -= min(max(self.held - self.owed, NOTHING), -amount)
            self.is_undone = self.is_undone or (self.net <= 0 and self.owed > 0)
            return
        if movement.kind == TransactionKind.CHARGE and self.is_undone:
            self.is_undone, self.held = False, NOTHING
            self.filled = dict.fromkeys(self.room, NOTHING)
        self.was_given_back = self.was_given_back or movement.kind == TransactionKind.CHARGEBACK
        self.held += amount
        self._pour(movement.part)

    def _pour(self, own: int | None) -> None:
        """Let what is filled be what is held: ``own`` is filled, or emptied, first."""
        change = min(self._due_filled, sum(self.room.values())) - sum(self.filled.values())
        keys = list(self.room) if change > 0 else list(reversed(self.room))
        for key in ([own] if own in self.room else []) + keys:
            moved = min(change, self.room[key] - self.filled[key]) if change > 0 else max(change, -self.filled[key])
            self.filled[key] += moved
            change -= moved

    def standing(self, part: Part) -> Part:
        if part.state == PaymentState.WAIVED:
            return part
        filled, state = self.filled[part.key], PaymentState.DUE
        if self.is_undone:
            state = PaymentState.CANCELLED
        elif filled >= part.amount:
            state = PaymentState.PAID
        return Part(part.key, part.amount, filled, state)
