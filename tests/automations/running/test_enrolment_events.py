"""Which reaction broke is told to a person, and a site's own event about orders is another door than that of recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from wagtail import hooks as wagtail_hooks

from tests.support import START, after, make_contact
from wagtail_kwiga import events, locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import RemoveFromList, Wait
from wagtail_kwiga.automations.core.triggers import StartEvent
from wagtail_kwiga.automations.running import enrolment, joining
from wagtail_kwiga.orders.events import OrderClosed, OrderPaid, OrderPlaced, OrdersClosed, PurchasesJoined

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Ordered(StartEvent):
    """Somebody has ordered: a site's own scenario that says what comes next."""

    kind: ClassVar[str] = "ordered"
    listens_to: ClassVar[tuple[type, ...]] = (OrderPlaced,)


@pytest.fixture
def welcome(story):
    """A scenario of the site beside the story's recovery, about the same orders."""
    definition = Definition(Ordered(), (Wait("wait", 600), RemoveFromList("off", story.list.pk)))
    with wagtail_hooks.register_temporarily("register_kwiga_events", lambda: [Ordered]):
        scenario = m.Scenario.objects.create(title="Welcome")
        scenario.version = m.ScenarioVersion.objects.create(
            scenario=scenario, number=1, event="ordered", definition=definition.to_json(), published_at=START
        )
        scenario.save()
        events.subscribe(OrderPlaced, enrolment.on_event)
        yield scenario


def runs(scenario):
    rows = m.Run.objects.filter(scenario=scenario).order_by("pk")
    return list(rows.values_list("state", "order", "due_at", "entry_key"))


def test_a_newer_order_moves_recovery_and_leaves_the_sites_own_scenario_alone(story, welcome):
    ada = make_contact()
    first = story.place(ada)
    newer = story.place(ada, now=after(minutes=5))
    assert first.purchase_id == newer.purchase_id
    assert runs(story.scenario) == [("active", newer.pk, after(minutes=35), f"unpaid:{first.purchase_id}")]
    assert runs(welcome) == [
        ("active", first.pk, after(minutes=600), f"ordered:{ada.pk}:order:{first.pk}"),
        ("active", newer.pk, after(minutes=605), f"ordered:{ada.pk}:order:{newer.pk}"),
    ]


def test_an_event_that_is_told_twice_lets_nobody_in_again(story, welcome):
    order = story.place()
    event = OrderPlaced(order.pk, order.contact_id, order.offer_id, order.purchase_id, (), after(minutes=1))
    with locking.atomic_write():
        enrolment.on_event(event)
    assert [run[2] for run in runs(welcome)] == [after(minutes=600)]


def broken(*args: Any) -> None:
    raise RuntimeError("broken for once" + "!" * 600)


def _placed(order):
    return OrderPlaced(order.pk, order.contact_id, order.offer_id, order.purchase_id, (), START)


def _paid(order):
    return OrderPaid(order.pk, order.contact_id, order.offer_id, order.purchase_id, START, True)


def _closed(order):
    one = OrderClosed(order.pk, order.contact_id, order.offer_id, order.purchase_id, "expired", START)
    return OrdersClosed((one,), START)


def _joined(order):
    return PurchasesJoined(order.contact_id, (order.purchase_id,), order.purchase_id, START)


@pytest.mark.parametrize(
    ("what", "where", "about", "make"),
    [
        ("order_placed", (enrolment, "_placed"), "order", _placed),
        ("order_paid", (enrolment, "_silence"), "order", _paid),
        ("order_closed", (enrolment, "_closed"), "order", _closed),
        ("purchases_joined", (joining, "join"), "contact", _joined),
        ("OrderPlaced", (enrolment, "_enter_by"), "contact", _placed),
    ],
)
def test_what_broke_is_told_on_the_timeline_of_whom_it_is_about(
    story, welcome, monkeypatch, caplog, what, where, about, make
):
    order = story.place()
    react = {
        "order_placed": enrolment.on_order_placed,
        "order_paid": enrolment.on_order_paid,
        "order_closed": enrolment.on_orders_closed,
        "purchases_joined": enrolment.on_purchases_joined,
        "OrderPlaced": enrolment.on_event,
    }[what]
    monkeypatch.setattr(*where, broken)
    react(make(order))
    told = m.TimelineEntry.objects.get(code="automations.enrolment_failed")
    assert told.subject == (order if about == "order" else order.contact)
    assert told.needs_attention
    assert (told.facts["what"], told.facts["error"]) == (what, ("broken for once" + "!" * 600)[:500])
    assert (told.contact_id, told.at) == (order.contact_id, START)
    assert f"Scenarios: {what} of " in caplog.text


def test_a_superseded_order_ends_no_run(story):
    """Its run moves on when the newer one is placed."""
    order = story.place()
    one = OrderClosed(order.pk, order.contact_id, order.offer_id, order.purchase_id, "superseded", START)
    enrolment.on_orders_closed(OrdersClosed((one,), START))
    assert runs(story.scenario)[0][0] == "active"
