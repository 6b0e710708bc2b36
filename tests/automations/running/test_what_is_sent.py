"""What a scenario sends while the world around it goes on: mails taken back, money given back, hours lost, codes renamed."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail

from tests.automations.story import MAIL, make_template, stream, tell, told
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine, enrolment
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import delivery, outbox
from wagtail_kwiga.orders import events as order_events

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


# --- an e-mail that is not published any more -----------------------------------------------------------------------------


def test_an_unpublished_email_is_not_sent_and_needs_attention_once(story):
    first, second = (story.run_of(story.place(make_contact())) for _ in range(2))
    story.template.unpublish()
    engine.run_due(after(minutes=30), batch=1)
    for run in (first, second):
        run.refresh_from_db()
        assert run.state == "active" and run.position == "step-3"  # it goes on
        assert told(run)[-1] == ("send_email", "skipped", "template_unpublished")
    assert not m.OutgoingEmail.objects.exists()
    (entry,) = writing.open_about(m.EmailTemplate, story.template.pk)
    assert "still used by the scenario “Win back”" in writing.sentence(entry)
    assert versions.scenarios_sending(story.template) == [story.scenario]


def test_an_expired_one_is_not_sent_either(story):
    run = story.run_of(story.place())
    m.EmailTemplate.objects.filter(pk=story.template.pk).update(live=False, expired=True)
    engine.run_due(after(minutes=30))
    assert told(run)[-1] == ("send_email", "skipped", "template_unpublished")


def test_a_translation_that_is_published_is_sent_all_the_same(story):
    make_template(*MAIL, locale="de", translation_key=story.template.translation_key, subject="Ihr Platz")
    story.place(make_contact(), now=START)
    m.Order.objects.update(language="de")
    story.template.unpublish()
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get().subject == "Ihr Platz"


# --- after a sale -----------------------------------------------------------------------------------------------------------


def thanks(*blocks) -> m.Scenario:
    blocks = blocks or (("text", {"text": "<p>Thank you for {{ order.title }}</p>"}),)
    template = make_template(*blocks, subject="Thank you")
    scenario = m.Scenario.objects.create(
        title="Thanks",
        start=stream(("order_paid", {"offers": []})),
        steps=stream(("wait", {"minutes": 30}), ("send_email", {"template": template.pk})),
    )
    versions.publish(scenario, now=START)
    return scenario


def paid_order(story, **given) -> m.Order:
    order = story.place(**given)
    books_receive(order, "120.00", now=START)
    return order


def test_who_has_bought_is_told_however_late_the_worker_comes(story, outgoing):
    thanks()
    paid_order(story)
    engine.run_due(after(hours=20))
    mail = m.OutgoingEmail.objects.get(purpose="scenario")
    assert mail.not_after is None
    delivery.deliver_due(after(days=3))
    assert [one.subject for one in outgoing if one.subject == "Thank you"] == ["Thank you"]


def test_what_wants_to_sell_is_still_missed_when_it_is_late(story):
    run = story.run_of(story.place())
    engine.run_due(after(hours=20))
    assert ("send_email", "missed", "too_late") in told(run)


def test_what_was_missed_although_it_was_owed_needs_attention_and_can_be_sent_again(story, outgoing):
    thanks()
    paid_order(story)
    engine.run_due(after(minutes=30))
    m.OutgoingEmail.objects.filter(purpose="scenario").update(not_after=after(hours=1))  # queued by an older release
    delivery.deliver_due(after(hours=9))
    mail = m.OutgoingEmail.objects.get(purpose="scenario")
    assert (mail.status, mail.why) == ("missed", "too_late")
    assert writing.timeline(mail.order).filter(needs_attention=True, code__startswith="mailing.").exists()
    outbox.settle(mail, "send_again", now=after(hours=10))
    delivery.deliver_due(after(hours=10))
    assert "Thank you" in [one.subject for one in outgoing]


def test_all_money_back_before_the_mail_has_left_calls_it_back(story, outgoing):
    thanks()
    order = paid_order(story)
    engine.run_due(after(minutes=30))
    mail = m.OutgoingEmail.objects.get(purpose="scenario")
    assert mail.status == "queued" and m.Run.objects.get(order=order, scenario__title="Thanks").state == "completed"
    enrolment.on_order_refunded(refund_of(order, whole=False))
    mail.refresh_from_db()
    assert mail.status == "queued"
    enrolment.on_order_refunded(refund_of(order, whole=True))
    mail.refresh_from_db()
    assert (mail.status, mail.why) == ("cancelled", "money_back")


def refund_of(order: m.Order, *, whole: bool) -> order_events.OrderRefunded:
    return order_events.OrderRefunded(
        order_id=order.pk, contact_id=order.contact_id, offer_id=order.offer_id, purchase_id=order.purchase_id,
        refunded="120.00", currency="EUR", whole=whole, at=after(minutes=31),
    )  # fmt: skip


def test_a_run_that_waits_for_its_first_mail_ends_with_the_refund(story):
    thanks()
    order = paid_order(story)
    enrolment.on_order_refunded(refund_of(order, whole=True))
    run = m.Run.objects.get(order=order, scenario__title="Thanks")
    assert (run.state, run.reason) == ("left", "order_refunded")


# --- spans and codes --------------------------------------------------------------------------------------------------------

SPANS = (
    ("text", {"text": "<p>{{ coupon.valid_hours }} for {{ coupon.size }}</p>"}),
    ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
)


def test_a_late_mail_says_how_much_time_is_left_in_its_words_and_its_subject(outgoing):
    story = tell(template=make_template(*SPANS, subject="{{ coupon.valid_hours }} left"))
    story.place()
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get().subject == "24 hours left"
    delivery.deliver_due(after(hours=11, minutes=30))
    (sent,) = outgoing
    assert sent.subject == "13 hours left"
    assert "13 hours for 15%" in sent.body and "Valid for 13 hours, until" in sent.body and "24 hours" not in sent.body
    mail = m.OutgoingEmail.objects.get()
    assert (mail.status, mail.subject, mail.context["coupon.valid_hours"]) == ("sent", "13 hours left", "13 hours")


def test_a_mail_that_leaves_in_time_is_left_as_it_is(story, outgoing, django_assert_num_queries):
    story.place()
    engine.run_due(after(minutes=30))
    before = m.OutgoingEmail.objects.get().context
    delivery.deliver_due(after(minutes=31))
    assert m.OutgoingEmail.objects.get().context == before and len(outgoing) == 1


def test_a_code_that_was_renamed_after_queueing_is_told_as_it_is_now(story, outgoing):
    story.place()
    engine.run_due(after(minutes=30))
    m.Coupon.objects.update(code="WELCOMEBACK")
    delivery.deliver_due(after(minutes=31))
    delivery.deliver_due(after(minutes=32))
    (sent,) = outgoing
    assert "WELCOMEBACK" in sent.body and "COMEBACK15" not in sent.body


def test_two_scenarios_for_one_event_are_warned_about(story):
    other = m.Scenario.objects.create(
        title="Another",
        start=stream(("order_unpaid", {"offers": []})),
        steps=stream(
            ("wait", {"minutes": 30}),
            ("send_email", {"template": make_template(subject="x").pk, "coupon": story.coupon.pk}),
        ),
    )
    (words,) = [one for one in versions.warnings(other, START) if "same event" in one]
    assert "“Win back”" in words and "each with an end of its own" in words
    assert not [
        one for one in versions.warnings(story.scenario, START) if "same event" in one
    ]  # the other is no more than a draft
