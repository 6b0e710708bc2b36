"""Attacked: handing over through Anymail. Every error it knows (found by introspection: a new one fails this test), every
status of a recipient, every answer of a provider, TLS that fails before and after the mail was given."""

from __future__ import annotations

import inspect
import socket
import threading

import pytest
import requests
from anymail import exceptions
from anymail import message as anymail_message
from anymail.backends.resend import EmailBackend as Resend
from django.core import mail as django_mail
from django.core.mail.backends.base import BaseEmailBackend
from requests import Response

from tests.mail_settings import use_mailer
from tests.mailing.making import free_port, make_template, queue_one, settings_of_default_site
from tests.mailing.smtp_servers import server_context
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.sending import anymail_bridge, outcomes
from wagtail_kwiga.mailing.sending.delivery import deliver_due
from wagtail_kwiga.mailing.sending.outcomes import Outcome

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


class Raising(BaseEmailBackend):
    """Raises what it is told to for one address, and keeps the other mails."""

    refuses = "first@example.com"
    error: Exception | None = None
    answer: anymail_message.AnymailStatus | None = None

    def send_messages(self, messages):
        for message in messages:
            if self.refuses in message.to[0]:
                if self.error is not None:
                    raise self.error
                if self.answer is not None:
                    message.anymail_status = self.answer
                    return 1
            django_mail.outbox.append(message)
        return len(messages)


@pytest.fixture(autouse=True)
def outgoing(settings, monkeypatch):
    use_mailer(settings, f"{__name__}.Raising")
    monkeypatch.setattr(Raising, "error", None)
    monkeypatch.setattr(Raising, "answer", None)
    monkeypatch.setattr(django_mail, "outbox", [], raising=False)
    settings_of_default_site()
    return django_mail.outbox


def three_mails():
    template = make_template()
    return [queue_one(make_contact(f"{name}@example.com"), template=template) for name in ("first", "second", "third")]


def check(row, ends, why, said=""):
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == (ends, why)
    assert said in row.why
    assert not why or not reasons.sentence(row.why).startswith(why)
    assert m.Suppression.objects.filter(email=row.to_email, scope="all", reason="refused").exists() == (
        ends == Status.SUPPRESSED
    )
    asked = {entry.facts["email"] for entry in writing.open_attention()}
    assert asked == ({row.pk} if ends in (Status.FAILED, Status.UNKNOWN) else set())
    if ends == Status.QUEUED:
        assert row.due_at > START and row.attempts == 1


def answer_of(status, body=b"{}", reason="Because"):
    response = Response()
    response.status_code, response._content, response.reason = status, body, reason
    return response


#: Every exception of Anymail: how it is raised, and what it means for the mail.
ERRORS = {
    "AnymailError": (exceptions.AnymailError("odd"), Status.FAILED, "server_refused"),
    "AnymailAPIError": (exceptions.AnymailAPIError("odd"), Status.UNKNOWN, "no_answer"),
    "AnymailRequestsAPIError": (exceptions.AnymailRequestsAPIError("odd"), Status.UNKNOWN, "no_answer"),
    "AnymailRecipientsRefused": (exceptions.AnymailRecipientsRefused(), Status.SUPPRESSED, "refused"),
    "AnymailInvalidAddress": (exceptions.AnymailInvalidAddress("<@>"), Status.FAILED, "server_refused"),
    "AnymailUnsupportedFeature": (exceptions.AnymailUnsupportedFeature("tags"), Status.FAILED, "server_refused"),
    "AnymailSerializationError": (exceptions.AnymailSerializationError("Decimal"), Status.FAILED, "server_refused"),
    "AnymailCancelSend": (exceptions.AnymailCancelSend("no"), Status.FAILED, "server_refused"),
    "AnymailWebhookValidationFailure": (
        exceptions.AnymailWebhookValidationFailure("never while sending"), Status.FAILED, "server_refused",
    ),
    "AnymailConfigurationError": (exceptions.AnymailConfigurationError("no key"), Status.QUEUED, "configuration"),
    "AnymailInvalidMailer": (
        getattr(exceptions, "AnymailInvalidMailer", exceptions.AnymailConfigurationError)("no"),
        Status.QUEUED, "configuration",
    ),
    "AnymailImproperlyInstalled": (exceptions.AnymailImproperlyInstalled("boto3"), Status.QUEUED, "configuration"),
}  # fmt: skip


def test_every_error_that_anymail_knows_is_thought_of():
    kinds = {
        name
        for name, kind in inspect.getmembers(exceptions, inspect.isclass)
        if kind.__module__ == exceptions.__name__ and issubclass(kind, Exception) and not issubclass(kind, Warning)
    } - {"InvalidMailer"}  # a stand-in for Django's own
    assert kinds <= set(ERRORS)
    assert set(ERRORS) - kinds <= {"AnymailInvalidMailer"}  # newer than the oldest Anymail we support


@pytest.mark.parametrize("name", ERRORS)
def test_each_error(monkeypatch, outgoing, name):
    error, ends, why = ERRORS[name]
    monkeypatch.setattr(Raising, "error", error)
    first, *others = three_mails()
    summary = deliver_due(START)
    assert summary.sent == 2 and len(outgoing) == 2
    check(first, ends, why)
    assert deliver_due(after(minutes=1)).total == 0
    monkeypatch.setattr(Raising, "error", None)
    deliver_due(after(minutes=2))
    deliver_due(after(days=1))
    assert sorted(message.to[0].partition("<")[2] for message in outgoing).count("first@example.com>") == (
        1 if ends == Status.QUEUED else 0
    )
    for row in others:
        row.refresh_from_db()
        assert row.status == Status.SENT


#: What a provider may answer, and what it means.
ANSWERS = [
    (400, Status.FAILED, "server_refused"),
    (401, Status.QUEUED, "configuration"),
    (402, Status.QUEUED, "configuration"),
    (403, Status.QUEUED, "configuration"),
    (404, Status.QUEUED, "configuration"),
    (405, Status.QUEUED, "configuration"),
    (407, Status.QUEUED, "configuration"),
    (408, Status.UNKNOWN, "no_answer"),
    (413, Status.FAILED, "server_refused"),
    (422, Status.FAILED, "server_refused"),
    (429, Status.QUEUED, "not_now"),
    (500, Status.UNKNOWN, "no_answer"),
    (502, Status.UNKNOWN, "no_answer"),
    (503, Status.UNKNOWN, "no_answer"),
    (504, Status.UNKNOWN, "no_answer"),
    (200, Status.UNKNOWN, "no_answer"),
]
BODIES = [b'{"message": "no \xe2\x82\xac"}', b"\xff\xfe\x00\x1f not json", b"", b"<html>" + b"x" * 100_000]


@pytest.mark.parametrize(("status", "ends", "why"), ANSWERS)
def test_each_answer_with_bodies_that_cannot_be_read(monkeypatch, status, ends, why):
    for number, body in enumerate(BODIES):
        error = exceptions.AnymailRequestsAPIError("sending", response=answer_of(status, body))
        monkeypatch.setattr(Raising, "error", error)
        row = queue_one(make_contact(f"{number}first@example.com"))
        healthy = queue_one()
        deliver_due(START)
        row.refresh_from_db()
        healthy.refresh_from_db()
        assert (row.status, row.why.partition(":")[0]) == (ends, why)
        assert healthy.status == Status.SENT
        assert len(row.why) <= 255 and "\x00" not in row.why
        assert str(status) in row.why or status == 200


@pytest.mark.parametrize(
    ("error", "ends", "why"),
    [
        # Anymail's own words fail here: a status and no response.
        (exceptions.AnymailAPIError("odd", status_code=400), Status.FAILED, "server_refused"),
        (exceptions.AnymailAPIError("odd", status_code=503), Status.UNKNOWN, "no_answer"),
        (exceptions.AnymailAPIError("odd", status_code=429), Status.QUEUED, "not_now"),
    ],
)
def test_an_error_that_stumbles_over_its_own_words(monkeypatch, error, ends, why):
    with pytest.raises(AttributeError):
        str(error)
    monkeypatch.setattr(Raising, "error", error)
    first, *_others = three_mails()
    assert deliver_due(START).sent == 2
    check(first, ends, why)


#: What a provider says of the one recipient of a mail → what becomes of it.
STATUSES = {
    "sent": (Status.SENT, ""),
    "queued": (Status.SENT, ""),
    "unknown": (Status.SENT, ""),
    "invalid": (Status.SUPPRESSED, "refused"),
    "rejected": (Status.SUPPRESSED, "refused"),
    "failed": (Status.FAILED, "server_refused"),
}


@pytest.mark.parametrize("word", anymail_message.ANYMAIL_STATUSES)
def test_each_status_of_a_recipient(monkeypatch, outgoing, word):
    given = anymail_message.AnymailStatus()
    given.set_recipient_status({"first@example.com": anymail_message.AnymailRecipientStatus("m-1", word)})
    monkeypatch.setattr(Raising, "answer", given)
    first, *_others = three_mails()
    deliver_due(START)
    ends, why = STATUSES[word]
    check(first, ends, why)
    assert (first.message_id, first.esp_status) == ("m-1", word)
    assert len(outgoing) == 2


@pytest.mark.parametrize("number", ["²", "١٢", "9" * 5000, "9" * 25, "", "-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_an_odd_wish_how_long_to_wait(number):
    response = answer_of(429)
    response.headers["Retry-After"] = number
    verdict = outcomes.of_sending(exceptions.AnymailRequestsAPIError(response=response))
    assert verdict.fate is Outcome.LATER and 0 <= verdict.retry_after <= 6 * 3600


# --- real connections --------------------------------------------------------------------------------------------------


def set_up(settings, url, key="k"):
    use_mailer(settings, "anymail.backends.resend.EmailBackend")
    settings.ANYMAIL = {"RESEND_API_KEY": key, "RESEND_API_URL": url, "REQUESTS_TIMEOUT": 0.4}


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://", "https://exa mple.com:x/"])
def test_an_address_that_is_none_is_for_the_sites_builder(settings, url):
    """Otherwise one typing error makes the whole outbox unknown, for a person to sort out mail by mail."""
    set_up(settings, url)
    row = queue_one()
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert row.why.startswith("configuration")


@pytest.mark.parametrize("end", ["\n", "\r\nX-Evil: 1", "\n "])
def test_a_key_with_a_line_break_is_for_the_sites_builder_and_is_not_told(settings, caplog, end):
    """Read from a file with its last line break: requests then prints the header, key and all, into its error."""
    secret = "re_A1b2C3d4E5f6"
    set_up(settings, f"http://127.0.0.1:{free_port()}/", key=secret + end)
    with pytest.raises(exceptions.AnymailRequestsAPIError) as raised:
        Resend().send_messages([django_mail.EmailMessage("s", "b", "a@example.com", ["b@example.com"])])
    assert secret in str(raised.value)
    row = queue_one()
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert row.why.startswith("configuration") and secret not in row.why
    assert secret not in caplog.text


class TlsProvider:
    """Speaks TLS, reads one request, and then puts ``garbage`` on the line or hangs up (``cut``)."""

    def __init__(self, context, does):
        self.context, self.does, self.requests = context, does, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            raw, _address = self.listener.accept()
            raw.settimeout(5)
            with self.context.wrap_socket(raw, server_side=True) as line:
                if line.recv(65536):
                    self.requests += 1
                with socket.socket(fileno=line.detach()) as bare:  # hangs up without a farewell of TLS
                    if self.does == "garbage":
                        bare.sendall(b"what is this?" * 10)
        except OSError:
            pass

    def stop(self):
        self.listener.close()
        self.thread.join(10)


@pytest.fixture
def tls_provider(settings, tmp_path, monkeypatch):
    made = []

    def start(does, *, trusted=True):
        context, file = server_context(tmp_path)
        provider = TlsProvider(context, does)
        made.append(provider)
        if trusted:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        set_up(settings, f"https://127.0.0.1:{provider.port}/")
        return provider

    yield start
    for provider in made:
        provider.stop()


@pytest.mark.parametrize("does", ["garbage", "cut"])
def test_tls_that_breaks_after_the_mail_was_given_proves_nothing(tls_provider, does):
    """It comes as the same kind of error as a refused certificate; read alike, the mail would be sent again and again."""
    provider = tls_provider(does)
    row = queue_one()
    assert deliver_due(START).unknown == 1
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == (Status.UNKNOWN, "no_answer")
    assert provider.requests == 1


def test_a_certificate_of_nobody_is_no_connection(tls_provider):
    provider = tls_provider("garbage", trusted=False)
    row = queue_one()
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert row.why.startswith("no_connection")
    assert provider.requests == 0


def test_a_server_that_speaks_no_tls_is_no_connection(settings):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            line, _address = listener.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 400 This is not TLS\r\n\r\n")

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        set_up(settings, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert deliver_due(START).total == 0
        row = queue_one()
        assert deliver_due(START).later == 1
        thread.join(5)
    row.refresh_from_db()
    assert row.why.startswith("no_connection")


@pytest.mark.parametrize("kind", [requests.exceptions.ReadTimeout, requests.exceptions.ChunkedEncodingError])
def test_what_breaks_behind_a_request_stays_unknown(kind):
    error = exceptions.AnymailAPIError("sending")
    error.__cause__ = kind("broken")
    assert anymail_bridge.read_error(error).meaning == "unknown"
