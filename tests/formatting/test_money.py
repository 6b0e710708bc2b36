from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import global_settings
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.strategies import money
from wagtail_kwiga.formatting.languages import locale_for
from wagtail_kwiga.formatting.money import NBSP, format_money, format_percent
from wagtail_kwiga.pricing.money import Money


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        ("1234.5", "EUR", "en", "€1,234.50"),
        ("1234.5", "EUR", "de", f"1.234,50{NBSP}€"),
        ("120", "EUR", "es", f"120,00{NBSP}€"),
        ("120", "PLN", "pl", f"120,00{NBSP}zł"),
        ("120", "UAH", "uk", f"120,00{NBSP}₴"),
        ("120", "BRL", "pt-br", f"R${NBSP}120,00"),
        ("1200", "JPY", "en", "¥1,200"),
        ("1.5", "KWD", "en", f"KWD{NBSP}1.500"),
        ("-12", "CHF", "en", f"-CHF{NBSP}12.00"),
        ("12", "CHF", "de", f"12,00{NBSP}CHF"),
        ("12990", "HUF", "hu", f"12{NBSP}990{NBSP}Ft"),
        ("12990.50", "HUF", "hu", f"12{NBSP}990,50{NBSP}Ft"),
        ("8499.15", "COP", "es", f"8.499,15{NBSP}COP"),
        ("1000", "IQD", "en", f"IQD{NBSP}1,000"),
        ("1000.25", "IQD", "en", f"IQD{NBSP}1,000.250"),
        ("120", "EUR", "tlh", "€120.00"),
        ("120", "EUR", "", "€120.00"),
    ],
)
def test_money_as_people_write_it(amount, currency, language, shown):
    assert format_money(Money(Decimal(amount), currency), language) == shown


@pytest.mark.parametrize(
    ("percent", "language", "shown"),
    [("15", "en", "15%"), ("15", "de", f"15{NBSP}%"), ("12.50", "de", f"12,5{NBSP}%"), ("100", "pl", "100%")],
)
def test_percent_as_people_write_it(percent, language, shown):
    assert format_percent(Decimal(percent), language) == shown


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("pt-br", "pt_BR"),
        ("pt_BR", "pt_BR"),
        ("zh-hans", "zh_Hans_CN"),
        ("zh-hant", "zh_Hant_TW"),
        ("sr-latn", "sr_Latn_RS"),
        ("es-419", "es_419"),
        ("de-1996", "de"),
        ("de-x-formal", "de"),
        ("xx-yy", "en"),
        ("-", "en"),
        ("../../etc", "en"),
    ],
)
def test_odd_language_codes_find_a_locale(language, locale):
    found = str(locale_for(language))
    assert found == locale or found == locale.rpartition("_")[0]


@pytest.mark.parametrize("language", [code for code, name in global_settings.LANGUAGES])
def test_every_language_of_django_formats(language):
    shown = format_money(Money(Decimal(120), "EUR"), language)
    assert any(letter.isdigit() for letter in shown)
    spoken = "en" if language == "udm" else language.partition("-")[0]  # Udmurt is not in Babel
    assert locale_for(language).language == spoken


@given(money(least=-(10**14), most=10**14), st.text(max_size=20))
def test_no_language_code_breaks_a_page(amount, language):
    assert format_money(amount, language)
