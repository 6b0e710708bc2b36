"""Several workers at once, and workers that are killed: nothing twice, nothing lost."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections import Counter

import pytest
from django.db import connection
from wagtail import hooks

from tests import processes
from tests.automations import workers
from tests.automations.running.test_queries import crowd
from tests.automations.story import tell
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList, SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.automations.running import engine

pytestmark = pytest.mark.django_db(transaction=True)

DUE = after(minutes=30)
LEASE = dt.timedelta(seconds=120)


def in_threads(*jobs):
    """Run all at once, each with a connection of its own; what they returned. An error of any of them is raised."""
    results, errors, start = [], [], threading.Barrier(len(jobs))

    def work(job):
        try:
            start.wait()
            results.append(job())
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


@pytest.mark.postgres
def test_two_sweeps_at_once_decide_each_run_once():
    story = tell()
    crowd(story, 200)
    sweeps = in_threads(*[lambda: engine.run_due(DUE, batch=10, seconds=60)] * 4)
    assert sum(sweep.decided for sweep in sweeps) == sum(sweep.acted for sweep in sweeps) == 200
    assert sum(sweep.refused for sweep in sweeps) == 0
    assert sum(1 for sweep in sweeps if sweep.decided) > 1
    assert m.OutgoingEmail.objects.count() == m.ListMembership.objects.count() == 200
    per_step = Counter(m.StepRecord.objects.values_list("run_id", "step"))
    assert set(per_step.values()) == {1}


@pytest.mark.postgres
def test_paying_and_deciding_at_the_same_moment():
    """Whoever is first: in the end the run has left, nothing it granted holds, and no mail came after the payment."""
    story = tell()
    for _ in range(25):
        order = story.place()
        run = story.run_of(order)

        def pay(order=order):
            books_receive(m.Order.objects.get(pk=order.pk), "120.00", now=DUE)

        in_threads(pay, lambda: engine.run_due(DUE))
        run.refresh_from_db()
        assert (run.state, run.reason) == ("left", "purchase_paid")
        assert not m.ListMembership.objects.filter(removed_at__isnull=True).exists()
        records = list(run.records.order_by("pk").values_list("reason", flat=True))
        assert records[-1] == "purchase_paid"


@pytest.mark.postgres
def test_coming_back_and_deciding_at_the_same_moment():
    """Either the mail was first and only the pointer moves, or the visit was and the wait starts afresh."""
    story = tell()
    for _ in range(15):
        ada = make_contact()
        run = story.run_of(story.place(ada))
        in_threads(lambda ada=ada: story.place(ada, now=DUE), lambda: engine.run_due(DUE))
        run.refresh_from_db()
        mails = m.OutgoingEmail.objects.filter(contact=ada).count()
        assert (run.position, mails) in [("step-0", 0), ("step-3", 1)]
        assert run.order.status == "open"


# --- killed -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow():
    with hooks.register_temporarily("register_kwiga_steps", lambda: [workers.Slow]):
        yield


def slow_story():
    """The story with a step of the site between the list and the mail."""
    story = tell()
    steps = (
        Wait("step-0", 30),
        AddToList("add", story.list.pk, until="hours", hours=24),
        workers.Slow("slow"),
        SendEmail("mail", story.template.pk, story.coupon.pk),
    )
    definition = Definition(OrderUnpaid(), steps)
    m.ScenarioVersion.objects.update(definition=definition.to_json())
    return story


def worker(now, mode):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.automations.workers", now.isoformat(), mode],
        env=processes.environment(),
        cwd=processes.ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.processes
@pytest.mark.parametrize("where", ["load", "apply"])
def test_a_worker_killed_in_the_middle_of_a_sweep(slow, where):
    story = slow_story()
    crowd(story, 5)
    child = worker(DUE, where)
    try:
        line = child.stdout.readline()
        while line and line != "here\n":
            line = child.stdout.readline()
        assert line == "here\n"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()

    assert not m.OutgoingEmail.objects.exists() and not m.ListMembership.objects.exists()
    assert not m.StepRecord.objects.exists()
    assert set(m.Run.objects.values_list("state", "attempts")) == {("active", 1)}  # counted before it died
    assert engine.run_due(DUE + LEASE - dt.timedelta(seconds=1)) == engine.EngineSummary()
    assert engine.run_due(DUE + LEASE).completed == 5
    assert m.OutgoingEmail.objects.count() == m.ListMembership.objects.count() == 5
    assert set(Counter(m.StepRecord.objects.values_list("run_id", "step")).values()) == {1}


@pytest.mark.processes
def test_a_run_that_kills_its_worker_is_paused_and_takes_nobody_with_it(slow):
    story = slow_story()
    crowd(story, 4)
    poison = crowd(story, 1)[0]
    m.Contact.objects.filter(pk=poison.contact_id).update(name="Poison")
    crowd(story, 4)
    deaths = 0
    for sweep in range(8):
        child = worker(DUE + sweep * LEASE, "poison")
        output, _ = child.communicate(timeout=120)
        if child.returncode == 0:
            break
        assert child.returncode == -9, output
        deaths += 1
    assert deaths == 3  # twice in a crowd, once alone: as often as that worker's settings allow
    poison.refresh_from_db()
    assert (poison.state, poison.reason) == ("paused", "too_many_attempts")
    assert m.Run.objects.filter(state="completed").count() == 8
    assert m.OutgoingEmail.objects.count() == 8
    assert poison.due_at > START
