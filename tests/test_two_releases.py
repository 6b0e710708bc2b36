"""What a newer release has written is *later* to this one: never failed, paused or left out, and in the end on a person's list."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import pytest

from tests.automations import story
from tests.mailing.making import make_template, queue_one
from tests.payments.shop import new_order
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import Step
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.exceptions import NewerScenario, NewerVersion, ScenarioFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments import attempts, provider_events
from wagtail_kwiga.payments.provider import ReportedEvent
from wagtail_kwiga.payments.serialization import to_json
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


def minutes(number):
    return after(minutes=number)


def asked_of_people(code):
    return writing.open_attention().filter(code=code).count()


# --- scenarios


def newer_schema(definition):
    return {**definition, "schema": definition["schema"] + 1}


def newer_step(definition):
    return {**definition, "steps": [*definition["steps"], {"kind": "send_letter", "id": "new", "stamp": 1}]}


def newer_field(definition):
    first, *rest = definition["steps"]
    return {**definition, "steps": [{**first, "unless_holiday": True}, *rest]}


def newer_filter(definition):
    event = definition["event"]
    return {**definition, "event": {**event, "filters": {**event["filters"], "seasons": ["spring"]}}}


def newer_condition(definition):
    step = {"kind": "continue_if", "id": "new", "condition": {"kind": "weather", "is": "fine"}}
    return {**definition, "steps": [*definition["steps"], step]}


WAYS = [newer_schema, newer_step, newer_field, newer_filter, newer_condition]


@pytest.fixture
def told():
    return story.tell()


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    return request.param


@pytest.fixture
def publishes(told):
    """A newer release publishes the scenario; calling what is returned upgrades this process."""
    version = told.scenario.version

    def publish(way):
        known = version.definition
        m.ScenarioVersion.objects.filter(pk=version.pk).update(definition=way(known))
        return lambda: m.ScenarioVersion.objects.filter(pk=version.pk).update(definition=known)

    return publish


def test_a_definition_of_a_newer_release_is_told_from_one_that_makes_no_sense(told, way):
    with pytest.raises(NewerScenario):
        Definition.from_json(way(told.scenario.version.definition))
    for broken in ({"schema": 0}, {"schema": 1}, {"schema": None}, []):
        with pytest.raises(ScenarioFault) as fault:
            Definition.from_json(broken)
        assert not isinstance(fault.value, NewerVersion)


def test_people_inside_wait_for_a_newer_worker(told, publishes, way):
    order = told.place()
    upgrade = publishes(way)
    for minute in (30, 31, 40):
        engine.run_due(minutes(minute))
        run = told.run_of(order)
        assert (run.state, run.due_at, run.attempts, run.position) == ("active", minutes(30), 0, "step-0")
    assert asked_of_people("automations.newer_version") == 0
    upgrade()
    assert engine.run_due(minutes(44)).batches == 0  # for some minutes it is left alone
    assert engine.run_due(minutes(45)).acted == 1
    assert m.OutgoingEmail.objects.get().order == order


def test_they_are_left_to_a_newer_worker_for_five_minutes_at_a_time(told, publishes):
    told.place()
    publishes(newer_step)
    assert engine.run_due(minutes(30)).later == 1
    assert engine.run_due(minutes(34)).batches == 0
    assert engine.run_due(minutes(35)).later == 1


def test_after_an_hour_a_person_is_told_once_for_all_of_a_scenario(told, publishes):
    for _one in range(3):
        told.place()
    publishes(newer_step)
    for minute in range(30, 30 + 300, 5):
        engine.run_due(minutes(minute))
        assert asked_of_people("automations.newer_version") == (1 if minute >= 90 else 0), minute
    (entry,) = m.TimelineEntry.objects.filter(code="automations.newer_version")
    assert entry.subject == told.scenario
    assert "published by a newer version" in writing.sentence(entry)
    writing.attend(entry)
    engine.run_due(minutes(400))
    assert asked_of_people("automations.newer_version") == 0
    engine.run_due(after(days=2))
    assert asked_of_people("automations.newer_version") == 1
    assert set(m.Run.objects.values_list("state", flat=True)) == {"active"}


def test_others_of_the_same_batch_go_on(told):
    order, other = told.place(), told.place()
    known = m.ScenarioVersion.objects.get()
    newer = m.ScenarioVersion.objects.create(
        scenario=told.scenario, number=2, event=known.event, definition=newer_step(known.definition), published_at=START
    )
    m.Run.objects.filter(order=other).update(version=newer)
    summary = engine.run_due(minutes(30))
    assert (summary.later, summary.acted) == (1, 1)
    assert m.OutgoingEmail.objects.get().order == order


def test_an_email_with_a_placeholder_of_a_newer_release_waits(told):
    order = told.place()
    m.EmailTemplate.objects.filter(pk=told.template.pk).update(subject="Hello {{ contact.birthday }}")
    assert engine.run_due(minutes(30)).later == 1
    assert told.run_of(order).state == "active"
    m.EmailTemplate.objects.filter(pk=told.template.pk).update(subject="Hello")
    assert engine.run_due(minutes(35)).acted == 1
    m.EmailTemplateVersion.objects.update(placeholders=["contact.birthday"])  # compiled by the newer release already
    told.place()
    assert engine.run_due(minutes(65)).later == 1


# --- coming in


def test_whom_an_older_process_cannot_let_in_is_let_in_by_a_newer_worker(told, publishes, way):
    upgrade = publishes(way)
    order = told.place()
    run = told.run_of(order)
    assert (run.state, run.position, run.entered_at) == ("active", "", START)
    engine.run_due(minutes(1))
    assert (told.run_of(order).state, m.OutgoingEmail.objects.count()) == ("active", 0)
    upgrade()
    engine.run_due(minutes(10))
    run = told.run_of(order)
    assert (run.position, run.due_at, run.entered_at) == ("step-0", minutes(30), START)
    engine.run_due(minutes(30))
    assert m.OutgoingEmail.objects.get().order == order


def test_a_newer_worker_that_comes_late_takes_them_on_from_when_it_was(told, publishes):
    upgrade = publishes(newer_step)
    order = told.place()
    upgrade()
    engine.run_due(minutes(45))
    assert m.OutgoingEmail.objects.get().order == order
    assert told.run_of(order).position == "step-3"


@pytest.mark.parametrize("then", ["paid", "superseded"])
def test_what_happens_to_the_order_meanwhile_counts(told, publishes, then):
    upgrade = publishes(newer_step)
    order = told.place()
    if then == "paid":
        m.Order.objects.filter(pk=order.pk).update(status="paid", paid_at=minutes(5))
    else:
        newer = told.place(order.contact, now=minutes(20))
        order.refresh_from_db()
        assert order.status == "superseded"
    upgrade()
    engine.run_due(minutes(35))
    run = m.Run.objects.get()
    if then == "paid":
        assert (run.state, run.reason) == ("left", "purchase_paid")
    else:
        assert (run.order, run.position, run.due_at) == (newer, "step-0", minutes(50))
    assert m.OutgoingEmail.objects.count() == 0


def test_filters_that_only_a_newer_release_knows_are_asked_by_it(told, publishes):
    upgrade = publishes(newer_filter)
    order = told.place(method="transfer")
    assert told.run_of(order).position == ""
    upgrade()
    engine.run_due(minutes(1))
    run = told.run_of(order)
    assert (run.state, run.reason, run.due_at) == ("refused", "other_kind_of_order", None)


def test_filters_that_both_know_are_asked_at_once(told, publishes):
    publishes(newer_step)
    told.place(method="transfer")
    assert not m.Run.objects.exists()


# --- what is written can be read by the release before


@dataclass(frozen=True)
class Letter(Step):
    kind: ClassVar[str] = "letter"
    added_later: ClassVar[frozenset[str]] = frozenset({"stamp"})

    paper: str = "white"
    stamp: int = 1


def test_a_field_that_came_later_is_written_only_where_it_is_used():
    assert Letter("s").to_json() == {"kind": "letter", "id": "s", "paper": "white"}
    assert Letter("s", stamp=2).to_json() == {"kind": "letter", "id": "s", "paper": "white", "stamp": 2}
    for one in (Letter("s"), Letter("s", "blue"), Letter("s", stamp=2)):
        assert Letter.from_json(one.to_json()) == one


# --- mail


def mail(**values):
    email = queue_one(make_contact(), template=make_template())
    m.OutgoingEmail.objects.filter(pk=email.pk).update(**values)
    return email


def newer_purpose(email):
    m.OutgoingEmail.objects.filter(pk=email.pk).update(purpose="horoscope")
    return lambda: m.OutgoingEmail.objects.filter(pk=email.pk).update(purpose="service")


def newer_maker(email):
    row = m.EmailAttachment.objects.create(
        email=email, name="a.txt", content_type="text/plain", maker="wagtail_kwiga.mailing.horoscopes.draw"
    )
    m.OutgoingEmail.objects.filter(pk=email.pk).update(has_attachments=True)
    return lambda: m.EmailAttachment.objects.filter(pk=row.pk).update(maker="", content=b"x")


def newer_link(email):
    before = email.links
    m.OutgoingEmail.objects.filter(pk=email.pk).update(links={**before, "review_url": {"order": "x", "at": 1790000000}})
    return lambda: m.OutgoingEmail.objects.filter(pk=email.pk).update(links=before)


@pytest.mark.parametrize("way", [newer_purpose, newer_maker, newer_link])
def test_a_mail_that_only_a_newer_release_can_make_waits_for_it(mailoutbox, way):
    email = mail()
    upgrade = way(email)
    other = mail()
    for minute in range(0, 24 * 60, 5):
        delivery.deliver_due(minutes(minute))
        email.refresh_from_db()
        assert (email.status, email.attempts) == ("queued", 0), email.why
        assert email.why.startswith("newer_version")
        assert asked_of_people("mailing.newer_version") == (1 if minute >= 60 else 0), minute
    assert [one.recipients() for one in mailoutbox] == [[f'"Ada Buyer" <{other.to_email}>']]
    upgrade()
    delivery.deliver_due(after(days=2))
    email.refresh_from_db()
    assert email.status == "sent"
    assert asked_of_people("mailing.newer_version") == 0


# --- money and access


def told_by_the_bank(order):
    event = ReportedEvent(
        event_id="e1", attempt_token=order.payments.get().attempts.get().token, reference="ch_1", outcome="confirmed",
        amount=Money(Decimal(120), "EUR"), live=False,
    )  # fmt: skip
    return m.ProviderEvent.objects.create(
        method="sandbox", event_id="e1", kind="", meaning=to_json(event), body="", received_at=START, next_try_at=START
    )


def paying_order():
    order = new_order()
    attempts.start(order, method="sandbox", now=START)
    return order


@pytest.mark.parametrize("change", [{"schema": 2}, {"outcome": "disputed_by_owl"}])
def test_an_event_of_a_newer_release_waits_for_it_however_long(change):
    order = paying_order()
    stored = told_by_the_bank(order)
    known = stored.meaning
    m.ProviderEvent.objects.update(meaning={**known, **change})
    for minute in range(0, 60 * 50, 30):
        provider_events.settle_stored(minutes(minute))
        stored.refresh_from_db()
        assert stored.processed_at is None
        assert stored.next_try_at == minutes(minute + 5)
        assert asked_of_people("payments.event_newer") == (1 if minute >= 60 else 0), minute
    m.ProviderEvent.objects.update(meaning=known)
    provider_events.settle_stored(after(days=3))
    order.refresh_from_db()
    assert order.status == "paid"


def test_money_for_terms_of_a_newer_release_waits_for_it_however_long():
    order = paying_order()
    stored = told_by_the_bank(order)
    line = order.lines.get()
    known = line.access_terms
    m.OrderLine.objects.update(access_terms={**known, "schema": known["schema"] + 1})
    for hours in (0, 1, 30, 60):
        provider_events.settle_stored(after(hours=hours))
    stored.refresh_from_db()
    order.refresh_from_db()
    assert (order.status, stored.processed_at) == ("open", None)
    assert asked_of_people("payments.event_newer") == 1
    m.OrderLine.objects.update(access_terms=known)
    provider_events.settle_stored(after(hours=61))
    order.refresh_from_db()
    assert (order.status, m.AccessGrant.objects.count()) == ("paid", 1)
