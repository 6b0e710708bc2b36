"""Delivery through Anymail: what is told to the provider, and reading what it answers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from anymail import exceptions
from anymail.message import AnymailRecipientStatus
from anymail.signals import pre_send
from django.core import mail as django_mail

from tests.mail_settings import MEMORY, use_mailer
from tests.mailing.making import free_port, queue_one, settings_of_default_site
from tests.processes import ROOT, environment
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.reasons import Why
from wagtail_kwiga.mailing.sending import anymail_bridge, outcomes
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.mailing.sending.outcomes import Outcome
from wagtail_kwiga.mailing.sending.tracking import handle_of

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status
RESEND = "anymail.backends.resend.EmailBackend"


@pytest.fixture(autouse=True)
def outgoing(settings):
    use_mailer(settings, "anymail.backends.test.EmailBackend")  # pytest-django puts another one in its place
    django_mail.outbox = []
    settings_of_default_site()
    return django_mail.outbox


def test_the_provider_learns_tags_and_metadata_and_its_answer_is_kept(outgoing):
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(sent=1)
    (message,) = outgoing
    given = message.anymail_test_params
    assert given["tags"] == ["recovery"]
    assert given["metadata"] == {"kwiga_email": handle_of(row)}
    assert given["from"].display_name == "Mara of Riverside"
    assert [address.addr_spec for address in given["reply_to"]] == ["answers@riverside.example"]
    assert given["extra_headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    row.refresh_from_db()
    assert (row.message_id, row.esp_status) == ("0", "sent")


@pytest.fixture
def answering():
    """Have the test backend answer every message with a given response."""
    listeners = []

    def answer_with(response):
        def listener(sender, message, esp_name, **more):
            message.anymail_test_response = response

        listeners.append(listener)
        pre_send.connect(listener, weak=False)

    yield answer_with
    for listener in listeners:
        pre_send.disconnect(listener)


@pytest.mark.parametrize(
    ("word", "ignore", "status", "suppressed"),
    [
        ("queued", False, Status.SENT, False),
        ("rejected", False, Status.SUPPRESSED, True),
        ("invalid", False, Status.SUPPRESSED, True),
        # A site may tell Anymail not to raise; the answer is read all the same.
        ("rejected", True, Status.SUPPRESSED, True),
        ("failed", True, Status.FAILED, False),
    ],
)
def test_what_the_provider_says_of_the_recipient(answering, settings, word, ignore, status, suppressed):
    row = queue_one()
    settings.ANYMAIL = {"IGNORE_RECIPIENT_STATUS": ignore}
    answering({"recipient_status": {row.to_email: AnymailRecipientStatus(message_id="abc", status=word)}})
    deliver_due(START)
    row.refresh_from_db()
    assert row.status == status
    assert m.Suppression.objects.filter(email=row.to_email, scope="all", reason="refused").exists() == suppressed
    if word == "queued":
        assert (row.message_id, row.esp_status) == ("abc", "queued")


def test_a_listener_of_the_site_may_cancel(outgoing):
    def cancel(sender, message, esp_name, **more):
        raise exceptions.AnymailCancelSend

    row = queue_one()
    pre_send.connect(cancel, weak=False)
    try:
        assert deliver_due(START) == DeliverySummary(failed=1)
    finally:
        pre_send.disconnect(cancel)
    row.refresh_from_db()
    assert row.why == Why.NOT_TAKEN
    assert outgoing == []


@pytest.fixture
def provider(settings):
    """A provider's HTTP interface on loopback, spoken to by Anymail's own Resend backend."""

    class Interface(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        status, headers_out, body, breaks = 200, {}, b'{"id": "e-1"}', ""
        taken: list[dict] = []

        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            type(self).taken.append(payload)
            if self.breaks == "drop":
                self.connection.close()
                return
            self.send_response(self.status)
            for name, value in self.headers_out.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *arguments):
            pass

    port = free_port()
    server = HTTPServer(("127.0.0.1", port), Interface)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    use_mailer(settings, RESEND)
    settings.ANYMAIL = {"RESEND_API_KEY": "k", "RESEND_API_URL": f"http://127.0.0.1:{port}/", "REQUESTS_TIMEOUT": 2}
    Interface.taken = []
    yield Interface
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "headers", "ends", "why"),
    [
        (200, b'{"id": "e-1"}', {}, Status.SENT, ""),
        (429, b"{}", {"Retry-After": "900"}, Status.QUEUED, "not_now"),
        (401, b"{}", {}, Status.QUEUED, "configuration"),
        (403, b"{}", {}, Status.QUEUED, "configuration"),
        (422, b'{"message": "bad"}', {}, Status.FAILED, "server_refused"),
        (400, b"{}", {}, Status.FAILED, "server_refused"),
        (500, b"{}", {}, Status.UNKNOWN, "no_answer"),
        (503, b"{}", {}, Status.UNKNOWN, "no_answer"),
        (200, b"not json", {}, Status.UNKNOWN, "no_answer"),
    ],
)
def test_what_a_provider_answers(provider, status, body, headers, ends, why):
    provider.status, provider.body, provider.headers_out = status, body, headers
    row = queue_one()
    deliver_due(START)
    row.refresh_from_db()
    assert row.status == ends
    assert row.why.partition(":")[0] == why
    assert len(provider.taken) == 1
    if status == 429:
        assert row.due_at == after(minutes=15)
    if ends == Status.SENT:
        assert row.message_id == "e-1"
        (payload,) = provider.taken
        assert payload["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert json.loads(payload["headers"]["X-Metadata"]) == {"kwiga_email": handle_of(row)}


def test_a_broken_connection_proves_nothing(provider):
    provider.breaks = "drop"
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(unknown=1)
    row.refresh_from_db()
    assert row.status == Status.UNKNOWN
    assert len(provider.taken) == 1


def test_no_connection_proves_that_nothing_was_sent(settings):
    use_mailer(settings, RESEND)
    settings.ANYMAIL = {"RESEND_API_KEY": "k", "RESEND_API_URL": f"http://127.0.0.1:{free_port()}/"}
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(later=1)
    row.refresh_from_db()
    assert row.why.startswith("no_connection")


def _raised_from(cause):
    error = exceptions.AnymailAPIError("sending")
    error.__cause__ = cause
    return error


class SdkError(Exception):
    def __init__(self, code, status):
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("error", "fate", "why"),
    [
        (exceptions.AnymailRecipientsRefused(), Outcome.REFUSED, "refused"),
        (exceptions.AnymailUnsupportedFeature("tags"), Outcome.FAILED, "server_refused"),
        (exceptions.AnymailInvalidAddress("x"), Outcome.FAILED, "server_refused"),
        (exceptions.AnymailSerializationError("x"), Outcome.FAILED, "server_refused"),
        (exceptions.AnymailConfigurationError("key"), Outcome.LATER, "configuration"),
        (_raised_from(requests.exceptions.ConnectTimeout()), Outcome.LATER, "no_connection"),
        # TLS fails before a mail is given, or after: see test_faults_anymail. What proves nothing is not tried again.
        (_raised_from(requests.exceptions.SSLError()), Outcome.UNKNOWN, "no_answer"),
        (_raised_from(requests.exceptions.ReadTimeout()), Outcome.UNKNOWN, "no_answer"),
        (_raised_from(requests.exceptions.ConnectionError("reset")), Outcome.UNKNOWN, "no_answer"),
        (_raised_from(None), Outcome.UNKNOWN, "no_answer"),
        (_raised_from(SdkError("Throttling", 400)), Outcome.LATER, "not_now"),
        (_raised_from(SdkError("MessageRejected", 400)), Outcome.FAILED, "server_refused"),
        (_raised_from(SdkError("ServiceUnavailable", 503)), Outcome.UNKNOWN, "no_answer"),
        (TimeoutError("read"), Outcome.UNKNOWN, "no_answer"),
        (ValueError("whatever"), Outcome.UNKNOWN, "no_answer"),
        (ConnectionRefusedError(), Outcome.LATER, "no_connection"),
    ],
)
def test_sorting_errors(error, fate, why):
    verdict = outcomes.of_sending(error)
    assert verdict.fate is fate
    assert verdict.why.partition(":")[0] == why


def test_without_anymail_everything_else_still_works(monkeypatch, settings):
    monkeypatch.setattr(anymail_bridge, "exceptions", None)
    monkeypatch.setattr(anymail_bridge, "tracking", None)
    use_mailer(settings, MEMORY)
    anymail_bridge.connect()
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(sent=1)
    row.refresh_from_db()
    assert row.message_id.startswith("<kwiga.")
    assert outcomes.of_sending(TimeoutError()).fate is Outcome.UNKNOWN


WITHOUT = """
from tests import settings
settings.INSTALLED_APPS.remove("anymail")
import django
django.setup()
from anymail.exceptions import AnymailRecipientsRefused
from wagtail_kwiga.mailing.sending import anymail_bridge
anymail_bridge.connect()
print(anymail_bridge.read_error(AnymailRecipientsRefused()).meaning)
"""


@pytest.mark.processes
def test_with_anymail_out_of_the_installed_apps():
    """Its errors and signals do not need it to be installed as an app."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "refused"
