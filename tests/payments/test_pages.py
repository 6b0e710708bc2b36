"""What holds for every page of this room: looking changes nothing, and nothing personal is shown."""

from __future__ import annotations

import pytest

from tests.payments import clock
from tests.payments.shop import (
    bank_data,
    new_attempt,
    new_order,
    order_path,
    pay_path,
    return_path,
    snapshot,
    tell,
    text,
)
from tests.support import START, after, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00", coupon=make_coupon("COMEBACK15"))


def every_page(order, attempt):
    return [pay_path(order), order_path(order), return_path(attempt), f"/shop/sandbox-gateway/{attempt.token}/"]


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(client, method):
    """Promise 9: every table is the same before and after, whatever state the order is in."""
    bank_data()
    orders = [new_order(), new_order(), new_order(), new_order()]
    attempts = [new_attempt(order) for order in orders]
    tell(attempts[1], "pending")
    tell(attempts[2], "confirmed")
    tell(attempts[3], "failed")
    transfer = new_attempt(new_order(), method="transfer")
    expired = transitions.expire(new_order(), now=START)
    before = snapshot()
    for moment in (after(minutes=1), after(days=8), after(days=20)):
        clock.put(moment)
        for order, attempt in [*((a.payment.order, a) for a in attempts), (transfer.payment.order, transfer)]:
            for path in every_page(order, attempt):
                assert getattr(client, method)(path).status_code in (200, 302, 404)
        assert getattr(client, method)(pay_path(expired)).status_code == 200
        assert getattr(client, method)(order_path(expired)).status_code == 200
    assert snapshot() == before


def test_looking_makes_no_sales_settings(client, order):
    client.get(order_path(order))
    client.get(pay_path(order))
    assert not m.KwigaSettings.objects.exists()


def test_pages_are_for_the_holder_of_the_link_only(client, order):
    attempt = new_attempt(order)
    for path in every_page(order, attempt):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Referrer-Policy"] == "same-origin"


def test_pages_show_nothing_personal(client, order):
    """Promise 10: neither address nor phone nor the whole name, for the link may have been passed on."""
    m.Contact.objects.filter(pk=order.contact_id).update(phone="+48 600 100 200", name="Ada Buyer")
    m.Order.objects.filter(pk=order.pk).update(buyer_phone="+48 600 100 200", buyer_name="Ada Buyer")
    attempt = new_attempt(order)
    for path in every_page(order, attempt):
        page = text(client.get(path))
        for personal in (order.contact.email, "600 100 200", "Ada Buyer"):
            assert personal not in page


def test_pages_give_no_session(client, order):
    client.get(pay_path(order))
    client.post(pay_path(order), {"method": "sandbox"})
    assert "sessionid" not in client.cookies


@pytest.mark.parametrize("name", ["pay", "order", "return"])
def test_wrong_and_old_links_get_a_friendly_page(client, order, name):
    token = links.token_for(name, order, START)
    path = f"/shop/{name}/{token}/"
    tampered = path[:-2] + ("A" if path[-2] != "A" else "B") + "/"
    other = f"/shop/{name}/{links.token_for(Purpose.UNSUBSCRIBE, order, START)}/"
    for wrong in (tampered, other, f"/shop/{name}/rubbish/"):
        answer = client.get(wrong)
        assert answer.status_code == 404
        assert "This link is not complete" in text(answer)
        assert answer["Cache-Control"] == "private, no-store"
    clock.put(after(days=90))
    answer = client.get(path)
    assert answer.status_code == 410
    assert "This link is no longer good" in text(answer)


def test_a_wrong_link_cannot_be_posted_to(client, order):
    assert client.post("/shop/pay/rubbish/", {"method": "sandbox"}).status_code == 404
    assert client.post(order_path(order)).status_code == 405


def test_the_language_is_the_orders(client):
    order = new_order(amount="1234.50", language="de")
    attempt = new_attempt(order)
    for path in every_page(order, attempt):
        answer = client.get(path, headers={"accept-language": "pl"})
        assert answer["Content-Language"] == "de"
        assert '<html lang="de"' in text(answer)
        assert ("1.234,50 €" in text(answer)) == ("/return/" not in path)
