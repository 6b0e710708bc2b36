"""A worker that was slow finds its mail in other hands, and leaves it there. A row that is held is waited for."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
from django.core import mail as django_mail
from wagtail import hooks

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.support import START, after
from tests.waiting import while_held
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import sender, suppression
from wagtail_kwiga.mailing.sending import delivery, outbox, tracking
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.mailing.sending.outcomes import DeliveryResult, Outcome

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status
#: When a lease taken at ``START`` has run out.
LATER = after(minutes=3)


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


def pay(order):
    """What paying leaves behind, without the room above."""
    m.Order.objects.filter(pk=order.pk).update(paid_at=START, status="paid")
    m.Purchase.objects.filter(pk=order.purchase_id).update(paid_at=START)


@contextmanager
def meanwhile(deed):
    """Have ``deed`` happen once, while a worker puts together the first mail that it has leased."""
    left = [deed]

    def listener(mail):
        if left:
            left.pop()()
        return mail

    with hooks.register_temporarily("construct_kwiga_email", listener):
        yield
    assert not left, "no mail was put together"


def taken_over():
    """Another worker finds the lease run out and takes the mail; returns it as that worker has it."""
    list(delivery._tidy_up(LATER))
    (email,), _senders = delivery._take("another", LATER, 0.0, 10)
    return email


def is_theirs(row):
    """Whether the row says what the other worker made of it, and nothing else."""
    row.refresh_from_db()
    return (row.status, row.lease, row.attempts, row.why) == (Status.LEASED, "another", 0, "")


def test_a_mail_that_another_worker_has_by_now_is_not_handed_over(outgoing):
    row = queue_one()
    with meanwhile(taken_over):
        assert deliver_due(START) == DeliverySummary()
    assert is_theirs(row)
    assert outgoing == []
    assert deliver_due(after(minutes=9)) == DeliverySummary(sent=1)
    assert len(outgoing) == 1


def test_a_mail_that_another_worker_has_by_now_is_not_stopped_either(outgoing):
    """Whatever speaks against it is for the other worker to find."""
    row = queue_one()

    def taken_over_and_paid():
        taken_over()
        pay(row.order)

    with meanwhile(taken_over_and_paid):
        assert deliver_due(START) == DeliverySummary()
    assert is_theirs(row)
    assert not writing.timeline(row.order).filter(code="mailing.cancelled").exists()
    assert deliver_due(after(minutes=9)) == DeliverySummary(cancelled=1)


def test_a_mail_that_another_worker_has_by_now_did_not_fail(outgoing):
    row = queue_one()

    def taken_over_and_broken():
        taken_over()
        raise RuntimeError("cannot be put together")

    with meanwhile(taken_over_and_broken):
        assert deliver_due(START) == DeliverySummary()
    assert is_theirs(row)
    assert not writing.open_attention().exists()


def slow_hand_over():
    """A mail as a worker has it that is still handing it over, while the lease has run out and staff had it sent again."""
    row = queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.SENDING, lease="slow", leased_until=after(minutes=2), attempts=1, sending_at=START
    )
    slow = m.OutgoingEmail.objects.get(pk=row.pk)
    list(delivery._tidy_up(LATER))
    outbox.settle(m.OutgoingEmail.objects.get(pk=row.pk), "send_again", now=LATER)
    theirs = taken_over()
    assert delivery._claim(theirs, sender.for_site(theirs.site_id), LATER, 0.0) is None
    return slow


def test_what_a_slow_worker_tells_is_not_booked_on_the_hand_over_of_another():
    slow = slow_hand_over()
    assert delivery._book(slow, DeliveryResult(Outcome.SENT), LATER, was=Status.SENDING) is None
    row = m.OutgoingEmail.objects.get()
    assert (row.status, row.lease, row.sent_at) == (Status.SENDING, "another", None)


def test_what_a_slow_worker_tells_does_not_settle_the_doubt_about_another():
    slow = slow_hand_over()
    list(delivery._tidy_up(after(minutes=9)))
    assert delivery._book(slow, DeliveryResult(Outcome.LATER), after(minutes=9), was=Status.SENDING) is None
    row = m.OutgoingEmail.objects.get()
    assert (row.status, row.why) == (Status.UNKNOWN, "worker_stopped")
    assert [entry.code for entry in writing.open_attention()] == ["mailing.unknown"]


def test_a_worker_out_of_time_gives_back_its_own_and_no_other():
    theirs = queue_one()
    m.OutgoingEmail.objects.update(status=Status.LEASED, lease="another", leased_until=after(minutes=2))
    mine = [queue_one() for _ in range(3)]
    with meanwhile(lambda: time.sleep(1.1)):
        sent = deliver_due(START, seconds=1).sent
    assert is_theirs(theirs)
    left = m.OutgoingEmail.objects.filter(pk__in=[row.pk for row in mine]).exclude(status=Status.SENT)
    assert set(left.values_list("status", "lease", "leased_until")) == {(Status.QUEUED, "", None)}
    assert left.count() == 3 - sent == 2


def test_a_hand_over_has_its_lease_from_the_moment_it_begins():
    """A server that kept us waiting for the connection must not eat up the time in which nobody else may doubt."""
    queue_one()
    (email,), senders = delivery._take("mine", START, 0.0, 10)
    assert delivery._claim(email, senders[email.site_id], START, 100.0) is None
    row = m.OutgoingEmail.objects.get()
    assert (row.status, row.leased_until) == (Status.SENDING, after(seconds=100 + 120))
    assert (row.attempts, row.sending_at) == (email.attempts, email.sending_at) == (1, START)
    # Whoever finds that it is no longer theirs is told so, and no status.
    row.lease = "another"
    assert delivery._claim(row, senders[email.site_id], START, 100.0) == ""


def test_the_doubt_is_about_the_hand_over_that_was_found_and_no_later_one():
    """Between finding two dead hand-overs and noting the second, somebody else began, and died, on that one."""
    first, second = queue_one(), queue_one()
    m.OutgoingEmail.objects.update(
        status=Status.SENDING, lease="dead", leased_until=after(minutes=2), attempts=1, sending_at=START
    )
    tidying = delivery._tidy_up(LATER)
    assert next(tidying) == Status.UNKNOWN
    m.OutgoingEmail.objects.filter(pk=second.pk).update(lease="another")
    assert list(tidying) == []
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.lease) == (Status.UNKNOWN, Status.SENDING, "another")


def test_a_receipt_in_doubt_waits_and_then_goes_back_to_the_queue_in_nobodys_hands():
    row = queue_one(purpose="receipt", template=make_template([], kind="service"))
    m.OutgoingEmail.objects.update(status=Status.UNKNOWN, lease="dead", sending_at=START)
    minutes = conf.settings.RECEIPT_RETRY_MINUTES
    list(delivery._tidy_up(after(minutes=minutes, seconds=-1)))
    row.refresh_from_db()
    assert (row.status, row.lease, row.settled_by) == (Status.UNKNOWN, "dead", "")
    list(delivery._tidy_up(after(minutes=minutes)))
    row.refresh_from_db()
    assert (row.status, row.lease, row.leased_until, row.due_at, row.settled_by) == (
        Status.QUEUED, "", None, after(minutes=minutes), outbox.BY_ITSELF,
    )  # fmt: skip


# --- the contact's lock -------------------------------------------------------------------------------------------------


#: What happens under the lock for which delivery waits, and what becomes of the mail.
UNDER_THE_LOCK = {
    "nothing": (lambda row: None, DeliverySummary(sent=1)),
    "paid": (lambda row: pay(row.order), DeliverySummary(cancelled=1)),
    "unsubscribed": (
        lambda row: consent.unsubscribe(row.contact, source="link", now=START),
        DeliverySummary(suppressed=1),
    ),
    "complained": (
        lambda row: suppression.suppress(row.to_email, scope="promotion", reason="complained", now=START),
        DeliverySummary(suppressed=1),
    ),
    "called back": (lambda row: outbox.cancel_recovery(row.purchase_id, now=START), DeliverySummary()),
}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_delivery_waits_for_whoever_holds_the_contact_and_sees_what_they_did(outgoing):
    """Promise 1, without a race: the lock is asked for first, and the questions only once it is there."""
    settings_of_default_site()
    for what, (deed, summary) in UNDER_THE_LOCK.items():
        row = queue_one()
        outgoing.clear()
        found = while_held(row.contact_id, lambda: deliver_due(START), lambda deed=deed, row=row: deed(row))
        assert (what, found, len(outgoing)) == (what, summary, summary.sent)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_providers_report_waits_for_whoever_holds_the_contact():
    row = queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(status=Status.SENDING, sending_at=START)
    report = tracking.Report(tracking.handle_of(row), "", row.to_email, "delivered", at=after(minutes=1))

    def booked():
        m.OutgoingEmail.objects.filter(pk=row.pk).update(status=Status.SENT, sent_at=START, esp_status="opened")

    assert while_held(row.contact_id, lambda: tracking.record(report), booked)
    row.refresh_from_db()
    assert (row.status, row.sent_at, row.esp_status) == (Status.SENT, START, "opened")
    assert (
        not writing.timeline(row.order).filter(code="mailing.sent").exists()
    )  # that is told by whoever handed it over
