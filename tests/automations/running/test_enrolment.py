"""Coming in, moving on, and being refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from django.db import connection
from wagtail import hooks as wagtail_hooks
from wagtail.models import Site

from tests.automations.story import stream, tell, told
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import events, locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import RemoveFromList
from wagtail_kwiga.automations.core.triggers import StartEvent
from wagtail_kwiga.automations.running import engine, enrolment
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.events import OrderPaid

pytestmark = pytest.mark.django_db


def refused():
    return list(m.Run.objects.filter(state="refused").values_list("reason", flat=True))


def test_entering(story):
    ada = make_contact()
    order = story.place(ada)
    run = m.Run.objects.get()
    assert (run.scenario, run.version, run.contact) == (story.scenario, story.scenario.version, ada)
    assert (run.order, run.purchase_id, run.entry_key) == (order, order.purchase_id, f"unpaid:{order.purchase_id}")
    assert (run.entered_at, run.stepped_at, run.once_key) == (START, START, "")
    assert (run.language, run.site_id) == ("en", order.site_id)
    assert run.context == {
        "event": "OrderPlaced", "order_id": order.pk, "contact_id": ada.pk, "offer_id": story.offer.pk,
        "purchase_id": order.purchase_id, "superseded_ids": [], "at": START.isoformat(),
    }  # fmt: skip


@pytest.mark.parametrize("given", [{"method": "transfer"}, {"origin": "staff"}, {"origin": "import"}])
def test_orders_that_the_filters_leave_out_leave_no_trace(story, given):
    story.place(**given)
    assert not m.Run.objects.exists()


def test_another_offer_leaves_no_trace(story):
    story.offer = make_offer()
    story.place()
    assert not m.Run.objects.exists()


def test_only_what_happens_from_now_on_enters_and_nothing_once_unpublished(story):
    story.scenario.unpublish()
    story.place()
    assert not m.Run.objects.exists()
    assert m.TimelineEntry.objects.filter(code="automations.unpublished").exists()


def test_people_inside_go_on_when_it_is_unpublished(story):
    story.place()
    story.scenario.unpublish()
    assert engine.run_due(after(minutes=30)).acted == 1


# --- newer orders -----------------------------------------------------------------------------------------------------------


def test_before_the_first_message_the_run_starts_afresh_from_the_newer_order(story):
    ada = make_contact()
    first = story.place(ada)
    newer = story.place(ada, now=after(minutes=29))
    run = m.Run.objects.get()
    assert (run.order, run.due_at, run.stepped_at) == (newer, after(minutes=59), after(minutes=29))
    record = run.records.get()
    assert (record.outcome, record.reason) == ("waited", "starts_afresh")
    assert record.facts == {"from": first.pk, "to": newer.pk}


def test_moving_takes_a_lease_back(story):
    ada = make_contact()
    story.place(ada)
    m.Run.objects.update(lease="somebody", leased_until=after(hours=1), attempts=3)
    story.place(ada, now=after(minutes=5))
    run = m.Run.objects.get()
    assert (run.lease, run.leased_until, run.attempts) == ("", None, 0)


def test_after_the_first_message_only_the_pointer_moves(story):
    ada = make_contact()
    story.place(ada)
    engine.run_due(after(minutes=30))
    newer = story.place(ada, now=after(hours=1))
    run = m.Run.objects.get()
    assert (run.order, run.position, run.due_at) == (newer, "step-3", after(hours=24, minutes=30))
    assert told(run)[-1] == ("run", "waited", "follows_order")


def test_a_newer_order_that_the_scenario_is_not_about_ends_the_run(story):
    ada = make_contact()
    story.place(ada)
    story.place(ada, now=after(minutes=5), method="transfer")
    run = m.Run.objects.get()
    assert (run.state, run.reason, run.due_at) == ("left", "other_kind_of_order", None)
    assert told(run) == [("run", "left", "other_kind_of_order")]
    assert engine.run_due(after(hours=1)) == engine.EngineSummary()


def test_a_held_run_follows_and_keeps_others_out(story):
    ada = make_contact()
    story.place(ada)
    m.Run.objects.update(state="paused")
    newer = story.place(ada, now=after(minutes=5))
    held = m.Run.objects.get(state="paused")
    assert (held.order, held.position) == (newer, "step-0")
    assert refused() == ["already_inside"]


def test_a_version_that_cannot_be_read_still_follows(story):
    ada = make_contact()
    story.place(ada)
    m.ScenarioVersion.objects.update(definition={"schema": 99})
    newer = story.place(ada, now=after(minutes=5))
    assert m.Run.objects.get().order == newer


# --- coming in again ---------------------------------------------------------------------------------------------------------


def abandon(story, contact, now):
    """One whole recovery that came to nothing: the mail, the day, and the order cancelled."""
    order = story.place(contact, now=now)
    for span in ({"minutes": 30}, {"hours": 25}):
        engine.run_due(now + (after(**span) - START))
    transitions.cancel(order, now=now + (after(hours=26) - START))


def test_thirty_days_of_peace_after_the_last_message(story):
    ada = make_contact()
    abandon(story, ada, START)
    story.place(ada, now=after(days=29))
    assert refused() == ["cooling"]
    run = m.Run.objects.get(state="refused")
    assert (run.due_at, run.ended_at) == (None, after(days=29))
    story.place(ada, now=after(days=30, minutes=31))
    assert m.Run.objects.filter(state="active").count() == 1


def test_a_mail_that_never_left_does_not_count(story):
    ada = make_contact()
    abandon(story, ada, START)
    m.OutgoingEmail.objects.update(status="missed")
    story.place(ada, now=after(days=2))
    assert refused() == []
    assert m.Run.objects.filter(state="active").count() == 1


def test_another_offer_is_another_matter():
    offers = make_offer(coupon_mode="any"), make_offer(coupon_mode="any")
    story = tell(offer=offers[0], start=stream(("order_unpaid", {"offers": []})))
    ada = make_contact()
    abandon(story, ada, START)
    story.offer = offers[1]
    story.place(ada, now=after(days=2))
    assert refused() == []


def test_a_new_purchase_after_a_paid_one_is_another_wish(story):
    """A consultation is bought again and again: whoever was written to about the first may be about the second."""
    m.Product.objects.update(repeatable=True)
    ada = make_contact()
    order = story.place(ada)
    engine.run_due(after(minutes=30))
    books_receive(m.Order.objects.get(pk=order.pk), "120.00", now=after(hours=1))
    story.place(ada, now=after(days=3))
    assert refused() == []
    assert m.Run.objects.filter(state="active").count() == 1


def test_no_address_and_the_switch_are_refusals_with_a_reason(story):
    story.place(make_contact(is_placeholder=True))
    site = Site.objects.get()
    settings = m.KwigaSettings.for_site(site)
    settings.recovery_on = False
    settings.save()
    story.place(site=site)
    story.place()  # an order without a site obeys the default one
    assert refused().count("recovery_off") == 2 and "placeholder" in refused()
    assert engine.run_due(after(hours=1)) == engine.EngineSummary()


# --- paid --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def thanks(story):
    """A second scenario, about paid orders."""
    from wagtail_kwiga.automations.editing import versions

    scenario = m.Scenario.objects.create(
        title="Thanks",
        start=stream(("order_paid", {"offers": [story.offer.pk]})),
        steps=stream(("wait", {"minutes": 5}), ("remove_from_list", {"list": story.list.pk})),
    )
    versions.publish(scenario, now=START)
    return scenario


def test_paid_enters_once_per_order(story, thanks):
    order = story.place()
    books_receive(order, "120.00", now=after(minutes=1))
    with locking.atomic_write():  # told twice
        events.publish(OrderPaid(order.pk, order.contact_id, order.offer_id, order.purchase_id, after(minutes=2), True))
    runs = m.Run.objects.filter(scenario=thanks)
    assert [(run.state, run.due_at) for run in runs] == [("active", after(minutes=6))]
    assert not m.TimelineEntry.objects.filter(code="automations.enrolment_failed").exists()


def test_money_twice_for_one_purchase_is_one_purchase(story, thanks):
    ada = make_contact()
    old, new = story.place(ada), story.place(ada, now=after(minutes=1))
    books_receive(m.Order.objects.get(pk=new.pk), "120.00", now=after(minutes=2))
    books_receive(m.Order.objects.get(pk=old.pk), "120.00", now=after(minutes=3))
    assert m.Run.objects.filter(scenario=thanks).count() == 1


def test_a_sibling_closed_by_paying_is_told_as_paid(story):
    ada = make_contact()
    old, new = story.place(ada), story.place(ada, now=after(minutes=1))
    books_receive(m.Order.objects.get(pk=old.pk), "120.00", now=after(minutes=3))
    assert m.Order.objects.get(pk=new.pk).status == "cancelled"
    assert told(m.Run.objects.get())[-1] == ("run", "left", "purchase_paid")


# --- a broken scenario never refuses an order or money ------------------------------------------------------------------------------


def test_an_error_is_kept_and_the_order_stands(story, monkeypatch):
    def broken(*args, **kwargs):
        m.Scenario.objects.filter(pk="not a number").exists()

    monkeypatch.setattr(enrolment, "_open_versions", broken)
    order = story.place()
    entry = m.TimelineEntry.objects.get(code="automations.enrolment_failed")
    assert entry.needs_attention and entry.subject == order
    books_receive(order, "120.00", now=after(minutes=1))
    order.refresh_from_db()
    assert order.status == "paid"


def _wrong_statement(*args, **kwargs):
    """What a database answers that a migration of a site has missed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM wagtail_kwiga_scenario")


@pytest.mark.parametrize("where", ["scenarios", "scenarios and timeline"])
def test_a_statement_that_the_database_refuses_refuses_no_order_and_no_money(story, monkeypatch, where):
    """On PostgreSQL such a statement spoils whatever transaction it stands in, and an order stands in that as well."""
    written = writing.write
    monkeypatch.setattr(enrolment, "_open_versions", _wrong_statement)

    def write(subject, code, **given):
        return _wrong_statement() if code == "automations.enrolment_failed" else written(subject, code, **given)

    if where != "scenarios":
        monkeypatch.setattr(writing, "write", write)
    order = story.place()
    books_receive(order, "120.00", now=after(minutes=1))
    assert m.Order.objects.get().status == "paid"
    told_of = m.TimelineEntry.objects.filter(code="automations.enrolment_failed", needs_attention=True)
    assert told_of.count() == (2 if where == "scenarios" else 0)


def test_a_broken_version_lets_nobody_in_and_harms_nobody(story):
    m.ScenarioVersion.objects.update(definition={"schema": 0})
    order = story.place()
    assert order.pk and not m.Run.objects.exists()


# --- a site's own start event -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LessonSeen(StartEvent):
    kind: ClassVar[str] = "lesson_seen"


def test_a_sites_own_event(story):
    ada = make_contact()
    definition = Definition(LessonSeen(), (RemoveFromList("off", story.list.pk),))
    with wagtail_hooks.register_temporarily("register_kwiga_events", lambda: [LessonSeen]):
        scenario = m.Scenario.objects.create(title="Seen")
        scenario.version = m.ScenarioVersion.objects.create(
            scenario=scenario, number=1, event="lesson_seen", definition=definition.to_json(), published_at=START
        )
        scenario.save()
        with locking.atomic_write():
            assert len(enrolment.enter("lesson_seen", contact=ada, key="lesson:1", now=START)) == 1
            assert enrolment.enter("lesson_seen", contact=ada, key="lesson:1", now=START) == []
            assert len(enrolment.enter("lesson_seen", contact=ada, key="lesson:2", once=False, now=START)) == 1
            assert enrolment.enter("lesson_seen", contact=ada, key="lesson:2", once=False, now=START) == []
        assert engine.run_due(START).completed == 2
        with locking.atomic_write():
            assert enrolment.enter("lesson_seen", contact=ada, key="lesson:1", now=START) == []
            assert len(enrolment.enter("lesson_seen", contact=ada, key="lesson:2", once=False, now=START)) == 1
    engine.run_due(START)
    assert (
        m.Run.objects.filter(state="active").count() == 1
    )  # without the hook nobody knows the event: a newer worker may


def test_what_enrolment_costs(story, django_assert_num_queries):
    """Order, open scenarios, known runs, insert, and the savepoint's two."""
    from wagtail_kwiga.orders.events import OrderPlaced

    order = story.place()
    m.Run.objects.all().delete()
    event = OrderPlaced(order.pk, order.contact_id, order.offer_id, order.purchase_id, (), START)
    Order = m.Order
    Order.objects.filter(pk=order.pk).update(site=Site.objects.get())
    with django_assert_num_queries(6):
        enrolment.on_order_placed(event)
    assert m.Run.objects.count() == 1
    m.Scenario.objects.update(live=False)
    m.Run.objects.all().delete()
    with django_assert_num_queries(4):
        enrolment.on_order_placed(event)
