"""Whoever follows the link of a mail whose promise the team has ended reads one kind sentence, and the price of today."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.mailing.making import queue_one
from tests.offers import making
from tests.offers.making import fields_of, offer_of, order, text_of
from tests.support import START, after, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.mailing.sending.unexpired_promises import CouponState
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

SORRY = (
    "What our mail offered you has changed since, and we are sorry for that. "
    "You are welcome to order at the price that you see here."
)


@pytest.fixture
def told(client, page):
    """An order left unpaid at 120.00, and a mail about it that promised 102.00 until tomorrow."""
    order(client, page.url)
    placed = m.Order.objects.get()
    mail = queue_one(placed.contact, order=placed, coupon=make_coupon("COMEBACK15"))
    m.OutgoingEmail.objects.filter(pk=mail.pk).update(status="sent")
    making.set_clock(after(hours=1))
    return m.OutgoingEmail.objects.get(pk=mail.pk)


def follow(client, mail):
    link = links.resume_url(mail.order, mail.promised_coupon.token, START).replace("http://localhost", "")
    return link, lambda: client.get(client.get(link)["Location"].removesuffix("#order"))


def test_a_smaller_discount(client, told):
    _link, look = follow(client, told)
    assert SORRY not in text_of(look())
    before = CouponState.saved(told.promised_coupon_id)
    m.Coupon.objects.update(percent=Decimal(10))
    now = CouponState(m.Coupon.objects.get())
    unexpired_promises.of_coupon(before, now, after(hours=1)).end(by=None, now=after(hours=1))
    words = text_of(look())
    assert SORRY in words and "€108.00 instead of €120.00" in words


@pytest.mark.parametrize(
    "change", [lambda: m.Coupon.objects.all().delete(), lambda: m.Coupon.objects.update(is_active=False)],
    ids=["deleted", "not active"],
)  # fmt: skip
def test_a_coupon_that_is_gone(client, page, told, change):
    _link, look = follow(client, told)
    change()
    words = text_of(look())
    assert words.count(SORRY) == 1 and "Order and pay €120.00" in words
    response = client.post(page.url, fields_of(look()))
    assert response.status_code == 302
    assert m.Order.objects.latest("pk").total_amount == 120


def test_a_time_that_is_over_is_told_as_ever(client, told):
    _link, look = follow(client, told)
    m.Coupon.objects.update(valid_until=after(hours=1))
    words = text_of(look())
    assert SORRY not in words and "You are welcome to order at the normal price." in words


def test_a_time_that_the_team_has_ended_is_told_as_that(client, told):
    """The mail said until tomorrow."""
    _link, look = follow(client, told)
    m.Coupon.objects.update(valid_until=after(hours=1))
    m.OutgoingEmail.objects.update(promise_ended_at=after(hours=1))
    words = text_of(look())
    assert words.count(SORRY) == 1 and "at the normal price" not in words


def test_what_would_be_over_by_now_needs_no_excuse(client, told):
    _link, look = follow(client, told)
    m.OutgoingEmail.objects.update(promise_ended_at=after(hours=1))
    assert SORRY in text_of(look())
    making.set_clock(after(hours=24))
    assert SORRY not in text_of(look())


def test_others_read_nothing_of_it(client, page, told):
    m.OutgoingEmail.objects.update(promise_ended_at=after(hours=1))
    assert SORRY not in text_of(client.get(page.url))
    assert offer_of(page).pk == told.promised_offer_id
