"""The order page, and the page that a provider sends the buyer back to."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from tests.orders.shop import books_receive
from tests.payments import clock
from tests.payments.shop import (
    bank_data,
    new_attempt,
    new_order,
    order_path,
    path_of,
    pay_path,
    return_path,
    tell,
    text,
)
from tests.payments.test_providers import SANDBOX
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.access_rules import Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00", coupon=make_coupon("COMEBACK15"))


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda order: order, "Waiting for your payment"),
        (lambda order: transitions.start_processing(order, now=START), "Your payment is under way"),
        (lambda order: books_receive(order, "1.00", now=START), "A part is paid"),
        (lambda order: books_receive(order, "102.00", now=START), "Paid. Thank you!"),
        (lambda order: transitions.cancel(order, now=START), "This order is closed"),
        (lambda order: transitions.expire(order, now=START), "This order has expired"),
    ],
)
def test_the_order_page_says_how_it_stands(client, order, move, words):
    move(order)
    page = text(client.get(order_path(order)))
    assert f"<h1>{words}</h1>" in page
    assert order.number in page
    assert order.title in page


def test_a_refunded_order(client, order):
    books_receive(order, "102.00", now=START)
    ledger.record_refund(order=order, amount=order.received, now=START)
    page = text(client.get(order_path(order)))
    assert "<h1>Your money was sent back</h1>" in page
    assert "Pay now" not in page


def test_an_order_expires_on_its_page_by_the_clock(client, order):
    clock.put(order.expires_at)
    page = text(client.get(order_path(order)))
    assert "<h1>This order has expired</h1>" in page
    assert "Pay now" not in page
    assert "See today&#x27;s price" in page or "See today's price" in page


def test_another_way_to_pay_is_offered_only_where_there_is_one(client):
    """Its link would lead to a page with the one way that was chosen already."""
    bank_data()
    both = new_order(currency="PLN")
    one = new_order(contact=make_contact("bob@example.com"), offer=make_offer(payment_methods=["transfer"]))
    for order in (both, one):
        new_attempt(order, method="transfer")
    page = text(client.get(order_path(both)))
    assert "Pay in another way" in page
    assert "/shop/pay/" in page
    page = text(client.get(order_path(one)))
    assert "DE89 3704 0044 0532 0130 00" in page
    assert "Pay in another way" not in page
    assert "/shop/pay/" not in page


def test_a_method_that_does_not_take_the_currency_or_lacks_its_data_is_no_other_way(client, providers):
    bank_data()
    providers(
        transfer={"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
        off={**SANDBOX, "enabled": False},
    )
    order = new_order()
    new_attempt(order, method="transfer")
    assert "/shop/pay/" not in text(client.get(order_path(order)))


def test_an_order_that_takes_one_method_and_has_not_begun_is_paid_by_it(client):
    order = new_order(offer=make_offer(payment_methods=["sandbox"]))
    page = text(client.get(order_path(order)))
    assert "Pay now" in page
    assert "/shop/pay/" in page


def test_an_order_whose_price_ran_out_leads_to_todays_price_and_not_to_a_page_that_takes_no_money(client, order):
    clock.put(order.price_holds_until)
    page = text(client.get(order_path(order)))
    assert "Waiting for your payment" in page
    assert "/shop/pay/" not in page
    assert "/shop/resume/" in page
    attempt = new_attempt(order)
    tell(attempt, "failed")
    page = text(client.get(return_path(attempt)))
    assert "The payment did not go through" in page
    assert "Try again" not in page
    m.Offer.objects.update(state="withdrawn")
    assert "/shop/resume/" not in text(client.get(order_path(order)))


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("/watercolour/start/", "http://localhost/watercolour/start/"),
        ("https://school.example.com/x", "https://school.example.com/x"),
        ("//evil.example.com/", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_the_way_in_is_there_once_it_is_paid(client, entry, shown):
    order = new_order(offer=make_offer(make_product(entry_url=entry)))
    if shown:
        assert shown not in text(client.get(order_path(order)))
    books_receive(order, "120.00", now=START)
    page = text(client.get(order_path(order)))
    if shown:
        assert f'href="{shown}"' in page
    else:
        assert "evil" not in page
        assert "javascript" not in page


def test_bank_data_go_when_the_transfer_is_not_the_way_any_more(client, order):
    bank_data()
    attempt = new_attempt(order, method="transfer")
    assert attempt.payment.reference in text(client.get(order_path(order)))
    new_attempt(order, method="sandbox", now=after(minutes=1))
    assert attempt.payment.reference not in text(client.get(order_path(order)))
    new_attempt(order, method="transfer", now=after(minutes=2))
    books_receive(order, "102.00", now=after(minutes=3))
    assert attempt.payment.reference not in text(client.get(order_path(order)))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("bounced", "your e-mail address does not accept our mail"),
        ("refused", "your e-mail address does not accept our mail"),
        ("complained", "we do not write to your e-mail address any more"),
        ("staff", "we do not write to your e-mail address any more"),
    ],
)
def test_who_gets_no_mail_reads_so_and_why_on_the_page(client, reason, said):
    order = new_order()
    assert "You will get no mail" not in text(client.get(order_path(order)))
    suppression.suppress(order.contact.email, scope="all", reason=reason, now=START)
    for _stage in ("open", "paid"):
        page = text(client.get(order_path(order)))
        assert said in page
        assert order.contact.email not in page
        books_receive(order, "120.00", now=START)


def test_who_takes_no_promotion_gets_mail_about_the_order(client):
    order = new_order()
    suppression.suppress(order.contact.email, scope="promotion", reason="unsubscribed", now=START)
    assert "You will get no mail" not in text(client.get(order_path(order)))


def test_the_order_page_costs_a_fixed_number_of_queries(client, django_assert_max_num_queries):
    bank_data()
    products = [make_product(f"Part {number}") for number in range(5)]
    order = new_order(offer=make_offer(*products))
    new_attempt(order, method="transfer")
    path = order_path(order)
    client.get(path)
    with django_assert_max_num_queries(6):  # the last of them: whether the address takes mail
        client.get(path)
    books_receive(order, "120.00", now=START)
    with django_assert_max_num_queries(4):
        client.get(path)


def opening_on(day: str, order: m.Order) -> m.Order:
    """``order`` with a way in that opens on ``day``."""
    terms = AccessTerms(start=Start.on(day)).to_json()
    order.lines.update(access_terms=terms)
    m.Product.objects.update(entry_url="/course/")
    return order


def test_what_opens_later_says_when_and_shows_nobody_in(client, order):
    opening_on("2027-03-10", order)
    attempt = new_attempt(order)
    tell(attempt, amount=10200)
    for path in (order_path(order), return_path(attempt)):
        page = text(client.get(path))
        assert "“Course” opens on" in page.replace(order.lines.get().title, "Course")
        assert "March 10, 2027" in page
        assert "/course/" not in page
    clock.put(dt.datetime(2027, 3, 10, tzinfo=dt.UTC))
    page = text(client.get(order_path(order)))
    assert "opens on" not in page
    assert "/course/" in page


def test_an_order_that_costs_nothing_was_not_paid(client):
    order = new_order(amount="0")
    ledger.complete_free(order, START)
    page = text(client.get(order_path(order)))
    assert "<h1>It is yours</h1>" in page
    assert "There is nothing to pay." in page
    assert "Paid" not in page
    assert "settled" not in page


# --- coming back


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("declined", "Your bank declined the payment. Nothing was charged"),
        ("cancelled_by_buyer", "The payment was cancelled. Nothing was charged"),
        ("expired", "The time to pay was over. Nothing was charged"),
        ("unknown", '<p class="kwiga-lead">Nothing was charged'),
    ],
)
def test_a_payment_that_came_to_nothing_says_why(client, order, code, words):
    attempt = new_attempt(order)
    tell(attempt, "failed", failure=code)
    assert words in text(client.get(return_path(attempt)))


def test_coming_back_proves_nothing(client, order):
    attempt = new_attempt(order)
    assert "We are checking your payment" in text(client.get(return_path(attempt)))
    tell(attempt, "pending")
    assert "has not confirmed it yet" in text(client.get(return_path(attempt)))
    tell(attempt, "failed")
    page = text(client.get(return_path(attempt)))
    assert "The payment did not go through" in page
    assert "/shop/pay/" in page
    tell(attempt)
    assert "Paid. Thank you!" in text(client.get(return_path(attempt)))


def test_a_part_that_came_back_is_thanked_for(client, order):
    attempt = new_attempt(order)
    tell(attempt, amount=500)
    assert "Your money has arrived" in text(client.get(return_path(attempt)))


def test_looking_again_asks_the_provider(client, providers):
    providers(polled={"class": "tests.payments.systems.Polled", "outcome": "confirmed"})
    attempt = new_attempt(method="polled")
    assert "We are checking" in text(client.get(return_path(attempt)))
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(return_path(attempt))
    assert (answer.status_code, answer["Location"]) == (302, return_path(attempt))
    assert m.Order.objects.get().status == "paid"
    assert "Paid. Thank you!" in text(client.get(answer["Location"]))


def test_looking_again_and_again_is_limited(client, providers, monkeypatch):
    from tests.payments.systems import Polled

    asked = []
    monkeypatch.setattr(Polled, "fetch", lambda *args: asked.append(1))
    providers(polled={"class": "tests.payments.systems.Polled"})
    attempt = new_attempt(method="polled")
    for _ in range(35):
        assert client.post(return_path(attempt)).status_code == 302
    assert len(asked) == 30


def test_a_provider_that_is_away_is_no_error_on_return(client, providers):
    providers(polled={"class": "tests.payments.systems.Polled"})
    attempt = new_attempt(method="polled")
    providers(polled={"class": "tests.payments.systems.Away"})
    assert client.post(return_path(attempt)).status_code == 302


def test_an_attempt_of_another_order_is_not_shown(client, order):
    theirs = new_attempt(new_order(amount="77.00"))
    tell(theirs)
    path = path_of(links.return_url(order, START, attempt=theirs.token))
    page = text(client.get(path))
    assert "We are checking" in page
    assert "77" not in page.split("<main")[1].split("</main>")[0].replace(order.number, "")


def test_a_deadline_is_told_with_its_zone(client, order):
    page = text(client.get(pay_path(order)))
    local = order.price_holds_until.astimezone(dt.timezone(dt.timedelta(hours=1)))
    assert f'datetime="{local.isoformat(timespec="seconds")}"' in page
    assert "CET</time>" in page


def test_the_foot_of_a_page_names_the_seller_once(client, order):
    bank_data(seller_name="Riverside Studio", postal_footer="Riverside Studio\r\n1 Mill Lane")
    page = text(client.get(order_path(order)))
    foot = page[page.index("<footer") :]
    assert "Sold by Riverside Studio" in foot
    assert foot.count("Riverside Studio") == 1
    assert "1 Mill Lane" in foot
