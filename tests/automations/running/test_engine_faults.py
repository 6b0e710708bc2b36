"""What happens beside the sweep while it works: another worker, a failing database, a complaint, a payment."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.db import InterfaceError, OperationalError, connection
from wagtail import hooks

from tests.automations.story import stream, tell, told
from tests.orders.shop import books_receive
from tests.support import after, make_contact
from tests.waiting import while_held
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import Intent
from wagtail_kwiga.automations.core.steps import SendEmail, Step, StepResult, Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.automations.running import endings, engine, leasing, mail_facts
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.orders import transitions

pytestmark = pytest.mark.django_db

DUE = after(minutes=30)
LEASE = dt.timedelta(seconds=120)


@dataclass(frozen=True)
class Note(Intent):
    """What ``Beside`` wants done."""

    kind: ClassVar[str] = "note"

    @classmethod
    def apply_all(cls, intents, *, now):
        Beside.applying(intents)


@dataclass(frozen=True)
class Beside(Step):
    """A site's step through which something happens while the sweep loads its facts, or carries out its effects."""

    kind: ClassVar[str] = "beside"
    loading: ClassVar[Callable[[Any], Any]]
    applying: ClassVar[Callable[[Any], Any]]

    def decide(self, run, facts, now):
        return StepResult("acted", "due", (Note(run.run.id),))

    @classmethod
    def load(cls, runs, now):
        cls.loading(runs)
        return {}


@pytest.fixture
def beside(story, monkeypatch):
    """The story with that step before its mail; what is to happen is set on it."""
    for moment in ("loading", "applying"):
        monkeypatch.setattr(Beside, moment, staticmethod(lambda _: None), raising=False)
    steps = Wait("wait", 30), Beside("beside"), SendEmail("mail", story.template.pk), Wait("day", 24 * 60)
    m.EmailTemplate.objects.filter(pk=story.template.pk).update(
        kind="promotion", body=stream(("text", {"text": "<p>Hello</p>"}))
    )
    m.ScenarioVersion.objects.update(definition=Definition(OrderUnpaid(), steps).to_json())

    def happen(moment, deed):
        monkeypatch.setattr(Beside, moment, staticmethod(deed), raising=False)

    with hooks.register_temporarily("register_kwiga_steps", lambda: [Beside]):
        yield happen


def raises(error):
    def deed(_):
        raise error

    return deed


# --- another worker ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [0, leasing.SUSPECT_AFTER, 5], ids=["together", "alone", "worn out"])
def test_runs_that_another_worker_has_by_now_are_left_to_it(story, monkeypatch, attempts):
    story.place()
    m.Run.objects.update(attempts=attempts)
    others, real = [], leasing.claim

    def claim_slowly(now, batch):
        mine = real(now, batch)
        if mine and not others:
            others.append(real(now + LEASE, batch))  # our lease has run out meanwhile
        return mine

    monkeypatch.setattr(leasing, "claim", claim_slowly)
    assert engine.run_due(DUE).decided == 0
    (theirs,) = others
    run = m.Run.objects.get()
    assert (run.state, run.position, run.lease) == ("active", "step-0", theirs.token)
    assert not m.StepRecord.objects.exists() and not m.OutgoingEmail.objects.exists()
    assert not m.ListMembership.objects.exists()

    counts: Counter[str] = Counter()
    engine._work_off(theirs, DUE + LEASE, counts, math.inf)
    assert counts["decided"] == 1
    assert m.OutgoingEmail.objects.count() == (0 if attempts == 5 else 1)


def test_what_is_given_back_is_ones_own(story):
    story.place(), story.place()
    mine, theirs = leasing.claim(DUE, 1), leasing.claim(DUE, 1)
    leasing.let_go(mine.token)
    assert set(m.Run.objects.values_list("lease", flat=True)) == {"", theirs.token}


# --- a failing database ---------------------------------------------------------------------------------------------------


def nobody_is_held():
    rows = m.Run.objects.values_list("state", "position", "lease", "leased_until", "attempts")
    assert set(rows) == {("active", "wait", "", None, 1)}
    assert not m.StepRecord.objects.exists() and not m.OutgoingEmail.objects.exists()
    assert not m.TimelineEntry.objects.filter(needs_attention=True).exists()


@pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
@pytest.mark.parametrize("moment", ["loading", "applying"])
def test_a_failing_database_holds_nobody(story, beside, moment, fault):
    """It is nobody's fault: whoever was in the batch is asked again, as soon as the database is there."""
    for _ in range(3):
        story.place()
    beside(moment, raises(fault("the server closed the connection unexpectedly")))
    with pytest.raises(fault):
        engine.run_due(DUE)
    nobody_is_held()
    beside(moment, lambda _: None)
    assert engine.run_due(DUE).acted == 3
    assert m.OutgoingEmail.objects.count() == 3


@pytest.mark.parametrize("looks_before", [0, 1])
def test_a_database_that_fails_while_mails_are_looked_up_holds_nobody(story, beside, monkeypatch, looks_before):
    """Where a template is at fault each is looked up by itself, and the database's fault must not be taken for theirs."""
    story.place()
    m.EmailTemplate.objects.filter(pk=story.template.pk).update(body=stream(("text", {"text": "<p>{{ no.such }}</p>"})))
    looks, real = [], mail_facts.versions.for_many

    def for_many(wanted):
        looks.append(wanted)
        if len(looks) > looks_before:
            raise OperationalError("canceling statement due to statement timeout")
        return real(wanted)

    monkeypatch.setattr(mail_facts.versions, "for_many", for_many)
    with pytest.raises(OperationalError):
        engine.run_due(DUE)
    assert len(looks) == looks_before + 1
    nobody_is_held()


def test_a_failing_database_holds_no_suspect_either(story, beside):
    """One that is tried alone keeps its count, which says nothing against it."""
    story.place()
    m.Run.objects.update(attempts=leasing.SUSPECT_AFTER)
    beside("loading", raises(OperationalError("deadlock detected")))
    with pytest.raises(OperationalError):
        engine.run_due(DUE)
    assert set(m.Run.objects.values_list("state", "lease", "attempts")) == {("active", "", leasing.SUSPECT_AFTER + 1)}


def test_a_statement_that_the_database_refuses_holds_the_one_it_was_about(story, beside):
    """A wrong statement spoils the transaction on PostgreSQL; the others of the batch must not be in it."""
    runs = [story.run_of(story.place()) for _ in range(5)]

    def refused(intents):
        if any(intent.run_id == runs[3].pk for intent in intents):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO wagtail_kwiga_contactlist (id) VALUES (NULL)")

    beside("applying", refused)
    summary = engine.run_due(DUE)
    assert (summary.acted, summary.paused) == (4, 1)
    assert list(m.Run.objects.filter(state="paused")) == [runs[3]]
    assert m.OutgoingEmail.objects.count() == 4
    assert not m.OutgoingEmail.objects.filter(contact=runs[3].contact_id).exists()


# --- a complaint in that very moment -----------------------------------------------------------------------------------------


def test_a_mail_that_was_suppressed_when_queued_said_nothing(story, beside):
    """The complaint comes between the look at the address and the queueing of the mail."""
    ada = make_contact()
    order = story.place(ada)

    def complain(_):
        suppression.suppress(ada.email, scope="promotion", reason="complained", now=DUE)

    beside("loading", complain)
    assert engine.run_due(DUE).decided == 1
    mail, run = m.OutgoingEmail.objects.get(), m.Run.objects.get()
    assert (mail.status, mail.why) == ("suppressed", "complained")
    assert (run.first_message_at, run.last_message_at) == (None, None)
    assert told(run)[-1] == ("send_email", "skipped", "complained")
    assert run.records.get(kind="send_email").email == mail
    # The run goes on, and whoever was not written to has no peace to be left in.
    assert (run.state, run.position) == ("active", "day")
    transitions.cancel(order, now=after(hours=1))
    story.place(ada, now=after(hours=2))
    assert list(m.Run.objects.order_by("pk").values_list("state", flat=True)) == ["left", "active"]


def test_of_two_people_only_the_one_who_was_written_to_has_a_first_message(story, beside):
    ada, bo = make_contact(), make_contact()
    story.place(ada), story.place(bo)
    beside("loading", lambda _: suppression.suppress(ada.email, scope="all", reason="bounced", now=DUE))
    engine.run_due(DUE)
    assert dict(m.Run.objects.values_list("contact", "first_message_at")) == {ada.pk: None, bo.pk: DUE}
    records = m.StepRecord.objects.filter(kind="send_email").values_list("run__contact", "outcome", "reason")
    assert set(records) == {(ada.pk, "skipped", "bounced"), (bo.pk, "acted", "due")}


# --- the contact's lock -----------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_sweep_waits_for_whoever_holds_the_contact_and_sees_what_they_did():
    """Promise 1, without a race. What enrolment has ended is not decided; what it did not hear of is found."""
    story = tell()

    def unheard(order):
        m.Order.objects.filter(pk=order.pk).update(status="paid", paid_at=DUE)

    def heard(order):
        books_receive(m.Order.objects.get(pk=order.pk), "120.00", now=DUE)

    for pay, came_to in ((heard, (1, 0, 0)), (unheard, (0, 1, 0)), (lambda order: None, (0, 0, 1))):
        order = story.place()
        summary = while_held(order.contact_id, lambda: engine.run_due(DUE), lambda pay=pay, order=order: pay(order))
        assert (summary.refused, summary.left, summary.acted) == came_to
        assert story.run_of(order).reason == ("" if summary.acted else "purchase_paid")
        assert m.OutgoingEmail.objects.count() == m.ListMembership.objects.count() == summary.acted


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_staff_wait_for_whoever_holds_the_contact():
    story = tell()
    verbs = {
        "active": lambda run: endings.stop(run, now=DUE),
        "paused": lambda run: endings.let_go_on(run, now=DUE),
    }
    for state, verb in verbs.items():
        run = story.run_of(story.place())
        m.Run.objects.filter(pk=run.pk).update(state=state)
        while_held(run.contact_id, lambda verb=verb, run=run: (verb(run), True))
