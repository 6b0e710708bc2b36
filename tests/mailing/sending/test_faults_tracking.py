"""Attacked: what providers report afterwards, through Anymail's real web address. Forged, repeated, in any order, about mails
that are not ours, with values that no database takes."""

from __future__ import annotations

import base64
import itertools
import json
import random

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.test import Client
from django.urls import include, path
from django.utils import translation

from tests.mailing.making import queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.sending import anymail_bridge, order_mails, outbox
from wagtail_kwiga.mailing.sending.delivery import deliver_due
from wagtail_kwiga.mailing.sending.tracking import handle_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [path("anymail/", include("anymail.urls")), path("", include("tests.site.urls"))]

Status = m.OutgoingEmail.Status
SECRET = "postbox:a-long-secret-word"
DOOR = "/anymail/postmark/tracking/"


@pytest.fixture(autouse=True)
def listening(settings):
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
    settings_of_default_site()
    anymail_bridge.connect()


def sent(row=None, message_id="m-1"):
    row = row or queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.SENT, sent_at=START, sending_at=START, message_id=message_id, esp_status="queued"
    )
    row.refresh_from_db()
    return row


def state_of_all():
    """Everything a report could change."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (m.OutgoingEmail, m.Suppression, m.TimelineEntry, m.Contact)
    ]


def post(body, secret=SECRET):
    headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"} if secret is not None else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(raise_request_exception=True).post(DOOR, data, content_type="application/json", headers=headers)


def hard_bounce(row, **changes):
    return {
        "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "ID": 7, "MessageID": "m-1", "Email": row.to_email,
        "BouncedAt": "2027-03-01T12:05:00Z", "Details": "no such user", "Tag": "recovery",
        "Metadata": {"kwiga_email": handle_of(row)}, **changes,
    }  # fmt: skip


def test_a_bounce_that_the_provider_really_reports():
    row = sent()
    for _ in range(3):
        assert post(hard_bounce(row)).status_code == 200
    row.refresh_from_db()
    assert (row.status, row.esp_status) == (Status.SENT, "bounced")
    assert [(each.email, each.scope, each.reason) for each in m.Suppression.objects.all()] == [
        (row.to_email, "all", "bounced")
    ]
    assert writing.timeline(row.order).filter(code="mailing.bounced").count() == 1
    # Nobody else hears of it, and this address gets nothing more.
    assert queue_one(row.contact).status == Status.SUPPRESSED


@pytest.mark.parametrize(
    "secret", [None, "", "postbox:wrong", "postbox:", ":", "postbox:a-long-secret-wor", "\u00e9:x"]
)
def test_who_does_not_know_the_secret_reports_nothing(secret):
    row = sent()
    before = state_of_all()
    assert post(hard_bounce(row), secret).status_code == 400
    assert state_of_all() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageID": "not ours", "Metadata": {}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": "999999999.1"}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": "².1"}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": "9" * 30 + ".1"}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": "9" * 6000 + ".1"}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": {"a": 1}}},
        {"MessageID": "not ours", "Metadata": {"kwiga_email": None}},
        {"MessageID": "\x00", "Metadata": {}},
        {"MessageID": "\ud800", "Metadata": {}},
        {"MessageID": "x" * 100_000, "Metadata": {}},
        {"MessageID": ["m-1"], "Metadata": {}},
        {"Email": "somebody@else.example"},
        {"Email": None, "MessageID": "not ours", "Metadata": {}},
        {"Type": "\ud800", "RecordType": "Nonsense"},
    ],
    ids=lambda changes: repr(changes)[:60],
)
def test_reports_that_are_not_about_a_mail_of_ours_or_about_nothing(changes):
    row = sent()
    before = state_of_all()
    assert post(hard_bounce(row, **changes)).status_code == 200
    assert state_of_all() == before


@pytest.mark.parametrize("metadata", [None, [], "kwiga_email", {"kwiga_email": []}, {"kwiga_email": "1.0"}], ids=repr)
@pytest.mark.parametrize("reported", [None, "", "bounced", "\ud800", 7], ids=repr)
def test_events_of_an_odd_shape(metadata, reported):
    row = sent()
    before = state_of_all()
    event = AnymailTrackingEvent(
        event_type=reported, timestamp=None, event_id=None, message_id=None, recipient=None, reject_reason=None,
        metadata=metadata, tags=None,
    )  # fmt: skip
    tracking.send(sender=object, esp_name="Test", event=event)
    row.refresh_from_db()
    assert state_of_all() == before


def report(row, event, reason=None, at=after(minutes=1)):
    tracking.send(
        sender=object, esp_name="Test",
        event=AnymailTrackingEvent(
            event_type=event, timestamp=at, event_id=None, message_id="m-1", recipient=row.to_email, reject_reason=reason,
            metadata={"kwiga_email": handle_of(row)}, tags=[],
        ),
    )  # fmt: skip
    row.refresh_from_db()


EVENTS = [
    ("bounced", "bounced"),
    ("complained", "spam"),
    ("rejected", "blocked"),
    ("deferred", None),
    ("delivered", None),
]


def test_any_order_and_any_repetition_ends_alike():
    """Every report comes twice, the second time in an order of its own."""
    ends = set()
    for number, order in enumerate(itertools.permutations(EVENTS)):
        if number % 8:  # fifteen of them will do
            continue
        row = sent(queue_one(make_contact(f"p{number}@example.com")))
        again = list(EVENTS)
        random.Random(number).shuffle(again)
        for event, reason in [*order, *again]:
            report(row, event, reason)
        told = sorted(writing.timeline(row.order).filter(facts__email=row.pk).values_list("code", "needs_attention"))
        listed = tuple(sorted(m.Suppression.objects.filter(email=row.to_email).values_list("scope", "reason")))
        ends.add((row.status, row.why, row.esp_status, tuple(told), listed))
    assert ends == {
        (
            Status.FAILED, "server_refused: rejected blocked", "complained",
            (("mailing.bounced", False), ("mailing.failed", True)),
            (("all", "bounced"), ("promotion", "complained")),
        )
    }  # fmt: skip


@pytest.mark.parametrize("event", ["rejected", "failed"])
def test_a_mail_that_the_provider_took_and_then_did_not_send_is_seen_by_a_person(event):
    row = sent()
    report(row, event, "blocked")
    report(row, event, "blocked")
    assert (row.status, row.why) == (Status.FAILED, f"server_refused: {event} blocked")
    (entry,) = writing.open_attention()
    assert (entry.code, entry.facts["email"]) == ("mailing.failed", row.pk)
    outbox.settle(row, "send_again", now=after(minutes=5))
    assert not writing.open_attention().exists()


@pytest.mark.parametrize(
    ("reason", "listed"), [("bounced", True), ("timed_out", False), ("blocked", False), (None, False)]
)
def test_a_receipt_that_came_back_is_seen_by_a_person_and_promotion_is_not(reason, listed):
    receipt = order_mails.receipt(order_for(make_contact("buyer@example.com"), make_offer()), START)
    for row in (sent(receipt, "m-1"), sent(queue_one(), "m-2")):
        report(row, "bounced", reason)
        report(row, "bounced", reason)
        assert row.status == Status.SENT
        assert m.Suppression.objects.filter(email=row.to_email, scope="all").exists() is listed
    assert [(entry.code, entry.facts["email"]) for entry in writing.open_attention()] == [
        ("mailing.bounced", receipt.pk)
    ]


def test_the_timeline_says_why_in_words_of_the_reader():
    row = sent()
    report(row, "bounced", "bounced")
    report(row, "rejected", "blocked")
    for code, why in (("mailing.bounced", "bounced"), ("mailing.failed", "server_refused")):
        entry = writing.timeline(row.order).get(code=code)
        assert entry.facts["why"].partition(":")[0] == why  # for programs
        with translation.override("en"):
            english = writing.sentence(entry)
            assert reasons.sentence(entry.facts["why"]) in english and why not in english
        with translation.override("de"):
            assert reasons.sentence(entry.facts["why"]) in writing.sentence(entry)


def test_given_up_says_the_last_reason_in_words():
    told = reasons.sentence("gave_up: no_connection: ConnectionRefusedError [Errno 111]")
    assert "could not be reached" in told and "no_connection" not in told and "Errno 111" in told


def test_a_report_about_what_is_being_handed_over_right_now():
    """It comes before our own answer: the provider knows, so nothing is in doubt, and the worker finds it settled."""
    row = queue_one()
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.SENDING, lease="w", sending_at=START, leased_until=after(minutes=2)
    )
    report(row, "bounced", "bounced")
    assert (row.status, row.lease, row.esp_status) == (Status.SENT, "", "bounced")
    assert deliver_due(after(minutes=5)).total == 0
