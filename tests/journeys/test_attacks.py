"""Attacks on the promises that once succeeded. Each stays here, so that it does not succeed again."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from wagtail import hooks
from wagtail.models import Site

from tests.journeys.school import make_school
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.access import policy
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import CouponRefused
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders import purchases, transitions
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.discounts import Percent
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote

pytestmark = pytest.mark.django_db


def left_unpaid(school):
    site = Site.objects.get(is_default_site=True)
    return order_for(make_contact("v@example.com"), school.offer, site=site, language="en")


def recovery() -> m.OutgoingEmail:
    return m.OutgoingEmail.objects.get(purpose="recovery")


def test_a_coupon_handed_on_never_makes_an_order_dearer_than_it_was_quoted():
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    order_for(contact, offer, coupon=make_coupon("TEN", percent="10"))
    half = make_quote(offer.price, Percent(Decimal(50)))
    assert order_for(contact, offer, quote=half, now=after(minutes=6)).total == half.total


@pytest.mark.parametrize("money_first", [True, False])
def test_paid_refunded_and_paid_again_gives_access_in_any_order(money_first):
    contact, order = make_contact(), None
    order = order_for(contact, make_offer())
    books_receive(order, "120", now=after(minutes=1), reference="a")
    if money_first:
        books_receive(order, "120", now=after(minutes=2), reference="b")
        ledger.record_refund(order=order, amount=Decimal(120), now=after(minutes=3))
    else:
        ledger.record_refund(order=order, amount=Decimal(120), now=after(minutes=2))
        books_receive(order, "120", now=after(minutes=3), reference="b")
    order.refresh_from_db()
    assert order.status == "paid"
    assert policy.may_open(contact, m.Product.objects.get(), None, after(minutes=4)).state == "yes"


def test_late_money_takes_the_place_that_its_own_sibling_holds():
    contact, offer, coupon = make_contact(), make_offer(coupon_mode="any"), make_coupon("ONCE", limit_total=1)
    first = order_for(contact, offer, coupon=coupon, reserve_until=after(days=14))
    transitions.expire(first, now=after(days=14))
    order_for(contact, offer, coupon=coupon, now=after(days=15))
    books_receive(first, "102", now=after(days=15, minutes=1))
    first.refresh_from_db()
    coupon.refresh_from_db()
    assert (first.status, first.coupon_use.over_limit, coupon.used_count) == ("paid", False, 1)


def test_money_stands_up_for_the_payers_data_not_for_a_strangers():
    directory.get_or_create_contact(email="v@example.com", name="Mallory Mean", phone="666", now=START)
    contact = directory.get_or_create_contact(email="v@example.com", name="Vera True", phone="+48 1 2345", now=START)
    order = order_for(contact, make_offer(), name="Vera True", phone="+48 1 2345")
    books_receive(order, "120", now=after(minutes=1))
    contact.refresh_from_db()
    assert (contact.is_verified, contact.name, contact.phone) == (True, "Vera True", "+48 1 2345")


def test_a_free_order_stands_up_for_nobody():
    contact = directory.get_or_create_contact(email="v@example.com", name="Mallory", now=START)
    ledger.complete_free(order_for(contact, make_offer(amount="0")), START)
    contact.refresh_from_db()
    assert not contact.is_verified


def test_a_stranger_does_not_end_a_discount_that_is_held():
    contact, offer, members = make_contact(), make_offer(coupon_mode="any"), make_list()
    coupon = make_coupon("BACK", lists=[members])
    lists.add(members, contact, until=after(hours=24), now=START)
    mine = order_for(contact, offer, coupon=coupon, method="transfer", now=after(hours=23))
    order_for(contact, offer, now=after(hours=25))
    newest = purchases.newest(mine.purchase_id)
    assert newest.total == mine.total
    assert newest.coupon_use.reserved_until == mine.expires_at


def test_a_hold_whose_discount_has_ended_is_not_made_longer():
    contact, offer, members = make_contact(), make_offer(coupon_mode="any"), make_list()
    coupon = make_coupon("BACK", lists=[members])
    lists.add(members, contact, until=after(minutes=10), now=START)
    order_for(contact, offer, coupon=coupon, now=START)
    for minutes in (30, 59):
        assert str(order_for(contact, offer, now=after(minutes=minutes)).total) == "102.00 EUR"
    assert str(order_for(contact, offer, now=after(minutes=60)).total) == "120.00 EUR"


def test_a_fixed_coupon_below_the_smallest_unit_is_refused():
    with pytest.raises(ValidationError, match="no such small unit"):
        m.Coupon(code="TINY", kind="fixed", amount=Decimal("0.4"), currency="JPY").full_clean()


def test_the_mail_names_no_time_after_the_sale_has_ended():
    school = make_school()
    m.Offer.objects.filter(pk=school.offer.pk).update(sales_until=after(hours=2))
    school.offer.refresh_from_db()
    left_unpaid(school)
    engine.run_due(after(minutes=30))
    context = recovery().context
    assert instants.moment_for_mail(after(hours=2), "en") in context["coupon.valid_until"]
    assert "24 hours" not in context.values()


def test_the_mail_tells_the_price_that_the_page_charges():
    school = make_school()

    def dearer(draft):
        return dataclasses.replace(draft, list_price=Money(Decimal(200), "EUR"))

    with hooks.register_temporarily("construct_kwiga_quote", dearer):
        left_unpaid(school)
        engine.run_due(after(minutes=30))
    assert recovery().context["price.after"] == "€170.00"


def test_a_part_paid_between_queueing_and_delivery_stops_the_mail():
    school = make_school()
    order = left_unpaid(school)
    engine.run_due(after(minutes=30))
    books_receive(order, "50", now=after(minutes=31))
    delivery.deliver_due(after(minutes=32))
    assert (recovery().status, recovery().why) == ("cancelled", "not_waiting")


def test_a_cancellation_between_queueing_and_delivery_stops_the_mail():
    school = make_school()
    order = left_unpaid(school)
    engine.run_due(after(minutes=30))
    transitions.cancel(order, now=after(minutes=31))
    delivery.deliver_due(after(minutes=32))
    assert recovery().status == "cancelled"


def test_an_order_called_off_takes_its_mail_along_though_a_newer_one_waits():
    school = make_school()
    order = left_unpaid(school)
    engine.run_due(after(minutes=30))
    transitions.cancel(order, now=after(minutes=31))
    order_for(order.contact, school.offer, site=order.site, language="en", now=after(minutes=31))
    delivery.deliver_due(after(minutes=32))
    assert (recovery().status, recovery().why) == ("cancelled", "not_waiting")


def test_saving_a_coupon_beside_a_buyer_does_not_put_the_old_count_back(admin_client, monkeypatch):
    from wagtail_kwiga.backoffice.coupons.viewset import CouponForm

    coupon, clean = make_coupon("RUSH", limit_total=1), CouponForm.clean

    def clean_while_somebody_buys(form):
        uses.reserve(m.Coupon.objects.get(pk=coupon.pk), make_contact(), until=after(hours=1), now=START)
        return clean(form)

    monkeypatch.setattr(CouponForm, "clean", clean_while_somebody_buys)
    data = {
        "code": "RUSH",
        "kind": "percent",
        "percent": "15",
        "limit_total": "1",
        "limit_per_contact": "1",
        "note": "x",
    }
    address = reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk])
    assert admin_client.post(address, {**data, "is_active": "on"}).status_code == 302
    coupon.refresh_from_db()
    assert (coupon.used_count, coupon.note) == (1, "x")
    with pytest.raises(CouponRefused):
        uses.reserve(coupon, make_contact(), until=after(hours=1), now=START)
