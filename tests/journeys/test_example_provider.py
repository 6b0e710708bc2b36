"""A payment provider that a site brings, paid with over HTTP; its bank is a real server on loopback."""

from __future__ import annotations

import json

import pytest
from django.core.checks import run_checks
from django.test import Client

from tests.example.harbour import CLOSED, SECRET, Harbour
from tests.example.paying import HarbourProvider
from tests.journeys.http_visitor import Visitor, at, order_of, work_at
from tests.offers import making
from tests.offers.making import BUYER
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture
def harbour():
    with Harbour() as bank:
        yield bank


@pytest.fixture
def page(harbour, settings, db) -> m.OfferPage:
    given = {"class": "tests.example.paying.HarbourProvider", "shop": "77", "secret": SECRET}
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "CLOCK": "tests.offers.making.clock",
        "PAYMENT_PROVIDERS": {"harbour": {**given, "address": harbour.address}},
    }
    at()
    return making.make_page("Ink")


def told(state: str = "paid", **changes) -> bytes:
    attempt = m.PaymentAttempt.objects.get()
    webhook = {
        "event": f"ev-{state}", "payment": attempt.token, "receipt": "H-1", "state": state, "amount": 12000,
        "currency": "EUR", "mode": "live", **changes,
    }  # fmt: skip
    return json.dumps({"events": [webhook]}).encode()


def notify(body: bytes, signature: str = ""):
    signature = signature or HarbourProvider("harbour", {"secret": SECRET}).sign(body)
    outside = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    return outside.post(
        "/shop/notify/harbour/", body, content_type="application/json", headers={"Harbour-Signature": signature}
    )


def order(page) -> str:
    """Send the order form; the page that leads to Harbour."""
    visitor = Visitor()
    answer = visitor.send(visitor.open(page.url), **BUYER)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_buyer_is_led_to_the_bank_and_its_webhook_pays(page, harbour):
    html = order(page)
    attempt = m.PaymentAttempt.objects.get()
    for sent in (f'action="{harbour.address}/pay"', 'value="77"', 'value="12000"', f'value="{attempt.token}"'):
        assert sent in html, sent
    assert notify(told(), "forged").status_code == 400
    assert notify(b"[]").status_code == 400
    assert notify(told("waiting")).status_code == 200
    assert order_of().status == "processing"
    assert notify(told()).content == b"OK"
    assert notify(told()).content == b"OK"  # once is enough
    paid = order_of()
    assert (paid.status, str(paid.received)) == ("paid", "120.00 EUR")
    assert m.AccessGrant.objects.count() == 1


def test_a_lost_webhook_is_fetched(page, harbour):
    order(page)
    work_at(minutes=[5])
    assert order_of().status == "open"  # Harbour knows nothing yet
    harbour.payments[m.PaymentAttempt.objects.get().token] = CLOSED
    work_at(minutes=[30])
    assert order_of().status == "open"  # Harbour was closed; asked again later
    harbour.payments[m.PaymentAttempt.objects.get().token] = told()
    work_at(hours=[3])
    assert order_of().status == "paid"


def test_a_declined_card_leaves_the_order_open_and_other_money_is_held(page):
    order(page)
    assert notify(told("declined")).status_code == 200
    assert order_of().status == "open"
    assert notify(told(mode="test")).status_code == 200
    assert (order_of().status, m.PaymentAttempt.objects.get().state) == ("open", "review")


def test_it_is_offered_in_its_currencies_only(page):
    dollars = making.make_page("Dollars", currency="USD")
    assert "<form" not in Visitor().open(dollars.url).content.decode().partition('id="order"')[2]


def test_the_checks_accept_it(page):
    assert [one.id for one in run_checks() if one.id in ("wagtail_kwiga.E005", "wagtail_kwiga.E006")] == []
