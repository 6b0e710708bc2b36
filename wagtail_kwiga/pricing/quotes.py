"""A quote: list price, discount, total. The three always agree. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass

from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Quote:
    """What somebody would pay now. ``total`` is ``list_price`` less ``discount``, and none of them is negative.

    Raises ``ValueError`` where that does not hold, ``MoneyMismatch`` for mixed currencies.
    """

    list_price: Money
    discount: Money
    total: Money
    coupon_id: int | None = None
    coupon_code: str = ""

    def __post_init__(self) -> None:
        if self.list_price - self.discount != self.total:
            raise ValueError("the total is the list price less the discount")
        if min(self.list_price.amount, self.discount.amount, self.total.amount) < 0:
            raise ValueError("no part of a quote is negative")

    @property
    def currency(self) -> str:
        return self.total.currency

    @property
    def is_free(self) -> bool:
        """Whether there is nothing to pay."""
        return not self.total


def make_quote(
    list_price: Money, discount: Percent | Fixed | None = None, coupon_id: int | None = None, coupon_code: str = ""
) -> Quote:
    """The quote for ``list_price`` with ``discount``. Raises ``MoneyMismatch`` for a sum in another currency."""
    off = discount.off(list_price) if discount is not None else Money.zero(list_price.currency)
    return Quote(list_price, off, list_price - off, coupon_id=coupon_id, coupon_code=coupon_code)
