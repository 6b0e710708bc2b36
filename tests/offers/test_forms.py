"""The form's fields, over all input."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from wagtail_kwiga.offers import forms
from wagtail_kwiga.pricing.money import Money

OFFER = UUID(int=1)
amounts = st.decimals(min_value=0, max_value=10**9, places=2)


@given(st.text())
def test_one_line_is_one_line(text):
    try:
        line = forms.one_line(text)
    except ValidationError:
        return
    assert line == line.strip()
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(letter) == "Cc" for letter in line)
    assert forms.one_line(line) == line


@given(st.uuids(), st.uuids(), amounts, st.sampled_from(["EUR", "JPY", "BHD"]))
def test_what_was_sealed_is_read_for_its_offer_only(offer, other, amount, currency):
    total = Money(amount, currency)
    sealed = forms.seal(offer, total)
    assert forms.unseal(offer, sealed) == total
    assert (forms.unseal(other, sealed) is None) is (other != offer)


@given(st.text())
def test_nothing_else_can_be_read(text):
    assert forms.unseal(OFFER, text) is None


@given(st.text(max_size=60))
def test_the_phone_field_never_breaks(text):
    try:
        number = forms.PhoneField(max_length=40, required=False).clean(text)
    except ValidationError:
        return
    assert number == "" or sum(letter.isdigit() for letter in number) >= 4


@pytest.mark.parametrize("number", ["+44 20 7946 0000", "(030) 1234-5678", "600.100.200", "0049/30/123456"])
def test_phones_as_people_write_them(number):
    assert forms.PhoneField(max_length=40).clean(number) == number


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_the_form_never_breaks(name, email, phone, coupon):
    form = forms.CheckoutForm({"name": name, "email": email, "phone": phone, "coupon": coupon})
    form.is_valid()
    form.faults()
    assert str(form)


def test_each_fault_leads_to_its_field():
    form = forms.CheckoutForm({"name": "", "email": "nope"}, phone="required")
    assert [target for target, _message in form.faults()] == ["id_name", "id_email", "id_phone"]


def test_a_total_is_never_a_float():
    assert isinstance(forms.unseal(OFFER, forms.seal(OFFER, Money(Decimal("0.10"), "EUR"))).amount, Decimal)
