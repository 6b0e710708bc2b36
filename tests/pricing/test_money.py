from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.strategies import currencies, money
from wagtail_kwiga.exceptions import KwigaError, MoneyMismatch
from wagtail_kwiga.pricing.money import Money, precision, quantise

weights = st.lists(st.integers(0, 10**9) | st.decimals(0, 10**9, allow_nan=False, places=6), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("currency", "given", "kept"),
    [
        ("EUR", "19.995", "20.00"),
        ("EUR", "19.994999", "19.99"),
        ("EUR", "-0.005", "-0.01"),
        ("JPY", "99.5", "100"),
        ("KWD", "1.2345", "1.235"),
        ("HUF", "12990.5", "12990.50"),
        ("IQD", "1.2345", "1.235"),
        ("HRK", "1.005", "1.01"),
    ],
)
def test_kept_in_the_precision_of_its_currency_rounded_half_up(currency, given, kept):
    assert str(Money(Decimal(given), currency)) == f"{kept} {currency}"


def test_never_a_float_and_never_endless():
    with pytest.raises(TypeError):
        Money(1.1, "EUR")  # type: ignore[arg-type]
    for odd in ("NaN", "sNaN", "Infinity", "-Infinity", "1e40"):
        with pytest.raises(ValueError, match="money"):
            Money(Decimal(odd), "EUR")


def test_there_is_no_negative_zero():
    for zero in (Money(Decimal("-0.001"), "EUR"), Money(Decimal("-0"), "EUR"), Money.zero("EUR")):
        assert str(zero) == "0.00 EUR"
        assert not zero


def test_currencies_do_not_mix():
    euro, yen = Money(Decimal(1), "EUR"), Money(Decimal(1), "JPY")
    for mix in (
        lambda: euro + yen,
        lambda: euro - yen,
        lambda: euro < yen,
        lambda: euro <= yen,
        lambda: euro > yen,
        lambda: euro >= yen,
    ):
        with pytest.raises(MoneyMismatch) as caught:
            mix()
        assert isinstance(caught.value, KwigaError)
        assert caught.value.code == "currency_mismatch"
    assert euro != yen


@given(st.data(), currencies)
def test_arithmetic_is_exact(data, currency):
    one = data.draw(money(currency=currency))
    other = data.draw(money(currency=currency))
    assert (one + other) - other == one
    assert (one <= other) == (one.amount <= other.amount)
    assert (one > other) == (one.amount > other.amount)
    assert (one - other).amount == one.amount - other.amount


@given(money(least=-(10**12)), weights)
def test_the_parts_of_a_split_sum_to_the_whole(whole, weights):
    parts = whole.split(weights)
    assert len(parts) == len(weights)
    assert sum((part.amount for part in parts), Decimal(0)) == whole.amount
    assert {part.currency for part in parts} == {whole.currency}


@given(money(least=-(10**12)), weights)
def test_no_part_of_a_split_is_a_unit_away_from_its_share(whole, weights):
    unit = Decimal(1).scaleb(-precision(whole.currency))
    shares = [Decimal(weight) for weight in weights]
    if not sum(shares):
        shares = [Decimal(1)] * len(shares)
    for part, share in zip(whole.split(weights), shares, strict=True):
        assert abs(part.amount - whole.amount * share / sum(shares)) < unit
        if not share:
            assert not part


@given(money(most=10**20), st.integers(1, 30))
def test_equal_weights_give_parts_that_differ_by_one_unit_at_most(whole, n):
    parts = [part.amount for part in whole.split([1] * n)]
    assert max(parts) - min(parts) <= Decimal(1).scaleb(-precision(whole.currency))


def test_a_split_of_shares_that_no_decimal_holds():
    whole = Money(Decimal("0.02"), "EUR")
    third = Decimal(1) / 3
    assert [str(part) for part in whole.split([third, third, third])] == ["0.01 EUR", "0.01 EUR", "0.00 EUR"]


@pytest.mark.parametrize("bad", [[], [-1, 2], [Decimal("NaN")], [Decimal("Infinity")]])
def test_a_split_without_sensible_weights_is_refused(bad):
    with pytest.raises(ValueError, match="weights"):
        Money(Decimal(1), "EUR").split(bad)


@given(money(), st.integers(0, 100))
def test_a_percentage_rounds_once(price, percent):
    assert price.percent(Decimal(percent)).amount == quantise(price.amount * percent / 100, price.currency)
