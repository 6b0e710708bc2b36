"""Every provider that Anymail knows takes our mails: a real HTTP server stands for each of them, and answers as it would.

Which there are is found by introspection, so that a new one fails this test until it is tried.
"""

from __future__ import annotations

import json
import pkgutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module

import pytest
from anymail import backends
from anymail.backends.base import AnymailBaseBackend

from tests.mail_settings import use_mailer
from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.support import START, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

ADA = "ada@example.com"
#: Module of the backend → what its settings need, and what the provider answers.
PROVIDERS = {
    "amazon_ses": ({}, {"MessageId": "id-1"}),
    "brevo": ({"api_key": "k"}, {"messageId": "id-1"}),
    "mailersend": ({"api_token": "k"}, {}),
    "mailgun": ({"api_key": "k"}, {"id": "id-1", "message": "Queued. Thank you."}),
    "mailjet": (
        {"api_key": "k", "secret_key": "s"},
        {"Messages": [{"Status": "success", "To": [{"Email": ADA, "MessageID": "id-1"}]}]},
    ),
    "mailtrap": ({"api_token": "k"}, {"success": True, "message_ids": ["id-1"]}),
    "mandrill": ({"api_key": "k"}, [{"email": ADA, "status": "sent", "_id": "id-1"}]),
    "postal": ({"api_key": "k"}, {"status": "success", "data": {"messages": {ADA: {"id": "id-1", "token": "t"}}}}),
    "postmark": ({"server_token": "k"}, {"ErrorCode": 0, "Message": "OK", "MessageID": "id-1", "To": ADA}),
    "resend": ({"api_key": "k"}, {"id": "id-1"}),
    "scaleway": (
        {"secret_key": "k", "project_id": "p"},
        {"emails": [{"mail_rcpt": ADA, "id": "id-1", "status": "new"}]},
    ),
    "sendgrid": ({"api_key": "k", "generate_message_id": False}, {}),
    "sparkpost": (
        {"api_key": "k"},
        {"results": {"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": "id-1"}},
    ),
    "unisender_go": (
        {"api_key": "k", "generate_message_id": False},
        {"status": "success", "job_id": "id-1", "emails": [ADA]},
    ),
}
#: Not providers: bases, and backends that keep mails to themselves; the old name of Brevo, which warns of itself.
NO_PROVIDERS = {"base", "base_requests", "console", "test", "sendinblue"}


class Provider(BaseHTTPRequestHandler):
    """Takes what comes, and answers what the server has been told."""

    def do_POST(self):
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.server.answer).encode() if self.server.answer else b""
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json" if body else "text/plain")
        self.send_header("X-Message-Id", "id-1")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def provider():
    server = HTTPServer(("127.0.0.1", 0), Provider)
    server.taken, server.status, server.answer, server.headers = [], 200, {}, {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def set_up(settings, provider, name) -> None:
    given, provider.answer = PROVIDERS[name]
    address = f"http://127.0.0.1:{provider.server_port}/"
    if name == "amazon_ses":
        params = {"aws_access_key_id": "a", "aws_secret_access_key": "s", "region_name": "eu-west-1"}
        given = {"client_params": {**params, "endpoint_url": address, "config": {"retries": {"total_max_attempts": 1}}}}
    else:
        given = {**given, "api_url": address}
    use_mailer(settings, f"anymail.backends.{name}.EmailBackend")
    settings.ANYMAIL = {f"{name.upper()}_{option.upper()}": value for option, value in given.items()}
    settings_of_default_site(promo_mails_per_day=0)


def test_every_provider_that_anymail_knows_is_tried():
    known = {module.name for module in pkgutil.iter_modules(backends.__path__)} - NO_PROVIDERS
    assert known == set(PROVIDERS)
    for name in known:
        assert issubclass(import_module(f"anymail.backends.{name}").EmailBackend, AnymailBaseBackend)


@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")
@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_it_takes_our_mails(settings, provider, name):
    set_up(settings, provider, name)
    template = make_template()
    rows = [queue_one(make_contact(ADA), template=template), queue_one(m.Contact.objects.get(), template=template)]
    done = deliver_due(START)
    for row in rows:
        row.refresh_from_db()
    assert done == DeliverySummary(sent=2), [row.why for row in rows]
    assert len(provider.taken) == 2  # asked for less before anything left
    assert all(row.message_id for row in rows)


#: What Amazon SES says of an account, and what becomes of the mail.
ACCOUNT = {
    "AccountSuspendedException": (400, "Sending is suspended.", "configuration"),
    "SendingPausedException": (400, "Sending is paused.", "configuration"),
    "MailFromDomainNotVerifiedException": (400, "Not verified.", "configuration"),
    "MessageRejected": (400, "Email address is not verified. The following identities failed: ada", "configuration"),
    "AccessDeniedException": (403, "No.", "configuration"),
    "LimitExceededException": (400, "There are too many.", "not_now"),
    "TooManyRequestsException": (429, "Daily message quota exceeded.", "not_now"),
}


@pytest.mark.parametrize("code", sorted(ACCOUNT))
def test_what_amazon_says_of_the_account_waits_and_stops_the_sweep(settings, provider, code):
    set_up(settings, provider, "amazon_ses")
    status, words, why = ACCOUNT[code]
    provider.status, provider.answer = status, {"message": words}
    provider.headers = {"x-amzn-errortype": code}
    template, contact = make_template(), make_contact(ADA)
    rows = [queue_one(contact, template=template) for _number in range(5)]
    deliver_due(START)
    ends = [m.OutgoingEmail.objects.get(pk=row.pk) for row in rows]
    assert {row.status for row in ends} == {"queued"}
    assert [row.why.partition(":")[0] for row in ends] == [why] * 3 + ["", ""]  # PATIENCE
    assert len(provider.taken) == 3


def test_what_amazon_says_of_one_mail_ends_it(settings, provider):
    set_up(settings, provider, "amazon_ses")
    provider.status, provider.answer = 400, {"message": "Illegal content"}
    provider.headers = {"x-amzn-errortype": "MessageRejected"}
    row = queue_one(make_contact(ADA))
    assert deliver_due(START) == DeliverySummary(failed=1)
    row.refresh_from_db()
    assert row.why.startswith("server_refused")


def test_without_credentials_for_amazon_nothing_has_left(settings, provider, monkeypatch):
    set_up(settings, provider, "amazon_ses")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    address = f"http://127.0.0.1:{provider.server_port}/"
    settings.ANYMAIL = {"AMAZON_SES_CLIENT_PARAMS": {"region_name": "eu-west-1", "endpoint_url": address}}
    row = queue_one(make_contact(ADA))
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == ("queued", "configuration")
    assert provider.taken == []


def test_without_a_network_nothing_has_left(settings, provider):
    set_up(settings, provider, "amazon_ses")
    provider.socket.close()  # nobody listens there any more
    row = queue_one(make_contact(ADA))
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == ("queued", "no_connection")
