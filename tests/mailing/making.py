"""E-mails, situations and a real SMTP server for the tests of this room."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from wagtail.models import Locale, Site

from tests.mail_settings import SMTP, use_mailer
from tests.orders.shop import order_for
from tests.support import START, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.pricing.money import Money

#: The recovery mail of the story, as an editor composes it.
RECOVERY = [
    ("heading", {"text": 'Your place is still free, {{ contact.first_name | default: "friend" }}'}),
    ("text", {"text": "<p>You began an order for <b>{{ order.title }}</b>.</p>"}),
    ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
    ("button", {"label": "Back to my order", "where": "resume", "url": ""}),
]


def stream(blocks: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Raw StreamField data."""
    return [{"type": kind, "value": value, "id": str(uuid.uuid4())} for kind, value in blocks]


def make_template(
    blocks: list[tuple[str, Any]] | None = None, *, language: str = "en", **given: Any
) -> m.EmailTemplate:
    locale, _made = Locale.objects.get_or_create(language_code=language)
    given = {
        "title": "Come back",
        "subject": '{{ contact.first_name | default: "Hello" }}, your place is still free',
        "preheader": "{{ coupon.size }} off",
        **given,
    }
    template = m.EmailTemplate(locale=locale, **given)
    template.body = stream(RECOVERY if blocks is None else blocks)
    template.save()
    # Fresh from the database, as every caller has it.
    return m.EmailTemplate.objects.get(pk=template.pk)


def settings_of_default_site(**given: Any) -> m.KwigaSettings:
    site = Site.objects.get(is_default_site=True)
    row, _made = m.KwigaSettings.objects.update_or_create(
        site=site,
        defaults={
            "seller_name": "Riverside Studio",
            "sender_name": "Mara of Riverside",
            "sender_email": "mara@riverside.example",
            "reply_to": "answers@riverside.example",
            "postal_footer": "Riverside Studio Ltd\n1 Mill Lane, Dublin",
            **given,
        },
    )
    return row


def situation_for(contact: m.Contact | None = None, *, now: dt.datetime = START, **given: Any) -> Situation:
    """Somebody who left 120.00 EUR unpaid and has 24 hours for 15 %."""
    contact = contact or make_contact(name="Ada Lovelace")
    site = given.pop("site", None) or Site.objects.get(is_default_site=True)
    order = given.pop("order", None) or order_for(
        contact,
        make_offer(title="Watercolour", coupon_mode="any"),
        now=now,
        language=given.get("language", "en"),
        site=site,
    )
    return Situation(
        contact=contact,
        order=order,
        site=site,
        language=given.pop("language", "en"),
        now=now,
        coupon=given.pop("coupon", None) or make_coupon(),
        coupon_until=given.pop("coupon_until", now + dt.timedelta(hours=24)),
        quote_before=Money(Decimal(120), "EUR"),
        quote_after=Money(Decimal(102), "EUR"),
        **given,
    )


def queue_one(
    contact: m.Contact | None = None,
    *,
    key: str = "",
    purpose: str = "recovery",
    template: m.EmailTemplate | None = None,
    now: dt.datetime = START,
    due_at: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    **given: Any,
) -> m.OutgoingEmail:
    """A recovery mail in the outbox, queued the way the engine does it."""
    version = versions.for_template(template or make_template(), "en", now=now)
    return outbox.queue(
        key=key or f"test:{uuid.uuid4()}",
        purpose=purpose,
        version=version,
        situation=situation_for(contact, now=now, **given),
        due_at=due_at,
        not_after=not_after,
        now=now,
    )


class Inbox:
    """An SMTP handler that keeps what it took, and refuses what a test tells it to refuse."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        #: Of the envelope: who sent each mail, and to whom.
        self.senders: list[str] = []
        self.recipients: list[str] = []
        #: Address → what RCPT is answered.
        self.refuse: dict[str, str] = {}
        #: What DATA is answered, one after the other; then all is taken.
        self.answers: list[str] = []
        self.connections = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer in ("250 OK", "drop"):
            self.raw.append(envelope.content)
            self.senders.append(envelope.mail_from)
            self.recipients += envelope.rcpt_tos
        if answer == "drop":  # it was taken, but nobody hears of it
            server.transport.abort()
            return "250 OK"
        return answer

    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.raw]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(inbox: Inbox) -> Iterator[tuple[Inbox, int]]:
    """A real SMTP server on loopback, and its port."""
    port = free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield inbox, port
    finally:
        controller.stop()


@contextmanager
def smtp_server(settings: Any) -> Iterator[Inbox]:
    """The server, with Django's own SMTP backend set up to talk to it."""
    with serving(Inbox()) as (inbox, port):
        use_mailer(settings, SMTP, host="127.0.0.1", port=port, timeout=5)
        yield inbox


def parts(message: EmailMessage) -> tuple[str, str]:
    """The plain-text and the HTML part of a received message."""
    plain = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert plain is not None and html is not None
    return plain.get_content(), html.get_content()
