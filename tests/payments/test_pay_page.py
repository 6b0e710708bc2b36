"""The pay page: what it asks, where it sends, and what it says where nothing is to be paid."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.orders.shop import books_receive, order_for
from tests.payments import clock
from tests.payments.shop import (
    bank_data,
    new_attempt,
    new_order,
    order_path,
    path_of,
    pay_path,
    tell,
    text,
)
from tests.payments.test_providers import SANDBOX
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.terms import AccessTerms, Length
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00", coupon=make_coupon("COMEBACK15"))


def test_the_pay_page_with_one_way_to_pay_has_one_button(client, order):
    page = text(client.get(pay_path(order)))
    assert "€102.00" in page
    assert "€120.00" in page
    assert "COMEBACK15" in page
    assert '<input type="hidden" name="method" value="sandbox">' in page
    assert page.count('type="submit"') == 1
    assert 'type="radio"' not in page
    assert "This price holds until" in page


def test_the_pay_page_with_more_ways_lets_choose(client, order):
    bank_data()
    page = text(client.get(pay_path(order)))
    assert page.count('type="radio"') == 2
    assert 'value="sandbox" required checked' in page
    m.Order.objects.filter(pk=order.pk).update(payment_method="transfer")
    assert 'value="transfer" required checked' in text(client.get(pay_path(order)))


def test_the_pay_page_without_any_way_says_so(client, order, providers):
    providers()
    page = text(client.get(pay_path(order)))
    assert "not possible to pay here at the moment" in page
    assert "<form" not in page


def test_paying_goes_to_the_gateway(client, order):
    answer = client.post(pay_path(order), {"method": "sandbox"})
    attempt = m.PaymentAttempt.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/shop/sandbox-gateway/{attempt.token}/"


def test_paying_by_transfer_goes_to_the_order_page_with_the_bank_data(client, order):
    bank_data()
    answer = client.post(pay_path(order), {"method": "transfer"})
    page = text(client.get(path_of(answer["Location"])))
    payment = m.Payment.objects.get()
    assert "DE89 3704 0044 0532 0130 00" in page
    assert payment.reference in page
    assert "School Ltd" in page
    assert "€102.00" in page
    assert "Pay in another way" in page


def test_paying_by_a_form_shows_one_more_step(client, providers):
    providers(post={**SANDBOX, "class": "tests.payments.systems.Posting"})
    order = new_order(currency="PLN")
    answer = client.post(pay_path(order), {"method": "post"})
    page = text(answer)
    assert answer.status_code == 200
    assert '<form method="post" action="https://pay.example.com/"' in page
    assert m.PaymentAttempt.objects.get().token in page
    assert "csrfmiddlewaretoken" not in page


def test_paying_needs_the_csrf_token(order):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(pay_path(order), {"method": "sandbox"}).status_code == 403
    strict.get(pay_path(order))
    form = {"method": "sandbox", "csrfmiddlewaretoken": strict.cookies["csrftoken"].value}
    assert strict.post(pay_path(order), form).status_code == 302


@pytest.mark.parametrize("method", ["", "cash", "transfer"])
def test_a_way_to_pay_that_is_not_offered_is_refused_on_the_page(client, order, method):
    answer = client.post(pay_path(order), {"method": method})
    assert answer.status_code == 400
    assert 'role="alert"' in text(answer)
    assert not m.PaymentAttempt.objects.exists()


def test_a_provider_that_is_away_is_said_kindly(client, order, providers):
    providers(far={"class": "tests.payments.systems.Away"}, sandbox=SANDBOX)
    answer = client.post(pay_path(order), {"method": "far"})
    assert answer.status_code == 503
    assert "down for maintenance" in text(answer)
    assert client.post(pay_path(order), {"method": "sandbox"}).status_code == 302


def test_no_more_than_thirty_attempts_an_hour(client, order):
    for _ in range(30):
        assert client.post(pay_path(order), {"method": "sandbox"}).status_code == 302
    answer = client.post(pay_path(order), {"method": "sandbox"})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    clock.put(after(hours=1))
    assert client.post(pay_path(order), {"method": "sandbox"}).status_code == 302


def test_a_superseded_order_leads_to_the_newest(client):
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer)
    order_for(contact, offer, now=after(minutes=1))
    newest = order_for(contact, offer, now=after(minutes=2))
    for verb in (client.get, client.post):
        answer = verb(pay_path(old))
        assert answer.status_code == 302
        token = answer["Location"].rstrip("/").rsplit("/", 1)[1]
        assert links.order_of(Purpose.PAY, token, START)[0] == newest
    assert 'class="kwiga-button" href="http://localhost/shop/order/' in text(client.get(order_path(old)))


def test_a_superseded_order_without_a_newer_one_leads_nowhere_in_circles(client):
    order = transitions.supersede(new_order(), now=START)
    answer = client.get(pay_path(order))
    assert answer.status_code == 200
    assert "taken the place" in text(answer)


def test_a_paid_order_says_so(client, order):
    books_receive(order, "102.00", now=START)
    for answer, status in ((client.get(pay_path(order)), 200), (client.post(pay_path(order)), 200)):
        assert answer.status_code == status
        assert "It is paid already" in text(answer)
        assert "<form" not in text(answer)


def test_a_price_that_ran_out_offers_todays(client, order):
    clock.put(order.price_holds_until)
    page = text(client.get(pay_path(order)))
    assert "The price has run out" in page
    assert "http://localhost/shop/resume/" in page
    assert client.post(pay_path(order), {"method": "sandbox"}).status_code == 409
    assert not m.PaymentAttempt.objects.exists()
    assert "still order" in page
    m.Offer.objects.update(state="withdrawn")
    page = text(client.get(pay_path(order)))
    assert "/shop/resume/" not in page
    assert "still order" not in page  # there is no button for it
    assert "The offer is not for sale at present." in page


def test_an_expired_order_of_an_offer_that_is_no_longer_sold_promises_nothing(client, order):
    clock.put(order.expires_at)
    page = text(client.get(pay_path(order)))
    assert "/shop/resume/" in page and "not for sale" not in page
    m.Offer.objects.update(state="withdrawn")
    page = text(client.get(pay_path(order)))
    assert "/shop/resume/" not in page
    assert "order it anew" not in page and "still order" not in page
    assert "The offer is not for sale at present." in page


def test_a_coupon_taken_by_somebody_else_meanwhile_is_told(client):
    coupon = make_coupon(limit_total=1)
    order = new_order(coupon=coupon)
    new_order(coupon=coupon, now=after(hours=2))
    clock.put(after(hours=2, minutes=30))
    answer = client.post(pay_path(order), {"method": "sandbox"})
    assert answer.status_code == 409
    assert "http://localhost/shop/resume/" in text(answer)
    assert not m.PaymentAttempt.objects.exists()


def test_a_closed_order_whose_purchase_was_paid_elsewhere_leads_there(client):
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer)
    attempt = new_attempt(old)
    new = order_for(contact, offer, now=after(minutes=1))
    tell(attempt, now=after(minutes=2))
    new.refresh_from_db()
    assert new.status == "cancelled"
    page = text(client.get(pay_path(new)))
    assert "It is paid already" in page
    page = text(client.get(order_path(new)))
    assert "You have it" in page
    assert "today" not in page


def test_a_payment_under_way_is_told_before_paying_again(client, order):
    attempt = new_attempt(order)
    tell(attempt, "pending")
    page = text(client.get(pay_path(order)))
    assert "A payment for this order is under way" in page
    assert f"/sandbox-gateway/{attempt.token}/" in page


def test_the_rest_of_a_partly_paid_order(client, order):
    books_receive(order, "50.00", now=START)
    clock.put(after(days=60))
    page = text(client.get(pay_path(order)))
    assert "€52.00" in page
    assert "This price holds until" not in page
    assert client.post(pay_path(order), {"method": "sandbox"}).status_code == 302


def test_the_pay_page_costs_a_fixed_number_of_queries(client, order, django_assert_max_num_queries):
    bank_data()
    for minute in range(6):
        new_attempt(order, now=after(minutes=minute))
    path = pay_path(order)
    client.get(path)
    with django_assert_max_num_queries(3):
        client.get(path)


# --- a link to an order that was placed anew since


def follow(client, path):
    """Where the link of a superseded order leads, without sending anything."""
    answer = client.get(path)
    assert answer.status_code == 302
    return path_of(answer["Location"])


def test_other_terms_than_the_links_are_said_before_anything_is_agreed(client):
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer, coupon=make_coupon("FIRST"))
    m.Offer.objects.update(amount=130)
    offer.offer_products.update(product=make_product("Oil"), title="Oil")
    offer.refresh_from_db()
    order_for(contact, offer, coupon=make_coupon("SECOND", percent="5"), now=after(minutes=1))
    page = text(client.get(follow(client, pay_path(old))))
    told, button = page.index("You have ordered again since"), page.index('type="submit"')
    assert told < button
    for said in (
        "It costs €123.50. In the earlier order it was €102.00.",
        "The discount code FIRST is no longer part of it.",
        "“Watercolour for beginners” is no longer part of it.",
        "“Oil” is part of it now.",
    ):
        assert told < page.index(said) < button


def test_access_that_changed_is_said(client):
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer)
    offer.offer_products.update(access_terms=AccessTerms(length=Length.days(30)).to_json())
    order_for(contact, offer, now=after(minutes=1))
    page = text(client.get(follow(client, pay_path(old))))
    assert "Your access to “Watercolour for beginners” is not the same: access for 30 days." in page
    assert "It costs" not in page


def test_where_nothing_changed_that_is_said_too(client):
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer)
    newer = order_for(contact, offer, now=after(minutes=1))
    page = text(client.get(follow(client, pay_path(old))))
    assert "Price and access are the same." in page
    assert "You have ordered again" not in text(client.get(pay_path(newer)))


def test_a_button_pressed_on_the_old_page_agrees_to_nothing(client):
    """The page was open before the buyer ordered again elsewhere: the button leads to the newest terms, and stops there."""
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer, coupon=make_coupon("FIRST"))
    newest = order_for(contact, offer, coupon=make_coupon("SECOND", percent="5"), now=after(minutes=1))
    answer = client.post(pay_path(old), {"method": "sandbox"})
    assert answer.status_code == 302
    assert not m.PaymentAttempt.objects.exists()
    shown = path_of(answer["Location"])
    assert "It costs €114.00" in text(client.get(shown))
    assert client.post(shown, {"method": "sandbox"}).status_code == 302
    assert m.PaymentAttempt.objects.get().payment.order == newest


def test_the_first_link_is_what_counts_however_often_it_is_ordered_again(client):
    contact, offer = make_contact(), make_offer()
    first = order_for(contact, offer, coupon=make_coupon("FIRST"))
    second = order_for(contact, offer, coupon=make_coupon("SECOND", percent="5"), now=after(minutes=1))
    shown = follow(client, pay_path(first))
    order_for(contact, offer, coupon=make_coupon("THIRD", percent="1"), now=after(minutes=2))
    assert "In the earlier order it was €102.00." in text(client.get(follow(client, shown)))
    assert "In the earlier order it was €114.00." in text(client.get(follow(client, pay_path(second))))
    assert "It costs €118.80. In the earlier order it was €114.00." in text(client.get(order_path(second)))


def test_a_link_cannot_compare_with_somebody_elses_order(client):
    stranger, newest = new_order(amount="77.00"), new_order()
    token = links.token_for(Purpose.PAY, newest, START, instead=stranger.pk)
    page = text(client.get(path_of(links.absolute("pay", token, site_id=newest.site_id, language="en"))))
    assert "77.00" not in page
    assert "ordered again" not in page


def test_telling_what_changed_costs_a_fixed_number_of_queries(client, django_assert_max_num_queries):
    contact = make_contact()
    offer = make_offer(*[make_product(f"Part {number}") for number in range(5)])
    old = order_for(contact, offer)
    order_for(contact, offer, now=after(minutes=1))
    path = follow(client, pay_path(old))
    client.get(path)
    with django_assert_max_num_queries(6):
        client.get(path)
