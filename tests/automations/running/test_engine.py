"""The sweep on a real database: the story, what goes wrong in it, and nobody suffers for another."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.automations.story import make_template, stream, tell, told
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import endings, engine, leasing
from wagtail_kwiga.contacts import consent, lists
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


def honoured(story, contact, now):
    return eligibility.check(code="comeback15", offer=story.offer, contact=contact, now=now)


# --- the story ---------------------------------------------------------------------------------------------------------


def test_the_story(story):
    ada = make_contact("ada@example.com", name="Ada Buyer")
    order = story.place(ada)
    run = story.run_of(order)
    assert (run.state, run.position, run.due_at) == ("active", "step-0", after(minutes=30))

    assert engine.run_due(after(minutes=29)) == engine.EngineSummary()
    assert not m.OutgoingEmail.objects.exists()
    assert not honoured(story, ada, after(minutes=29)).ok

    summary = engine.run_due(after(minutes=30))
    assert (summary.decided, summary.acted, summary.batches) == (1, 1, 1)
    mail = m.OutgoingEmail.objects.get()
    assert (mail.key, mail.purpose, mail.status) == (f"run:{run.pk}:step-2", "recovery", "queued")
    assert (mail.to_email, mail.purchase_id, mail.order) == ("ada@example.com", order.purchase_id, order)
    assert mail.not_after == after(hours=12, minutes=30)
    assert mail.context["price.before"] == "€120.00" and mail.context["price.after"] == "€102.00"
    assert mail.context["coupon.valid_hours"] == "24 hours"
    assert mail.links["resume_url"]["coupon"] == story.coupon.token
    verdict = honoured(story, ada, after(hours=24))
    assert verdict.ok and verdict.until == after(hours=24, minutes=30)
    run.refresh_from_db()
    assert (run.position, run.due_at, run.stepped_at) == ("step-3", after(hours=24, minutes=30), after(minutes=30))
    assert run.first_message_at == run.last_message_at == after(minutes=30)
    assert (run.lease, run.leased_until, run.attempts) == ("", None, 0)

    assert honoured(story, ada, after(hours=24, minutes=30)).reason == "ended_for_you"  # no worker needed
    assert engine.run_due(after(hours=25)).completed == 1
    run.refresh_from_db()
    assert (run.state, run.position, run.due_at, run.reason) == ("completed", "", None, "through")
    assert run.ended_at == after(hours=25)
    assert told(run) == [
        ("wait", "waited", "wait_over"),
        ("add_to_list", "acted", "due"),
        ("send_email", "acted", "due"),
        ("wait", "waited", "wait_over"),
        ("remove_from_list", "acted", "due"),
    ]
    assert run.records.get(kind="send_email").email == mail
    assert engine.run_due(after(days=9)) == engine.EngineSummary()
    assert m.OutgoingEmail.objects.count() == 1


def test_paying_at_minute_29_means_silence(story):
    order = story.place()
    books_receive(order, "120.00", now=after(minutes=29))
    assert engine.run_due(after(minutes=30)) == engine.EngineSummary()
    assert story.run_of(order).reason == "purchase_paid"
    assert not m.OutgoingEmail.objects.exists()


@pytest.mark.parametrize("which", [0, 1])
def test_paying_an_older_or_a_newer_order_of_the_same_purchase_means_silence(story, which):
    ada = make_contact()
    orders = [story.place(ada), story.place(ada, now=after(minutes=10))]
    books_receive(m.Order.objects.get(pk=orders[which].pk), "120.00", now=after(minutes=39))
    engine.run_due(after(minutes=40))
    run = m.Run.objects.get()
    assert (run.state, run.reason) == ("left", "purchase_paid")
    assert not m.OutgoingEmail.objects.exists()


def test_a_payment_that_enrolment_did_not_hear_of_is_found_by_the_sweep(story):
    order = story.place()
    m.Order.objects.filter(pk=order.pk).update(status="paid", paid_at=after(minutes=10))
    assert engine.run_due(after(minutes=30)).left == 1
    assert story.run_of(order).reason == "purchase_paid"
    assert not m.OutgoingEmail.objects.exists()


def test_paying_after_the_mail_ends_what_the_run_granted(story):
    ada = make_contact()
    order = story.place(ada)
    engine.run_due(after(minutes=30))
    lists.add(story.list, ada, source="hand", now=after(minutes=31))
    books_receive(m.Order.objects.get(pk=order.pk), "120.00", now=after(hours=1))
    open_sources = m.ListMembership.objects.filter(removed_at__isnull=True).values_list("source", flat=True)
    assert list(open_sources) == ["hand"]


def test_returning_every_29_minutes_means_no_mail_until_30_quiet_minutes(story):
    ada = make_contact()
    for visit in range(4):
        story.place(ada, now=after(minutes=29 * visit))
        engine.run_due(after(minutes=29 * (visit + 1)))
    assert not m.OutgoingEmail.objects.exists()
    engine.run_due(after(minutes=29 * 3 + 30))
    assert m.OutgoingEmail.objects.get().order == m.Order.objects.order_by("-pk").first()
    assert m.Run.objects.count() == 1


def test_coming_back_by_the_mail_and_leaving_again_brings_no_second_mail(story):
    ada = make_contact()
    story.place(ada)
    engine.run_due(after(minutes=30))
    newer = story.place(ada, now=after(hours=1))
    for hours in range(1, 30):
        engine.run_due(after(hours=hours, minutes=35))
    run = m.Run.objects.get()
    assert (run.order, run.state) == (newer, "completed")
    assert m.OutgoingEmail.objects.count() == 1


def test_a_payment_under_way_is_waited_for(story):
    order = story.place()
    payment = m.Payment.objects.create(order=order, amount=120, currency="EUR", due_at=START, reference="R1")
    attempt = m.PaymentAttempt.objects.create(
        payment=payment, method="sandbox", token="t", state="pending", amount=120, currency="EUR",
        started_at=START, changed_at=START,
    )  # fmt: skip
    assert engine.run_due(after(minutes=30)).waited == 1
    run = story.run_of(order)
    assert (run.position, run.due_at, run.in_flight_since) == ("step-1", after(minutes=40), after(minutes=30))
    assert engine.run_due(after(minutes=39)) == engine.EngineSummary()
    attempt.state = "failed"
    attempt.save()
    assert engine.run_due(after(minutes=40)).acted == 1
    run.refresh_from_db()
    assert run.in_flight_since is None
    assert honoured(story, order.contact, after(minutes=41)).until == after(hours=24, minutes=40)


def test_too_late_is_missed_and_goes_on(story):
    order = story.place()
    now = after(hours=7)
    assert engine.run_due(now).missed == 1
    run = story.run_of(order)
    assert (run.position, run.due_at, run.first_message_at) == ("step-3", now + dt.timedelta(hours=24), None)
    assert not m.OutgoingEmail.objects.exists() and not m.ListMembership.objects.exists()


def test_the_switch_of_the_site(story):
    from wagtail.models import Site

    site = Site.objects.get()
    order = story.place(site=site)
    settings = m.KwigaSettings.for_site(site)
    settings.recovery_on = False
    settings.save()
    engine.run_due(after(minutes=30))
    assert story.run_of(order).reason == "recovery_off"


def test_who_has_unsubscribed_gets_no_mail_and_the_reason_is_kept(story):
    order = story.place()
    consent.unsubscribe(order.contact, source="test", now=after(minutes=5))
    engine.run_due(after(minutes=30))
    assert not m.OutgoingEmail.objects.exists()
    run = story.run_of(order)
    assert told(run)[-1] == ("send_email", "skipped", "unsubscribed")
    assert run.first_message_at is None


def test_the_mail_speaks_the_language_of_the_order(story):
    german = make_template(
        ("text", {"text": "<p>Hallo</p>"}), locale="de", subject="Ihr Platz", title="de",
        translation_key=story.template.translation_key,
    )  # fmt: skip
    ada, otto = make_contact(), make_contact()
    story.place(ada)
    order = story.place(otto)
    m.Order.objects.filter(pk=order.pk).update(language="de")
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get(contact=otto).version.template == german
    assert m.OutgoingEmail.objects.get(contact=ada).version.template == story.template


# --- what goes wrong stays with the one --------------------------------------------------------------------------------------


def test_a_missing_template_pauses_and_goes_on_once_it_is_mended(story):
    order = story.place()
    version, known = m.ScenarioVersion.objects.get(), story.scenario.version.definition
    gone = [{**step, "template_id": 999_999} if step["kind"] == "send_email" else step for step in known["steps"]]
    m.ScenarioVersion.objects.filter(pk=version.pk).update(definition={**known, "steps": gone})
    assert engine.run_due(after(minutes=30)).paused == 1
    run = story.run_of(order)
    assert (run.state, run.reason, run.position) == ("paused", "template_missing", "step-0")
    assert not m.ListMembership.objects.exists()
    entry = m.TimelineEntry.objects.get(code="automations.paused")
    assert entry.needs_attention and entry.subject == run
    assert engine.run_due(after(minutes=40)) == engine.EngineSummary()

    m.ScenarioVersion.objects.filter(pk=version.pk).update(definition=known)
    endings.let_go_on(run, now=after(minutes=50))
    assert engine.run_due(after(minutes=50)).acted == 1
    assert m.OutgoingEmail.objects.count() == 1
    with pytest.raises(KwigaError):
        endings.let_go_on(run)


def test_an_unknown_step_waits_for_who_knows_it_and_is_never_left_out(story):
    order = story.place()
    definition = story.scenario.version.definition
    definition["steps"].insert(1, {"kind": "teleport", "id": "x"})
    m.ScenarioVersion.objects.filter(pk=story.scenario.version_id).update(definition=definition)
    assert engine.run_due(after(minutes=30)).later == 1
    assert story.run_of(order).state == "active"
    assert not m.OutgoingEmail.objects.exists()


def test_one_bad_run_is_found_by_halving_and_paused(story, monkeypatch):
    """The outbox refuses one mail: that run is paused, all others are served."""
    from wagtail_kwiga.mailing.sending import outbox

    orders = [story.place() for _ in range(9)]
    bad = story.run_of(orders[6])
    whole = outbox.queue_many

    def queue_many(mails, *, now):
        mails = list(mails)
        if any(mail.key.startswith(f"run:{bad.pk}:") for mail in mails):
            raise ValueError("cannot freeze this one")
        return whole(mails, now=now)

    monkeypatch.setattr(outbox, "queue_many", queue_many)
    summary = engine.run_due(after(minutes=30))
    assert (summary.decided, summary.acted, summary.paused) == (9, 8, 1)
    bad.refresh_from_db()
    assert (bad.state, bad.error) == ("paused", "ValueError: cannot freeze this one")
    assert told(bad) == [("run", "paused", "error")]
    assert m.OutgoingEmail.objects.count() == m.ListMembership.objects.count() == 8
    assert not m.Run.objects.exclude(lease="").exists()


def test_tried_too_often_is_paused_without_asking_it_anything(story, settings):
    order = story.place()
    m.Run.objects.update(attempts=5)
    summary = engine.run_due(after(minutes=30))
    assert (summary.paused, summary.decided) == (1, 1)
    run = story.run_of(order)
    assert (run.state, run.reason, run.attempts) == ("paused", "too_many_attempts", 0)
    assert not m.OutgoingEmail.objects.exists()


def test_suspects_are_tried_alone_and_counted_before(story):
    """Two were in batches that killed their worker twice: each gets a transaction of its own."""
    orders = [story.place() for _ in range(4)]
    m.Run.objects.filter(order__in=orders[:2]).update(attempts=leasing.SUSPECT_AFTER)
    claim = leasing.claim(after(minutes=30), 10)
    assert (len(claim.together), len(claim.alone), len(claim.worn_out)) == (2, 2, 0)
    assert set(m.Run.objects.filter(pk__in=claim.together).values_list("attempts", flat=True)) == {1}
    assert set(m.Run.objects.filter(pk__in=claim.alone).values_list("attempts", flat=True)) == {2}
    suspect = next(iter(claim.alone))
    assert leasing.count_try(suspect, claim.token) and not leasing.count_try(suspect, "another")
    leasing.let_go(claim.token)
    assert engine.run_due(after(minutes=30)).acted == 4


def test_a_lease_holds_and_then_runs_out(story):
    story.place()
    now = after(minutes=30)
    assert leasing.claim(now, 10)
    assert engine.run_due(now + dt.timedelta(seconds=119)) == engine.EngineSummary()
    assert engine.run_due(now + dt.timedelta(seconds=120)).acted == 1


def test_a_run_that_ended_between_claim_and_decision_has_no_effects(story, monkeypatch):
    order = story.place()
    real = leasing.claim

    def claim_then_pay(now, batch):
        claimed = real(now, batch)
        if claimed:
            books_receive(m.Order.objects.get(pk=order.pk), "120.00", now=now)
        return claimed

    monkeypatch.setattr(leasing, "claim", claim_then_pay)
    summary = engine.run_due(after(minutes=30))
    assert (summary.refused, summary.decided) == (1, 0)
    assert not m.OutgoingEmail.objects.exists()


def test_a_broken_database_gives_the_batch_back(story, monkeypatch):
    from django.db import OperationalError

    from wagtail_kwiga.automations.running import effects

    def broken(*args):
        raise OperationalError("deadlock detected")

    story.place()
    monkeypatch.setattr(effects, "apply", broken)
    with pytest.raises(OperationalError):
        engine.run_due(after(minutes=30))
    run = m.Run.objects.get()
    assert (run.state, run.lease, run.attempts) == ("active", "", 1)


def test_batches_and_the_time_budget(story):
    for _ in range(5):
        story.place()
    assert engine.run_due(after(minutes=30), batch=2, seconds=0).decided == 2
    summary = engine.run_due(after(minutes=30), batch=2)
    assert (summary.decided, summary.batches) == (3, 2)


def test_cancelled_and_expired_orders_end_the_run(story):
    cancelled, expired = story.place(), story.place()
    transitions.cancel(cancelled, now=after(minutes=5))
    transitions.expire(expired, now=after(minutes=5))
    assert story.run_of(cancelled).reason == "order_cancelled"
    assert story.run_of(expired).reason == "order_expired"
    assert engine.run_due(after(minutes=30)) == engine.EngineSummary()


def test_staff_stop_one_and_all(story):
    runs = [story.run_of(story.place()) for _ in range(3)]
    assert endings.stop(runs[0], now=after(minutes=1)) is True
    assert endings.stop(runs[0], now=after(minutes=2)) is False
    assert (runs[0].state, runs[0].reason, runs[0].ended_at) == ("stopped", "stopped", after(minutes=1))
    assert endings.stop_all(story.scenario, now=after(minutes=3), batch=1) == 2
    assert engine.run_due(after(minutes=30)) == engine.EngineSummary()


def test_stopping_calls_back_the_mail_that_has_not_left_and_no_other(story):
    runs = [story.run_of(story.place()) for _ in range(3)]
    engine.run_due(after(minutes=30))
    waiting, leaving, untouched = (run.records.get(email__isnull=False).email for run in runs)
    m.OutgoingEmail.objects.filter(pk=leaving.pk).update(status="sending")
    assert endings.stop_many(runs[:2], now=after(minutes=31)) == 2
    assert dict(m.OutgoingEmail.objects.values_list("pk", "status")) == {
        waiting.pk: "cancelled", leaving.pk: "sending", untouched.pk: "queued",
    }  # fmt: skip
    assert delivery.deliver_due(after(minutes=31)).sent == 1


def test_stopping_many_costs_as_much_as_stopping_one(story, django_assert_max_num_queries):
    def cost(number):
        runs = [story.run_of(story.place()) for _ in range(number)]
        with django_assert_max_num_queries(20) as queries:
            endings.stop_many(runs, now=after(minutes=1))
        return len(queries) - number  # each object is read afresh

    cost(1)
    assert cost(9) == cost(2)


def test_once_a_paid_order_is_thanked_for():
    template = make_template(("text", {"text": "<p>Thank you</p>"}), kind="service")
    story = tell(
        template=template, start=stream(("order_paid", {"offers": []})), steps=stream(("send_email", {"template": template.pk}))
    )  # fmt: skip
    order = story.place()
    books_receive(order, "120.00", now=after(minutes=1))
    assert engine.run_due(after(minutes=1)).completed == 1
    mail = m.OutgoingEmail.objects.get()
    assert (mail.purpose, mail.not_after) == ("scenario", None)  # told however late
    run = m.Run.objects.get()
    key = f"order_paid:{order.contact_id}:order:{order.pk}"
    assert (run.entry_key, run.once_key, run.state) == (key, key, "completed")


def test_a_part_that_came_and_went_back_ends_the_run(story):
    order = story.place()
    books_receive(order, "7", now=after(minutes=1))
    ledger.record_refund(order=order, amount=Decimal(7), now=after(minutes=2))
    assert engine.run_due(after(minutes=30)).left == 1
    assert story.run_of(order).reason == "order_refunded"
    assert not m.ListMembership.objects.exists() and not m.OutgoingEmail.objects.exists()
