"""Statements made once and run often, and rows written in bulk: the same values as the ORM writes and reads, or an error."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, DataError, connection, transaction
from django.db.models import BigIntegerField, CharField, DateTimeField
from django.test.utils import CaptureQueriesContext

from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer, make_purchases
from wagtail_kwiga import compiled_queries
from wagtail_kwiga import models as m
from wagtail_kwiga.compiled_queries import ExistsMany, Param, Select, Update
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry

pytestmark = pytest.mark.django_db

#: What breaks a careless way from Python to a table: quotes, marks of format strings, escapes, other scripts, no-break spaces.
ODD = "“100 %s” 'one' \\ \"two\" \u00a0Żółć\n🎨 %(x)s \\u0000 {}"
COLUMNS = [field.attname for field in m.Order._meta.concrete_fields if not field.primary_key]


def copies(order, number, **given):
    rows = []
    for index in range(number):
        values = {name: getattr(order, name) for name in COLUMNS}
        values |= {"number": f"copy-{index}", "token": f"copy-{index}", "status": "expired", **given}
        rows.append([values[name] for name in COLUMNS])
    return rows


def test_what_is_inserted_is_what_the_orm_would_read(django_assert_num_queries):
    order = order_for(make_contact(), make_offer(amount=Decimal("19.9950")))
    (elsewhere,) = make_purchases([order.contact], None)
    given = {"title": ODD, "purchase_id": elsewhere.pk, "paid_at": after(minutes=1, microseconds=7), "closed_at": None}
    with django_assert_num_queries(1):
        assert compiled_queries.insert(m.Order, COLUMNS, copies(order, 30, **given)) == 30
    for row in m.Order.objects.filter(number__startswith="copy-"):
        for name in set(COLUMNS) - {"number", "token", "status"}:
            assert getattr(row, name) == given.get(name, getattr(order, name)), name
    assert compiled_queries.insert(m.Order, COLUMNS, []) == 0


def test_json_comes_back_as_it_was():
    facts = {"text": ODD, "deep": {"list": [1, 2.5, None, True, {"a": "b"}]}, "empty": {}}
    contact = make_contact()
    drafted = writing.draft(contact, "test.odd", now=START, **facts)
    columns = [field.attname for field in TimelineEntry._meta.concrete_fields if not field.primary_key]
    compiled_queries.insert(TimelineEntry, columns, [[getattr(drafted, name) for name in columns]])
    entry = writing.timeline(contact).get()
    assert (entry.facts["text"], entry.facts["deep"]["list"][4], entry.at) == (ODD, {"a": "b"}, START)
    with pytest.raises(TypeError):  # nothing is made into text without a word
        compiled_queries.insert(TimelineEntry, ["facts"], [[{"at": START}]])


def test_a_double_is_an_error_or_left_out():
    order = order_for(make_contact(), make_offer())
    rows = copies(order, 2)
    compiled_queries.insert(m.Order, COLUMNS, rows[:1])
    with pytest.raises(DatabaseError), transaction.atomic():
        compiled_queries.insert(m.Order, COLUMNS, rows)
    assert compiled_queries.insert(m.Order, COLUMNS, rows, or_ignore=True) == 1
    assert m.Order.objects.filter(number__startswith="copy-").count() == 2


@pytest.mark.postgres
def test_what_is_too_long_is_refused_and_not_cut():
    order = order_for(make_contact(), make_offer())
    for given in ({"coupon_code": "x" * 41}, {"title": "a\x00b"}):
        with pytest.raises(DataError), transaction.atomic():
            compiled_queries.insert(m.Order, COLUMNS, copies(order, 1, **given))


def test_updating_many_rows_is_one_statement_and_touches_no_others(django_assert_num_queries):
    orders = [order_for(make_contact(), make_offer()) for _ in range(3)]
    first, second, third = orders
    one, two = make_purchases([first.contact, second.contact], None)
    with django_assert_num_queries(1):
        rows = [[first.pk, ODD, None, one.pk], [second.pk, "two", after(hours=1), two.pk]]
        compiled_queries.update(m.Order, ["title", "closed_at", "purchase_id"], rows)
    for order in orders:
        order.refresh_from_db()
    assert (first.title, first.closed_at, first.purchase_id) == (ODD, None, one.pk)
    assert (second.title, second.closed_at, second.purchase_id) == ("two", after(hours=1), two.pk)
    assert third.purchase_id not in (one.pk, two.pk)


def test_a_question_is_put_into_sql_once_and_answers_like_the_orm():
    offer = make_offer()
    orders = [order_for(make_contact(), offer, now=after(minutes=number)) for number in range(3)]
    made = []

    def make():
        made.append(1)
        found = m.Order.objects.filter(
            purchase_id=Param("purchase_id", BigIntegerField()), placed_at__lte=Param("at", DateTimeField())
        )
        return found.values_list("pk", "purchase_id", "placed_at", "total_amount", "paid_at")

    ask = Select(make)
    for order in orders:
        row = (order.pk, order.purchase_id, order.placed_at, order.total_amount, None)
        assert ask.rows(purchase_id=order.purchase_id, at=order.placed_at) == [row]
        assert ask.row(purchase_id=order.purchase_id, at=order.placed_at - dt.timedelta(microseconds=1)) is None
    assert made == [1]


def test_updating_and_looking():
    order, other = (order_for(make_contact(), make_offer()) for _ in range(2))
    mine = Update(
        lambda: (m.Order.objects.filter(number=Param("number", CharField())), {"title": Param("title", CharField())})
    )
    assert mine.run(number=order.number, title=ODD) == 1
    assert mine.run(number="nobody's", title="x") == 0
    order.refresh_from_db()
    other.refresh_from_db()
    assert order.title == ODD != other.title
    by_title = m.Order.objects.filter(title=Param("title", CharField()))
    look = ExistsMany(lambda: (by_title, m.Order.objects.filter(pk=order.pk), m.Contact.objects.filter(email="nobody")))
    with CaptureQueriesContext(connection) as queries:
        assert look.ask(title=ODD) == (True, True, False)
        assert look.ask(title="else") == (False, True, False)
    assert len(queries) == 2
