from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after, make_offer, make_product
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer, OfferProduct, PriceRecord
from wagtail_kwiga.catalogue.terms import AccessTerms, Length, OfferTerms, ProductTerms
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.pricing.money import Money

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


# --- what it sells ----------------------------------------------------------------------------------------------------


def sell(offer: Offer, *rows: tuple) -> None:
    offer.offer_products.all().delete()
    for place, (product, share, access) in enumerate(rows):
        OfferProduct.objects.create(
            offer=offer, product=product, position=9 - place, title=product.title, price_share=share,
            access_terms=access.to_json(),
        )  # fmt: skip


@pytest.mark.django_db
def test_terms_are_read_in_the_editors_order_in_one_query(django_assert_num_queries):
    course, wheel, thing = make_product("Course"), make_product("Wheel"), make_offer()
    month = AccessTerms(length=Length.days(30))
    sell(thing, (course, 80, month), (wheel, 20, AccessTerms()))
    with django_assert_num_queries(1):
        terms = selling.terms_of(thing)
    assert terms == OfferTerms(
        (ProductTerms(wheel.pk, "Wheel", AccessTerms(), 20), ProductTerms(course.pk, "Course", month, 80))
    )
    assert Money(100, "EUR").split(terms.weights) == [Money(20, "EUR"), Money(80, "EUR")]
    prefetched = Offer.objects.prefetch_related("offer_products").get(pk=thing.pk)
    with django_assert_num_queries(0):
        assert selling.terms_of(prefetched) == terms
    other, empty = make_offer(wheel), make_offer()
    empty.offer_products.all().delete()
    with django_assert_num_queries(1):
        found = selling.terms_of_offers([thing.pk, other.pk, empty.pk])
    assert found == {thing.pk: terms, other.pk: selling.terms_of(other)}
    assert selling.terms_of(empty) == OfferTerms()


@pytest.mark.django_db
def test_terms_that_cannot_be_read_are_refused():
    thing = make_offer()
    thing.offer_products.update(access_terms={"schema": 99})
    with pytest.raises(KwigaError) as refusal:
        selling.terms_of(thing)
    assert refusal.value.code == "unknown_terms"


@pytest.mark.parametrize(
    ("shares", "weights"), [([None, None], [1, 1]), ([80, 20], [80, 20]), ([80, None], [1, 1]), ([], [])]
)
def test_shares_of_the_price_count_where_all_products_have_one(shares, weights):
    assert OfferTerms(tuple(ProductTerms(1, "x", price_share=share) for share in shares)).weights == weights


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("records", "lowest"),
    [
        ([], None),
        ([(0, 120, "EUR")], 120),
        ([(-90, 90, "EUR"), (-31, 120, "EUR")], 120),
        ([(-90, 90, "EUR"), (-30, 120, "EUR")], 120),
        ([(-90, 90, "EUR"), (-29, 120, "EUR")], 90),
        ([(-20, 80, "EUR"), (-10, 120, "EUR"), (0, 100, "EUR")], 80),
        ([(-20, 5, "USD"), (-10, 120, "EUR")], 120),
        ([(-90, 5, "EUR"), (-40, 50, "USD"), (-10, 120, "EUR")], 120),
        ([(-10, 120, "EUR"), (1, 1, "EUR")], 120),
    ],
)
def test_the_lowest_price_of_thirty_days(records, lowest, django_assert_num_queries):
    thing = make_offer()
    for day, amount, currency in records:
        PriceRecord.objects.create(offer=thing, amount=amount, currency=currency, valid_from=after(days=day))
    with django_assert_num_queries(1):
        found = selling.lowest_price(thing, now=START)
    assert found == (None if lowest is None else Money(lowest, "EUR"))
    if records == [(-90, 90, "EUR"), (-31, 120, "EUR")]:
        assert selling.lowest_price(thing, days=60, now=START) == Money(90, "EUR")
