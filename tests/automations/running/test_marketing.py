"""What a scenario about unpaid orders sends is marketing: not for people who said no, and at most so much of it a day."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core import mail as django_mail

from tests.automations.story import make_template, stream, tell, told
from tests.mailing.making import settings_of_default_site
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.mailing.sending import delivery, order_mails, outbox

pytestmark = pytest.mark.django_db

#: When the site's next day begins.
MIDNIGHT = dt.datetime(2027, 3, 1, 23, 0, tzinfo=dt.UTC)
REMINDER = (
    ("text", {"text": "<p>Your order of {{ order.title }} is not paid yet.</p>"}),
    ("button", {"label": "Go on", "where": "resume", "url": ""}),
)


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


def mailing(template: m.EmailTemplate) -> list:
    return stream(("wait", {"minutes": 30}), ("send_email", {"template": template.pk}))


# --- people who said no -------------------------------------------------------------------------------------------------


def test_a_reminder_without_a_coupon_is_marketing_and_not_for_who_has_unsubscribed():
    story = tell(steps=mailing(make_template(*REMINDER)))
    ada, bob = make_contact("ada@example.com"), make_contact("bob@example.com")
    consent.unsubscribe(ada, source="test", now=START)
    runs = [story.run_of(story.place(one)) for one in (ada, bob)]
    engine.run_due(after(minutes=30))
    assert told(runs[0])[-1] == ("send_email", "skipped", "unsubscribed")
    mail = m.OutgoingEmail.objects.get()
    assert (mail.to_email, mail.kind) == ("bob@example.com", "promotion")


def test_nor_without_consent_where_the_site_asks_for_it_and_it_has_a_way_to_unsubscribe(outgoing):
    story = tell(steps=mailing(make_template(*REMINDER)))
    settings_of_default_site(promo_policy="consented")
    ada, bob = make_contact("ada@example.com"), make_contact("bob@example.com", consented_at=START)
    runs = [story.run_of(story.place(one)) for one in (ada, bob)]
    engine.run_due(after(minutes=30))
    assert told(runs[0])[-1] == ("send_email", "skipped", "no_consent")
    delivery.deliver_due(after(minutes=31))
    (sent,) = outgoing
    assert sent.to[0].endswith("bob@example.com>") and "List-Unsubscribe" in sent.extra_headers
    assert "/unsubscribe/" in sent.body and "This mail is about your order" not in sent.body


def test_an_email_that_is_marked_as_service_reminds_everybody():
    story = tell(steps=mailing(make_template(*REMINDER, kind="service")))
    ada = make_contact()
    consent.unsubscribe(ada, source="test", now=START)
    story.place(ada)
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get().kind == "service"
    (warning,) = versions.warnings(story.scenario, START)
    assert "is marked as service, so people who have unsubscribed or never agreed to promotion get it too" in warning


def test_one_email_is_marketing_before_the_payment_and_service_after_it():
    template = make_template(("text", {"text": "<p>{{ order.title }}</p>"}))
    story = tell(steps=mailing(template))
    thanks = m.Scenario.objects.create(
        title="Thanks", start=stream(("order_paid", {"offers": []})), steps=mailing(template)
    )
    versions.publish(thanks, now=START)
    settings_of_default_site(promo_mails_per_day=0)
    story.place(make_contact("ada@example.com"))
    books_receive(story.place(make_contact("bob@example.com")), "120.00", now=START)
    engine.run_due(after(minutes=30))
    kinds = dict(m.OutgoingEmail.objects.exclude(purpose="receipt").values_list("to_email", "kind"))
    assert kinds == {"ada@example.com": "promotion", "bob@example.com": "service"}


# --- the filter of the start event --------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_mailed", [False, True])
def test_choosing_bank_transfer_on_the_pay_page_ends_the_recovery_of_online_payments(story, has_mailed):
    order = story.place()
    run = story.run_of(order)
    if has_mailed:
        engine.run_due(after(minutes=30))
    m.Order.objects.filter(pk=order.pk).update(payment_kind="transfer", payment_method="transfer")
    engine.run_due(after(hours=25))
    run.refresh_from_db()
    assert (run.state, run.reason) == ("left", "no_longer_meant")
    assert m.OutgoingEmail.objects.count() == int(has_mailed)


def test_who_comes_back_after_the_mail_with_an_order_by_transfer_is_left_in_peace(story):
    ada = make_contact()
    run = story.run_of(story.place(ada))
    engine.run_due(after(minutes=30))
    story.place(ada, now=after(hours=1), method="transfer")
    run.refresh_from_db()
    assert (run.state, run.reason) == ("left", "other_kind_of_order")


# --- at most so many a day ------------------------------------------------------------------------------------------------


def three_offers(story) -> list[m.Offer]:
    """The scenario is about three offers."""
    offers = [story.offer, *(make_offer(title=title, coupon_mode="only") for title in ("Oil", "Ink"))]
    for offer in offers:
        gates.name_coupons(offer, [story.coupon.pk])
    story.scenario.start = stream(("order_unpaid", {"offers": []}))
    story.scenario.save()
    versions.publish(m.Scenario.objects.get(pk=story.scenario.pk), now=START)
    return offers


def leave_three(story, ada) -> list[m.Run]:
    offers = three_offers(story)
    orders = [order_for(ada, offer, now=after(minutes=minute), language="en") for minute, offer in enumerate(offers)]
    return [m.Run.objects.get(order=order) for order in orders]


def test_three_offers_left_in_three_minutes_are_one_mail_a_day_and_the_promise_counts_from_the_real_one(
    story, outgoing
):
    runs = leave_three(story, make_contact())
    summary = engine.run_due(after(minutes=35))
    assert summary.decided == 3 and m.OutgoingEmail.objects.count() == 1
    delivery.deliver_due(after(minutes=36))
    for run in runs:
        run.refresh_from_db()
    assert [run.due_at for run in runs[1:]] == [MIDNIGHT, MIDNIGHT]
    assert told(runs[1])[-1] == ("add_to_list", "waited", "marketing_cap")
    assert runs[1].records.last().facts == {"due": MIDNIGHT.isoformat(), "marketing_today": 1}
    assert m.ListMembership.objects.count() == 1  # what the mail would promise has not begun

    engine.run_due(MIDNIGHT)
    assert m.OutgoingEmail.objects.count() == 2
    second = m.OutgoingEmail.objects.latest("pk")
    assert second.promised_until == MIDNIGHT + dt.timedelta(hours=24)
    delivery.deliver_due(MIDNIGHT)
    runs[2].refresh_from_db()
    assert runs[2].due_at == MIDNIGHT + dt.timedelta(days=1)
    engine.run_due(MIDNIGHT + dt.timedelta(days=1))
    delivery.deliver_due(MIDNIGHT + dt.timedelta(days=1))
    assert len(outgoing) == 3


@pytest.mark.parametrize(("limit", "mails"), [(0, 3), (2, 2), (1, 1)])
def test_how_many_a_day_is_a_setting_of_the_site(story, limit, mails):
    settings_of_default_site(promo_mails_per_day=limit)
    leave_three(story, make_contact())
    engine.run_due(after(minutes=35))
    assert m.OutgoingEmail.objects.count() == mails


def test_the_cap_holds_over_batches_and_counts_what_waits_in_the_outbox(story):
    leave_three(story, make_contact())
    engine.run_due(after(minutes=35), batch=1)
    assert m.OutgoingEmail.objects.count() == 1


def test_receipts_and_service_neither_count_nor_wait(story, outgoing):
    ada = make_contact()
    paid = story.place(ada, now=START - dt.timedelta(hours=1))
    books_receive(paid, "120.00", now=START)
    order_mails.receipt(paid, START)
    delivery.deliver_due(after(minutes=1))
    leave_three(story, ada)
    engine.run_due(after(minutes=35))
    assert m.OutgoingEmail.objects.filter(purpose="recovery").count() == 1
    delivery.deliver_due(after(minutes=36))
    again = order_for(ada, make_offer(title="Clay"), now=after(minutes=37), language="en")
    books_receive(again, "120.00", now=after(minutes=38))
    order_mails.receipt(again, after(minutes=38))
    delivery.deliver_due(after(minutes=39))
    assert len(outgoing) == 3 and not m.OutgoingEmail.objects.exclude(status="sent").exists()


def test_another_person_is_not_kept_waiting(story):
    leave_three(story, make_contact())
    story.place(make_contact("bob@example.com"))
    engine.run_due(after(minutes=35))
    assert m.OutgoingEmail.objects.filter(to_email="bob@example.com").count() == 1


def test_two_mails_of_one_wave_are_a_day_apart():
    template = make_template(*REMINDER)
    send = ("send_email", {"template": template.pk})
    story = tell(steps=stream(("wait", {"minutes": 30}), send, send))
    run = story.run_of(story.place())
    engine.run_due(after(minutes=30))
    run.refresh_from_db()
    assert (run.position, run.due_at) == ("step-2", MIDNIGHT)
    delivery.deliver_due(after(minutes=31))
    engine.run_due(run.due_at)
    assert m.OutgoingEmail.objects.count() == 2


def test_a_list_without_a_mail_is_not_marketing(story):
    ada = make_contact()
    leave_three(story, ada)
    engine.run_due(after(minutes=35))
    other = make_list("Others")
    plain = m.Scenario.objects.create(
        title="Lists only",
        start=stream(("order_unpaid", {"offers": []})),
        steps=stream(("wait", {"minutes": 30}), ("add_to_list", {"list": other.pk, "until": "none"})),
    )
    versions.publish(plain, now=after(minutes=36))
    story.place(ada, now=after(minutes=40))
    engine.run_due(after(minutes=75))
    assert m.ListMembership.objects.filter(list=other).exists()


def test_delivery_asks_again_and_puts_off_what_came_late(story, outgoing):
    """Both were queued while nobody delivered, on two days."""
    runs = leave_three(story, make_contact())
    evening = MIDNIGHT - dt.timedelta(hours=1)
    m.Run.objects.filter(pk__in=[run.pk for run in runs[1:]]).update(state="stopped", due_at=None)
    m.Run.objects.filter(pk=runs[0].pk).update(due_at=evening)
    engine.run_due(evening)
    first = m.OutgoingEmail.objects.get()
    m.Run.objects.filter(pk=runs[1].pk).update(state="active", due_at=evening)
    m.OutgoingEmail.objects.filter(pk=first.pk).update(due_at=evening + dt.timedelta(hours=2))  # tried and put back
    engine.run_due(evening)
    assert m.OutgoingEmail.objects.count() == 2
    tomorrow = evening + dt.timedelta(hours=2)
    summary = delivery.deliver_due(tomorrow)
    assert (summary.sent, len(outgoing)) == (1, 1)
    late = m.OutgoingEmail.objects.exclude(status="sent").get()
    assert (late.status, late.why) == ("missed", "marketing_cap")


def test_a_mail_that_can_wait_is_delivered_the_next_day(story, outgoing):
    """Staff have let it be sent again, on a day that has brought its reader another one already."""
    runs = leave_three(story, make_contact())
    engine.run_due(after(minutes=35))
    mail = m.OutgoingEmail.objects.get()
    delivery.deliver_due(after(minutes=36))
    m.OutgoingEmail.objects.filter(pk=mail.pk).update(status="failed", sending_at=None)
    other = m.Run.objects.filter(pk__in=[run.pk for run in runs], position="step-1").first()
    m.Run.objects.filter(pk=other.pk).update(due_at=after(minutes=40))
    engine.run_due(after(minutes=40))
    delivery.deliver_due(after(minutes=41))
    assert len(outgoing) == 2
    m.OutgoingEmail.objects.filter(pk=mail.pk).update(not_after=after(days=2))
    mail.refresh_from_db()
    outbox.settle(mail, "send_again", now=after(minutes=42))
    delivery.deliver_due(after(minutes=43))
    mail.refresh_from_db()
    assert (mail.status, mail.why, mail.due_at) == ("queued", "marketing_cap", MIDNIGHT)
    assert len(outgoing) == 2
