"""Delivery to a real SMTP server, read back from the bytes that arrived."""

from __future__ import annotations

import re
import socket
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from wagtail import hooks

from tests.mail_settings import SMTP, add_options, use_mailer
from tests.mailing.making import (
    RECOVERY,
    free_port,
    make_template,
    parts,
    queue_one,
    settings_of_default_site,
    smtp_server,
)
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import mail_connection, order_mails, outbox
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due, due_count

pytestmark = pytest.mark.django_db(transaction=True)

Status = m.OutgoingEmail.Status


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


def state(row):
    row.refresh_from_db()
    return row.status


def test_the_recovery_mail_arrives_with_the_right_head_and_both_parts(smtp):
    row = queue_one(make_contact("ada@example.com", name="Ada Łovelace"))
    assert due_count(START) == 1
    assert deliver_due(START) == DeliverySummary(sent=1)
    (message,) = smtp.messages()
    assert message["From"] == "Mara of Riverside <mara@riverside.example>"
    assert message["Reply-To"] == "answers@riverside.example"
    assert message["To"] == "Ada Łovelace <ada@example.com>"
    assert message["Subject"] == "Ada, your place is still free"
    assert message["Content-Language"] == "en"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@riverside.example>")
    assert smtp.recipients == ["ada@example.com"]
    # RFC 8058: exactly this value, and an https- or http-address of ours in the other header.
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    way_out = re.fullmatch(r"<(http://localhost/shop/unsubscribe/[\w.:-]+/)>", message["List-Unsubscribe"].strip())[1]
    plain, html = parts(message)
    for part in (plain, html):
        assert "€102.00" in part and "€120.00" in part and "24 hours" in part
        assert "Tuesday, March 2, 2027, 1:00\xa0PM CET" in part
    assert "1 Mill Lane" in plain and "1 Mill Lane" in html
    links = set(re.findall(r"https?://[^\s)]+", plain))
    assert links == set(re.findall(r'<a href="([^"]+)"', html))
    assert way_out in links
    assert any("/shop/resume/" in link for link in links)
    row.refresh_from_db()
    assert (row.status, row.sent_at, row.sending_at, row.attempts) == (Status.SENT, START, START, 1)
    assert row.message_id == message["Message-ID"]
    assert (row.lease, row.leased_until, row.why) == ("", None, "")
    assert writing.timeline(row.order).filter(code="mailing.sent", facts__email=row.pk).count() == 1
    assert deliver_due(after(minutes=1)) == DeliverySummary()
    assert len(smtp.raw) == 1


def test_a_service_mail_has_no_way_out_of_service_mail(smtp):
    order = order_for(make_contact(), make_offer())
    order_mails.receipt(order, START)
    deliver_due(START)
    (message,) = smtp.messages()
    assert message["List-Unsubscribe"] is None
    plain, html = parts(message)
    assert "unsubscribe" not in plain.lower() and "unsubscribe" not in html.lower()
    assert order.number in message["Subject"] and order.number in plain


@pytest.mark.parametrize(
    "evil",
    [
        "Ada\r\nBcc: everybody@example.com",
        "Ada\nSubject: Buy now",
        'Ada" <evil@example.com>, "x',
        "Ada <evil@example.com>",
        "Ada\u2028Bcc: x",
        "=?utf-8?q?=0ABcc:_x?=",
        "\x00\x1b[31mAda",
    ],
)
def test_no_name_gets_out_of_its_header(smtp, evil):
    contact = make_contact("ada@example.com", name="")
    m.Contact.objects.filter(pk=contact.pk).update(name=evil.replace("\x00", ""))
    contact.refresh_from_db()
    template = make_template(subject="{{ contact.name }}: your place", preheader="")
    queue_one(contact, template=template)
    settings_of_default_site(sender_name="Mara\r\nBcc: all@example.com", seller_name="x\r\nTo: y@example.com")
    assert deliver_due(START).sent == 1
    (message,) = smtp.messages()
    assert smtp.recipients == ["ada@example.com"]
    assert message["Bcc"] is None
    assert len(message.get_all("Subject")) == len(message.get_all("To")) == len(message.get_all("From")) == 1
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["mara@riverside.example"]


def test_a_name_that_is_a_placeholder_stays_a_name(smtp):
    queue_one(make_contact(name="<b>{{ coupon.code }}</b>"), template=make_template(subject="{{ contact.name }}!"))
    deliver_due(START)
    (message,) = smtp.messages()
    assert message["Subject"] == "<b>{{ coupon.code }}</b>!"
    _plain, html = parts(message)
    assert "&lt;b&gt;" in html and "<b>&#123;" not in html


def test_one_connection_for_a_batch_and_each_mail_once(smtp):
    template = make_template()
    for _ in range(5):
        queue_one(template=template)
    assert deliver_due(START, batch=2) == DeliverySummary(sent=5)
    assert smtp.connections == 1
    assert len(set(smtp.recipients)) == 5


def test_a_server_that_cannot_be_reached_costs_no_mail(settings):
    use_mailer(settings, SMTP, host="127.0.0.1", port=free_port())
    template = make_template()
    rows = [queue_one(template=template) for _ in range(5)]
    # After three faults in a row the rest of the batch is left alone.
    assert deliver_due(START) == DeliverySummary(later=3)
    assert [state(row) for row in rows] == [Status.QUEUED] * 5
    assert sorted(row.attempts for row in rows) == [0, 0, 1, 1, 1]
    assert rows[0].due_at == after(minutes=2) and rows[0].why.startswith("no_connection")
    with smtp_server(settings) as inbox:
        assert deliver_due(after(minutes=1)) == DeliverySummary(sent=2)
        assert deliver_due(after(minutes=2)) == DeliverySummary(sent=3)
        assert len(inbox.raw) == 5


def test_giving_up_is_seen_by_a_person(settings):
    use_mailer(settings, SMTP, host="127.0.0.1", port=free_port())
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "MAX_ATTEMPTS": 2}
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(later=1)
    assert deliver_due(after(minutes=2)) == DeliverySummary(failed=1)
    assert state(row) == Status.FAILED
    assert row.why.startswith("gave_up: no_connection")
    assert [entry.code for entry in writing.open_attention()] == ["mailing.failed"]


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        ("421 too busy", Status.QUEUED, "not_now"),
        ("450 4.2.1 greylisted", Status.QUEUED, "not_now"),
        ("554 5.7.1 looks like spam", Status.FAILED, "server_refused"),
        ("552 5.3.4 too big", Status.FAILED, "server_refused"),
    ],
)
def test_what_the_server_says_to_the_content(smtp, answer, status, why):
    smtp.answers.append(answer)
    row, healthy = queue_one(), queue_one()
    summary = deliver_due(START)
    assert state(row) == status
    assert row.why.startswith(f"{why}: {answer[:3]}")
    assert state(healthy) == Status.SENT
    assert summary.sent == 1
    assert smtp.connections == 2  # opened anew after the error
    assert not m.Suppression.objects.exists()
    if status == Status.QUEUED:
        assert deliver_due(after(minutes=2)).sent == 1
        assert len(smtp.raw) == 2


@pytest.mark.parametrize(
    ("answer", "status", "suppressed"),
    [
        ("550 5.1.1 no such user", Status.SUPPRESSED, True),
        ("550 no such user", Status.SUPPRESSED, True),
        ("553 bad address", Status.SUPPRESSED, True),
        ("550 5.2.1 mailbox disabled", Status.SUPPRESSED, True),
        # About us, not about the address: a badly set up relay must not put every buyer on the list.
        ("554 5.7.1 relay access denied", Status.QUEUED, False),
        ("550 5.7.1 blocked", Status.FAILED, False),
        ("552 5.2.2 mailbox full", Status.FAILED, False),
        ("450 4.1.1 try later", Status.QUEUED, False),
        ("452 too many", Status.QUEUED, False),
    ],
)
def test_what_the_server_says_to_the_address(smtp, answer, status, suppressed):
    contact = make_contact("gone@example.com")
    smtp.refuse["gone@example.com"] = answer
    row, healthy = queue_one(contact), queue_one()
    deliver_due(START)
    assert state(row) == status
    assert state(healthy) == Status.SENT
    assert m.Suppression.objects.filter(email="gone@example.com", scope="all", reason="refused").exists() == suppressed
    if suppressed:
        assert queue_one(contact).status == Status.SUPPRESSED


def test_a_lost_answer_is_uncertain_and_not_sent_again(smtp):
    smtp.answers.append("drop")
    row, healthy = queue_one(), queue_one()
    assert deliver_due(START) == DeliverySummary(sent=1, unknown=1)
    assert state(row) == Status.UNKNOWN
    assert row.why.startswith("no_answer")
    assert state(healthy) == Status.SENT
    assert deliver_due(after(days=2)) == DeliverySummary()
    assert len(smtp.raw) == 2
    (entry,) = writing.open_attention()
    assert (entry.code, entry.facts["email"]) == ("mailing.unknown", row.pk)
    outbox.settle(row, "send_again", now=after(days=2))
    # The deadline in it has passed, but the mail had none of its own: staff decided.
    assert deliver_due(after(days=2)) == DeliverySummary(sent=1)
    first, _healthy, again = smtp.messages()
    assert first["Message-ID"] == again["Message-ID"] == row.message_id or state(row) == Status.SENT
    assert smtp.raw[0].split(b"\r\n\r\n")[0].count(b"Message-ID") == 1


def test_an_uncertain_receipt_is_sent_once_more_and_only_once(smtp):
    order = order_for(make_contact(), make_offer())
    row = order_mails.receipt(order, START)
    smtp.answers += ["drop", "drop"]
    assert deliver_due(START) == DeliverySummary(unknown=1)
    assert not writing.open_attention().exists()
    assert deliver_due(after(minutes=59)) == DeliverySummary()
    assert deliver_due(after(minutes=60)) == DeliverySummary(unknown=1)
    assert state(row) == Status.UNKNOWN and row.settled_by == outbox.BY_ITSELF
    assert [entry.code for entry in writing.open_attention()] == ["mailing.unknown"]
    assert deliver_due(after(days=3)) == DeliverySummary()
    assert len(smtp.raw) == 2
    assert smtp.messages()[0]["Message-ID"] == smtp.messages()[1]["Message-ID"]


def test_a_failing_login_is_for_the_sites_builder_and_loses_nothing(smtp, settings):
    add_options(settings, username="me", password="wrong")
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(later=1)
    assert state(row) == Status.QUEUED
    assert row.why.startswith("configuration")


@pytest.mark.parametrize("backend", ["nowhere.EmailBackend", "anymail.backends.mailgun.EmailBackend"])
def test_a_backend_that_is_set_up_wrongly(settings, backend):
    use_mailer(settings, backend)
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(later=1)
    assert state(row) == Status.QUEUED and row.why.startswith("configuration")


def test_a_server_that_never_answers_makes_nobody_wait_for_ever(settings):
    """Django's SMTP backend waits without limit unless told otherwise; here it is told."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        use_mailer(settings, SMTP, host="127.0.0.1", port=deaf.getsockname()[1], timeout=None)
        short = mail_connection.TIMEOUT
        mail_connection.TIMEOUT = 0.2
        try:
            with mail_connection.MailConnection() as post:
                verdict = post.ready()
        finally:
            mail_connection.TIMEOUT = short
    assert verdict.why.startswith("no_connection")
    assert 0 < short < 120


def test_a_site_may_change_a_mail_as_it_leaves(smtp):
    seen = []

    def stamp(mail):
        seen.append((mail.email.pk, mail.language))
        return replace(mail, subject=mail.subject + " (School)", headers={"X-School": "yes"})

    told = []
    row = queue_one()
    with (
        hooks.register_temporarily("construct_kwiga_email", stamp),
        hooks.register_temporarily("after_kwiga_email_sent", told.append),
    ):
        deliver_due(START)
    (message,) = smtp.messages()
    assert message["Subject"] == "Ada, your place is still free (School)"
    assert message["X-School"] == "yes"
    assert seen == [(row.pk, "en")]
    assert [(event.email_id, event.contact_id, event.order_id, event.purpose, event.at) for event in told] == [
        (row.pk, row.contact_id, row.order_id, "recovery", START)
    ]


def test_a_mail_that_cannot_be_composed_stops_no_other(smtp):
    def broken(mail):
        if mail.email.pk == row.pk:
            raise ValueError("a broken extension\x00")
        return mail

    row, healthy = queue_one(), queue_one()
    with hooks.register_temporarily("construct_kwiga_email", broken):
        assert deliver_due(START) == DeliverySummary(failed=1, sent=1)
    assert state(row) == Status.FAILED and row.why == "cannot_compose: a broken extension"
    assert state(healthy) == Status.SENT
    assert [entry.facts["email"] for entry in writing.open_attention()] == [row.pk]


def test_a_listener_that_fails_harms_nobody(smtp):
    def broken(event):
        raise ValueError("listener")

    row = queue_one()
    with hooks.register_temporarily("after_kwiga_email_sent", broken):
        deliver_due(START)
    assert state(row) == Status.SENT


@pytest.mark.parametrize(("purpose", "blocks", "each"), [("service", RECOVERY[:2], 5), ("recovery", RECOVERY, 7)])
def test_each_mail_costs_the_same_number_of_queries(smtp, purpose, blocks, each):
    template = make_template([*blocks, ("order_summary", {"title": ""})])
    counts = []
    queue_one(template=template, purpose=purpose)
    deliver_due(START)  # sites, content types: known from here on
    for number in (1, 2, 12):
        for _ in range(number):
            queue_one(template=template, purpose=purpose)
        with CaptureQueriesContext(connection) as queries:
            assert deliver_due(START).sent == number
        work = [q["sql"] for q in queries if not q["sql"].startswith(("BEGIN", "COMMIT", "DELETE"))]
        counts.append(len(work))
    one, two, twelve = counts
    # The contact's lock, everything asked under it, claim; result, timeline. Where it promises a price, the offer and the coupon too.
    assert two - one == each
    assert twelve - two == 10 * each


def test_nothing_due_costs_next_to_nothing(django_assert_num_queries):
    with CaptureQueriesContext(connection) as queries:
        assert deliver_due(START) == DeliverySummary()
    assert len(queries) == 1
