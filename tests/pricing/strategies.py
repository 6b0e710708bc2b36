"""Money of every precision there is."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from wagtail_kwiga.pricing.money import Money, precision

#: Two, none and three digits behind the point, where Babel says the same and where it does not.
CURRENCIES = ("EUR", "USD", "PLN", "UAH", "HUF", "JPY", "KRW", "KWD", "BHD", "IQD")

currencies = st.sampled_from(CURRENCIES)


@st.composite
def money(draw, *, currency=None, least: int = 0, most: int = 10**12):
    code = currency or draw(currencies)
    units = draw(st.integers(least, most))
    return Money(Decimal(units).scaleb(-precision(code)), code)
