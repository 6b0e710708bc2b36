"""A part that staff ask for no more: totals, standing, timeline, access."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.payments.parts import MONTH, in_three_parts
from tests.payments.shop import codes, flagged, new_attempt, new_order, pay_path, tell, text
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import attempts, ledger, schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    """Three parts of a hundred; access begins with the first."""
    return in_three_parts()


@pytest.fixture
def clerk(django_user_model):
    return django_user_model.objects.create_user("clerk")


def waive(order, sequence, now=None, **given):
    return schedule.waive(order.payments.get(sequence=sequence), now=now or after(hours=1), **given)


def pay(order, sequence, now):
    attempt = attempts.start(order.payments.get(sequence=sequence), method="sandbox", now=now).attempt
    tell(attempt, now=now)
    return attempt


def stands(order):
    order.refresh_from_db()
    return order.status, order.paid_amount, str(order.outstanding)


def filled(order):
    return list(order.payments.order_by("sequence").values_list("paid_amount", "state"))


def opened(order):
    return m.AccessGrant.objects.filter(line__order=order, revoked_at=None).count()


def test_a_part_is_asked_for_no_more(order, clerk, client):
    pay(order, 1, START)
    waive(order, 2, by=clerk, reason="Goodwill")
    assert stands(order) == ("partly_paid", 100, "100.00 EUR")
    assert filled(order) == [(100, "paid"), (0, "waived"), (0, "due")]
    told = schedule.standing(order, START + MONTH)
    assert (told.is_good, told.next_due_at) == (True, START + 2 * MONTH)
    entry = writing.timeline(order).get(code="payments.waived")
    assert (entry.by, writing.sentence(entry)) == (clerk, "Part 2 is waived: €100.00 less to be paid. Goodwill")
    assert "Pay €100.00" in text(client.get(pay_path(order)))
    pay(order, 3, after(days=1))
    assert (stands(order), opened(order)) == (("paid", 200, "0.00 EUR"), 1)
    assert flagged(order) == []


def test_waiving_all_that_is_left_makes_the_order_paid(order):
    pay(order, 1, START)
    waive(order, 2)
    waive(order, 3, now=after(hours=2))
    assert (stands(order), opened(order)) == (("paid", 100, "0.00 EUR"), 1)
    assert codes(order).count("order.paid") == 1
    assert ledger.totals(order) == (100, 0)


def test_waiving_twice_changes_nothing(order):
    waive(order, 3)
    before = codes(order)
    waive(order, 3, now=after(hours=2))
    assert codes(order) == before


def test_what_was_paid_for_it_counts_for_the_others(order):
    ledger.record_payment(order=order, amount=Decimal(140), method="cash", now=START)
    waive(order, 2)
    assert filled(order) == [(100, "paid"), (0, "waived"), (40, "due")]
    assert stands(order) == ("partly_paid", 140, "60.00 EUR")
    assert new_attempt(order, now=after(hours=2)).amount == 60


def test_access_begins_with_the_next_part_where_the_one_that_opened_it_is_waived(order):
    waive(order, 1)
    assert (stands(order)[0], opened(order)) == ("open", 0)
    attempt = pay(order, 2, after(hours=2))
    assert (stands(order)[0], opened(order)) == ("partly_paid", 1)
    attempt.refresh_from_db()
    ledger.record_chargeback(attempt=attempt, amount=Decimal(100), reference="dp", now=after(hours=3))
    assert opened(order) == 0
    pay(order, 2, after(hours=4))
    assert opened(order) == 1


def test_access_begins_at_once_where_the_part_after_it_is_paid(order):
    pay(order, 2, START)
    assert opened(order) == 0
    waive(order, 1)
    assert (stands(order), opened(order)) == (("partly_paid", 100, "100.00 EUR"), 1)
    pay(order, 3, after(hours=2))
    assert (stands(order)[0], m.AccessGrant.objects.filter(line__order=order).count()) == ("paid", 1)


def test_what_cannot_be_waived(order):
    pay(order, 1, START)
    other, closed = new_order(amount="100.00"), new_order(amount="100.00")
    new_attempt(other)
    new_attempt(closed)
    transitions.cancel(closed, now=START)
    for wrong, sequence, code in ((order, 1, "not_due"), (other, 1, "nothing_left"), (closed, 1, "closed")):
        before = (stands(wrong), filled(wrong), codes(wrong))
        with pytest.raises(PaymentRefused) as refusal:
            waive(wrong, sequence)
        assert refusal.value.code == code
        assert (stands(wrong), filled(wrong), codes(wrong)) == before


def test_an_order_paid_in_part_may_be_let_off_the_rest():
    order = new_order(amount="100.00")
    ledger.record_payment(order=order, amount=Decimal(40), method="cash", now=START)
    waive(order, 1)
    assert (stands(order), opened(order)) == (("paid", 40, "0.00 EUR"), 1)
