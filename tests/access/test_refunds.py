"""Money given back, and what it means for access: all of it ends what it paid for, a part of it ends nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import books_receive, order_for
from tests.support import after, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access import policy
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def bought():
    """An order of two courses, paid."""
    order = order_for(make_contact(), make_offer(make_product("Ink"), make_product("Paper")))
    books_receive(order, "120.00", now=after(minutes=1))
    return order


def opens(order: m.Order, **span: float) -> list[bool]:
    return [bool(policy.may_open(order.contact, line.product, at=after(**span))) for line in order.lines.all()]


def give_back(order: m.Order, amount: str, *, minutes: float) -> None:
    ledger.record_refund(order=order, amount=Decimal(amount), now=after(minutes=minutes))


def codes(order: m.Order) -> list[str]:
    entries = m.TimelineEntry.objects.filter(subject_id=order.pk, code__startswith="access.")
    return list(entries.order_by("pk").values_list("code", flat=True))


def test_a_part_given_back_ends_no_access(bought):
    give_back(bought, "20.00", minutes=2)
    assert opens(bought, minutes=2) == opens(bought, days=999) == [True, True]
    assert not m.AccessGrant.objects.filter(revoked_at__isnull=False).exists()
    assert codes(bought) == ["access.granted"]


def test_access_ends_with_the_last_of_the_money_to_the_instant(bought):
    give_back(bought, "20.00", minutes=2)
    give_back(bought, "99.99", minutes=3)
    assert opens(bought, minutes=4) == [True, True]
    give_back(bought, "0.01", minutes=5)
    assert opens(bought, minutes=4.9) == [True, True]
    assert opens(bought, minutes=5) == [False, False]
    assert codes(bought) == ["access.granted", "access.ended"]


def test_what_was_paid_too_much_goes_back_without_ending_access():
    order = order_for(make_contact(), make_offer())
    books_receive(order, "130.00", now=after(minutes=1))
    give_back(order, "120.00", minutes=2)  # as much as it costs, and still 10 are there
    assert opens(order, minutes=3) == [True]
    give_back(order, "10.00", minutes=4)
    assert opens(order, minutes=4) == [False]


def test_money_of_one_order_given_back_leaves_what_the_other_opens():
    contact, offer = make_contact(), make_offer()
    first, second = (order_for(contact, offer, now=after(minutes=minute)) for minute in (0, 1))
    for order in (first, second):
        books_receive(order, "120.00", now=after(minutes=2))
    give_back(first, "120.00", minutes=3)
    assert opens(second, minutes=4) == [True]
    give_back(second, "20.00", minutes=5)
    assert opens(second, minutes=6) == [True]
    give_back(second, "100.00", minutes=7)
    assert opens(second, minutes=8) == [False]


def test_money_that_comes_after_all_was_given_back_opens_it_again_but_a_part_of_it_does_not(bought):
    give_back(bought, "120.00", minutes=2)
    books_receive(bought, "60.00", now=after(minutes=3))
    assert opens(bought, minutes=3) == [False, False]
    books_receive(bought, "60.00", now=after(minutes=4))
    assert opens(bought, minutes=4) == [True, True]
    give_back(bought, "60.00", minutes=5)
    assert opens(bought, minutes=5) == [True, True]
