"""What programs and bad people send to the form."""

from __future__ import annotations

import pytest

from tests.offers import making
from tests.offers.making import fields_of, order, text_of
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "name", ["A\r\nBcc: everybody@example.com", "Ada\x00", "Ada\x1b[31m", "n" * 300, "n" * 2_000_000, "\u202eadA"]
)
def test_names_that_are_no_names(client, page, name):
    response = order(client, page.url, name=name)
    assert response.status_code in (200, 302)
    for placed in m.Order.objects.all():
        assert placed.buyer_name == "A Bcc: everybody@example.com"  # on one line it is only an odd name


@pytest.mark.parametrize(
    "email",
    [
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\x00",
        "@",
        "a@",
        "a" * 400 + "@example.com",
        "x" * 100_000,
        "a b@example.com",
    ],
)
def test_addresses_that_are_no_addresses(client, page, email):
    response = order(client, page.url, email=email)
    assert response.status_code == 200
    assert m.Order.objects.count() == m.Contact.objects.count() == 0


@pytest.mark.parametrize("phone", ["abc", "<script>", "1" * 41, "1\x00234567", "+4860010\n0200"])
def test_phones_that_are_no_phones(client, page, phone):
    response = order(client, page.url, phone=phone)
    assert response.status_code in (200, 302)
    assert all(placed.buyer_phone == "+4860010 0200" for placed in m.Order.objects.all())


@pytest.mark.parametrize("code", ["x" * 100_000, "\x00", "'; DROP TABLE", "💥"])
def test_codes_that_are_no_codes(client, page, code):
    response = order(client, page.url, coupon=code)
    assert response.status_code == 200
    assert "We do not know this code" in text_of(response)
    assert m.Order.objects.count() == 0


def test_what_was_typed_is_shown_escaped(client, page):
    response = order(client, page.url, name='"><script>alert(1)</script>', email="nope")
    assert b"<script>alert" not in response.content


def test_a_program_that_fills_in_everything_is_refused(client, page):
    response = order(client, page.url, website="https://spam.example")
    assert "filled in by a program" in text_of(response)
    assert m.Order.objects.count() == 0
    # A person whose browser filled it in only has to send the form again.
    assert client.post(page.url, fields_of(response)).status_code == 302


def test_an_address_may_be_tried_only_so_often(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 2}
    assert order(client, page.url).status_code == 302
    assert order(client, page.url, email="ADA@example.com").status_code == 302
    response = order(client, page.url)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "Too many tries" in text_of(response)
    assert fields_of(response)["name"] == "Ada Buyer"
    assert m.Order.objects.count() == 2
    making.set_clock(after(hours=1))
    assert order(client, page.url).status_code == 302


def test_codes_may_be_guessed_only_so_often(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "COUPON_TRIES_PER_IP": 3}
    client.defaults["REMOTE_ADDR"] = "9.9.9.9"
    for number in range(3):
        assert order(client, page.url, coupon=f"TRY{number}", apply="1").status_code == 200
    response = order(client, page.url, coupon="TRY4", apply="1")
    assert response.status_code == 429
    assert "We do not know this code" not in text_of(response)
