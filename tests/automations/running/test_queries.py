"""What a sweep costs: the same number of queries for one due run, a hundred and five hundred, on PostgreSQL."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.automations.story import tell
from tests.support import START, after, make_purchases
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine

pytestmark = pytest.mark.django_db


def crowd(story, number):
    """Many people with an unpaid order each, written in bulk."""
    contacts = m.Contact.objects.bulk_create(
        m.Contact(email=f"{uuid.uuid4().hex}@example.com", name="Ada", created_at=START) for _ in range(number)
    )
    orders = m.Order.objects.bulk_create(
        m.Order(
            number=uuid.uuid4().hex, token=uuid.uuid4().hex, contact=one.contact, purchase=one, offer=story.offer, title="Watercolour",
            currency="EUR", list_amount=120, total_amount=120, language="en", placed_at=START,
            price_holds_until=after(days=7), expires_at=after(days=14),
        )
        for one in make_purchases(contacts, story.offer)
    )  # fmt: skip
    return m.Run.objects.bulk_create(
        m.Run(
            scenario=story.scenario, version=story.scenario.version, contact=order.contact,
            order=order, purchase_id=order.purchase_id, entry_key=f"unpaid:{order.purchase_id}",
            position="step-0", due_at=after(minutes=30), entered_at=START, stepped_at=START,
        )
        for order in orders
    )  # fmt: skip


def cost(story, number, now, **given):
    with CaptureQueriesContext(connection) as captured:
        summary = engine.run_due(now, **given)
    assert summary.decided == number
    return [query["sql"] for query in captured]


@pytest.mark.postgres
def test_the_same_number_of_queries_for_1_and_100_and_500():
    story = tell()
    crowd(story, 1)
    engine.run_due(after(minutes=30))  # the mail is compiled once
    costs = {}
    for number in (1, 100, 500):
        crowd(story, number)
        costs[number] = len(cost(story, number, after(minutes=30), batch=500))
    assert len(set(costs.values())) == 1, costs
    assert costs[1] <= 42
    assert m.OutgoingEmail.objects.count() == 602

    later = {}
    day = after(hours=24, minutes=30)
    for number in (1, 100, 500):
        m.Run.objects.update(due_at=after(days=99))
        some = m.Run.objects.filter(state="live").order_by("pk").values("pk")[:number]
        m.Run.objects.filter(pk__in=list(some.values_list("pk", flat=True))).update(due_at=day)
        later[number] = len(cost(story, number, day, batch=500))
    assert len(set(later.values())) == 1, later


@pytest.mark.sqlite
def test_the_bound_on_sqlite():
    """Putting people on a list splits into more statements there; reading, saving and queueing do not."""
    story = tell()
    crowd(story, 1)
    engine.run_due(after(minutes=30))
    crowd(story, 1)
    one = len(cost(story, 1, after(minutes=30)))
    crowd(story, 200)
    assert len(cost(story, 200, after(minutes=30))) <= one + 3


def test_an_idle_sweep_is_one_query(story, django_assert_num_queries):
    story.place()
    with django_assert_num_queries(1):
        engine.run_due(after(minutes=29))
