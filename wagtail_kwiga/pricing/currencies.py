"""Which currencies there are, and how many digits each has behind the point: the table of ISO 4217. Plain Python.

It is a table of our own on purpose. What a library says of a currency's digits is how people *write* it (CLDR has none for
the forint, ISO 4217 and the payment gateways have two), and it changes when the library is upgraded: sums that stand in
the database would then be read as other sums. Babel formats amounts (``formatting.money``), and that is all it does.

Left out are funds codes (BOV, CHE, CHW, CLF, COU, MXV, USN, UYI, UYW), metals, units of account and codes for tests:
nobody pays in them. A currency that is withdrawn moves to ``WITHDRAWN``, so that what was paid in it can still be read.
"""

from __future__ import annotations

_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE "
    "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
    "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
    "TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

#: Every active currency, with its digits behind the point.
DIGITS: dict[str, int] = {
    code: digits for digits, codes in ((0, _NO_DIGITS), (2, _TWO_DIGITS), (3, _THREE_DIGITS)) for code in codes.split()
}

#: Currencies that have ended: nothing new is priced in them, old sums keep their digits.
WITHDRAWN: dict[str, int] = {"ANG": 2, "BGN": 2, "CUC": 2, "HRK": 2, "SLL": 2, "ZWL": 2}


def is_active(code: str) -> bool:
    """Whether something may be priced in it: an active ISO 4217 code in capital letters."""
    return code in DIGITS


def digits(code: str) -> int:
    """Digits behind the point: 0, 2 or 3. Raises ``ValueError`` for a code that names no currency."""
    found = DIGITS.get(code, WITHDRAWN.get(code))
    if found is None:
        raise ValueError(f"there is no currency {code!r}")
    return found
