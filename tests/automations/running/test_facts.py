"""The snapshots tell the truth, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import facts

pytestmark = pytest.mark.django_db


def test_what_a_case_knows(story):
    order = story.place()
    run = story.run_of(order)
    batch = facts.load([run], START)
    case = batch.cases[run.pk]
    assert case.run.source == f"run:{run.pk}"
    assert [one.id for one in case.facts.orders] == [order.pk]
    assert case.facts.offer_of(order.pk).not_for_sale == ""
    assert case.facts.templates[story.template.pk].tells_end
    assert case.definition.event.kind == "order_unpaid"
    assert batch.language_of(run, order.pk) == "en"


def test_a_withdrawn_offer_is_known_as_such(story):
    run = story.run_of(story.place())
    m.Offer.objects.update(state="withdrawn")
    assert facts.load([run], START).cases[run.pk].facts.offer_of(run.order_id).not_for_sale == "withdrawn"


def test_one_faulty_template_does_not_take_the_others_with_it(story):
    from tests.automations.story import make_template, stream

    other = make_template(("text", {"text": "<p>{{ no.such }}</p>"}))
    from wagtail_kwiga.automations.running import mail_facts

    wanted = [(pk, True) for pk in (story.template.pk, other.pk, 999_999)]
    found = mail_facts.load(wanted, ["en"]).in_language("en", True)
    assert (found[story.template.pk].fault, bool(found[other.pk].fault), bool(found[999_999].fault)) == ("", True, True)
    m.EmailTemplate.objects.filter(pk=other.pk).update(body=stream(("text", {"text": "<p>Hi</p>"})))
    assert mail_facts.load([(other.pk, True)], ["en"]).in_language("en", True)[other.pk].fault == ""


def test_bought_before_is_about_other_purchases():
    from tests.automations.story import stream, tell
    from tests.orders.shop import books_receive
    from tests.support import make_contact
    from wagtail_kwiga.automations.running import engine

    asked = [{"type": "bought_before", "value": {"expected": "no"}, "id": "c"}]
    story = tell(steps=stream(("wait", {"minutes": 30}), ("continue_if", {"condition": asked})))
    ada, new = make_contact(), make_contact()
    order = story.place(ada, method="transfer")
    books_receive(order, "120.00", now=after(minutes=1))
    story.place(ada, now=after(minutes=2))
    story.place(new, now=after(minutes=2))
    summary = engine.run_due(after(minutes=32))
    assert (summary.left, summary.completed) == (1, 1)
    assert m.Run.objects.get(contact=ada).reason == "condition_fails"


@pytest.mark.parametrize(("expected", "goes_on"), [("no", [True, False]), ("yes", [False, True])])
def test_the_purchase_that_a_scenario_is_about_was_not_bought_before(expected, goes_on):
    """*After paying, only if they never bought before*: the first purchase is the first."""
    from tests.automations.story import stream, tell
    from tests.orders.shop import books_receive
    from tests.support import make_contact
    from wagtail_kwiga.automations.running import engine

    asked = [{"type": "bought_before", "value": {"expected": expected}, "id": "c"}]
    story = tell(
        start=stream(("order_paid", {"offers": []})),
        steps=stream(("wait", {"minutes": 5}), ("continue_if", {"condition": asked})),
    )
    ada, bo = make_contact(), make_contact()
    books_receive(story.place(bo), "120.00", now=START)  # somebody else's purchase is nothing of hers
    engine.run_due(after(minutes=5))
    found = []
    for day in (1, 2):
        order = story.place(ada, now=after(days=day))
        books_receive(order, "120.00", now=after(days=day))
        engine.run_due(after(days=day, minutes=5))
        found.append(m.Run.objects.get(order=order).state == "completed")
    assert found == goes_on


def test_what_was_ordered_and_never_paid_was_not_bought(story):
    from tests.support import make_contact, make_offer
    from wagtail_kwiga.automations.core.conditions import BoughtBefore
    from wagtail_kwiga.automations.core.definitions import Definition
    from wagtail_kwiga.automations.core.steps import ContinueIf
    from wagtail_kwiga.automations.core.triggers import OrderUnpaid

    definition = Definition(OrderUnpaid(), (ContinueIf("c", BoughtBefore()),))
    m.ScenarioVersion.objects.update(definition=definition.to_json())
    ada = make_contact()
    run = story.run_of(story.place(ada))
    mine, story.offer = story.offer, make_offer()
    other = story.place(ada)
    assert facts.load([run], START).cases[run.pk].facts.bought == frozenset()
    m.Order.objects.filter(pk=other.pk).update(paid_at=START, status="paid")
    assert facts.load([run], START).cases[run.pk].facts.bought == {story.offer.pk}
    m.Order.objects.filter(offer=mine).update(paid_at=START)
    assert facts.load([run], START).cases[run.pk].facts.bought == {story.offer.pk}


# --- a newer order in another language -----------------------------------------------------------------------------------------


@pytest.fixture
def in_three_languages():
    """A mail in English, German and Polish, sent twice: after half an hour and after one more."""
    from tests.automations.story import make_template, stream, tell

    english = make_template(("text", {"text": "<p>Hello</p>"}), kind="service")
    for language, words in (("de", "Guten Tag"), ("pl", "Dzień dobry")):
        make_template(
            ("text", {"text": f"<p>{words}</p>"}), kind="service", title=language, subject=words, locale=language,
            translation_key=english.translation_key,
        )  # fmt: skip
    mail = ("send_email", {"template": english.pk})
    return tell(template=english, steps=stream(("wait", {"minutes": 30}), mail, ("wait", {"minutes": 60}), mail))


@pytest.mark.parametrize("enrolment_hears", [True, False])
@pytest.mark.parametrize("german_is_broken", [False, True])
def test_a_mail_speaks_the_language_of_the_order_that_the_run_has_moved_to(
    in_three_languages, enrolment_hears, german_is_broken
):
    """Ordered in German, written to, ordered anew in Polish: the next mail is Polish, whoever moves the run."""
    from tests.automations.story import stream
    from tests.orders.shop import order_for
    from tests.support import make_contact
    from wagtail_kwiga.automations.running import engine

    story, ada = in_three_languages, make_contact(language="en")
    old = order_for(ada, story.offer, language="de")
    assert engine.run_due(after(minutes=30)).acted == 1
    newer = order_for(ada, story.offer, language="pl", now=after(minutes=45))
    old.refresh_from_db()
    assert old.status == "superseded"
    if not enrolment_hears:
        m.Run.objects.update(order=old)
    if german_is_broken:  # nobody is to be held for a template that is not theirs any more
        m.EmailTemplate.objects.filter(title="de").update(body=stream(("text", {"text": "<p>{{ no.such }}</p>"})))
    assert engine.run_due(after(minutes=90)).acted == 1
    run = m.Run.objects.get()
    assert (run.order, run.state) == (newer, "completed")
    mails = m.OutgoingEmail.objects.order_by("pk")
    assert [(mail.language, mail.subject, mail.order) for mail in mails] == [
        ("de", "Guten Tag", old), ("pl", "Dzień dobry", newer),
    ]  # fmt: skip


def test_loading_costs_the_same_for_one_and_for_twenty(story, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    runs = [story.run_of(story.place()) for _ in range(20)]
    facts.load(runs[:1], START)  # the template is compiled once
    with CaptureQueriesContext(connection) as one:
        facts.load(runs[:1], START)
    with django_assert_num_queries(len(one)):
        facts.load(runs, START)
    assert len(one) <= 20


def test_instants_are_aware(story):
    run = story.run_of(story.place())
    assert facts.snapshot_of(m.Run.objects.get(pk=run.pk)).due_at.tzinfo is not None
    assert facts.snapshot_of(run).due_at - dt.timedelta(minutes=30) == START
