"""Money as a value: an exact amount and its currency. Plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from wagtail_kwiga.exceptions import MoneyMismatch
from wagtail_kwiga.pricing import currencies


@dataclass(frozen=True, order=False)
class Money:
    """An exact amount in a currency: ``Money(Decimal("19.99"), "EUR")``.

    It is kept in the currency's own precision (ISO 4217, ``pricing.currencies``), rounded half up. Raises ``ValueError``
    for a currency that does not exist, ``TypeError`` for a float.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.amount, float):
            raise TypeError("Money is never a float")
        object.__setattr__(self, "amount", quantise(Decimal(self.amount), self.currency))

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(Decimal(0), currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise MoneyMismatch(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __gt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount > other.amount

    def __ge__(self, other: Money) -> bool:
        self._same(other)
        return self.amount >= other.amount

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def percent(self, percent: Decimal) -> Money:
        """That many hundredths of it, rounded."""
        return Money(self.amount * percent / 100, self.currency)

    def split(self, weights: Sequence[int | Decimal]) -> list[Money]:
        """In parts by weight, by largest remainder, so that the parts sum to the whole exactly.

        All weights zero counts as equal weights. Raises ``ValueError`` for no weights, or a negative or endless one.
        """
        if not weights or any(not Decimal(weight).is_finite() or weight < 0 for weight in weights):
            raise ValueError("weights must be some finite numbers, none negative")
        # Fractions, because a decimal division may round a share up to a unit that is not there.
        shares = [Fraction(weight) for weight in weights]
        if not any(shares):
            shares = [Fraction(1)] * len(shares)
        whole = sum(shares)
        digits = precision(self.currency)
        units = int(self.amount.scaleb(digits))
        sign = -1 if units < 0 else 1
        exact = [abs(units) * share / whole for share in shares]
        given = [int(part) for part in exact]
        left = abs(units) - sum(given)
        by_remainder = sorted(range(len(exact)), key=lambda i: (given[i] - exact[i], i))
        for index in by_remainder[:left]:
            given[index] += 1
        return [Money(Decimal(sign * part).scaleb(-digits), self.currency) for part in given]


def precision(currency: str) -> int:
    """Digits behind the point of a currency: 0, 2 or 3. Raises ``ValueError`` for one that does not exist."""
    return currencies.digits(currency)


def fits(amount: Decimal | int, currency: str) -> bool:
    """Whether a currency has as many digits behind the point as ``amount`` needs; zeros at the end do not count.

    Raises ``ValueError`` for a currency that does not exist, NaN and infinities.
    """
    return quantise(Decimal(amount), currency) == amount


def quantise(amount: Decimal, currency: str) -> Decimal:
    """``amount`` rounded half up to the currency's precision, never a negative zero.

    Raises ``ValueError`` for NaN, infinities and amounts of more digits than any money has (28).
    """
    if not amount.is_finite():
        raise ValueError("money must be finite")
    try:
        rounded = amount.quantize(Decimal(1).scaleb(-precision(currency)), rounding=ROUND_HALF_UP)
    except InvalidOperation as fault:
        raise ValueError("too many digits for money") from fault
    return rounded or abs(rounded)
