"""Several queries in one statement, on every Django."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Count, Value

from tests.orders.shop import order_for
from tests.support import after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.parts.unions import united

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders():
    offer = make_offer()
    return [order_for(make_contact(), offer, now=after(minutes=n)) for n in range(4)]


def keys(*orders):
    return m.Order.objects.filter(pk__in=[order.pk for order in orders]).values_list("pk", flat=True)


def test_parts_with_the_ordering_of_their_model(orders):
    """``Order`` is ordered by a column that is not selected here."""
    assert m.Order._meta.ordering[0] == "-placed_at"
    one, two, three, four = (order.pk for order in orders)
    found = united([keys(*orders[:2]), keys(*orders[1:3]), keys(*orders[2:])])
    assert sorted(found) == [one, two, three, four]
    assert list(found.order_by("-pk")[:3]) == [four, three, two]
    assert list(m.Order.objects.filter(pk__in=found).order_by("pk")) == orders
    with_doubles = united([keys(*orders[:2]), keys(*orders[1:3])], doubles=True)
    assert sorted(with_doubles) == [one, two, two, three]


def test_counts_in_one_statement(orders, django_assert_num_queries):
    def counted(name, rows):
        return rows.annotate(part=Value(name)).values("part").annotate(number=Count("pk")).values_list("part", "number")

    parts = [counted("all", m.Order.objects.all()), counted("three", m.Order.objects.filter(pk__in=keys(*orders[1:])))]
    with django_assert_num_queries(1):
        assert dict(united([part.order_by() for part in parts], doubles=True)) == {"all": 4, "three": 3}
    assert dict(united([parts[0].order_by()])) == {"all": 4}


def test_a_single_part_is_itself_and_unordered(orders):
    assert not united([m.Order.objects.all()]).query.get_compiler(connection=connection).get_order_by()


@pytest.mark.postgres
def test_a_part_that_is_sliced_keeps_the_ordering_it_was_sliced_by(orders):
    newest = keys(*orders).order_by("-pk")[:2]
    assert sorted(united([newest, keys(orders[0])])) == [orders[0].pk, orders[2].pk, orders[3].pk]
