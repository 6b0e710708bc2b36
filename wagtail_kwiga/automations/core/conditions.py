"""What *continue only if* may ask. Plain Python; a site adds classes through ``register_kwiga_conditions``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from wagtail_kwiga.automations.core.serialization import Serializable, whole
from wagtail_kwiga.automations.core.snapshots import Facts, RunSnapshot
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Condition(Serializable):
    """A question about one person. Subclass it, frozen, with a ``kind``, the dotted path of its block, and ``holds``."""

    #: Dotted path of the block an editor fills in; a subclass of ``automations.editing.blocks.ConditionBlock``.
    block: ClassVar[str] = ""

    def holds(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> bool:
        """Whether the run goes on. Pure: nothing but the arguments may matter."""
        raise NotImplementedError

    @classmethod
    def load(cls, runs: tuple[RunSnapshot, ...], now: dt.datetime) -> dict[int, Any]:
        """Facts of its own for a batch, found in ``facts.extra[kind]``: run id → value, by a fixed number of queries."""
        return {}

    def list_ids(self) -> frozenset[int]:
        """Lists it asks about: their memberships are loaded, and the lists cannot be deleted."""
        return frozenset()


@dataclass(frozen=True)
class OnList(Condition):
    """The person is on a list (or is not)."""

    kind: ClassVar[str] = "on_list"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.condition_blocks.OnListBlock"

    list_id: int
    expected: bool = True

    def __post_init__(self) -> None:
        whole("list_id", self.list_id, least=1)

    def holds(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> bool:
        return facts.is_on(self.list_id, now) is self.expected

    def list_ids(self) -> frozenset[int]:
        return frozenset({self.list_id})


@dataclass(frozen=True)
class BoughtBefore(Condition):
    """The person has paid for something here before (or never has)."""

    kind: ClassVar[str] = "bought_before"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.condition_blocks.BoughtBeforeBlock"

    expected: bool = True

    def holds(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> bool:
        return bool(facts.bought) is self.expected


@dataclass(frozen=True)
class OrderTotal(Condition):
    """The order comes to at least an amount. Another currency does not compare, so it is not enough."""

    kind: ClassVar[str] = "order_total"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.condition_blocks.OrderTotalBlock"

    amount: str
    currency: str

    def __post_init__(self) -> None:
        try:
            Money(Decimal(self.amount), self.currency)
        except (InvalidOperation, ValueError, TypeError) as fault:
            raise ScenarioFault(f"{self.amount!r} {self.currency!r} is no amount of money.") from fault

    @property
    def least(self) -> Money:
        return Money(Decimal(self.amount), self.currency)

    def holds(self, run: RunSnapshot, facts: Facts, now: dt.datetime) -> bool:
        order = facts.order(run.order_id)
        return order is not None and order.total.currency == self.currency and order.total >= self.least


CONDITIONS: dict[str, type[Condition]] = {one.kind: one for one in (OnList, BoughtBefore, OrderTotal)}
