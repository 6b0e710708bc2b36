"""When the access of an order opens, where that is later than its payment."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.support import START, after
from wagtail_kwiga.catalogue.access_rules import Length, Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.orders import access_starts
from wagtail_kwiga.orders.models import OrderLine

DAY = dt.datetime(2027, 3, 10, tzinfo=dt.UTC)


def line(**terms) -> OrderLine:
    return OrderLine(access_terms=AccessTerms(**terms).to_json())


@pytest.mark.parametrize(
    ("terms", "opens"),
    [
        ({}, None),
        ({"length": Length.days(30, extends=True)}, None),
        ({"start": Start.on("2027-03-10")}, DAY),
        ({"start": Start.not_before("2027-03-10")}, DAY),
        ({"start": Start.not_before("2027-02-10")}, None),
        ({"start": Start.days_after(3)}, after(days=3)),
    ],
)
def test_a_line_opens_by_its_own_terms(terms, opens):
    assert access_starts.later(line(**terms), START, START) == opens


def test_what_has_opened_by_now_is_not_later():
    assert access_starts.later(line(start=Start.on("2027-03-10")), START, DAY) is None
    assert access_starts.later(line(start=Start.days_after(3)), START, after(days=3, seconds=-1)) == after(days=3)


def test_what_opens_with_the_payment_is_open_on_a_machine_whose_clock_is_behind():
    assert access_starts.later(line(), after(seconds=2), START) is None


def test_terms_of_a_newer_version_say_nothing():
    assert access_starts.later(OrderLine(access_terms={"schema": 999}), START, START) is None


def test_an_order_is_open_as_soon_as_one_of_its_lines_is():
    late, later = line(start=Start.on("2027-03-10")), line(start=Start.on("2027-03-12"))
    assert access_starts.first_later([later, late], START, START) == DAY
    assert access_starts.first_later([later, line()], START, START) is None
    assert access_starts.first_later([], START, START) is None
