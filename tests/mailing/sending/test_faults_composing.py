"""Attacked: the line between a mail that could not be written, which has certainly not left, and one that may have left.

From Django 6.0 on a header that cannot be written is a plain ``ValueError``, and backends raise that for answers which they cannot
read as well (``json.JSONDecodeError`` and ``UnicodeDecodeError`` are such). Only the first is *failed*.
"""

from __future__ import annotations

import json

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from tests.mail_settings import use_mailer
from tests.mailing.making import queue_one, settings_of_default_site
from tests.support import START, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


def value_error():
    raise ValueError("odd answer")


def no_json():
    json.loads("<html>")


def no_text():
    b"\xff".decode()


class Archiving(EmailBackend):
    """A site's own: sends, and stumbles over what it does afterwards."""

    stumble = staticmethod(value_error)

    def send_messages(self, email_messages):
        super().send_messages(email_messages)
        self.stumble()


class Signing(EmailBackend):
    """Stumbles before it sends."""

    stumble = staticmethod(value_error)

    def send_messages(self, email_messages):
        self.stumble()


class Foreign(BaseEmailBackend):
    """Sends by something that nobody watches, and stumbles over the answer."""

    stumble = staticmethod(value_error)

    def send_messages(self, email_messages):
        mail.outbox += [message.message() for message in email_messages]
        self.stumble()


@pytest.fixture(autouse=True)
def seller(monkeypatch):
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    return settings_of_default_site()


def settle(status, why):
    row = m.OutgoingEmail.objects.get()
    assert (row.status, row.why.partition(":")[0]) == (status, why), row.why


@pytest.mark.parametrize("stumble", [value_error, no_json, no_text])
@pytest.mark.parametrize(
    ("backend", "status", "why", "arrived"),
    [
        (Archiving, Status.UNKNOWN, "no_answer", 1),
        (Signing, Status.FAILED, "cannot_compose", 0),
    ],
)
def test_around_a_line_that_is_watched(smtp, settings, monkeypatch, backend, status, why, arrived, stumble):
    monkeypatch.setattr(backend, "stumble", staticmethod(stumble))
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {**settings.MAILERS["default"], "BACKEND": f"{__name__}.{backend.__name__}"}}
    else:
        settings.EMAIL_BACKEND = f"{__name__}.{backend.__name__}"
    queue_one()
    deliver_due(START)
    settle(status, why)
    assert len(smtp.raw) == arrived


@pytest.mark.parametrize("stumble", [value_error, no_json, no_text])
def test_behind_a_line_that_nobody_watches(settings, monkeypatch, stumble):
    monkeypatch.setattr(Foreign, "stumble", staticmethod(stumble))
    use_mailer(settings, f"{__name__}.Foreign")
    queue_one()
    assert deliver_due(START) == DeliverySummary(unknown=1)
    settle(Status.UNKNOWN, "no_answer")
    assert len(mail.outbox) == 1


def test_a_header_that_cannot_be_written_is_known_as_that_behind_any_line(settings):
    """The backend never got the bytes."""
    use_mailer(settings, f"{__name__}.Foreign")
    row = queue_one(make_contact("ada@example.com"))
    m.OutgoingEmail.objects.filter(pk=row.pk).update(to_email="ada@example.com\nBcc: all@example.com")
    assert deliver_due(START) == DeliverySummary(failed=1)
    settle(Status.FAILED, "cannot_compose")
    assert mail.outbox == []


def test_an_address_that_the_smtp_backend_cannot_put_on_the_envelope(smtp):
    row = queue_one(make_contact("ada@example.com"))
    m.OutgoingEmail.objects.filter(pk=row.pk).update(to_email="ada@exam ple.com")
    assert deliver_due(START) == DeliverySummary(failed=1)
    settle(Status.FAILED, "cannot_compose")
    assert smtp.raw == []
