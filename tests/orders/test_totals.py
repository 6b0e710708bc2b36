"""What the money of an order means for its status: the rule alone, from values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.orders.totals import OrderTotals, Verdict, judge

TOTAL = Decimal(120)


def came(paid: str, **given) -> OrderTotals:
    """After a payment."""
    return OrderTotals(Decimal(paid), **{"settled": min(Decimal(paid), TOTAL), "money_came": True, **given})


def went(paid: str, refunded: str, settled: str, **given) -> OrderTotals:
    """After a refund, or a chargeback."""
    return OrderTotals(
        Decimal(paid), Decimal(refunded), Decimal(settled), money_went=True, was_given_back=True, **given
    )


def corrected(paid: str) -> OrderTotals:
    """After a wrong entry was taken back: nothing came, nothing was given back."""
    return OrderTotals(Decimal(paid), settled=Decimal(paid))


def test_nothing_is_refunded_settled_or_moved_where_nothing_is_said():
    assert OrderTotals(Decimal(5)) == OrderTotals(Decimal(5), Decimal(0), Decimal(0), False, False, False)


def test_a_verdict_asks_nobody_and_tells_nothing_where_nothing_is_said():
    assert Verdict(Status.OPEN) == Verdict(Status.OPEN, False, False, False, False)


@pytest.mark.parametrize("status", [Status.OPEN, Status.PROCESSING, Status.PARTLY_PAID])
@pytest.mark.parametrize(
    ("totals", "verdict"),
    [
        (came("119.9999"), Verdict(Status.PARTLY_PAID)),
        (came("0.0001"), Verdict(Status.PARTLY_PAID)),
        (came("120"), Verdict(Status.PAID, becomes_paid=True)),
        (came("120.0001"), Verdict(Status.PAID, becomes_paid=True, is_too_much=True)),
    ],
)
def test_money_for_an_order_that_waits(status, totals, verdict):
    assert judge(status, TOTAL, totals, was_paid=False) == verdict


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.EXPIRED, Status.SUPERSEDED])
@pytest.mark.parametrize(
    ("totals", "verdict"),
    [
        (came("5"), Verdict(Status.PARTLY_PAID, is_late=True)),
        (came("120"), Verdict(Status.PAID, becomes_paid=True, is_late=True)),
        (came("121"), Verdict(Status.PAID, becomes_paid=True, is_late=True, is_too_much=True)),
        (went("30", "20", "50"), None),  # giving a part of it back revives nothing
        (corrected("0"), None),
        (corrected("30"), None),
    ],
)
def test_money_for_an_order_that_was_closed(status, totals, verdict):
    """It is honoured and put on a person's list; what goes leaves the order as it was, and is no late money."""
    assert judge(status, TOTAL, totals, was_paid=False) == (verdict or Verdict(status))


def test_an_order_for_nothing_is_paid_without_money():
    nothing = OrderTotals(Decimal(0))
    assert judge(Status.OPEN, Decimal(0), nothing, was_paid=False) == Verdict(Status.PAID, becomes_paid=True)


def test_what_was_all_given_back_does_not_make_paid_although_nothing_more_is_asked_for():
    assert judge(Status.PAID, TOTAL, went("0", "120", "120"), was_paid=True) == Verdict(Status.REFUNDED)


@pytest.mark.parametrize("paid", ["0", "-5"])
def test_the_last_of_a_part_given_back_ends_an_order_that_was_never_paid(paid):
    for status in (Status.PARTLY_PAID, Status.CANCELLED):
        assert judge(status, TOTAL, went(paid, "50", "0"), was_paid=False) == Verdict(Status.REFUNDED)


def test_money_corrected_away():
    """An order that was never paid waits as before; one that was paid had been given, and ends."""
    for status in (Status.PARTLY_PAID, Status.REFUNDED, Status.OPEN):
        assert judge(status, TOTAL, corrected("0"), was_paid=False).status == Status.OPEN
    assert judge(Status.PROCESSING, TOTAL, corrected("0"), was_paid=False).status == Status.PROCESSING
    assert judge(Status.PAID, TOTAL, corrected("0"), was_paid=True) == Verdict(Status.REFUNDED)


def test_a_refund_of_a_part_leaves_it_paid_and_a_chargeback_of_a_part_does_not():
    assert judge(Status.PAID, TOTAL, went("100", "20", "120"), was_paid=True) == Verdict(Status.PAID)
    assert judge(Status.PAID, TOTAL, went("100", "0", "100"), was_paid=True) == Verdict(Status.PARTLY_PAID)


def test_the_rest_after_a_chargeback_is_no_second_payment():
    assert judge(Status.PARTLY_PAID, TOTAL, came("120", was_given_back=True), was_paid=True) == Verdict(Status.PAID)


@pytest.mark.parametrize(
    ("status", "totals", "was_paid", "verdict"),
    [
        (Status.REFUNDED, came("120"), True, Verdict(Status.PAID, again=True, is_late=True)),
        (Status.CANCELLED, came("120"), True, Verdict(Status.PAID, again=True, is_late=True)),
        (Status.REFUNDED, came("120"), False, Verdict(Status.PAID, becomes_paid=True, is_late=True)),
        (Status.REFUNDED, came("5"), True, Verdict(Status.REFUNDED, is_late=True)),  # a person decides
        (Status.REFUNDED, came("5"), False, Verdict(Status.PARTLY_PAID, is_late=True)),
        (Status.PAID, came("125"), True, Verdict(Status.PAID, is_too_much=True)),
        (Status.PAID, went("121", "4", "120"), True, Verdict(Status.PAID)),  # still too much, but nothing came
    ],
)
def test_money_for_an_order_that_had_its_money(status, totals, was_paid, verdict):
    assert judge(status, TOTAL, totals, was_paid=was_paid) == verdict
