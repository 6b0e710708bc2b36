"""What a discount takes off a price. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Percent:
    """So many hundredths of the price, from 1 to 100. Raises ``ValueError`` outside of that."""

    percent: Decimal

    def __post_init__(self) -> None:
        if isinstance(self.percent, float):
            raise TypeError("a percentage is never a float")
        percent = Decimal(self.percent)
        if not percent.is_finite() or not 1 <= percent <= 100:
            raise ValueError("a percentage goes from 1 to 100")
        object.__setattr__(self, "percent", percent)

    def off(self, price: Money) -> Money:
        """What it takes off ``price``, in the price's currency, rounded half up. Never more than the price."""
        _refuse_negative(price)
        return min(price, price.percent(self.percent))


@dataclass(frozen=True)
class Fixed:
    """A sum of money. Raises ``ValueError`` unless it is more than nothing."""

    money: Money

    def __post_init__(self) -> None:
        if self.money.amount <= 0:
            raise ValueError("a discount takes off more than nothing")

    def off(self, price: Money) -> Money:
        """What it takes off ``price``: never more than the price. Raises ``MoneyMismatch`` for another currency."""
        _refuse_negative(price)
        return min(price, self.money)


def _refuse_negative(price: Money) -> None:
    if price.amount < 0:
        raise ValueError("a price is not negative")
