"""Somebody who has ordered nothing: what lets them in, what they are promised, and where the button of their mail leads."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.urls import reverse
from wagtail import hooks as wagtail_hooks
from wagtail.models import Site

from tests.automations.story import make_template, stream, told
from tests.offers.making import make_page, offer_of, text_of
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import events, locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import Entry, StartEvent, frozen_fields
from wagtail_kwiga.automations.editing import compiling, editor_warnings
from wagtail_kwiga.automations.running import engine, enrolment
from wagtail_kwiga.contacts import consent, lists
from wagtail_kwiga.coupons import gates, uses
from wagtail_kwiga.mailing.sending import delivery

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class LessonSeen:
    """What the site publishes."""

    contact_id: int
    lesson: str
    at: dt.datetime
    is_last: bool = False


@dataclass(frozen=True)
class FirstLesson(StartEvent):
    """The first lesson, which is free, was seen."""

    kind: ClassVar[str] = "first_lesson"
    listens_to: ClassVar[tuple[type, ...]] = (LessonSeen,)

    def entry(self, event: Any) -> Entry | None:
        if event.is_last:
            return None
        said = frozen_fields(event)
        return Entry(event.contact_id, f"lesson:{event.lesson}", language="de", context=said)


@pytest.fixture(autouse=True)
def _registered():
    with wagtail_hooks.register_temporarily("register_kwiga_events", lambda: [FirstLesson]):
        yield


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


MAIL = (
    ("text", {"text": "<p>{{ offer.title }} for {{ price.after }} instead of {{ price.before }}</p>"}),
    ("coupon_card", {"title": "", "show_prices": False, "show_deadline": False}),
    ("button", {"label": "Have a look", "where": "resume", "url": ""}),
)


@dataclass
class Course:
    offer: m.Offer
    coupon: m.Coupon
    scenario: m.Scenario


def begin(offer: m.Offer, coupon: m.Coupon, template: m.EmailTemplate, **step: Any) -> m.Scenario:
    definition = Definition(FirstLesson(), (Wait("wait", 10), SendEmail("mail", template.pk, coupon.pk, offer.pk)))
    scenario = m.Scenario.objects.create(title="After the first lesson")
    scenario.version = m.ScenarioVersion.objects.create(
        scenario=scenario, number=1, event="first_lesson", definition=definition.to_json(), published_at=START
    )
    scenario.save()
    return scenario


@pytest.fixture
def course():
    offer, coupon = make_offer(title="Oil", coupon_mode="any"), make_coupon("LESSON15")
    return Course(offer, coupon, begin(offer, coupon, make_template(*MAIL, subject="{{ offer.title }}")))


def see(contact: m.Contact, lesson: str = "1", at: dt.datetime = START, **given: Any) -> None:
    with locking.atomic_write():
        events.publish(LessonSeen(contact.pk, lesson, at, **given))


def advert(course: Course, **given: Any) -> m.Scenario:
    """A mail without a coupon that leads who has ordered nothing to an offer."""
    words = ("text", {"text": "<p>After it comes {{ offer.title }}.</p>"})
    template = make_template(words, MAIL[2], subject="{{ offer.title }}", **given)
    definition = Definition(FirstLesson(), (Wait("wait", 10), SendEmail("mail", template.pk, None, course.offer.pk)))
    m.ScenarioVersion.objects.filter(scenario=course.scenario).update(definition=definition.to_json())
    return course.scenario


def test_a_mail_that_leads_to_an_offer_nobody_ordered_is_marketing_and_not_for_who_has_unsubscribed(course):
    advert(course)
    ada, bob = make_contact("ada@example.com"), make_contact("bob@example.com")
    consent.unsubscribe(ada, source="test", now=START)
    see(ada)
    see(bob)
    engine.run_due(after(minutes=10))
    assert told(m.Run.objects.get(contact=ada))[-1] == ("send_email", "skipped", "unsubscribed")
    mail = m.OutgoingEmail.objects.get()
    assert (mail.to_email, mail.kind, "unsubscribe_url" in mail.links) == ("bob@example.com", "promotion", True)


def test_what_its_editor_calls_service_stays_service_and_is_warned_about(course):
    advert(course, kind="service")
    ada = make_contact("ada@example.com")
    consent.unsubscribe(ada, source="test", now=START)
    see(ada)
    engine.run_due(after(minutes=10))
    assert m.OutgoingEmail.objects.get().kind == "service"
    version = m.ScenarioVersion.objects.get(scenario=course.scenario)
    definition = Definition.from_json(version.definition, registry.kinds())
    warnings = editor_warnings.of_many({course.scenario.pk: definition}, START)[course.scenario.pk]
    assert any("is marked as service, so people who have unsubscribed" in words for words in warnings)


def test_a_mail_that_leads_to_no_offer_is_service(course):
    template = make_template(("text", {"text": "<p>The second lesson is open.</p>"}), subject="Hello")
    definition = Definition(FirstLesson(), (Wait("wait", 10), SendEmail("mail", template.pk)))
    m.ScenarioVersion.objects.filter(scenario=course.scenario).update(definition=definition.to_json())
    see(make_contact())
    engine.run_due(after(minutes=10))
    assert m.OutgoingEmail.objects.get().kind == "service"


# --- coming in -------------------------------------------------------------------------------------------------------------


def test_an_event_without_an_order_begins_a_run_and_what_it_said_is_kept(course):
    ada = make_contact()
    see(ada)
    run = m.Run.objects.get()
    assert (run.contact, run.order, run.purchase, run.language) == (ada, None, None, "de")
    assert run.context == {
        "event": "LessonSeen", "contact_id": ada.pk, "lesson": "1", "at": START.isoformat(), "is_last": False,
    }  # fmt: skip
    assert (run.entry_key, run.due_at) == (f"first_lesson:{ada.pk}:lesson:1", after(minutes=10))


def test_once_for_what_happened_and_not_for_what_the_event_leaves_out(course):
    ada = make_contact()
    for lesson in ("1", "1", "2"):
        see(ada, lesson)
    see(ada, "3", is_last=True)
    assert sorted(run.context["lesson"] for run in m.Run.objects.all()) == ["1", "2"]


def test_long_keys_are_not_cut_into_one(course):
    ada = make_contact()
    for lesson in ("a", "b", "a"):
        see(ada, "x" * 200 + lesson)
    keys = set(m.Run.objects.values_list("entry_key", flat=True))
    assert len(keys) == 2 and all(len(key) <= 80 for key in keys)


def test_a_broken_entry_harms_nobody_and_needs_attention(course, monkeypatch):
    monkeypatch.setattr(FirstLesson, "entry", lambda self, event: 1 / 0)
    ada = make_contact()
    see(ada)
    entry = m.TimelineEntry.objects.get(code="automations.enrolment_failed")
    assert entry.needs_attention and entry.subject == ada


def test_entering_by_hand_brings_site_language_and_context(course):
    ada, site = make_contact(), Site.objects.get()
    with locking.atomic_write():
        (run,) = enrolment.enter(
            "first_lesson", contact=ada, key="1", site=site, language="pl", context={"lesson": "One"}, now=START
        )
    run.refresh_from_db()
    assert (run.site, run.language, run.context) == (site, "pl", {"lesson": "One"})


def test_without_a_scenario_an_event_costs_one_question(course, django_assert_num_queries):
    m.Scenario.objects.update(live=False)
    with locking.atomic_write(), django_assert_num_queries(3):  # the question and its savepoint
        events.publish(LessonSeen(1, "1", START))


# --- the mail ----------------------------------------------------------------------------------------------------------------


def test_the_mail_speaks_of_the_offer_that_the_step_names(course, outgoing):
    see(make_contact(language="en"))
    assert engine.run_due(after(minutes=10)).acted == 1
    mail = m.OutgoingEmail.objects.get()
    assert (mail.order, mail.subject, mail.purpose) == (None, "Oil", "scenario")
    assert (mail.promised_offer, mail.promised_coupon, mail.promised_total) == (course.offer, course.coupon, 102)
    assert mail.context["price.before"], mail.context["price.after"]
    assert delivery.deliver_due(after(minutes=11)).sent == 1
    assert f"/offer/{course.offer.uid}/?lang=" in outgoing[0].body and "coupon=LESSON15" in outgoing[0].body


def _use_it_up(course, ada):
    m.Coupon.objects.update(limit_total=1)
    uses.reserve(course.coupon, make_contact(), until=after(hours=9), now=START)


def _use_it(course, ada):
    uses.redeem(uses.reserve(course.coupon, ada, until=after(hours=9), now=START), now=START)


LIMITS = {
    "coupon_expired": lambda course, ada: m.Coupon.objects.update(valid_until=after(minutes=10)),
    "coupon_not_yet": lambda course, ada: m.Coupon.objects.update(valid_from=after(days=1)),
    "coupon_inactive": lambda course, ada: m.Coupon.objects.update(is_active=False),
    "coupon_other_address": lambda course, ada: course.coupon.contact_lists.add(make_list()),
    "coupon_used_up": _use_it_up,
    "coupon_used_by_you": _use_it,
    "coupon_wrong_offer": lambda course, ada: course.coupon.offers.add(make_offer()),
    "coupon_offer_takes_none": lambda course, ada: m.Offer.objects.update(coupon_mode="none"),
    "coupon_offer_takes_others": lambda course, ada: m.Offer.objects.update(coupon_mode="only"),
    "coupon_not_for_sale": lambda course, ada: m.Offer.objects.update(state="withdrawn"),
}


@pytest.mark.parametrize("reason", LIMITS)
def test_the_coupons_own_limits_are_asked(course, reason):
    ada = make_contact()
    see(ada)
    LIMITS[reason](course, ada)
    assert engine.run_due(after(minutes=10)).skipped == 1
    assert told(m.Run.objects.get())[-1] == ("send_email", "skipped", reason)
    assert not m.OutgoingEmail.objects.exists()


def test_a_coupon_for_people_on_a_list_and_an_offer_that_names_it(course):
    """Both gates agree, so the mail goes."""
    ada, friends = make_contact(), make_list()
    course.coupon.contact_lists.add(friends)
    m.Offer.objects.filter(pk=course.offer.pk).update(coupon_mode="only")
    gates.name_coupons(course.offer, [course.coupon.pk])
    lists.add(friends, ada, now=START)
    see(ada)
    assert engine.run_due(after(minutes=10)).acted == 1


def test_before_it_leaves_it_is_asked_again(course):
    see(make_contact())
    engine.run_due(after(minutes=10))
    m.Coupon.objects.update(is_active=False)
    assert delivery.deliver_due(after(minutes=11)).missed == 1
    assert m.OutgoingEmail.objects.get().why == "promise_over: coupon_inactive"


# --- the button --------------------------------------------------------------------------------------------------------------


def test_the_button_leads_to_the_page_with_the_coupon(outgoing, settings):
    page = make_page(coupon_mode="any")
    offer, coupon = offer_of(page), make_coupon("LESSON15")
    begin(offer, coupon, make_template(*MAIL, subject="Hello"))
    with locking.atomic_write():
        enrolment.enter(
            "first_lesson", contact=make_contact(), key="1", site=Site.objects.get(), language="en", now=START
        )
    assert engine.run_due(after(minutes=10)).acted == 1
    delivery.deliver_due(after(minutes=11))
    link = next(word for word in outgoing[0].body.split() if "/offer/" in word).replace("http://localhost", "")
    client = Client()
    answer = client.get(link)
    assert answer.status_code == 302
    assert answer["Location"] == f"{page.url}?coupon=LESSON15"
    assert "€102.00 instead of €120.00" in text_of(client.get(answer["Location"]))


def test_an_offer_without_a_page_and_one_that_nobody_knows():
    client, offer = Client(), make_offer()
    there, nowhere = (reverse("wagtail_kwiga:offer", args=[uid]) for uid in (offer.uid, uuid.uuid4()))
    gone = client.get(there)
    assert (gone.status_code, client.get(nowhere).status_code, client.post(there).status_code) == (410, 404, 405)
    assert "no longer on sale" in text_of(gone)


# --- publishing --------------------------------------------------------------------------------------------------------------


def written(template: m.EmailTemplate, **step: Any) -> list[str]:
    scenario = m.Scenario(
        title="After the first lesson",
        start=stream(("studio_lesson_finished", {})),  # the example's: forms are built once in a process
        steps=stream(("wait", {"minutes": 10}), ("send_email", {"template": template.pk, **step})),
    )
    return compiling.problems(scenario)


def test_the_step_must_say_what_its_button_leads_to():
    template, coupon, offer = make_template(*MAIL, subject="Hello"), make_coupon(), make_offer()
    (problem,) = written(template, coupon=coupon.pk)
    assert "Choose the offer that its button leads to" in problem
    assert written(template, coupon=coupon.pk, offer=str(offer.pk)) == []
    plain = make_template(("text", {"text": "<p>Hello</p>"}), subject="Hello", title="Plain")
    assert written(plain) == []


def test_a_mail_about_an_order_cannot_be_sent_to_somebody_who_has_none():
    template = make_template(("button", {"label": "Pay", "where": "pay", "url": ""}), subject="No. {{ order.number }}")
    (problem,) = written(template, offer=str(make_offer().pk))
    assert "is about an order (order.number, pay_url)" in problem


def test_the_offer_that_a_step_names_cannot_be_deleted():
    definition = Definition(FirstLesson(), (SendEmail("mail", 1, 2, 3),))
    assert definition.uses().offers == {3}
    assert Definition.from_json(definition.to_json(), compiling.registry.kinds()) == definition
