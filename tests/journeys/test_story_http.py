"""The story through HTTP: what a visitor opens, types and presses, and what then lies in their mailbox.

Nothing is called but the site's addresses and the worker's command; the clock is the setting ``CLOCK``.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.journeys.confirmations import confirmations
from tests.journeys.http_visitor import (
    HOST,
    PHONE,
    Visitor,
    at,
    hrefs,
    left_unpaid,
    order_of,
    part,
    purposes,
    read,
    received,
    resume_link,
    says,
    unsubscribe_link,
    work,
    work_at,
)
from tests.offers.making import BUYER, fields_of, text_of
from tests.payments.shop import bank_data, snapshot
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

#: Queries of an offer page and of a sent form, savepoints and the like left out. Ten of the form's queue the mail "order received".
COST = (9, 37)


# --- the main line ----------------------------------------------------------------------------------------------------


def test_the_whole_story(school):
    ada = Visitor()
    gateway = ada.order(school)
    says(ada.open(gateway), "Sandbox Bank", "€120.00")
    assert set(ada.client.cookies) <= {"csrftoken", "kwiga_orders"}
    assert (order_of().status, order_of().total_amount, order_of().buyer_phone) == ("open", 120, BUYER["phone"])

    work_at(minutes=[29])
    (confirmation,) = confirmations()
    assert f"{HOST}/shop/pay/" in part(read(confirmation), "plain")
    assert received() == []
    work_at(minutes=[30])
    work()
    (message,) = received()

    at(hours=2)
    back = Visitor()  # the mail is opened on another device
    page = back.open(resume_link(message))
    says(page, "€102.00 instead of €120.00 −15%", "Order and pay €102.00")
    says(page, "This price is yours until March 2, 2027, 1:30 p.m. CET")
    fields = fields_of(page)
    assert (fields["email"], fields["name"], fields["coupon"]) == ("ada@example.com", "Ada Buyer", "COMEBACK15")
    assert "phone" not in fields
    assert b'type="tel"' not in page.content
    assert not PHONE.search(page.content.decode())

    gateway = back.send(page)["Location"]
    says(back.open(gateway), "€102.00")
    thanks = back.pay(gateway)
    says(thanks, "Paid. Thank you!")
    assert f"{HOST}/course/" in hrefs(thanks.content.decode())

    first, paid = m.Order.objects.order_by("pk")
    assert (first.status, paid.status) == ("superseded", "paid")
    assert (str(paid.total), str(paid.received)) == ("102.00 EUR", "102.00 EUR")
    assert (paid.purchase_id, paid.buyer_phone) == (first.purchase_id, BUYER["phone"])
    grant = m.AccessGrant.objects.get()
    assert (grant.contact, grant.product) == (paid.contact, school.product)
    assert school.coupon.uses.get().state == "redeemed"
    assert not m.Run.objects.filter(state__in=["active", "paused"]).exists()

    work()
    assert purposes() == ["recovery", "receipt"]
    receipt = received()[-1]
    assert "ada@example.com" in receipt["To"]
    assert receipt["List-Unsubscribe"] is None
    assert all(words in part(receipt, "plain") for words in (paid.number, "€102.00"))
    work_at(days=(1, 2, 15, 31))
    assert purposes() == ["recovery", "receipt"]

    again = Visitor().open(resume_link(message))
    says(again, "You have it")
    html = again.content.decode()
    assert "/course/" in hrefs(html)
    for absent in ("<form", "ada@example.com", "Ada Buyer"):
        assert absent not in html
    assert not PHONE.search(html)


def test_the_mail_as_it_goes_over_the_wire(school):
    message = left_unpaid(school)
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Brush & Paper", "hello@school.example")
    assert [each.addr_spec for each in message["Reply-To"].addresses] == ["answers@school.example"]
    assert [each.addr_spec for each in message["To"].addresses] == ["ada@example.com"]
    assert message["Subject"] == "15% off Watercolour for beginners"
    assert re.fullmatch(rf"<{HOST}/shop/unsubscribe/[^>,\s]+>", message["List-Unsubscribe"].strip())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in message.iter_parts()] == ["text/plain", "text/html"]
    assert max(map(len, message.as_bytes().splitlines())) <= 998

    plain, html = part(message, "plain"), part(message, "html")
    shown = " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())
    for told in (" ".join(plain.split()), shown):
        for words in ("Hello Ada", "COMEBACK15", "15% off", "€102.00 instead of €120.00", "Back to my order"):
            assert words in told, words
        assert "Valid for 24 hours, until Tuesday, March 2, 2027, 1:30 PM CET" in told
        assert "Brush & Paper, Quay 7, 80-838 Gdańsk, Poland" in told
    assert hrefs(html).count(resume_link(message)) >= 1
    assert set(re.findall(r"https?://[^\s>]+", plain)) <= set(hrefs(html))
    assert unsubscribe_link(message) in plain
    assert not PHONE.search(plain + html)


# --- looking changes nothing ------------------------------------------------------------------------------------------


def look_at_everything(*addresses: str) -> set[str]:
    """GET and HEAD of these addresses and of whatever of the shop they link to; returns the paths seen."""
    scanner = Client(SERVER_NAME="localhost")
    waiting, seen = list(addresses), set()
    while waiting:
        address = waiting.pop().partition("#")[0].removeprefix(HOST)
        if address in seen or not address.startswith(("/shop/", "/watercolour/")):
            continue
        seen.add(address)
        head, response = scanner.head(address), scanner.get(address)
        assert response.status_code in (200, 302), (address, response.status_code)
        assert head.status_code == response.status_code
        found = [response["Location"]] if response.status_code == 302 else hrefs(response.content.decode())
        waiting += [urljoin(f"{HOST}{address}", href) for href in found]
    return seen


def test_looking_at_every_link_changes_nothing(school):
    bank_data()
    ada = Visitor()
    gateway = ada.order(school, payment_method="sandbox")
    transfer = Visitor().order(school, email="bob@example.com", payment_method="transfer")
    addresses = [school.page.url, f"{school.page.url}?coupon=comeback15", gateway, transfer]

    def look() -> set[str]:
        before = snapshot()
        seen = look_at_everything(*addresses)
        assert snapshot() == before
        return {re.sub(r"^/shop/([^/]+)/.*", r"\1", path) for path in seen}

    assert {"sandbox-gateway", "order", "pay"} <= look()
    declined = ada.pay(gateway, "decline")
    addresses += [declined.url, *hrefs(declined.content.decode())]
    assert {"return", "order", "pay"} <= look()
    work_at(minutes=[30])
    failed, message = received()  # who was declined is told so, and won back like anybody else
    assert "did not go through" in failed["Subject"]
    for each in (failed, message, *map(read, confirmations())):
        addresses += [*hrefs(part(each, "html")), *re.findall(r"http\S+", part(each, "plain"))]
    addresses.append(unsubscribe_link(message))
    assert {"resume", "unsubscribe", "/watercolour/"} <= {kind.partition("?")[0] for kind in look()}
    for hours in (24.5, 24 * 8, 24 * 20):  # the coupon has ended, the price holds no more, the order has expired
        at(hours=hours)
        look()
        work()
        look()
    back = Visitor()
    addresses.append(back.send(back.open(resume_link(message)), payment_method="sandbox")["Location"])
    back.pay(addresses[-1])
    look()


# --- whoever does not come back, and others ---------------------------------------------------------------------------


def test_a_day_later_the_link_gives_the_normal_page_and_one_kind_sentence(school):
    message = left_unpaid(school)
    at(minutes=30, hours=24, seconds=-1)
    says(Visitor().open(resume_link(message)), "Order and pay €102.00")
    at(minutes=30, hours=24)  # no worker has run
    ada = Visitor()
    page = ada.open(resume_link(message))
    assert page.content.count(b'class="kwiga-note') == 1
    says(page, "This discount has ended for you.", "You are welcome to order at the normal price.")
    says(page, "Order and pay €120.00")
    assert "€102.00" not in text_of(page)
    assert (fields_of(page)["email"], fields_of(page)["coupon"]) == ("ada@example.com", "")
    ada.pay(ada.send(page)["Location"])
    assert (order_of().status, order_of().total_amount) == ("paid", 120)
    assert school.coupon.uses.count() == 0


def test_a_stranger_who_types_the_code_is_told_and_nothing_is_ordered(school):
    left_unpaid(school)
    at(hours=1)
    response = Visitor().try_to_order(school, email="eve@example.com", coupon="COMEBACK15")
    assert response.status_code == 200
    says(response, "This code was made for another address.", "Nothing has been ordered yet.", "Order and pay €120.00")
    assert "ada@example.com" not in response.content.decode()
    assert m.Order.objects.count() == 1
    assert not m.Contact.objects.filter(email="eve@example.com").exists()
    assert school.coupon.uses.count() == 0


def test_code_and_address_typed_work_without_the_link(school):
    left_unpaid(school)
    at(hours=1)
    ada = Visitor()
    gateway = ada.order(school, email=" Ada@Example.com ", coupon="comeback15")
    says(ada.open(gateway), "€102.00")
    ada.pay(gateway)
    assert (order_of().status, order_of().total_amount, order_of().coupon_code) == ("paid", 102, "COMEBACK15")


@pytest.mark.parametrize("minutes", [29, 0])
def test_paid_before_half_an_hour_means_no_mail_ever(school, minutes):
    ada = Visitor()
    gateway = ada.order(school)
    at(minutes=minutes)
    ada.pay(gateway)
    work_at(hours=(0.5, 1, 24, 48, 24 * 20))
    assert purposes() == ["receipt"]
    assert not m.ListMembership.objects.exists()


@pytest.mark.parametrize("paid", ["older", "newer"])
def test_paying_an_older_or_a_newer_order_of_the_purchase_means_no_mail_ever(school, paid):
    ada = Visitor()
    gateways = {"older": ada.order(school)}
    at(minutes=10)
    gateways["newer"] = ada.order(school)
    at(minutes=20)
    ada.pay(gateways[paid])
    work_at(minutes=(30, 40, 60, 60 * 48))
    assert purposes() == ["receipt"]
    assert m.Order.objects.filter(status="paid").count() == 1


# --- unsubscribing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "mails"), [("get", 2), ("head", 2), ("post", 1)])
def test_one_click_stops_the_next_recovery_mail_and_looking_does_not(school, method, mails):
    url = unsubscribe_link(left_unpaid(school))
    program = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    if method == "post":
        answer = program.post(url, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 200
    else:
        before = snapshot()
        answer = getattr(program, method)(url)
        assert snapshot() == before
        assert method == "head" or "No more offers by e-mail?" in text_of(answer)
    assert not answer.cookies
    work_at(days=(2, 20, 60))
    Visitor().order(school)
    work_at(days=[60.03])
    assert purposes() == ["recovery"] * mails
    ada = Visitor()
    ada.pay(ada.order(school))
    work()
    assert purposes() == ["recovery"] * mails + ["receipt"]  # a receipt is no advertising


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_page_and_a_checkout_cost_a_fixed_number_of_queries(school, capsys):
    bookkeeping = ("SAVEPOINT", "RELEASE", 'DELETE FROM "wagtail_kwiga_heartbeat"')

    def cost(queries: CaptureQueriesContext) -> int:
        return sum(not query["sql"].startswith(bookkeeping) for query in queries)

    counts = []
    for number in range(3):
        visitor = Visitor()
        with CaptureQueriesContext(connection) as looking:
            page = visitor.open(school.page.url)
        with CaptureQueriesContext(connection) as ordering:
            answer = visitor.send(page, **{**BUYER, "email": f"buyer{number}@example.com"})
        assert answer.status_code == 302
        counts.append((cost(looking), cost(ordering)))
    with capsys.disabled():
        print(f"\noffer page GET: {counts[-1][0]} queries, checkout POST: {counts[-1][1]}")
    assert counts[1:] == [COST] * 2
