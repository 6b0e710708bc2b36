"""A stranger who types your address cannot see you, and cannot replace what you are paying.

Attacked: the order form with somebody else's address, from another browser, while money is there or on its way; the
cookie that knows a browser again, forged, stolen from another order, or out of date; what the pages of both sides show.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from tests.offers import making
from tests.offers.making import fill_in, make_page, offer_of, order, text_of
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga import signing
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.offers import browser_proof
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db

STRANGER = {"name": "Mallory Stranger", "phone": "+44 20 7946 0000", "email": "ADA@example.com"}
UNDER_WAY = "An order for this address is under way. We have sent a mail with the link to it."


def the_order() -> m.Order:
    return m.Order.objects.latest("pk")


def with_money(client, page, state: str) -> m.Order:
    """Ada has ordered, and money is there in part (``partly_paid``), or on its way (``processing``)."""
    order(client, page.url)
    placed = the_order()
    if state == "partly_paid":
        ledger.record_payment(order=placed, amount=Decimal(20), method="bank", now=START)
    else:
        transitions.start_processing(placed, now=START)
    placed.refresh_from_db()
    assert placed.status == state
    return placed


def written() -> tuple:
    """Everything an order form might write, but the count of tries and the outbox."""
    kinds = (m.Contact, m.Order, m.OrderLine, m.CouponUse, m.PaymentAttempt, m.Payment, m.Run, m.TimelineEntry)
    return tuple(list(kind.objects.order_by("pk").values()) for kind in kinds)


def reminders():
    """The mails that say where the order is; every order has one that it was received besides."""
    return m.OutgoingEmail.objects.filter(purpose="service")


@pytest.mark.parametrize("state", ["partly_paid", "processing"])
def test_without_proof_nothing_is_written_but_a_mail_to_the_address(client, page, state):
    placed = with_money(client, page, state)
    before = written()
    stranger = Client()
    answer = order(stranger, page.url, **STRANGER, promo="on")
    words = text_of(answer)
    assert answer.status_code == 200
    assert UNDER_WAY in words
    assert written() == before
    for secret in (placed.number, placed.buyer_name, "Ada", "600 100 200", "€100.00", "€20.00"):
        assert secret not in answer.content.decode()
    assert browser_proof.COOKIE not in stranger.cookies
    mail = reminders().get()
    assert (mail.to_email, mail.purpose, mail.kind, mail.order) == ("ada@example.com", "service", "service", placed)
    assert set(mail.links) == {"pay_url" if state == "partly_paid" else "order_url"}
    assert "Mallory" not in f"{mail.context} {mail.subject} {mail.to_name}"


def test_the_mail_goes_out_and_its_link_leads_on(client, page, mailoutbox):
    placed = with_money(client, page, "partly_paid")
    order(Client(), page.url, **STRANGER)
    delivery.deliver_due(START)
    (mail,) = (each for each in mailoutbox if placed.number not in each.subject)  # besides: order received
    assert (mail.to, mail.subject) == (['"Ada Buyer" <ada@example.com>'], "Your order is waiting")
    link = next(word for word in mail.body.split() if "/shop/pay/" in word)
    shown = text_of(client.get(link.replace("http://localhost", "")))
    assert placed.number in shown
    assert "€100.00" in shown


def test_the_mail_speaks_the_language_of_the_order(client, page):
    placed = with_money(client, page, "partly_paid")
    m.Order.objects.filter(pk=placed.pk).update(language="de")
    order(Client(), page.url, **STRANGER)
    assert reminders().get().version.language == "de"


def test_however_often_a_stranger_knocks_one_mail_goes_out_a_day(client, page):
    with_money(client, page, "partly_paid")
    for hours in (0, 1, 11.9, 12.1, 23.9):  # across midnight as well
        making.set_clock(after(hours=hours))
        assert UNDER_WAY in text_of(order(Client(), page.url, **STRANGER))
    assert reminders().count() == 1
    making.set_clock(after(hours=24))
    order(Client(), page.url, **STRANGER)
    assert reminders().count() == 2


def test_an_address_that_gets_no_mail_gets_none_and_the_stranger_is_not_told(client, page):
    with_money(client, page, "partly_paid")
    suppression.suppress("ada@example.com", scope="all", reason="bounce", now=START)
    assert UNDER_WAY in text_of(order(Client(), page.url, **STRANGER))
    assert reminders().get().status == "suppressed"


def test_tries_of_strangers_are_counted(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 3}
    with_money(client, page, "processing")
    assert [order(Client(), page.url, **STRANGER).status_code for _ in range(3)] == [200, 200, 429]


def test_the_resume_link_of_the_very_contact_is_proof(client, page):
    placed = with_money(client, page, "processing")
    link = links.resume_url(placed, None, START).replace("http://localhost", "")
    elsewhere = Client()
    address = elsewhere.get(link)["Location"].removesuffix("#order")
    assert order(elsewhere, address).status_code == 302
    placed.refresh_from_db()
    assert placed.status == "superseded"


def test_the_resume_link_of_somebody_else_proves_nothing(client, page):
    other = Client()
    order(other, page.url, email="mallory@example.com")
    link = links.resume_url(the_order(), None, START).replace("http://localhost", "")
    placed = with_money(client, page, "processing")
    address = other.get(link)["Location"].removesuffix("#order")
    assert UNDER_WAY in text_of(order(other, address, **STRANGER))
    placed.refresh_from_db()
    assert placed.status == "processing"


@pytest.fixture
def ended(page):
    """Ada was on the list of a coupon, and is no longer."""
    people, ada = make_list(), make_contact("ada@example.com")
    make_coupon("COMEBACK15", lists=[people])
    lists.add(people, ada, until=START, source="run:1", now=after(hours=-24))
    return ada


def follow(browser: Client, placed: m.Order) -> str:
    """The page to which the link of a mail about ``placed`` leads."""
    link = links.resume_url(placed, None, START).replace("http://localhost", "")
    return browser.get(link)["Location"].removesuffix("#order")


@pytest.mark.parametrize("button", [{"apply": "1"}, {}], ids=["apply", "order"])
def test_the_link_of_somebody_else_says_of_an_address_what_a_stranger_is_told(client, page, ended, button):
    """Bo's link with Ada's address: that she was on a list once is nobody else's business."""
    order(client, page.url, email="bo@example.com")
    address = follow(client, the_order())
    told = text_of(order(client, address, email="ada@example.com", coupon="COMEBACK15", **button))
    assert "made for another address" in told
    assert "has ended for you" not in told
    assert told == text_of(order(client, address, email="nobody@example.com", coupon="COMEBACK15", **button)).replace(
        "nobody@example.com", "ada@example.com"
    )


@pytest.mark.parametrize("button", [{"apply": "1"}, {}], ids=["apply", "order"])
def test_ones_own_link_says_that_a_discount_has_ended(client, page, ended, button):
    order(client, page.url)
    address = follow(client, the_order())
    assert "has ended for you" in text_of(order(client, address, coupon="COMEBACK15", **button))


def test_what_is_known_of_the_reader_of_a_link_does_not_go_into_an_order_of_another_address(client, page):
    order(client, page.url, email="bo@example.com", name="Bo", phone="+48 700 000 001")
    address = follow(client, the_order())
    order(client, address, email="ada@example.com", phone="")
    placed = m.Order.objects.get(contact__email="ada@example.com")
    assert (placed.buyer_phone, placed.contact.phone) == ("", "")


# --- the cookie -------------------------------------------------------------------------------------------------------


def test_the_same_browser_replaces_what_the_bank_has_not_confirmed(client, page):
    placed = with_money(client, page, "processing")
    assert order(client, page.url).status_code == 302
    placed.refresh_from_db()
    assert placed.status == "superseded"
    assert not reminders().exists()


def test_the_cookie_is_for_the_server_alone(client, page):
    _page, sent = fill_in(client, page.url)
    cookie = client.post(page.url, sent, secure=True).cookies[browser_proof.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"]) == (True, "Lax", True, "/")
    assert cookie["max-age"] == 14 * 24 * 60 * 60
    assert not order(client, page.url).cookies[browser_proof.COOKIE]["secure"]


def test_only_an_order_placed_brings_a_cookie(client, page):
    make_coupon("SPRING")
    client.get(page.url)
    order(client, page.url, email="nobody")
    order(client, page.url, coupon="SPRING", apply="1")
    order(client, page.url, coupon="NONSENSE")
    assert browser_proof.COOKIE not in client.cookies


def test_a_stranger_who_has_ordered_too_is_still_a_stranger(client, page):
    placed = with_money(client, page, "processing")
    stranger = Client()
    order(stranger, page.url, email="mallory@example.com")
    assert browser_proof.COOKIE in stranger.cookies
    assert UNDER_WAY in text_of(order(stranger, page.url, **STRANGER))
    placed.refresh_from_db()
    assert placed.status == "processing"


def test_another_offer_of_the_same_address_is_no_matter(client, page):
    with_money(client, page, "processing")
    other = make_page("Ink")
    assert order(Client(), other.url, **STRANGER).status_code == 302


@pytest.mark.parametrize("made", ["nonsense", "x" * 5000, "other purpose", "too old", "no list", "true", "key"])
def test_a_cookie_that_is_not_ours_proves_nothing(client, page, made):
    placed = with_money(client, page, "processing")
    later, now = START + dt.timedelta(days=1), START
    forged = {
        "other purpose": signing.make("resume", expires=later, orders=[placed.token], order=placed.token),
        "too old": signing.make("browser", expires=now, orders=[placed.token]),
        "no list": signing.make("browser", expires=later, orders=placed.token),
        "true": signing.make("browser", expires=later, orders=[True, str(placed.pk)]),
        "key": signing.make("browser", expires=later, orders=[placed.pk, {"token": placed.token}]),
    }
    stranger = Client()
    stranger.cookies[browser_proof.COOKIE] = forged.get(made, made)
    assert UNDER_WAY in text_of(order(stranger, page.url, **STRANGER))


def test_a_browser_is_known_for_its_last_five_orders(rf):
    from django.http import HttpResponse

    request = rf.get("/")
    one, *others = made = [signing.random_token() for _ in range(7)]
    for key in (*made[:6], made[2], made[6]):
        answer = HttpResponse()
        browser_proof.remember(request, answer, key, START)
        request.COOKIES[browser_proof.COOKIE] = answer.cookies[browser_proof.COOKIE].value
    assert browser_proof.orders_of(request, START) == (*others[2:5], others[1], others[5])
    assert one not in browser_proof.orders_of(request, START)
    assert browser_proof.orders_of(request, START + dt.timedelta(days=14)) == ()


# --- what the two of them see -----------------------------------------------------------------------------------------


def shape(response) -> tuple:
    """What an answer tells beside the tokens that differ each time."""
    return response.status_code, response["Location"].split("/")[:3], sorted(response.cookies), sorted(response.headers)


@pytest.mark.parametrize("method", ["sandbox", "transfer"])
def test_an_address_with_an_open_order_answers_like_a_fresh_one(client, page, method):
    make_coupon("SPRING", percent="20")
    order(client, page.url, coupon="SPRING")
    fresh = order(Client(), page.url, **{**STRANGER, "email": "nobody@example.com"}, payment_method=method)
    known = order(Client(), page.url, **STRANGER, payment_method=method)
    assert shape(fresh) == shape(known)


def test_neither_side_reads_the_other_name_nor_the_code(client, page):
    spring = make_coupon("SPRING", percent="20")
    order(client, page.url, coupon="SPRING")
    yours = the_order()
    stranger = Client()
    order(stranger, page.url, **STRANGER, payment_method="transfer")
    theirs = the_order()
    assert theirs != yours
    assert (theirs.buyer_name, theirs.buyer_phone) == ("Mallory Stranger", "+44 20 7946 0000")
    for placed, foreign in ((yours, ("Mallory", "7946 0000")), (theirs, ("Ada", "600 100 200", "ada@", "SPRING"))):
        for url in (links.pay_url(placed, START), links.order_url(placed, START)):
            answer = client.get(url.replace("http://localhost", ""), follow=True)
            assert answer.status_code == 200
            for words in foreign:
                assert words not in answer.content.decode()
    # Without the coupon the page would be dearer than the order that stands, and the link leads to that one.
    for coupon, words in ((spring.token, "Ada Buyer"), (None, "Pay €96.00")):
        resumed = client.get(links.resume_url(yours, coupon, START).replace("http://localhost", ""), follow=True)
        assert "Mallory" not in resumed.content.decode()
        assert words in (making.fields_of(resumed)["name"] if coupon else text_of(resumed))


def test_what_is_known_of_a_contact_does_not_go_into_a_strangers_order(client, page):
    make_contact("ada@example.com", phone="+48 600 100 200", is_verified=True)
    order(client, page.url, **{**STRANGER, "phone": ""})
    assert the_order().buyer_phone == ""


def test_staff_and_the_sites_own_code_keep_their_rules(client, page):
    """The guard stands at the web's door only."""
    from tests.orders.shop import order_for

    placed = with_money(client, page, "processing")
    assert order_for(placed.contact, offer_of(page), origin="staff").status == "open"


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_stranger_who_uses_up_the_tries_of_an_address_does_not_lock_out_the_reader_of_its_mail(
    client, page, settings
):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 2}
    order(client, page.url)
    link = links.resume_url(the_order(), None, START).replace("http://localhost", "")
    making.set_clock(after(hours=2))
    stranger = Client()
    assert [order(stranger, page.url, **STRANGER).status_code for _ in range(3)] == [302, 302, 429]
    assert order(client, page.url).status_code == 429  # the cookie is a stranger's to have, too
    elsewhere = Client()
    address = elsewhere.get(link)["Location"].removesuffix("#order")
    assert [order(elsewhere, address).status_code for _ in range(3)] == [302, 302, 429]  # counted apart


def test_spellings_of_one_mailbox_share_their_tries(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 2}
    spelt = ["ada+1@googlemail.com", "a.da@gmail.com", "ada@gmail.com"]
    assert [order(Client(), page.url, email=email).status_code for email in spelt] == [302, 302, 429]
    assert order(Client(), page.url, email="ada@example.com").status_code == 302


def test_only_so_many_people_a_day_come_out_of_one_mailbox(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 100}
    answers = [order(Client(), page.url, email=f"ada+{number}@example.com").status_code for number in range(7)]
    assert answers == [302, 302, 302, 302, 302, 429, 429]
    assert m.Contact.objects.count() == 5
    assert order(Client(), page.url, email="ada+0@example.com").status_code == 302  # somebody known already
