"""What each product of an offer costs: its share of the price, the discount split alike, nothing lost in between."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import order_for, quote_for
from tests.support import make_contact, make_coupon, make_offer, make_product

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("shares", "amounts"),
    [
        ((80, 20), ["80.00", "20.00"]),
        ((None, None), ["50.00", "50.00"]),
        ((1, 1, 1), ["33.34", "33.33", "33.33"]),
        ((Decimal("19.99"), Decimal("9.99")), ["66.68", "33.32"]),
    ],
)
def test_lines_have_their_share_of_the_price(shares, amounts):
    offer = make_offer(*[make_product() for _share in shares], amount="100.00")
    for row, share in zip(offer.offer_products.all(), shares, strict=True):
        row.price_share = share
        row.save()
    order = order_for(make_contact(), offer)
    assert [f"{line.amount:.2f}" for line in order.lines.order_by("pk")] == amounts


def test_a_discount_is_split_by_the_shares_too():
    offer = make_offer(make_product(), make_product(), amount="100.00", coupon_mode="any")
    for row, share in zip(offer.offer_products.all(), (80, 20), strict=True):
        row.price_share = share
        row.save()
    order = order_for(make_contact(), offer, quote=quote_for(offer, make_coupon(percent="15")))
    assert [line.amount for line in order.lines.order_by("pk")] == [68, 17]
