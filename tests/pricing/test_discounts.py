from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.strategies import currencies, money
from wagtail_kwiga.exceptions import MoneyMismatch
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote

percents = st.decimals(1, 100, places=2).map(Percent)


def euro(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@given(money(), percents)
def test_a_percentage_takes_off_no_more_than_the_price(price, discount):
    assert Money.zero(price.currency) <= discount.off(price) <= price


@given(money())
def test_a_hundred_percent_take_off_everything(price):
    assert Percent(Decimal(100)).off(price) == price


@given(st.data(), currencies)
def test_a_sum_takes_off_itself_or_the_whole_price(data, currency):
    price, off = data.draw(money(currency=currency)), data.draw(money(currency=currency, least=1))
    assert Fixed(off).off(price) == min(price, off)


def test_a_sum_in_another_currency_does_not_apply():
    with pytest.raises(MoneyMismatch):
        Fixed(Money(Decimal(10), "USD")).off(euro("120"))


@pytest.mark.parametrize("percent", ["0", "0.99", "100.01", "-15", "NaN", "Infinity"])
def test_a_percentage_goes_from_1_to_100(percent):
    with pytest.raises(ValueError, match="percentage"):
        Percent(Decimal(percent))


def test_what_is_no_discount_is_refused():
    with pytest.raises(TypeError):
        Percent(15.0)  # type: ignore[arg-type]
    for nothing in ("0", "-1"):
        with pytest.raises(ValueError, match="more than nothing"):
            Fixed(euro(nothing))
    for discount in (Percent(Decimal(15)), Fixed(euro("1"))):
        with pytest.raises(ValueError, match="not negative"):
            discount.off(euro("-1"))


def test_the_quote_of_the_story():
    quote = make_quote(euro("120"), Percent(Decimal(15)), coupon_id=7, coupon_code="COMEBACK15")
    assert (str(quote.list_price), str(quote.discount), str(quote.total)) == ("120.00 EUR", "18.00 EUR", "102.00 EUR")
    assert (quote.coupon_id, quote.coupon_code, quote.currency) == (7, "COMEBACK15", "EUR")
    assert not quote.is_free


@given(st.data(), currencies)
def test_a_quote_always_balances(data, currency):
    price = data.draw(money(currency=currency))
    discount = data.draw(st.none() | percents | money(currency=currency, least=1).map(Fixed))
    quote = make_quote(price, discount)
    assert quote.list_price == price
    assert quote.total + quote.discount == quote.list_price
    assert quote.total.amount >= 0
    assert quote.is_free == (quote.total.amount == 0)
    if discount is None:
        assert quote.total == price


def test_a_free_quote():
    assert make_quote(euro("120"), Percent(Decimal(100))).is_free
    assert make_quote(euro("5"), Fixed(euro("9"))).is_free
    assert make_quote(euro("0")).is_free


def test_a_quote_that_does_not_balance_cannot_be_made():
    with pytest.raises(ValueError, match="less the discount"):
        Quote(euro("120"), euro("18"), euro("101.99"))
    with pytest.raises(ValueError, match="negative"):
        Quote(euro("10"), euro("12"), euro("-2"))
    with pytest.raises(ValueError, match="negative"):
        Quote(euro("10"), euro("-2"), euro("12"))
    with pytest.raises(MoneyMismatch):
        Quote(euro("10"), Money(Decimal(1), "USD"), euro("9"))
