"""Files that go with a mail, over a real SMTP connection and through Anymail."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.mailing.making import make_template, queue_one, smtp_server
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.sending import mail_connection, outbox
from wagtail_kwiga.mailing.sending.attachments import Attached
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

PIXEL = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
INVOICE = Attached("invoice – März.pdf", "application/pdf", b"%PDF-1.7 \x00\xff the whole of it")
LOGO = Attached("logo.gif", "image/gif", PIXEL, content_id="logo")


def made_now(email: m.OutgoingEmail, *, number: str) -> bytes:
    """What an invoice is: made of what the mail is about, when it leaves."""
    return f"{number} for {email.to_email}".encode()


def fails(email: m.OutgoingEmail) -> bytes:
    raise RuntimeError("the printer is out of paper")


def no_bytes(email: m.OutgoingEmail) -> str:
    return "words"


def huge(email: m.OutgoingEmail, *, kilobytes: int) -> bytes:
    return b"x" * kilobytes * 1024


HERE = "tests.mailing.sending.test_attachments"
MADE = Attached("made.txt", "text/plain", maker=f"{HERE}.made_now", arguments={"number": "INV-7"})


def queue_with(*files: Attached, **given) -> m.OutgoingEmail:
    template = make_template([("text", {"text": "<p>Hello</p>"})], kind="service", subject="Hello", preheader="")
    plain = queue_one(purpose="service", template=template, key=given.get("key", ""))
    m.OutgoingEmail.objects.filter(pk=plain.pk).delete()
    return outbox.queue(
        key=plain.key,
        purpose="service",
        version=versions.for_template(template, "en", now=START),
        situation=outbox.Situation(plain.contact, plain.order, plain.site, "en", START),
        attachments=files,
        now=START,
    )


def files_of(message) -> dict[str, tuple[str, bytes, str, str]]:
    return {
        part.get_filename(): (
            part.get_content_type(),
            part.get_payload(decode=True),
            part.get_content_disposition(),
            part["Content-ID"] or "",
        )
        for part in message.walk()
        if part.get_filename()
    }


def test_files_arrive_as_they_were(settings):
    with smtp_server(settings) as inbox:
        mail = queue_with(INVOICE, LOGO, MADE)
        assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)
    (message,) = inbox.messages()
    assert files_of(message) == {
        "invoice – März.pdf": ("application/pdf", INVOICE.content, "attachment", ""),
        "logo.gif": ("image/gif", PIXEL, "inline", "<logo>"),
        "made.txt": ("text/plain", f"INV-7 for {mail.to_email}".encode(), "attachment", ""),
    }
    assert message.get_body(("plain",)).get_content().startswith("Hello")
    assert message.get_body(("html",)) is not None


def test_sent_again_with_the_very_same_files(settings):
    """The server took the mail and the line broke: staff send it once more."""
    with smtp_server(settings) as inbox:
        mail = queue_with(INVOICE, MADE)
        inbox.answers = ["drop"]
        deliver_due(after(minutes=1))
        mail.refresh_from_db()
        outbox.settle(mail, "send_again", now=after(minutes=2))
        assert deliver_due(after(minutes=2)) == DeliverySummary(sent=1)
    first, second = inbox.messages()
    assert files_of(first) == files_of(second) != {}


@pytest.mark.parametrize(
    ("maker", "words"),
    [("fails", "out of paper"), ("no_bytes", "not bytes")],
)
def test_a_file_that_cannot_be_made_keeps_its_mail_back_and_no_other(settings, maker, words):
    with smtp_server(settings) as inbox:
        broken = queue_with(Attached("a.pdf", "application/pdf", maker=f"{HERE}.{maker}"))
        queue_with(INVOICE)
        assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, failed=1)
    broken.refresh_from_db()
    assert broken.why.startswith("cannot_compose") and words in broken.why
    assert len(inbox.raw) == 1


def test_too_big_is_said_when_it_is_queued(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ATTACHMENTS_MAX_KB": 10}
    half = Attached("half.bin", "application/octet-stream", b"x" * 5 * 1024)
    with pytest.raises(KwigaError, match=r"half.bin \(5 kB\), one.txt \(0 kB\). At most 10 kB") as refused:
        queue_with(half, half, Attached("one.txt", "text/plain", b"x"))
    assert refused.value.code == "attachments_too_big"
    assert not m.OutgoingEmail.objects.exists()
    assert queue_with(half, half).attachments.count() == 2


def test_too_big_is_said_when_it_is_made(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ATTACHMENTS_MAX_KB": 10}
    mail = queue_with(Attached("big.bin", "application/zip", maker=f"{HERE}.huge", arguments={"kilobytes": 11}))
    assert deliver_due(after(minutes=1)) == DeliverySummary(failed=1)
    mail.refresh_from_db()
    assert "big.bin (11 kB)" in mail.why


@pytest.mark.parametrize(
    "given",
    [
        {"content": None},
        {"maker": "some.where"},
        {"name": "../secret"},
        {"name": "a\r\nBcc: x@example.com"},
        {"name": ""},
        {"content_type": "pdf"},
        {"content_type": "text/plain\r\nX: y"},
        {"content_id": "a b"},
    ],
)
def test_what_is_no_file(given):
    with pytest.raises(ValueError, match=r"is no |needs either"):
        Attached(**{"name": "a.txt", "content_type": "text/plain", "content": b"x", **given})


def test_the_database_wants_content_or_maker():
    mail = queue_one()
    with pytest.raises(IntegrityError), transaction.atomic():
        m.EmailAttachment.objects.create(email=mail, name="a", content_type="a/b")


def test_queueing_the_same_key_again_adds_no_file():
    template = make_template([("text", {"text": "<p>Hello</p>"})], kind="service", subject="Hello", preheader="")
    version = versions.for_template(template, "en", now=START)
    mail = queue_with(INVOICE)
    again = outbox.queue(
        key=mail.key, purpose="service", version=version, attachments=[INVOICE, LOGO], now=START,
        situation=outbox.Situation(mail.contact, mail.order, mail.site, "en", START),
    )  # fmt: skip
    assert again.pk == mail.pk and again.attachments.count() == 1


def test_mail_without_files_asks_for_none():
    queue_one()
    with CaptureQueriesContext(connection) as captured:
        deliver_due(START)
    assert not [query for query in captured if "emailattachment" in query["sql"]]


@pytest.mark.parametrize("files", [1, 5])
def test_files_of_a_batch_are_read_at_once(files):
    for _ in range(files):
        queue_with(INVOICE, LOGO)
    with CaptureQueriesContext(connection) as captured:
        assert deliver_due(START).sent == files
    assert len([query for query in captured if "emailattachment" in query["sql"]]) == 1


def test_anymail_is_given_the_same_parts():
    """What Anymail makes of them is what every provider's backend is given."""
    from anymail.utils import Attachment

    mail = m.OutgoingEmail.objects.select_related("order").get(pk=queue_with(INVOICE, LOGO).pk)
    from wagtail_kwiga.mailing import sender

    message = mail_connection.compose(mail, sender.for_site(mail.site_id))
    invoice, logo = (Attachment(one) for one in message.attachments)
    assert (invoice.name, invoice.mimetype, invoice.content, invoice.inline) == (
        INVOICE.name, "application/pdf", INVOICE.content, False,
    )  # fmt: skip
    assert (logo.cid, logo.inline, logo.content) == ("logo", True, PIXEL)
