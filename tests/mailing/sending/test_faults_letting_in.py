"""Attacked: getting into a mail server at all. TLS that is not offered or belongs to nobody, a login that is refused, and
addresses that the server or the backend cannot carry. All of it is for the site's builder, and no mail is lost by it."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from tests.mail_settings import HAS_MAILERS, SMTP, add_options, use_mailer
from tests.mailing.making import queue_one, settings_of_default_site
from tests.mailing.smtp_servers import CLOSE, HANG, hostile_server, server_context
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.sending import mail_connection, mailers
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status
EHLO = b"250-hostile.example\r\n250 AUTH PLAIN LOGIN"


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


def sent_at_last(settings, server, row, why, *said):
    """Not sent now, for the given reason; sent once things are mended; nobody is on the list of refused addresses."""
    assert deliver_due(START) == DeliverySummary(later=1)
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == (Status.QUEUED, why)
    for part in said:
        assert part in reasons.sentence(row.why)
    assert server.taken == [] and not m.Suppression.objects.exists()
    add_options(settings, use_tls=False, use_ssl=False, username="", password="")
    server.script.clear()
    assert deliver_due(after(minutes=2)) == DeliverySummary(sent=1)
    assert server.recipients == [row.to_email]


def test_tls_demanded_and_not_offered(settings):
    with hostile_server(settings) as server:
        add_options(settings, use_tls=True)
        sent_at_last(settings, server, queue_one(), "configuration", "its settings need a look")


@pytest.mark.parametrize("answer", [b"454 4.7.0 TLS not available now", b"501 5.5.4 no", CLOSE, HANG], ids=str)
def test_tls_offered_and_then_not_given(settings, answer):
    with hostile_server(settings, timeout=0.25) as server:
        add_options(settings, use_tls=True)
        server.script |= {"EHLO": b"250-x\r\n250 STARTTLS", "STARTTLS": answer}
        row = queue_one()
        assert deliver_due(START) == DeliverySummary(later=1)
        row.refresh_from_db()
        assert row.status == Status.QUEUED
        assert server.taken == []


def test_a_certificate_that_belongs_to_nobody(settings, tmp_path):
    context, _file = server_context(tmp_path)
    with hostile_server(settings, tls=context) as server:
        add_options(settings, use_tls=True)
        server.script["EHLO"] = b"250-x\r\n250 STARTTLS"
        sent_at_last(settings, server, queue_one(), "configuration", "CERTIFICATE_VERIFY_FAILED")


def test_a_certificate_that_is_good(settings, tmp_path, monkeypatch):
    context, file = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with hostile_server(settings, tls=context) as server:
        add_options(settings, use_tls=True)
        server.script["EHLO"] = b"250-x\r\n250 STARTTLS"
        row = queue_one()
        assert deliver_due(START) == DeliverySummary(sent=1)
        assert server.recipients == [row.to_email]


def test_tls_from_the_start_where_there_is_none(settings):
    with hostile_server(settings, timeout=0.5) as server:
        add_options(settings, use_ssl=True)
        sent_at_last(settings, server, queue_one(), "no_connection")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({"EHLO": EHLO, "AUTH": b"535 5.7.8 wrong password"}, "configuration"),
        ({"EHLO": EHLO, "AUTH": b"534 5.7.9 use an app password"}, "configuration"),
        ({"EHLO": EHLO, "AUTH": b"454 4.7.0 try again later"}, "not_now"),
        ({"EHLO": EHLO, "AUTH": b"421 4.7.0 too many logins"}, "no_connection"),
        ({"EHLO": EHLO, "AUTH": CLOSE}, "no_connection"),
        ({"EHLO": EHLO, "AUTH": HANG}, "no_connection"),
        ({}, "configuration"),  # no login offered
        ({"EHLO": b"250-x\r\n250 AUTH KERBEROS_V4"}, "configuration"),  # none that both know
    ],
    ids=str,
)
def test_a_login_that_is_refused(settings, caplog, script, why):
    with hostile_server(settings, timeout=0.25) as server:
        add_options(settings, username="shop", password="s3cret-of-the-shop")
        server.script |= script
        row = queue_one()
        sent_at_last(settings, server, row, why)
    assert "s3cret-of-the-shop" not in caplog.text + row.why


def test_a_server_that_repeats_the_password_is_not_quoted(settings, caplog):
    with hostile_server(settings) as server:
        add_options(settings, username="shop", password="s3cret-of-the-shop")
        server.script |= {"EHLO": EHLO, "AUTH": b"535 wrong password 's3cret-of-the-shop' for shop"}
        row = queue_one()
        sent_at_last(settings, server, row, "configuration", "wrong password")
    assert "s3cret-of-the-shop" not in caplog.text + row.why


def test_an_address_with_letters_that_the_backend_cannot_carry_goes_to_nobody_else(settings):
    """Django would send to ``=?utf-8?q?zo=C3=AB?=@example.com``: somebody else's mailbox. No form lets such an address in;
    one that came in all the same is told to people and put on no list."""
    with pytest.raises(KwigaError):
        directory.normalise("zoë@example.com")
    with hostile_server(settings) as server:
        contact = make_contact("zoe@example.com")
        m.Contact.objects.filter(pk=contact.pk).update(email="zoë@example.com")
        contact.refresh_from_db()
        row, healthy = queue_one(contact), queue_one()
        assert deliver_due(START) == DeliverySummary(sent=1, failed=1)
        row.refresh_from_db()
        assert (row.status, row.why.partition(":")[0]) == (Status.FAILED, "cannot_compose")
        assert server.recipients == [healthy.to_email]
        assert not m.Suppression.objects.exists()


def test_a_domain_in_any_script_is_carried(settings):
    with hostile_server(settings) as server:
        row = queue_one(make_contact(directory.normalise("ada@пример.укр")))
        assert deliver_due(START) == DeliverySummary(sent=1)
        assert server.recipients == ["ada@xn--e1afmkfd.xn--j1amh"] == [row.to_email]


def test_every_wait_for_the_server_has_an_end(settings):
    """Django's backend waits for ever unless told otherwise; a worker that hangs in a mail sends no other."""
    with hostile_server(settings, timeout=None), mail_connection.MailConnection() as post:
        assert mailers.connection().timeout is None
        assert post.ready() is None
        assert post._connection.connection.sock.gettimeout() == mail_connection.TIMEOUT


RESEND = "anymail.backends.resend.EmailBackend"


@pytest.mark.parametrize(
    ("backend", "options", "anymail", "warned"),
    [
        (SMTP, {"timeout": None}, {}, ""),
        (SMTP, {"timeout": 30}, {}, ""),
        (SMTP, {"timeout": 61}, {}, "MAILERS['default']['OPTIONS']['timeout']" if HAS_MAILERS else "EMAIL_TIMEOUT"),
        (RESEND, {}, {}, ""),
        (RESEND, {}, {"REQUESTS_TIMEOUT": 600}, "ANYMAIL['REQUESTS_TIMEOUT']"),
        (RESEND, {}, {"REQUESTS_TIMEOUT": (5, 600)}, "ANYMAIL['REQUESTS_TIMEOUT']"),
        (RESEND, {}, {"REQUESTS_TIMEOUT": (5, None)}, "ANYMAIL['REQUESTS_TIMEOUT']"),
        (RESEND, {}, {"REQUESTS_TIMEOUT": None}, ""),
    ],
    ids=str,
)
def test_a_site_whose_limit_is_longer_than_a_lease_is_warned(settings, backend, options, anymail, warned):
    settings.ANYMAIL = {"RESEND_API_KEY": "k", **anymail}
    use_mailer(settings, backend, **({"host": "127.0.0.1"} if backend == SMTP else {}), **options)
    found = [message.msg for message in run_checks() if message.id == "wagtail_kwiga.W015"]
    assert [message.partition(" ")[0] for message in found] == ([warned] if warned else [])
