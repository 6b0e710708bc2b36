"""Sending the form: real HTTP, real pages, real providers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.offers import making
from tests.offers.making import BUYER, fields_of, fill_in, make_page, offer_of, order, text_of
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.exceptions import OrderRefused, ProviderUnavailable
from wagtail_kwiga.offers import forms
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


def the_order() -> m.Order:
    return m.Order.objects.get()


def test_the_buyer_is_sent_to_pay_and_everything_is_written(client, page):
    response = order(client, page.url, payment_method="sandbox")
    placed = the_order()
    assert response.status_code == 302
    assert "sandbox-gateway" in response["Location"]
    assert (placed.status, placed.total, placed.language) == ("open", Money(Decimal(120), "EUR"), "en")
    assert (placed.buyer_name, placed.buyer_phone) == ("Ada Buyer", "+48 600 100 200")
    assert placed.contact.email == "ada@example.com"
    assert placed.site == making.Site.objects.get(is_default_site=True)
    assert [line.title for line in placed.lines.all()] == ["Watercolour for beginners"]
    assert m.PaymentAttempt.objects.get().method == "sandbox"


def test_a_transfer_leads_to_the_order_page_with_bank_data(client, page):
    response = order(client, page.url, payment_method="transfer")
    assert "/shop/order/" in response["Location"]
    assert the_order().payment_kind == "transfer"
    assert "DE02" in text_of(client.get(response["Location"]))


def test_it_works_without_any_broker(client, page, settings):
    del settings.Q_CLUSTER
    assert order(client, page.url).status_code == 302
    assert m.Order.objects.count() == 1


def test_the_only_way_to_pay_is_not_asked_for(client, page, settings):
    providers = {"transfer": settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"]["transfer"]}
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": providers}
    shown, sent = fill_in(client, page.url)
    assert "payment_method" not in sent
    assert "You pay by Bank transfer" in text_of(shown)
    client.post(page.url, sent)
    assert the_order().payment_method == "transfer"


def test_a_way_to_pay_that_is_not_offered_is_refused(client, page):
    for method in ("gold", "x" * 9000, "\x00"):
        response = order(client, page.url, payment_method=method)
        assert response.status_code == 200
    assert m.Order.objects.count() == 0


def test_a_free_offer_gives_access_at_once(client, seller):
    page = make_page(price=0)
    response = order(client, page.url)
    assert "/shop/order/" in response["Location"]
    assert the_order().status == "paid"
    assert m.PaymentAttempt.objects.count() == 0


def test_a_coupon_of_a_hundred_percent_makes_it_free(client, page):
    coupon = make_coupon("GIFT", percent="100")
    order(client, page.url, coupon="gift")
    coupon.refresh_from_db()
    assert (the_order().status, the_order().total_amount) == ("paid", 0)
    assert coupon.uses.get().state == "redeemed"


def test_a_post_without_a_csrf_token_is_refused(page):
    client = Client(enforce_csrf_checks=True)
    assert client.post(page.url, BUYER).status_code == 403
    _page, sent = fill_in(client, page.url)
    assert client.post(page.url, sent).status_code == 302


def test_what_is_missing_is_said_at_the_field_and_in_the_summary(client, page):
    response = client.post(page.url, {"name": "", "email": "nope", "payment_method": "sandbox"})
    html = response.content.decode()
    assert response.status_code == 200
    assert m.Order.objects.count() == m.Contact.objects.count() == 0
    assert 'role="alert"' in html
    assert 'href="#id_email"' in html
    assert 'aria-invalid="true"' in html
    assert (
        "id_email_error" in html.split('id="id_email"')[0].rsplit("<input", 1)[1] + html.split('id="id_email"')[1][:200]
    )
    assert fields_of(response)["email"] == "nope"
    assert response["Cache-Control"] == "private, no-store"


def test_a_phone_that_must_be_given(client, seller):
    page = make_page(ask_phone="required")
    response = order(client, page.url, phone="")
    assert "Please give a phone number." in text_of(response)
    assert m.Order.objects.count() == 0
    assert order(client, page.url, phone="600100200").status_code == 302


def test_a_phone_that_is_not_asked_for_is_not_taken(client, seller):
    page = make_page(ask_phone="no")
    order(client, page.url, phone="600100200")
    assert the_order().buyer_phone == ""


def test_the_terms_of_sale_must_be_agreed_to(client, seller, page):
    seller.legal = [("url", "https://example.com/terms")]
    seller.save()
    refused = order(client, page.url)
    assert "Please agree to the terms of sale." in text_of(refused)
    assert b'href="https://example.com/terms"' in refused.content
    assert m.Order.objects.count() == 0
    order(client, page.url, terms="on")
    assert the_order().agreed_terms_at == START


def test_promotional_mail_is_asked_about_where_the_site_wants_consent(client, seller, page):
    assert "Write to me" not in text_of(client.get(page.url))
    seller.promo_policy = "consented"
    seller.save()
    assert "Write to me" in text_of(client.get(page.url))
    order(client, page.url)
    assert m.Contact.objects.get().consented_at is None
    order(client, page.url, promo="on")
    assert m.Contact.objects.get().consented_at == START


# --- coupons ----------------------------------------------------------------------------------------------------------


def test_applying_a_code_shows_the_price_and_orders_nothing(client, page):
    make_coupon("SPRING", percent="20")
    response = order(client, page.url, coupon="spring", apply="1")
    assert response.status_code == 200
    assert "€96.00" in text_of(response)
    assert m.Order.objects.count() == m.Contact.objects.count() == 0
    sent = fields_of(response)
    assert (sent["name"], sent["email"], sent["coupon"]) == ("Ada Buyer", "ada@example.com", "spring")
    assert "Please tell us" not in text_of(response)
    client.post(page.url, sent)
    assert the_order().total_amount == 96


def test_a_code_typed_and_ordered_at_once(client, page):
    coupon = make_coupon("SPRING", percent="20")
    order(client, page.url, coupon=" Spring ")
    assert (the_order().total_amount, the_order().coupon_code) == (96, "SPRING")
    assert coupon.uses.get().state == "reserved"


def test_a_code_and_the_right_address_work_without_any_link(client, page):
    people = make_list()
    make_coupon("COMEBACK15", lists=[people])
    lists.add(people, make_contact("ada@example.com"), until=after(hours=24), source="run:1", now=START)
    order(client, page.url, email="Ada@Example.com", coupon="COMEBACK15")
    assert the_order().total_amount == 102


def test_a_stranger_with_the_code_is_told_kindly_and_may_order_at_the_normal_price(client, page):
    people = make_list()
    coupon = make_coupon("COMEBACK15", lists=[people])
    lists.add(people, make_contact("ada@example.com"), until=after(hours=24), source="run:1", now=START)
    response = order(client, page.url, email="stranger@example.com", coupon="COMEBACK15")
    words = text_of(response)
    assert response.status_code == 200
    assert "made for another address" in words
    assert "Nothing has been ordered yet" in words
    assert "Order and pay €120.00" in words
    assert "ada@example.com" not in words
    assert m.Order.objects.count() == 0
    assert not m.Contact.objects.filter(email="stranger@example.com").exists()
    sent = fields_of(response)
    assert sent["coupon"] == ""
    assert client.post(page.url, sent).status_code == 302
    assert the_order().total_amount == 120
    assert coupon.uses.count() == 0


def test_a_code_used_up_meanwhile_is_not_charged_the_normal_price_for(client, page):
    coupon = make_coupon("ONCE", percent="50", limit_total=1)
    _page, sent = fill_in(client, f"{page.url}?coupon=ONCE")
    order(Client(), page.url, email="first@example.com", coupon="ONCE")
    response = client.post(page.url, sent)
    assert "used as often as it may be" in text_of(response)
    assert m.Order.objects.count() == 1
    coupon.refresh_from_db()
    assert coupon.used_count == 1


def test_whoever_comes_back_without_the_code_keeps_the_discount(client, page):
    make_coupon("SPRING", percent="20")
    order(client, page.url, coupon="SPRING")
    order(client, page.url)
    newest = m.Order.objects.get(status="open")
    assert newest.total_amount == 96


# --- prices that change ------------------------------------------------------------------------------------------------


def test_a_price_that_rose_meanwhile_is_shown_before_anything_is_ordered(client, page):
    _page, sent = fill_in(client, page.url)
    page.price = Decimal(150)
    page.save_revision().publish()
    response = client.post(page.url, sent)
    words = text_of(response)
    assert response.status_code == 200
    assert "The price has changed" in words
    assert "Order and pay €150.00" in words
    assert m.Order.objects.count() == 0
    assert client.post(page.url, fields_of(response)).status_code == 302
    assert the_order().total_amount == 150


def test_a_price_that_fell_is_simply_charged(client, page):
    _page, sent = fill_in(client, page.url)
    page.price = Decimal(90)
    page.save_revision().publish()
    assert client.post(page.url, sent).status_code == 302
    assert the_order().total_amount == 90


@pytest.mark.parametrize("forged", ["1:9999.00:EUR", "nonsense", "x" * 100_000])
def test_a_forged_total_agrees_to_nothing(client, page, forged):
    response = order(client, page.url, shown=forged)
    assert response.status_code == 200
    assert m.Order.objects.count() == 0


def test_the_total_of_one_offer_does_not_count_for_another(client, page):
    dear = make_page("Dear", price=Decimal(500))
    response = order(client, page.url, shown=forms.seal(offer_of(dear).uid, Money(Decimal(500), "EUR")))
    assert "The price has changed" in text_of(response)


# --- again, and twice -------------------------------------------------------------------------------------------------


def test_sending_the_form_twice_leaves_one_open_order(client, page):
    _page, sent = fill_in(client, page.url)
    assert client.post(page.url, sent).status_code == 302
    assert client.post(page.url, sent).status_code == 302
    assert sorted(m.Order.objects.values_list("status", flat=True)) == ["open", "superseded"]


def test_a_purchase_paid_in_part_leads_the_same_browser_to_the_rest(client, page):
    order(client, page.url)
    ledger.record_payment(order=the_order(), amount=Decimal(20), method="bank", now=START)
    response = order(client, page.url)
    assert "/shop/pay/" in response["Location"]
    assert m.Order.objects.count() == 1
    assert "/shop/pay/" not in text_of(order(Client(), page.url))  # another browser: ``test_strangers``
    assert m.Order.objects.count() == 1


def test_an_offer_that_closes_while_the_form_is_open(client, page):
    _page, sent = fill_in(client, page.url)
    page.sales_until = after(hours=1)
    page.save_revision().publish()
    making.set_clock(after(hours=2))
    response = client.post(page.url, sent)
    assert response.status_code == 409
    assert "Sales have ended" in text_of(response)
    assert m.Order.objects.count() == 0


# --- providers and sites ----------------------------------------------------------------------------------------------


def test_a_provider_that_does_not_answer_leaves_the_order_to_be_paid_later(client, page, monkeypatch):
    from wagtail_kwiga.payments.providers.sandbox import SandboxProvider

    def silent(*_args, **_kwargs):
        raise ProviderUnavailable("no answer")

    monkeypatch.setattr(SandboxProvider, "start", silent)
    response = order(client, page.url, payment_method="sandbox")
    assert "/shop/pay/" in response["Location"]
    assert the_order().status == "open"


def test_a_site_may_refuse_an_order(client, page):
    from wagtail import hooks

    def no_test_addresses(event):
        if event.contact.email.endswith("@example.com"):
            raise OrderRefused("Not for you.")

    with hooks.register_temporarily("before_kwiga_place_order", no_test_addresses):
        response = order(client, page.url)
    assert "Not for you." in text_of(response)
    assert m.Order.objects.count() == m.Contact.objects.count() == 0


def test_a_site_may_ask_for_more(client, page, django_capture_on_commit_callbacks):
    from django import forms as django_forms
    from wagtail import hooks

    def asks_for_a_company(form_class):
        class WithCompany(form_class):
            company = django_forms.CharField(label="Your company")
            since = django_forms.DateField(required=False)
            riddle = django_forms.CharField(required=False)

            def answers(self):
                return {name: answer for name, answer in super().answers().items() if name != "riddle"}

        return WithCompany

    before, after_it = [], []
    with (
        hooks.register_temporarily("construct_kwiga_checkout_form", asks_for_a_company),
        hooks.register_temporarily("before_kwiga_place_order", lambda event: before.append(event.answers)),
        hooks.register_temporarily("after_kwiga_order_placed", lambda event: after_it.append(event.answers)),
        django_capture_on_commit_callbacks(execute=True),
    ):
        assert "Your company" in text_of(client.get(page.url))
        assert order(client, page.url).status_code == 200
        assert "This is too long." in text_of(order(client, page.url, company="x" * 10_001))
        assert not m.Order.objects.exists()
        assert order(client, page.url, company="Ltd", since="2027-01-02", riddle="42").status_code == 302
    kept = {"company": "Ltd", "since": "2027-01-02"}
    assert m.Order.objects.get().answers == kept
    assert before == after_it == [kept]


@pytest.mark.parametrize(("is_same_browser", "most"), [(False, 35), (True, 41)], ids=["anybody", "a corrected address"])
def test_a_checkout_costs_a_fixed_number_of_queries(client, page, capsys, is_same_browser, most):
    """An address that is corrected costs six more: the order that was mistyped, its people and its rows locked, and closed."""
    counts = []
    for number in range(3):
        browser = client if is_same_browser else Client()
        _page, sent = fill_in(browser, page.url, email=f"buyer{number}@example.com")
        with CaptureQueriesContext(connection) as queries:
            assert browser.post(page.url, sent).status_code == 302
        counts.append(
            sum(
                not query["sql"].startswith(("SAVEPOINT", "RELEASE", 'DELETE FROM "wagtail_kwiga_heartbeat"'))
                for query in queries
            )
        )
    with capsys.disabled():
        print(f"\ncheckout POST: {counts[-1]} queries")
    assert counts[1] == counts[2]
    assert counts[-1] <= most  # two of them for the row of the purchase, one for the phone number, ten for the mail
