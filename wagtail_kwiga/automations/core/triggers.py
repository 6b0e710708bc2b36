"""Start events: what lets somebody into a scenario, and what ends their way through it. Plain Python.

A start event names the classes of published events that it listens to. A site adds classes through
``register_kwiga_events``; one that listens to nothing lets people in with ``enrolment.enter``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wagtail_kwiga.automations.core.serialization import Serializable, whole
from wagtail_kwiga.automations.core.snapshots import Facts, OrderSnapshot, RunSnapshot
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.orders import events
from wagtail_kwiga.orders.statuses import Origin, PaymentKind, Status

#: What the entry key of a run about an unpaid purchase begins with.
UNPAID = "unpaid:"


def unpaid_key(purchase_id: int) -> str:
    """The entry key of runs about an unpaid purchase: one of them at a time is in a scenario."""
    return f"{UNPAID}{purchase_id}"


@dataclass(frozen=True)
class Entry:
    """Whom an event lets in, and as what.

    ``key`` names what happened, so that the same person enters a scenario for it once in all, or (``once=False``) once at
    a time. ``order_id``: the order it is about, where there is one. ``site_id`` and ``language`` say from which site and in
    which language the person is written to; an order brings its own. ``context`` is kept with the run: JSON values.
    """

    contact_id: int
    key: str
    once: bool = True
    order_id: int | None = None
    site_id: int | None = None
    language: str = ""
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)


def frozen_fields(event: Any) -> dict[str, Any]:
    """What a published event said, as JSON: its class, and those of its fields that are plain values or instants."""
    said: dict[str, Any] = {"event": type(event).__name__}
    for one in dataclasses.fields(event):
        value = getattr(event, one.name)
        if isinstance(value, dt.datetime):
            said[one.name] = value.isoformat()
        elif value is None or isinstance(value, str | int | float | bool):
            said[one.name] = value
        elif isinstance(value, tuple) and all(isinstance(part, str | int) for part in value):
            said[one.name] = list(value)
    return said


@dataclass(frozen=True)
class StartEvent(Serializable):
    """Something that happens to a person. The fields of a subclass are the filters an editor sets."""

    #: Dotted path of the block an editor fills in; a subclass of ``automations.editing.blocks.EventBlock``.
    block: ClassVar[str] = ""
    #: The purpose its mails carry in the outbox; ``recovery`` is never handed over once the purchase is paid.
    purpose: ClassVar[str] = "scenario"
    #: Acting waits while a payment of the purchase is under way.
    minds_payment: ClassVar[bool] = False
    #: Classes of published events that let people in; empty where the site calls ``enrolment.enter`` itself.
    listens_to: ClassVar[tuple[type, ...]] = ()
    #: Whether every run it begins is about an order. Without one a mail has no order to name or to lead to.
    has_order: ClassVar[bool] = False
    #: Least span from entering to the first thing done, because payment systems may be slow to confirm.
    least_wait: ClassVar[dt.timedelta] = dt.timedelta()

    @property
    def is_marketing(self) -> bool:
        """Whether what it sends is marketing: a mail whose kind its editor has left open is then promotion, with a coupon or
        without one."""
        return self.purpose == "recovery"

    @property
    def can_be_late(self) -> bool:
        """Whether what it sends is still right when an outage has made it late. By default what is about an order, unless it wants
        to sell one: who has bought something is always told."""
        return self.has_order and not self.is_marketing

    def entry(self, event: Any) -> Entry | None:
        """Whom a published event of ``listens_to`` lets in; ``None`` for nobody. Pure: the event is all there is.

        By default the contact of an event about an order, once for each order. An event without one says for itself what
        happened: override this. Raises ``ScenarioFault`` where that was forgotten.
        """
        order_id = getattr(event, "order_id", None)
        if order_id is None:
            raise ScenarioFault(f"{self.kind} does not say whom {type(event).__name__} lets in.")
        return Entry(event.contact_id, f"order:{order_id}", order_id=order_id, context=frozen_fields(event))

    def matches(self, order: OrderSnapshot) -> bool:
        """Whether ``order`` is one that this scenario is about."""
        return True

    def exit_for_newer(self, order: OrderSnapshot, *, has_mailed: bool) -> str:
        """Why a run ends when ``order`` replaces the one it is about; empty when it goes on with that.

        By default an order that it is not about ends it, before its first message (``has_mailed``) and afterwards.
        """
        return "" if self.matches(order) else "other_kind_of_order"

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
    listens_to: ClassVar[tuple[type, ...]] = (events.OrderPlaced,)
    has_order: ClassVar[bool] = True
    least_wait: ClassVar[dt.timedelta] = dt.timedelta(minutes=10)

    offers: tuple[int, ...] = ()
    #: Bank transfer is left out unless chosen: it takes days.
    payment_kinds: tuple[str, ...] = (PaymentKind.ONLINE.value,)
    origins: tuple[str, ...] = (Origin.WEB.value,)
    include_free: bool = False

    def __post_init__(self) -> None:
        for offer in self.offers:
            whole("offer", offer, least=1)

    def entry(self, event: Any) -> Entry | None:
        if event.offer_id is None:
            return None
        said = frozen_fields(event)
        return Entry(event.contact_id, unpaid_key(event.purchase_id), once=False, order_id=event.order_id, context=said)

    def names(self, offer_id: int | None) -> bool:
        """Whether it is about orders for this offer."""
        return offer_id is not None and (not self.offers or offer_id in self.offers)

    def matches(self, order: OrderSnapshot) -> bool:
        if not self.names(order.offer_id):
            return False
        if order.origin not in self.origins:
            return False
        if not order.total:  # nothing to pay, so its kind of payment says nothing
            return self.include_free
        return order.payment_kind in self.payment_kinds

    def exit_for_newer(self, order: OrderSnapshot, *, has_mailed: bool) -> str:
        """Whoever went on to an offer that it does not name is not won back for the one before."""
        if not self.names(order.offer_id):
            return "other_offer"
        return super().exit_for_newer(order, has_mailed=has_mailed)

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
            if why := self.exit_for_newer(newer, has_mailed=run.first_message_at is not None):
                return why
            order = newer
        elif not self.matches(order):  # on the pay page its buyer has chosen another way of paying
            return "no_longer_meant"
        return "owned" if order.offer_id in facts.owned else ""

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
    listens_to: ClassVar[tuple[type, ...]] = (events.OrderPaid,)
    has_order: ClassVar[bool] = True

    offers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for offer in self.offers:
            whole("offer", offer, least=1)

    def entry(self, event: Any) -> Entry | None:
        """Money that comes twice for one purchase is one purchase."""
        return super().entry(event) if event.first else None

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
