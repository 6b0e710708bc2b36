"""Two plans of one course, and a bundle with it, through HTTP: one wish to buy, whatever page it is told on."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.journeys.http_visitor import (
    Visitor,
    at,
    order_of,
    part,
    purposes,
    received,
    resume_link,
    says,
    work,
    work_at,
)
from tests.journeys.school import School
from tests.offers.making import BUYER, fields_of, make_page, text_of
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db


@pytest.fixture
def school(school) -> School:
    """The shop, whose scenario wins back orders of every offer."""
    start = school.scenario.start.get_prep_value()
    start[0]["value"]["offers"] = []
    school.scenario.start = start
    school.scenario.save()
    versions.publish(school.scenario, now=None)
    return school


@pytest.fixture
def premium(school) -> m.OfferPage:
    """The dearer plan of the same course; it takes every coupon."""
    return make_page("Premium", products=[school.product], price=Decimal(200), coupon_mode="any")


@pytest.fixture
def bundle(school) -> m.OfferPage:
    oil = m.Product.objects.create(title="Oil", slug="oil", entry_url="/oil/")
    return make_page("Both", products=[school.product, oil], price=Decimal(180), coupon_mode="any")


def order(visitor: Visitor, page: m.OfferPage, **typed: str) -> str:
    """Open the page of an offer, fill in its form and send it; where one is sent to pay."""
    answer = visitor.send(visitor.open(page.url), **{**BUYER, **typed})
    assert answer.status_code == 302, text_of(answer)
    return answer["Location"]


@pytest.mark.parametrize("second", ["premium", "bundle"])
def test_one_plan_is_left_and_another_bought(school, second, request):
    """No recovery for the first, which is superseded; its coupon is free again, and its old link leads to the paid one."""
    other = request.getfixturevalue(second)
    spring = m.Coupon.objects.create(code="SPRING", kind="percent", percent=Decimal(10), limit_total=1)
    m.OfferAllowedCoupon.objects.create(offer=school.offer, coupon=spring)
    ada = Visitor()
    order(ada, school.page, coupon="SPRING")
    first = order_of()
    old_link = links.pay_url(first)
    at(minutes=10)
    m.Offer.objects.exclude(pk=school.offer.pk).update(coupon_mode="none")
    ada.pay(order(ada, other))
    paid = order_of()
    first.refresh_from_db()
    spring.refresh_from_db()
    assert (first.status, first.superseded_by, paid.status) == ("superseded", paid, "paid")
    assert first.purchase_id == paid.purchase_id
    assert spring.used_count == 0
    work_at(minutes=(40, 60), hours=(25, 60))
    assert purposes() == ["receipt"]
    says(Visitor().open(old_link), "It is paid already", other.title)


def test_a_plan_that_was_mailed_and_another_that_is_left_is_one_mail_in_all(school, premium):
    ada = Visitor()
    order(ada, school.page)
    work_at(minutes=[30])
    assert purposes() == ["recovery"]
    at(hours=1)
    order(ada, premium)
    work_at(hours=(2, 3, 26, 50))
    assert purposes() == ["recovery"]
    assert m.Purchase.objects.count() == 1


def test_a_bundle_that_overlaps_two_open_purchases_joins_them(school, bundle):
    oil = make_page("Oil alone", products=[m.Product.objects.get(slug="oil")], price=Decimal(80))
    ada = Visitor()
    order(ada, school.page)
    at(minutes=5)
    order(ada, oil)
    at(minutes=10)
    gateway = order(ada, bundle)
    assert m.Order.objects.filter(purchase=order_of().purchase_id).count() == 3
    work_at(minutes=(30, 35, 40, 60))
    assert purposes() == ["recovery"]
    assert "Both" in received()[0]["Subject"]
    ada.pay(gateway)
    work_at(hours=(2, 30))
    assert purposes() == ["recovery", "receipt"]


def test_who_looks_at_a_bundle_and_orders_something_else_is_still_won_back(school, bundle):
    ink = make_page("Ink", price=Decimal(30))
    ada = Visitor()
    order(ada, school.page)
    first = order_of()
    ada.open(bundle.url)
    at(minutes=5)
    ada.pay(order(ada, ink))
    work_at(minutes=(31, 36))
    assert sorted(purposes()) == ["receipt", "recovery"]
    first.refresh_from_db()
    assert first.status == "open"


def test_the_link_of_a_mail_about_one_plan_after_another_was_paid(school, premium):
    ada = Visitor()
    order(ada, school.page)
    work_at(minutes=[30])
    (message,) = received()
    at(hours=1)
    ada.pay(order(ada, premium))
    page = Visitor().open(resume_link(message))
    says(page, "You have it", "Order once more")
    assert 'href="/course/"' in page.content.decode()


def test_the_back_button_after_paying(school):
    """The form that is still open is sent once more: no second order, the way in, and one click for another."""
    ada = Visitor()
    form = ada.open(school.page.url)
    ada.pay(ada.send(form, **BUYER)["Location"])
    again = ada.send(form, **BUYER)
    assert again.status_code == 200
    says(again, "You have all of this already. Here is the way in:", "Would you like it once more")
    says(again, "Order once more and pay €120.00")
    assert m.Order.objects.count() == 1
    sent = ada.client.post(school.page.url, fields_of(again))
    ada.pay(sent["Location"])
    work()
    assert m.AccessGrant.objects.count() == 2
    assert purposes() == ["receipt", "receipt"]
    assert not m.TimelineEntry.objects.filter(needs_attention=True).exists()


def test_a_stranger_orders_what_somebody_owns(school):
    """Nothing can be told from the answer; the mail says it; and nobody is reminded of what they have."""
    ada, mallory = Visitor(), Visitor()
    ada.pay(order(ada, school.page))
    work()
    at(hours=1)
    assert "/sandbox-gateway/" in order(mallory, school.page, name="Mallory")
    work_at(hours=(2, 3, 30))
    assert purposes() == ["receipt", "service"]
    told = part(received()[-1], "plain")
    assert received()[-1]["Subject"] == "You have this already"
    (link,) = set(re.findall(r"http://localhost/course/[^\s]*", told))
    assert "Mallory" not in told
    assert link
