"""What providers report afterwards, repeated and out of order, through Anymail's real webhook signal."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from anymail.signals import AnymailTrackingEvent, tracking

from tests.mailing.making import queue_one
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import timeline
from wagtail_kwiga.mailing.sending import anymail_bridge, mail_connection, outbox
from wagtail_kwiga.mailing.sending.delivery import deliver_due
from wagtail_kwiga.mailing.sending.tracking import handle_of

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


@pytest.fixture(autouse=True)
def listening():
    anymail_bridge.connect()
    anymail_bridge.connect()


def report(row, event, *, reject_reason=None, metadata=True, handle=None, recipient=None, message_id="m-1", minutes=1):
    given = AnymailTrackingEvent(
        event_type=event,
        timestamp=after(minutes=minutes),
        event_id=None,
        message_id=message_id,
        recipient=recipient or row.to_email.upper(),
        reject_reason=reject_reason,
        metadata={"kwiga_email": handle or handle_of(row)} if metadata else {},
        tags=[],
    )
    tracking.send(sender=object, event=given, esp_name="Test")
    row.refresh_from_db()


def sent():
    row = queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.SENT, sent_at=START, message_id="m-1", esp_status="queued"
    )
    row.refresh_from_db()
    return row


def unknown(purpose="recovery"):
    row = queue_one(purpose=purpose)
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.UNKNOWN, sending_at=START, why="no_answer", lease="w"
    )
    row.refresh_from_db()
    timeline.note(row, "mailing.unknown", now=START, attention=True)
    return row


def test_a_mail_only_moves_forward_whatever_order_reports_come_in():
    events = ["queued", "sent", "delivered", "opened", "clicked"] * 2
    for seed in range(5):
        row = sent()
        random.Random(seed).shuffle(events)
        for event in events:
            report(row, event)
        assert row.esp_status == "clicked"
        assert row.status == Status.SENT


@pytest.mark.parametrize(
    ("event", "reason", "scope", "why"),
    [
        ("bounced", "invalid", "all", "bounced"),
        ("bounced", "bounced", "all", "bounced"),
        ("complained", "spam", "promotion", "complained"),
        ("unsubscribed", None, "promotion", "unsubscribed"),
        ("bounced", "timed_out", None, None),
        ("bounced", "blocked", None, None),
        ("deferred", "other", None, None),
    ],
)
def test_what_suppresses_an_address(event, reason, scope, why):
    row = sent()
    for _ in range(2):
        report(row, event, reject_reason=reason)
    found = list(m.Suppression.objects.values_list("email", "scope", "reason"))
    assert found == ([(row.to_email, scope, why)] if scope else [])
    if event == "unsubscribed":
        assert m.Contact.objects.get(pk=row.contact_id).unsubscribed_at is not None


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ("delivered", Status.SENT),
        ("queued", Status.SENT),
        ("bounced", Status.SENT),
        ("rejected", Status.FAILED),
        ("failed", Status.FAILED),
    ],
)
def test_a_report_settles_what_was_uncertain(event, ends):
    row = unknown()
    report(row, event, metadata=True)
    assert (row.status, row.lease) == (ends, "")
    codes = [entry.code for entry in writing.open_attention()]
    assert codes == ([] if ends == Status.SENT else ["mailing.failed"])
    report(row, "delivered")
    assert row.status == ends


def test_a_receipt_that_was_reported_is_not_sent_again():
    row = unknown(purpose="receipt")
    report(row, "delivered")
    assert deliver_due(after(hours=2)).total == 0


def test_a_mail_is_found_by_its_message_id_too():
    row = sent()
    report(row, "delivered", metadata=False)
    assert row.esp_status == "delivered"


def test_reports_about_others_are_left_alone():
    row = sent()
    report(row, "bounced", reject_reason="invalid", recipient="somebody@else.example")
    report(row, "delivered", metadata=False, message_id="unknown")
    report(row, "nonsense")
    assert row.esp_status == "queued"
    assert not m.Suppression.objects.exists()


def test_what_waits_is_not_settled_by_a_report():
    row = queue_one()
    report(row, "delivered")
    assert row.status == Status.QUEUED
    outbox.cancel_recovery(row.purchase_id, now=START)
    report(row, "delivered")
    assert row.status == Status.CANCELLED


def test_what_is_told_of_a_lost_mail_is_not_booked_on_the_one_that_got_its_key():
    """A restored backup gives the key of a lost mail to the next one, often to the same person."""
    lost = sent()
    told = handle_of(lost)
    key, to = lost.pk, lost.to_email
    lost.delete()
    row = queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        id=key,
        to_email=to,
        status=Status.SENT,
        sent_at=START,
        queued_at=START + dt.timedelta(microseconds=1),
        message_id="m-2",
    )
    row = m.OutgoingEmail.objects.get(pk=key)
    report(row, "bounced", reject_reason="bounced", handle=told)
    assert row.esp_status == ""
    assert not m.Suppression.objects.exists()
    report(row, "bounced", reject_reason="bounced")
    assert row.esp_status == "bounced"


def test_another_mail_with_the_same_keys_has_another_message_id():
    row = queue_one()
    first = mail_connection.message_id(row, "shop.example")
    assert mail_connection.message_id(m.OutgoingEmail.objects.get(pk=row.pk), "shop.example") == first
    row.queued_at += dt.timedelta(microseconds=1)
    assert mail_connection.message_id(row, "shop.example") != first
