"""Money of every precision there is."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from wagtail_kwiga.pricing.money import Money, precision

#: Two, none, three and four digits behind the point, and a code that nobody knows.
CURRENCIES = ("EUR", "USD", "PLN", "UAH", "JPY", "KRW", "KWD", "BHD", "CLF", "QQQ")

currencies = st.sampled_from(CURRENCIES)


@st.composite
def money(draw, *, currency=None, least: int = 0, most: int = 10**12):
    code = currency or draw(currencies)
    units = draw(st.integers(least, most))
    return Money(Decimal(units).scaleb(-precision(code)), code)
