"""The currencies of ISO 4217: which there are, and their digits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel.core import get_global
from babel.numbers import get_currency_precision

from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.pricing import currencies
from wagtail_kwiga.pricing.money import Money

#: ISO 4217, list one, without funds codes, metals, units of account and codes for tests.
_LIST_ONE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR
IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV
WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
ACTIVE = _LIST_ONE.split()

#: Where Babel says how people write a currency rather than how many digits it has.
WRITTEN_OTHERWISE = {
    "HUF", "IDR", "COP", "ALL", "IRR", "IQD", "LBP", "LAK", "MMK", "AFN", "MGA", "SOS", "SYP", "YER", "KPW",
}  # fmt: skip


def test_the_table_has_every_active_currency():
    assert len(ACTIVE) == len(set(ACTIVE)) == 155
    assert set(currencies.DIGITS) == set(ACTIVE)
    assert not set(currencies.WITHDRAWN) & set(ACTIVE)


def test_what_a_country_pays_with_today_is_in_it():
    """Against another source: what CLDR knows as legal tender somewhere."""
    tender = {
        code
        for spans in get_global("territory_currencies").values()
        for code, _since, until, is_tender in spans
        if until is None and is_tender
    }
    assert tender - set(currencies.DIGITS) - set(currencies.WITHDRAWN) == set()


def test_digits_are_those_of_the_standard_and_not_how_people_write():
    other = {code for code, digits in currencies.DIGITS.items() if get_currency_precision(code) != digits}
    # CLDR may come round to the standard, but a new difference must be looked at.
    assert other <= WRITTEN_OTHERWISE
    assert {code: currencies.digits(code) for code in sorted(WRITTEN_OTHERWISE)} == {
        code: 3 if code == "IQD" else 2 for code in sorted(WRITTEN_OTHERWISE)
    }


@pytest.mark.parametrize(
    ("code", "units"),
    [("HUF", 1299000), ("EUR", 1299000), ("JPY", 12990), ("KWD", 12990000), ("IQD", 12990000), ("UGX", 12990), ("MRU", 1299000)],
)  # fmt: skip
def test_minor_units(code, units):
    assert to_minor(Money(Decimal(12990), code)) == units
    assert from_minor(units, code) == Money(Decimal(12990), code)


@pytest.mark.parametrize(
    "code", ["ZZZ", "XXX", "XTS", "XAU", "CLF", "BOV", "USN", "eur", "EU", "EURO", "", "€", "ＥＵＲ"]
)
def test_what_is_no_currency_is_refused(code):
    assert not currencies.is_active(code)
    with pytest.raises(ValueError, match="currency"):
        Money(Decimal(1), code)
    with pytest.raises(ValueError, match="currency"):
        from_minor(100, code)


def test_a_withdrawn_currency_can_be_read_and_is_not_for_sale():
    assert str(Money(Decimal("10.005"), "BGN")) == "10.01 BGN"
    assert not currencies.is_active("BGN")
