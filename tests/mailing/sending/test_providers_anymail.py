"""Every provider that Anymail knows takes our mails: a real HTTP server stands for each of them, and answers as it would.

Which there are is found by introspection, so that a new one fails this test until it is tried.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest
from anymail import backends
from anymail.backends.base import AnymailBaseBackend

from tests.mailing.making import make_template, queue_one
from tests.mailing.providers import ADA, PROVIDERS, provider_server, set_up
from tests.support import START, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider():
    with provider_server() as server:
        yield server


#: Not providers: bases, and backends that keep mails to themselves; the old name of Brevo, which warns of itself.
NO_PROVIDERS = {"base", "base_requests", "console", "test", "sendinblue"}


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
    provider.shutdown()
    provider.server_close()  # nobody listens there any more
    row = queue_one(make_contact(ADA))
    assert deliver_due(START).later == 1
    row.refresh_from_db()
    assert (row.status, row.why.partition(":")[0]) == ("queued", "no_connection")
