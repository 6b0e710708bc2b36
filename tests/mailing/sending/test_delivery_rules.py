"""What is asked once more before a mail leaves, and what becomes of leases."""

from __future__ import annotations

import threading

import pytest
from django.core import mail as django_mail
from django.db import connection, transaction

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import consent, directory
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import sender, suppression
from wagtail_kwiga.mailing.sending import delivery, mail_connection, order_mails, outbox, presend_rules, tracking
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.mailing.sending.outcomes import DeliveryResult, Outcome

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


def pay(order):
    """What paying leaves behind, without the room above."""
    m.Order.objects.filter(pk=order.pk).update(paid_at=START, status="paid")
    m.Purchase.objects.filter(pk=order.purchase_id).update(paid_at=START)


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        (lambda row: pay(row.order), Status.CANCELLED, "paid"),
        (lambda row: settings_of_default_site(recovery_on=False), Status.CANCELLED, "recovery_off"),
        (lambda row: consent.unsubscribe(row.contact, source="link", now=START), Status.SUPPRESSED, "unsubscribed"),
        (lambda row: settings_of_default_site(promo_policy="consented"), Status.SUPPRESSED, "no_consent"),
        (
            lambda row: suppression.suppress(row.to_email.upper(), scope="all", reason="staff", now=START),
            Status.SUPPRESSED, "staff",
        ),
        (
            lambda row: suppression.suppress(row.to_email, scope="promotion", reason="complained", now=START),
            Status.SUPPRESSED, "complained",
        ),
        (
            lambda row: m.Contact.objects.filter(pk=row.contact_id).update(is_placeholder=True),
            Status.SUPPRESSED, "placeholder",
        ),
    ],
)  # fmt: skip
def test_what_changed_after_queueing_counts(change, status, why, outgoing):
    row, healthy = queue_one(), queue_one(purpose="receipt", template=make_template([], kind="service"))
    change(row)
    summary = deliver_due(after(minutes=1))
    assert getattr(summary, status) == 1
    assert summary.sent == 1
    row.refresh_from_db()
    assert (row.status, row.why, row.attempts, row.lease) == (status, why, 0, "")
    healthy.refresh_from_db()
    assert healthy.status == Status.SENT
    assert [message.to for message in outgoing] == [[f'"Ada Lovelace" <{healthy.to_email}>']]
    assert writing.timeline(row.order).get(code=f"mailing.{status}").at == after(minutes=1)


def test_a_complaint_about_one_mail_stops_the_next_one_that_waits(outgoing):
    """Nobody has unsubscribed: the provider alone says that the reader pressed the button."""
    contact, template = make_contact(), make_template()
    first = queue_one(contact, template=template)
    assert deliver_due(START).sent == 1
    waiting = queue_one(contact, template=template, now=after(minutes=1))
    told = tracking.Report(tracking.handle_of(first), "", contact.email, "complained", at=after(minutes=2))
    assert waiting.status == Status.QUEUED
    assert tracking.record(told)
    assert deliver_due(after(minutes=3)) == DeliverySummary(suppressed=1)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.why) == (Status.SUPPRESSED, "complained")
    contact.refresh_from_db()
    assert contact.unsubscribed_at is None


def test_a_complaint_about_promotion_keeps_no_receipt_back(outgoing):
    row = queue_one(purpose="receipt", template=make_template([], kind="service"))
    suppression.suppress(row.to_email, scope="promotion", reason="complained", now=START)
    consent.unsubscribe(row.contact, source="link", now=START)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)


@pytest.mark.parametrize("scope", ["promotion", "all"])
def test_an_address_that_gets_no_mail_is_one_address_and_no_other(scope, outgoing):
    ada, bo = queue_one(make_contact("ada@example.com")), queue_one(make_contact("ada@example.org"))
    suppression.suppress("Ada@Example.com", scope=scope, reason="bounced", now=START)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, suppressed=1)
    assert dict(m.OutgoingEmail.objects.values_list("pk", "status")) == {ada.pk: Status.SUPPRESSED, bo.pk: Status.SENT}


def test_an_older_sibling_that_was_paid_silences_the_purchase(outgoing):
    contact, offer = make_contact(), make_offer()
    older = order_for(contact, offer, now=START)
    newer = order_for(contact, offer, now=after(minutes=5))
    assert newer.purchase_id == older.purchase_id
    queue_one(contact, order=newer)
    pay(older)
    assert deliver_due(after(minutes=40)) == DeliverySummary(cancelled=1)
    assert outgoing == []


def test_a_later_purchase_is_another(outgoing):
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    first = order_for(contact, offer, now=START)
    pay(first)
    second = order_for(contact, offer, now=after(days=40))
    queue_one(contact, order=second, now=after(days=40))
    assert deliver_due(after(days=40)).sent == 1


def test_a_receipt_of_a_paid_order_goes_out(outgoing):
    order = order_for(make_contact(), make_offer())
    pay(order)
    order_mails.receipt(order, START)
    assert deliver_due(START).sent == 1


def test_too_late_is_missed(outgoing):
    template = make_template()
    in_time = queue_one(template=template, not_after=after(hours=12))
    too_late = queue_one(template=template, not_after=after(hours=12, seconds=-1))
    assert deliver_due(after(hours=12)) == DeliverySummary(sent=1, missed=1)
    in_time.refresh_from_db()
    too_late.refresh_from_db()
    assert (in_time.status, too_late.status, too_late.why) == (Status.SENT, Status.MISSED, "too_late")


def test_nothing_goes_before_it_is_due(outgoing):
    queue_one(due_at=after(minutes=10))
    assert deliver_due(after(minutes=9, seconds=59)) == DeliverySummary()
    assert delivery.due_count(after(minutes=9)) == 0
    assert deliver_due(after(minutes=10)).sent == 1


def test_the_oldest_goes_first(outgoing):
    template = make_template(subject="{{ contact.email }}")
    late = queue_one(template=template, due_at=after(minutes=2))
    early = queue_one(template=template, due_at=after(minutes=1))
    deliver_due(after(minutes=5))
    assert [message.subject for message in outgoing] == [early.to_email, late.to_email]


def test_out_of_time_the_rest_goes_back_untouched(outgoing):
    rows = [queue_one() for _ in range(3)]
    assert deliver_due(START, seconds=0) == DeliverySummary()
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.lease, row.leased_until, row.attempts) == (Status.QUEUED, "", None, 0)
    assert deliver_due(START).sent == 3


def test_a_mail_leased_by_a_dead_worker_goes_back(outgoing):
    row = queue_one()
    m.OutgoingEmail.objects.update(status=Status.LEASED, lease="dead", leased_until=after(minutes=2))
    assert deliver_due(after(minutes=1)) == DeliverySummary()
    assert deliver_due(after(minutes=2)) == DeliverySummary(sent=1)
    row.refresh_from_db()
    assert row.attempts == 1


def test_a_hand_over_by_a_dead_worker_is_uncertain(outgoing):
    row = queue_one()
    m.OutgoingEmail.objects.update(
        status=Status.SENDING, lease="dead", leased_until=after(minutes=2), attempts=1, sending_at=START
    )
    assert deliver_due(after(minutes=1)) == DeliverySummary()
    assert deliver_due(after(minutes=2)) == DeliverySummary(unknown=1)
    row.refresh_from_db()
    assert (row.status, row.why, row.lease, row.leased_until) == (Status.UNKNOWN, "worker_stopped", "dead", None)
    assert [entry.code for entry in writing.open_attention()] == ["mailing.unknown"]
    assert deliver_due(after(days=1)) == DeliverySummary()
    assert outgoing == []


def test_a_worker_that_was_only_slow_can_still_tell_how_it_ended():
    row = queue_one()
    m.OutgoingEmail.objects.update(
        status=Status.SENDING, lease="slow", leased_until=after(minutes=2), attempts=1, sending_at=START
    )
    assert deliver_due(after(minutes=2)) == DeliverySummary(unknown=1)
    row.refresh_from_db()
    assert delivery._book(row, DeliveryResult(Outcome.SENT), after(minutes=3), was=Status.SENDING) == Status.SENT
    row.refresh_from_db()
    assert (row.status, row.sent_at, row.lease, row.why) == (Status.SENT, after(minutes=3), "", "")
    assert not writing.open_attention().exists()
    # Once a person has settled it, nobody else does.
    other = queue_one()
    m.OutgoingEmail.objects.filter(pk=other.pk).update(status=Status.UNKNOWN, lease="slow")
    other.refresh_from_db()
    late = m.OutgoingEmail.objects.get(pk=other.pk)
    outbox.settle(other, "was_sent", now=after(minutes=4))
    assert delivery._book(late, DeliveryResult(Outcome.LATER), after(minutes=5), was=Status.SENDING) is None
    other.refresh_from_db()
    assert other.status == Status.SENT


def test_one_mail_that_nobody_foresaw_does_not_stop_the_others(outgoing, monkeypatch):
    real = presend_rules.objection

    def objection(email, by, now):
        if email.pk == row.pk:
            raise RuntimeError("unforeseen")
        return real(email, by, now)

    row, healthy = queue_one(), queue_one()
    monkeypatch.setattr(presend_rules, "objection", objection)
    assert deliver_due(START) == DeliverySummary(sent=1, later=1)
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Status.QUEUED, 1)
    assert row.why == "stumbled: unforeseen"
    healthy.refresh_from_db()
    assert healthy.status == Status.SENT


def test_the_same_mail_is_the_same_message_whenever_it_is_made():
    row = queue_one()
    fresh = m.OutgoingEmail.objects.select_related("version", "order").get(pk=row.pk)
    by = sender.for_site(fresh.site_id)
    first, second = (mail_connection.compose(fresh, by) for _ in range(2))
    assert first.body == second.body
    assert first.extra_headers == second.extra_headers


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order_of_things", range(6))
def test_promise_one_no_hand_over_begins_after_the_payment_committed(order_of_things, monkeypatch):
    """Paying against claiming, raced on the database: the mail is claimed before the payment commits, or never."""
    rounds, told = 12, []

    def claim_noted(email, by, now, passed):
        stopped = real_claim(email, by, now, passed)
        if stopped is None:
            told.append(("hand-over", email.purchase_id))
        return stopped

    real_claim = delivery._claim
    monkeypatch.setattr(delivery, "_claim", claim_noted)
    template = make_template()
    for _ in range(rounds):
        contact = make_contact()
        order = order_for(contact, make_offer(coupon_mode="any"))
        queue_one(contact, order=order, template=template)
        gate = threading.Barrier(2)
        claimed_before_commit = threading.Event()

        def pay_it(order=order, gate=gate, seen=claimed_before_commit):
            try:
                with transaction.atomic():
                    gate.wait()
                    directory.lock(order.contact_id)
                    pay(order)
                    outbox.cancel_recovery(order.purchase_id, now=START)
                    # What is claimed by now was claimed before we got the lock; nothing may be claimed from here on.
                    if m.OutgoingEmail.objects.filter(
                        purchase_id=order.purchase_id, status__in=[Status.SENDING, Status.SENT]
                    ).exists():
                        seen.set()
            finally:
                connection.close()

        def send_it(gate=gate):
            try:
                gate.wait()
                deliver_due(START)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for work in (pay_it, send_it)]
        for thread in threads[:: 1 if order_of_things % 2 else -1]:
            thread.start()
        for thread in threads:
            thread.join()
        row = m.OutgoingEmail.objects.get(purchase_id=order.purchase_id)
        began = ("hand-over", order.purchase_id) in told
        assert began == claimed_before_commit.is_set()
        assert row.status == (Status.SENT if began else Status.CANCELLED)
        assert len(django_mail.outbox) == sum(1 for _ in told)
