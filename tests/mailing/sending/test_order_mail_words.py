"""What mails about an order say is true of that order, and said once."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.mailing.making import settings_of_default_site
from tests.mailing.sending.test_order_mails import parts, sent, submit
from tests.orders.shop import books_receive
from tests.payments.shop import bank_data, new_attempt, tell
from tests.support import START, after, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.access_rules import Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.mailing.authoring import builtin_mails
from wagtail_kwiga.mailing.authoring.styles import CSS
from wagtail_kwiga.offers import order_reminder

pytestmark = pytest.mark.django_db

WAY_IN = "/lessons/"
OPENS = "Your access opens on Wednesday, March 10, 2027"


@pytest.fixture(autouse=True)
def seller():
    bank_data(bank_holder="Riverside Studio", bank_iban="DE02120300000000202051", bank_bic="BYLADEM1001")
    return settings_of_default_site(postal_footer="Riverside Studio\r\n1 Mill Lane\r\nDublin")


def offer(*starts: Start, amount: str = "120.00") -> m.Offer:
    """An offer of a product for each start, all with the same way in."""
    products = [make_product(f"Course {number}", entry_url=WAY_IN) for number, _start in enumerate(starts)]
    sold = make_offer(*products, amount=amount)
    for row, start in zip(m.OfferProduct.objects.filter(offer=sold).order_by("position"), starts, strict=True):
        row.access_terms = AccessTerms(start=start).to_json()
        row.save()
    return sold


def receipt_of(smtp, sold: m.Offer, now: dt.datetime = START) -> tuple[str, str]:
    order = submit(sold, now=now)
    if order.total_amount:
        sent(smtp, now)
        books_receive(order, str(order.total_amount), now=now)
    (message,) = sent(smtp, now)
    return parts(message)


def test_the_seller_stands_in_a_receipt_once(smtp):
    plain, html = receipt_of(smtp, offer(Start()))
    assert "Seller: Riverside Studio\n1 Mill Lane\nDublin\n" in plain
    assert ">Riverside Studio<br>1 Mill Lane<br>Dublin</td>" in html


def test_a_seller_without_an_address_leaves_no_gap(smtp):
    settings_of_default_site(postal_footer="", tax_number="IE1234567T")
    plain, html = receipt_of(smtp, offer(Start()))
    assert "Seller: Riverside Studio\nTax number: IE1234567T\n" in plain
    assert ">Riverside Studio</td>" in html


def test_what_costs_nothing_was_not_paid(smtp):
    plain, html = receipt_of(smtp, offer(Start(), amount="0"))
    assert "Paid on" not in plain + html
    assert "Total: €0.00" in plain


@pytest.mark.parametrize("amount", ["120.00", "0"])
def test_nobody_is_shown_into_what_opens_later(smtp, amount):
    plain, html = receipt_of(smtp, offer(Start.on("2027-03-10"), Start.on("2027-03-12"), amount=amount))
    for part in (plain, html):
        assert OPENS in part
        assert WAY_IN not in part
        assert "way in" not in part
        assert "Open " not in part


@pytest.mark.parametrize("amount", ["120.00", "0"])
@pytest.mark.parametrize("starts", [(Start(),), (Start(), Start.on("2027-03-10")), (Start.on("2027-02-10"),)])
def test_what_is_open_in_part_has_its_way_in(smtp, starts, amount):
    plain, html = receipt_of(smtp, offer(*starts, amount=amount))
    for part in (plain, html):
        assert "Here is the way in:" in part
        assert WAY_IN in part
        assert "opens on" not in part


def test_a_transfer_leads_to_the_page_of_the_order(smtp):
    submit(make_offer())
    (message,) = sent(smtp)
    plain, html = parts(message)
    assert "See your order:\nhttp://localhost/shop/order/" in plain
    assert ">See your order</a>" in html
    assert "/shop/pay/" not in plain + html


@pytest.mark.parametrize("name", builtin_mails.BUILTINS)
def test_heading_text_and_preview_line_do_not_repeat_each_other(name):
    """Subject and preview line stand side by side in an inbox, heading and text one below the other."""
    subject, preheader, blocks = builtin_mails.BUILTINS[name]()
    heading = next(block.value["text"] for block in blocks if block.block_type == "heading")
    texts = [str(block.value["text"]) for block in blocks if block.block_type == "text"]
    assert not any(f"<p>{heading}." in text for text in texts)
    assert preheader.rstrip(".") not in (subject, heading)


def test_to_whoever_has_paid_a_part_the_mail_says_what_is_left(smtp):
    """Beside a total that is paid in part, *the rest* alone had to be worked out."""
    order = submit(make_offer())
    sent(smtp)
    books_receive(order, "50.00", now=START)
    order_reminder.tell_the_buyer(order.pk, START)
    (message,) = sent(smtp)
    plain, html = parts(message)
    assert "Still to be paid: €70.00." in plain
    assert html.count("Still to be paid: €70.00.") == 2  # the preview line, and the text
    assert "Total: €120.00" in plain


def test_a_failed_payment_says_in_the_inbox_that_the_order_is_kept(smtp):
    order = submit(make_offer(), method="sandbox")
    sent(smtp)
    tell(new_attempt(order), "failed", failure="declined")
    (message,) = sent(smtp, after(minutes=2))
    plain, html = parts(message)
    assert html.count("Your order is kept for you.") == 2  # the preview line, and the text
    assert plain.count("did not go through") == 1


def test_what_is_soft_stays_soft_in_the_dark():
    """The line above the code of a transfer stands in a text, whose colour is stronger than that of the class alone."""
    assert ".kw-ink div.kw-soft" in CSS
