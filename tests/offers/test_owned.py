"""Whoever orders what they have already: the way in and one deliberate click for them, nothing for a stranger to learn."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from tests.offers import making
from tests.offers.making import BUYER, fields_of, fill_in, make_page, offer_of, order, text_of
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.access_rules import Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.offers import browser_proof
from wagtail_kwiga.orders import links, purchases, transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db

STRANGER = {"name": "Mallory Stranger", "phone": "+44 20 7946 0000", "email": "ADA@example.com"}
OWNED = "You have all of this already. Here is the way in: Watercolour"


def the_order() -> m.Order:
    return m.Order.objects.latest("pk")


def pay(placed: m.Order) -> m.Order:
    ledger.record_payment(order=placed, amount=placed.total_amount, method="bank", now=START)
    placed.refresh_from_db()
    return placed


@pytest.fixture
def bought(client, page) -> m.Order:
    """Ada has ordered in this browser, and paid."""
    assert order(client, page.url).status_code == 302
    return pay(the_order())


def written() -> tuple:
    """Everything an order form might write, but the count of tries."""
    kinds = (m.Contact, m.Purchase, m.Order, m.OrderLine, m.Payment, m.PaymentAttempt, m.TimelineEntry, m.OutgoingEmail)
    return tuple(list(kind.objects.order_by("pk").values()) for kind in kinds)


def follow(browser: Client, placed: m.Order) -> str:
    """The page to which the link of a mail about ``placed`` leads."""
    link = links.resume_url(placed, None, START).replace("http://localhost", "")
    return browser.get(link)["Location"].removesuffix("#order")


def way_in_of(page) -> None:
    m.Product.objects.update(entry_url="/course/")


# --- who is known -----------------------------------------------------------------------------------------------------


def test_the_browser_that_bought_it_is_told_so_and_nothing_is_written(client, page, bought):
    """The back button, a second tab, a double click: the form is there once more, and is sent."""
    way_in_of(page)
    before = written()
    answer = order(client, page.url)
    assert answer.status_code == 200
    assert OWNED in text_of(answer)
    assert 'href="/course/"' in answer.content.decode()
    assert written() == before
    assert answer["Cache-Control"] == "private, no-store"


def test_nothing_on_the_page_asks_to_order_what_is_owned(client, page):
    """All that leads to the form goes with it; one more is ordered by the one button that says what it costs."""
    page.body = [
        ("hero", {"heading": "Paint", "button": "Order the course"}),
        ("call_to_action", {"heading": "Begin", "button": "Begin now"}),
    ]
    page.save_revision().publish()
    assert client.get(page.url).content.decode().count('href="#order"') == 2
    assert order(client, page.url).status_code == 302
    pay(the_order())
    answer = order(client, page.url)
    assert OWNED in text_of(answer)
    assert "Order the course" not in text_of(answer)
    assert "Begin now" not in text_of(answer)
    assert f"Order once more and pay {money_for_reader(the_order().total)}" in text_of(answer)


def test_a_form_that_was_open_before_it_was_paid(client, page):
    _page, sent = fill_in(client, page.url)
    client.post(page.url, sent)
    pay(the_order())
    assert OWNED in text_of(client.post(page.url, sent))
    assert m.Order.objects.count() == 1


def test_the_reader_of_a_link_is_told_so(client, page, bought):
    elsewhere = Client()
    address = follow(elsewhere, bought)
    assert "You have it" in text_of(elsewhere.get(address))
    token = address.split("resume=")[1]
    sent = {**BUYER, "resume": token, "payment_method": "sandbox"}
    assert elsewhere.post(page.url, sent).status_code == 409
    assert m.Order.objects.count() == 1


def test_the_reader_of_a_link_is_shown_into_nothing_that_opens_later(client, page, bought):
    way_in_of(page)
    bought.lines.update(access_terms=AccessTerms(start=Start.on("2027-03-10")).to_json())
    shown = client.get(follow(Client(), bought))
    assert "opens on March 10, 2027" in text_of(shown)
    assert "/course/" not in shown.content.decode()
    making.set_clock(after(days=30))
    shown = client.get(follow(Client(), bought)).content.decode()
    assert "opens on" not in shown
    assert "/course/" in shown


def test_the_reader_of_a_link_to_what_cost_nothing_is_not_told_that_it_is_paid(client, page):
    page.price = 0
    page.save_revision().publish()
    order(client, page.url)
    words = text_of(client.get(follow(Client(), the_order())))
    assert "You have all of this already." in words
    assert "paid" not in words


def test_the_reader_of_an_old_link_about_another_plan_is_led_to_what_was_paid(client, page):
    """Plan A was left, plan B of the same course was paid: A's link shows the way in."""
    product = m.Product.objects.get()
    other = make_page("All inclusive", products=[product], price=Decimal(200))
    order(client, page.url)
    first = the_order()
    order(client, other.url)
    way_in_of(page)
    second = pay(the_order())
    assert second.purchase_id == m.Order.objects.get(pk=first.pk).purchase_id
    shown = Client().get(follow(Client(), first))
    assert "You have it" in text_of(shown)
    assert 'href="/course/"' in shown.content.decode()


def test_the_reader_of_a_link_about_an_unpaid_order_who_was_given_it(client, page):
    order(client, page.url)
    placed = the_order()
    m.AccessGrant.objects.create(
        contact=placed.contact, product=m.Product.objects.get(), source="staff:1", terms=AccessTerms().to_json(),
        granted_at=START, starts_at=START,
    )  # fmt: skip
    assert "You have it" in text_of(Client().get(follow(Client(), placed)))


@pytest.mark.parametrize("theirs", [True, False])
def test_the_contacts_own_user_is_told_so_and_no_other(client, page, bought, theirs, django_user_model):
    user = django_user_model.objects.create_user("ada", email="ada@example.com")
    if theirs:
        m.Contact.objects.filter(pk=bought.contact_id).update(user=user)
    elsewhere = Client()
    elsewhere.force_login(user)
    answer = order(elsewhere, page.url)
    assert answer.status_code == (200 if theirs else 302)
    assert m.Order.objects.count() == (1 if theirs else 2)


@pytest.mark.parametrize("theirs", [True, False])
def test_the_contacts_own_user_orders_beside_money_on_its_way_and_no_other(client, page, theirs, django_user_model):
    assert order(client, page.url).status_code == 302
    placed = the_order()
    transitions.start_processing(placed, now=START)
    user = django_user_model.objects.create_user("ada", email="ada@example.com")
    if theirs:
        m.Contact.objects.filter(pk=placed.contact_id).update(user=user)
    elsewhere = Client()
    elsewhere.force_login(user)
    assert order(elsewhere, page.url).status_code == (302 if theirs else 200)
    assert m.Order.objects.count() == (2 if theirs else 1)


# --- once more --------------------------------------------------------------------------------------------------------


def press(browser: Client, answer, url: str):
    """The one button of the page."""
    return browser.post(url, fields_of(answer))


def test_one_deliberate_click_orders_it_once_more(client, page, bought):
    answer = press(client, order(client, page.url), page.url)
    assert answer.status_code == 302
    added = the_order()
    assert (added.status, added.buyer_name, added.buyer_phone) == ("open", BUYER["name"], BUYER["phone"])
    assert added.purchase_id != bought.purchase_id
    assert len(added.purchase.slot) == 16


def test_the_click_twice_is_one_order_more(client, page, bought):
    shown = order(client, page.url)
    press(client, shown, page.url)
    first = the_order()
    press(client, shown, page.url)
    second = the_order()
    first.refresh_from_db()
    assert (first.status, first.purchase_id) == ("superseded", second.purchase_id)
    pay(second)
    assert OWNED in text_of(press(client, shown, page.url))
    assert m.Order.objects.count() == 3


def test_what_was_added_knowingly_is_not_bought_twice(client, page, bought):
    press(client, order(client, page.url), page.url)
    added = pay(the_order())
    assert not m.TimelineEntry.objects.filter(subject_id=added.pk, code="order.bought_twice").exists()
    assert m.AccessGrant.objects.filter(contact=added.contact).count() == 2


def test_from_the_link_of_a_mail_it_is_ordered_once_more_by_the_form(client, page, bought):
    elsewhere = Client()
    shown = elsewhere.get(follow(elsewhere, bought)).content.decode()
    address = shown.split('<p class="kwiga-small"><a href="')[1].split('#order"')[0].replace("&amp;", "&")
    form = elsewhere.get(address)
    assert form["Cache-Control"] == "private, no-store"
    assert fields_of(form)["email"] == "ada@example.com"
    assert elsewhere.post(page.url, {**fields_of(form), "payment_method": "sandbox"}).status_code == 302
    assert the_order().purchase.slot


@pytest.mark.parametrize("slot", ["x" * 15, "x" * 17, "gift 1 of 3 here", "", "ü" * 16])
def test_a_slot_that_we_did_not_give_out_is_none(client, page, bought, slot):
    assert OWNED in text_of(order(client, page.url, another=slot))


def test_who_owns_nothing_adds_nothing(client, page):
    """The click means something only to owners: else whoever liked would have as many open orders as they liked."""
    order(client, page.url)
    order(client, page.url, another=purchases.new_slot())
    assert [one.status for one in m.Order.objects.order_by("pk")] == ["superseded", "open"]
    assert m.Purchase.objects.get().slot == ""


# --- what adds something is sold as ever ------------------------------------------------------------------------------


def test_a_consultation_is_sold_again_and_again(client, page, bought):
    m.Product.objects.update(kind="consultation")
    assert order(client, page.url).status_code == 302
    assert the_order().purchase.slot == ""


def test_a_bundle_with_something_new_is_sold(client, page, bought):
    product = m.Product.objects.get()
    more = m.Product.objects.create(title="Oil", slug="oil")
    assert order(client, make_page("Both", products=[product, more]).url).status_code == 302


# --- strangers --------------------------------------------------------------------------------------------------------


def shape(response) -> tuple:
    """What an answer tells beside the tokens that differ each time."""
    return response.status_code, response["Location"].split("/")[:3], sorted(response.cookies), sorted(response.headers)


@pytest.mark.parametrize("another", ["", "A" * 16])
@pytest.mark.parametrize("method", ["sandbox", "transfer"])
def test_a_stranger_sees_what_anybody_sees_who_orders(client, page, bought, method, another):
    fresh = order(Client(), page.url, **{**STRANGER, "email": "nobody@example.com"}, payment_method=method)
    owned = order(Client(), page.url, **STRANGER, payment_method=method, another=another)
    assert shape(fresh) == shape(owned)
    placed = the_order()
    assert (placed.contact, placed.status, placed.purchase.slot) == (bought.contact, "open", "")


def test_the_mail_to_the_address_says_it(client, page, bought, mailoutbox):
    way_in_of(page)
    delivery.deliver_due(START)
    mailoutbox.clear()
    order(Client(), page.url, **STRANGER)
    delivery.deliver_due(START)
    mail, confirmation = sorted(mailoutbox, key=lambda each: the_order().number in each.subject)
    assert confirmation.to == ['"Ada Buyer" <ada@example.com>']
    assert (mail.to, mail.subject) == (['"Ada Buyer" <ada@example.com>'], "You have this already")
    assert "You have all of this already: “Watercolour”.\n\nHere is the way in:\n" in mail.body
    assert "http://localhost/course/" in mail.body
    assert "Mallory" not in mail.body
    link = next(word for word in mail.body.split() if "/resume/" in word)
    browser = Client()
    address = browser.get(link.replace("http://localhost", ""))["Location"].removesuffix("#order")
    assert "You have it" in text_of(browser.get(address))


def test_one_mail_a_day(client, page, bought):
    for hours in (0, 1, 23.9, 24):
        making.set_clock(after(hours=hours))
        order(Client(), page.url, **STRANGER)
    assert m.OutgoingEmail.objects.filter(version__builtin="already_owned").count() == 2


def test_a_strangers_own_order_with_that_address_proves_nothing(client, page, bought):
    """Else whoever orders twice would learn at the second time what the first did not tell."""
    stranger = Client()
    assert order(stranger, page.url, **STRANGER).status_code == 302
    assert browser_proof.COOKIE in stranger.cookies
    assert order(stranger, page.url, **STRANGER).status_code == 302


def test_somebody_elses_link_proves_nothing(client, page, bought):
    other = Client()
    order(other, page.url, email="mallory@example.com")
    assert order(other, follow(other, the_order()), **STRANGER).status_code == 302


def test_the_checkout_asks_as_often_whether_somebody_owns_it_or_not(client, page, bought, django_assert_num_queries):
    """An owner's address and one that is known for something else take the same time, but for the mail that is written."""
    other = make_page("Ink")
    order(Client(), other.url, email="bo@example.com")
    counts = []
    for email in ("bo@example.com", "ada@example.com"):
        stranger = Client()
        _page, sent = fill_in(stranger, page.url, **{**STRANGER, "email": email})
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as queries:
            assert stranger.post(page.url, sent).status_code == 302
        counts.append([q["sql"] for q in queries if "accessgrant" in q["sql"] or "offerproduct" in q["sql"].lower()])
    assert len(counts[0]) == len(counts[1]) > 0


def test_offer_page_offers_what_it_offered(client, page):
    """Nothing of this shows to whoever has bought nothing."""
    assert offer_of(page).title == "Watercolour"
    shown = client.get(page.url)
    assert fields_of(shown)["another"] == ""
