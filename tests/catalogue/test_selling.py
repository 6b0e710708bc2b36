from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer

MOMENT = dt.timedelta(microseconds=1)


def offer(state=Offer.State.ON_SALE, **given) -> Offer:
    return Offer(title="Watercolour", amount=120, currency="EUR", state=state, **given)


def test_an_offer_on_sale_without_dates():
    assert selling.why_not_for_sale(offer(), START) is None
    assert selling.is_for_sale(offer(), START)


@pytest.mark.parametrize(("state", "why"), [("draft", "draft"), ("withdrawn", "withdrawn"), ("novel", "withdrawn")])
def test_the_state_comes_before_the_dates(state, why):
    thing = offer(state, sales_from=after(days=1), sales_until=after(days=-1))
    assert selling.why_not_for_sale(thing, START) == why
    assert not selling.is_for_sale(thing, START)


def test_sales_begin_at_their_first_instant_and_are_over_at_their_last():
    thing = offer(sales_from=START, sales_until=after(days=7))
    assert selling.why_not_for_sale(thing, START - MOMENT) == "not_yet"
    assert selling.why_not_for_sale(thing, START) is None
    assert selling.why_not_for_sale(thing, after(days=7) - MOMENT) is None
    assert selling.why_not_for_sale(thing, after(days=7)) == "over"


def test_sales_that_end_before_they_begin_are_over_and_not_to_come():
    thing = offer(sales_from=after(days=9), sales_until=after(days=1))
    assert selling.why_not_for_sale(thing, after(days=2)) == "over"


@given(st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5), st.integers(-6, 6))
def test_for_sale_exactly_between_the_two(first, last, now):
    thing = offer(
        sales_from=None if first is None else after(hours=first),
        sales_until=None if last is None else after(hours=last),
    )
    between = (first is None or first <= now) and (last is None or now < last)
    assert selling.is_for_sale(thing, after(hours=now)) == between


def test_the_words_name_the_instant_with_its_zone():
    thing = offer(sales_from=after(days=1), sales_until=after(days=2))
    with timezone.override("Europe/Warsaw"):
        assert selling.message("not_yet", thing) == "Not on sale yet. Sales begin on March 2, 2027, 1\xa0p.m.\xa0CET."
        assert selling.message("over", thing).endswith("until March 3, 2027, 1\xa0p.m.\xa0CET.")
        with translation.override("de"):
            assert "2. März 2027, 13:00\xa0Uhr\xa0MEZ" in selling.message("not_yet", thing)


@pytest.mark.parametrize("why", ["draft", "withdrawn", "not_yet", "over", "novel"])
def test_there_are_words_for_every_reason(why):
    assert selling.message(why, offer()).endswith(".")
