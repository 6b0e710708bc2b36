"""Start events: what lets somebody into a scenario, and what ends their way through it. Plain Python.

A site adds classes through ``register_kwiga_events`` and lets people in with ``enrolment.enter``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from wagtail_kwiga.automations.core.serialization import Serializable, whole
from wagtail_kwiga.automations.core.snapshots import Facts, OrderSnapshot, RunSnapshot
from wagtail_kwiga.orders.statuses import Origin, PaymentKind, Status


@dataclass(frozen=True)
class StartEvent(Serializable):
    """Something that happens to a person. The fields of a subclass are the filters an editor sets."""

    #: Dotted path of the block an editor fills in; a subclass of ``automations.editing.blocks.EventBlock``.
    block: ClassVar[str] = ""
    #: The purpose its mails carry in the outbox; ``recovery`` is never handed over once the purchase is paid.
    purpose: ClassVar[str] = "scenario"
    #: Acting waits while a payment of the purchase is under way.
    minds_payment: ClassVar[bool] = False
    #: Which move of an order lets people in by itself: ``placed``, ``paid``, or none (then ``enrolment.enter`` does).
    begins_on: ClassVar[str] = ""
    #: Least span from entering to the first thing done, because payment systems may be slow to confirm.
    least_wait: ClassVar[dt.timedelta] = dt.timedelta()

    def matches(self, order: OrderSnapshot) -> bool:
        """Whether ``order`` is one that this scenario is about."""
        return True

    def leaves(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> str:
        """Why the run ends here, whatever its step; empty when it goes on. Asked whenever the run is touched."""
        return ""

    def follows(self, run: RunSnapshot, facts: Facts) -> OrderSnapshot | None:
        """The newer order that the run should go on with instead of its own, if any."""
        return None

    def offer_ids(self) -> tuple[int, ...]:
        """Offers its filters name: these cannot be deleted while the scenario may run."""
        return ()


@dataclass(frozen=True)
class OrderUnpaid(StartEvent):
    """An order was placed and is not paid. No ``offers`` means all of them; an order without an offer has no way back
    to a page, so it never matches."""

    kind: ClassVar[str] = "order_unpaid"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.event_blocks.OrderUnpaidBlock"
    purpose: ClassVar[str] = "recovery"
    minds_payment: ClassVar[bool] = True
    begins_on: ClassVar[str] = "placed"
    least_wait: ClassVar[dt.timedelta] = dt.timedelta(minutes=10)

    offers: tuple[int, ...] = ()
    #: Bank transfer is left out unless chosen: it takes days.
    payment_kinds: tuple[str, ...] = (PaymentKind.ONLINE.value,)
    origins: tuple[str, ...] = (Origin.WEB.value,)
    include_free: bool = False

    def __post_init__(self) -> None:
        for offer in self.offers:
            whole("offer", offer, least=1)

    def matches(self, order: OrderSnapshot) -> bool:
        if order.offer_id is None or (self.offers and order.offer_id not in self.offers):
            return False
        if order.origin not in self.origins:
            return False
        if not order.total:  # nothing to pay, so its kind of payment says nothing
            return self.include_free
        return order.payment_kind in self.payment_kinds

    def leaves(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> str:
        if facts.is_paid:
            return "purchase_paid"
        if facts.is_partly_paid:  # the buyer is led to pay the rest, not to order anew
            return "partly_paid"
        if not facts.recovery_on:
            return "recovery_off"
        order = facts.order(run.order_id)
        if order is None:
            return "order_gone"
        if order.status in (
            Status.CANCELLED,
            Status.EXPIRED,
            Status.REFUNDED,
        ):  # refunded unpaid: a part that came and went back
            return f"order_{order.status}"
        if order.status == Status.SUPERSEDED:
            newer = facts.newest_open()
            if newer is None:
                return "order_superseded"
            if run.first_message_at is None and not self.matches(newer):
                return "other_kind_of_order"
        return ""

    def follows(self, run: RunSnapshot, facts: Facts) -> OrderSnapshot | None:
        order = facts.order(run.order_id)
        return facts.newest_open() if order is not None and order.status == Status.SUPERSEDED else None

    def offer_ids(self) -> tuple[int, ...]:
        return self.offers


@dataclass(frozen=True)
class OrderPaid(StartEvent):
    """An order was paid, once per order. Ends when the money is given back."""

    kind: ClassVar[str] = "order_paid"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.event_blocks.OrderPaidBlock"
    begins_on: ClassVar[str] = "paid"

    offers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for offer in self.offers:
            whole("offer", offer, least=1)

    def matches(self, order: OrderSnapshot) -> bool:
        return not self.offers or order.offer_id in self.offers

    def leaves(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> str:
        order = facts.order(run.order_id)
        if order is None:
            return "order_gone"
        if order.status == Status.REFUNDED:
            return "order_refunded"
        return ""

    def offer_ids(self) -> tuple[int, ...]:
        return self.offers


EVENTS: dict[str, type[StartEvent]] = {one.kind: one for one in (OrderUnpaid, OrderPaid)}
