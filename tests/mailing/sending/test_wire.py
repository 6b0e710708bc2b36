"""What leaves, read from the bytes that a mail server received, on whatever Django and Python."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from anymail.utils import parse_address_list
from django.core import mail
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.mail_settings import MEMORY, use_mailer
from tests.mailing.making import queue_one, settings_of_default_site
from tests.mailing.wire import Head, Mailbox, decoded
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.sender import mailbox
from wagtail_kwiga.mailing.sending import mail_connection, order_mails
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.mailing.sending.message import HAS_POLICIES, Message

pytestmark = pytest.mark.django_db

NAMES = {
    "none": "",
    "plain": "Mara of Riverside",
    "comma": "School, Inc.",
    "long with a comma": "School, Inc. and the Riverside Academy of Watercolour and Drawing, Dublin, Ireland, and others",
    "other address": "Mara <evil@example.com>, Ada <ada@example.net>",
    "long other address": "The Riverside Academy of Watercolour and Drawing in Dublin <evil@example.com>, and of Cork",
    "only an address": "evil@example.com",
    "quotes": 'Mara "the Brush" O\'Hara',
    "apostrophes": "'Mara', 'Ada'",
    "backslashes": 'Mara \\" <evil@example.com>\\',
    "colon and semicolon": "friends: mara@example.net, ada@example.net;",
    "comment": "Mara (of Riverside) and (others",
    "encoded word": "=?utf-8?q?evil=40example=2Ecom?=",
    "encoded words": "=?utf-8?b?RXZpbA==?= =?utf-8?q?=0D=0ABcc:_all=40example.com?= and so on, and so forth, and more",
    "100 letters": "a" * 100,
    "100 letters of another script": "Школа " * 16,
    "umlauts": "Müller & Söhne, Straße",
    "long umlauts": "Größte Malschule für Aquarell, Öl & Gouache <müller@example.com>, Zürich, Österreich und anderswo",
    "right to left": "סטודיו ריברסייד, דבלין",
    "marks of direction": "\u200fסטודיו\u200e <evil@example.com>",
    "emoji": "👩‍👩‍👧‍👦, 🎨" * 10,
    "combining": "e\u0301" * 40,
    "line break": "Mara\r\nBcc: all@example.com",
    "tab and null": "Mara\t\x00of Riverside",
    "no-break spaces": "Mara\u00a0of \u00a0 Riverside,\u00a0Ltd",
    "trailing": "Mara, ",
    "dots": "M. O. H. Ltd.",
    "percent": "%s %(name)s",
}


def shown(name: str) -> str:
    """What a reader shall see of it."""
    return placeholder_syntax.one_line(name, 100).replace("\\", "").replace('"', "'").replace("=?", "= ?")


def receive(smtp) -> tuple[Head, bytes]:
    assert deliver_due(START) == DeliverySummary(sent=1)
    (raw,) = smtp.raw
    return Head(raw), raw


def test_a_promotion_can_be_unsubscribed_from_by_one_click(smtp):
    settings_of_default_site()
    row = queue_one(make_contact("ada@example.com", name="Ada Łovelace"))
    assert row.kind == Kind.PROMOTION
    head, raw = receive(smtp)
    url = re.fullmatch(r"<(http://localhost/shop/unsubscribe/[\w.-]+/)>", head["List-Unsubscribe"])
    assert url and len(url[0]) > 78
    assert raw.count(b"<" + url[1].encode() + b">") == 1, "in one piece, though it is longer than a line should be"
    assert head["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert head.mailbox("To") == Mailbox("Ada Łovelace", "ada@example.com")
    assert head.mailbox("From") == Mailbox("Mara of Riverside", "mara@riverside.example")
    assert head.mailbox("Reply-To") == Mailbox("", "answers@riverside.example")
    assert (smtp.senders, smtp.recipients) == (["mara@riverside.example"], ["ada@example.com"])
    row.refresh_from_db()
    assert head["Message-ID"] == row.message_id
    assert b"\r\nMessage-ID: " + row.message_id.encode() + b"\r\n" in raw


def test_a_receipt(smtp):
    settings_of_default_site(sender_email=f"mara@{'long-and-' * 6}name.example")
    row = order_mails.receipt(order_for(make_contact("ada@example.com", name="Ada Łovelace"), make_offer()), START)
    smtp.answers.append("drop")
    assert deliver_due(START) == DeliverySummary(unknown=1)
    assert deliver_due(after(minutes=60)) == DeliverySummary(sent=1)
    first, again = map(Head, smtp.raw)
    assert "List-Unsubscribe" not in first
    assert first.mailbox("To") == again.mailbox("To") == Mailbox("Ada Łovelace", "ada@example.com")
    row.refresh_from_db()
    assert len(row.message_id) > 78
    for head, raw in zip((first, again), smtp.raw, strict=True):
        assert head["Message-ID"] == row.message_id
        assert row.message_id.encode() in raw, "in one piece"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_never_another_mailbox(smtp, name):
    settings_of_default_site(sender_name=name.replace("\x00", "")[:100], seller_name="Riverside")
    row = queue_one(make_contact("ada@example.com"))
    m.OutgoingEmail.objects.filter(pk=row.pk).update(to_name=name.replace("\x00", ""))
    head, _raw = receive(smtp)
    assert head.mailbox("From") == Mailbox(
        shown(name.replace("\x00", "")[:100]) or "Riverside", "mara@riverside.example"
    )
    assert head.mailbox("To") == Mailbox(shown(name.replace("\x00", "")), "ada@example.com")
    assert (smtp.senders, smtp.recipients) == (["mara@riverside.example"], ["ada@example.com"])
    assert max(map(len, head.lines)) <= 998


def test_any_name_and_subject(smtp):
    @hypothesis_settings(max_examples=150)
    @given(
        st.text(st.characters(codec="utf-8"), max_size=120)
        | st.text("aé \"\\<>(),;:@=?q._-'", max_size=120)
        | st.lists(st.sampled_from(['"', "\\", "<x@y.example>", "=?utf-8?q?x?=", "é", "a" * 30, " ", ", ", "🎨"])).map(
            "".join
        ),
        st.text(st.characters(codec="utf-8"), max_size=200),
    )
    @example("=?" * 50, "=?utf-8?q?x?= " * 10)
    def check(name, subject):
        del smtp.raw[:], smtp.senders[:], smtp.recipients[:]
        subject = placeholder_syntax.one_line(subject, 255).replace("=?", "= ?")
        message = Message(
            subject=subject,
            body="x",
            from_email=mailbox(name, "mara@riverside.example"),
            to=[mailbox(name, "ada@example.com")],
            reply_to=[mailbox(name, "answers@riverside.example")],
            headers={
                "Message-ID": f"<{'i' * 80}@example.com>",
                "List-Unsubscribe": f"<https://example.com/{'u' * 200}>",
            },
        )
        assert post.give(message).fate == "sent"
        head = Head(smtp.raw[0])
        for header, address in (("From", "mara@riverside"), ("To", "ada@"), ("Reply-To", "answers@riverside")):
            address += ".example" if address.endswith("riverside") else "example.com"
            assert head.mailbox(header) == Mailbox(shown(name), address)
        assert (smtp.senders, smtp.recipients) == (["mara@riverside.example"], ["ada@example.com"])
        assert decoded(head["Subject"]).split() == subject.split()
        assert head["Message-ID"] == f"<{'i' * 80}@example.com>"
        assert head["List-Unsubscribe"] == f"<https://example.com/{'u' * 200}>"
        assert all(len(line) <= (76 if HAS_POLICIES else 90) for line in head.lines if "=?utf-8?" in line)
        # As the providers of Anymail read it.
        for given_address in (message.from_email, message.to[0]):
            (found,) = parse_address_list([given_address])
            assert found.addr_spec in given_address and found.display_name.split() == shown(name).split()

    with mail_connection.MailConnection() as post:
        assert post.ready() is None
        check()


def test_a_domain_in_another_script(smtp):
    settings_of_default_site(sender_email="mara@пример.укр", sender_name="Мара, художниця")
    queue_one(make_contact("ada@example.com"))
    head, _raw = receive(smtp)
    assert head.mailbox("From") == Mailbox("Мара, художниця", "mara@xn--e1afmkfd.xn--j1amh")
    assert smtp.senders == ["mara@xn--e1afmkfd.xn--j1amh"]


@pytest.mark.parametrize("field", ["sender_email", "reply_to"])
def test_an_address_of_the_seller_that_cannot_be_written_sends_nothing(smtp, field):
    """Django 5.2 would write somebody else's: ``=?utf-8?q?zo=C3=AB?=@example.com``."""
    settings_of_default_site(**{field: "zoë@example.com"})
    row = queue_one()
    assert deliver_due(START) == DeliverySummary(failed=1)
    row.refresh_from_db()
    assert row.why.startswith("cannot_compose: ") and smtp.raw == []


def test_several_mailboxes_of_a_site(smtp):
    """A site that adds a header of its own writes it as it likes."""
    message = Message(
        subject="x", body="x", from_email="Mara <mara@riverside.example>", to=["ada@example.com"],
        headers={
            "Cc": 'Bob <bob@example.com>, "Eve, Ltd and many more words, and words" <eve@example.com>, Zoë <zoe@example.com>',
            "Sender": '"Riverside, Dublin" <office@riverside.example>',
        },
    )  # fmt: skip
    with mail_connection.MailConnection() as post:
        assert post.ready() is None
        assert post.give(message).fate == "sent"
    head = Head(smtp.raw[0])
    boxes = re.split(r",\s+(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", head["Cc"])
    assert [re.search(r"<?(\S+@[^>]+)>?$", each)[1] for each in boxes] == [
        f"{who}@example.com" for who in ("bob", "eve", "zoe")
    ]
    assert head.mailbox("Sender") == Mailbox("Riverside, Dublin", "office@riverside.example")


def test_a_backend_that_asks_for_the_message_itself_gets_the_same_headers(settings):
    """Amazon's does, with lines that end as Python likes them. It has first written each address anew."""
    use_mailer(settings, MEMORY)
    settings_of_default_site(sender_name=NAMES["long other address"])
    queue_one(make_contact("ada@example.com", name="Ada Łovelace"))
    assert deliver_due(START) == DeliverySummary(sent=1)
    (message,) = mail.outbox
    message.from_email = parse_address_list([message.from_email])[0].format(idna_encode=lambda domain: domain)
    raw = message.message().as_bytes()
    head = Head(raw.replace(b"\n", b"\r\n"))
    assert head.mailbox("From") == Mailbox(NAMES["long other address"], "mara@riverside.example")
    assert head.mailbox("To") == Mailbox("Ada Łovelace", "ada@example.com")
    assert re.search(rb"^List-Unsubscribe:\s+<http://\S+>$", raw, re.MULTILINE)
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == "Ada, your place is still free"


UNWRITABLE = [("X-Own", "one\r\nBcc: all@example.com"), ("Subject", "one\nBcc: all@example.com")]
if HAS_POLICIES:  # Django 5.2 writes these, as well or badly as it can; none of them is ours
    UNWRITABLE += [
        ("List-Unsubscribe", "<https://example.com/ü>"),
        ("List-Unsubscribe", f"<https://example.com/{'u' * 1000}>"),
        ("From", "nobody <>"),
        ("From", "zoë@example.com"),
    ]


@pytest.mark.parametrize(("header", "value"), UNWRITABLE, ids=str)
def test_what_cannot_be_written_is_a_fault_of_the_mail_and_not_a_doubt(smtp, header, value):
    message = Message(
        subject="x", body="x", from_email="mara@example.com", to=["ada@example.com"], headers={header: value}
    )
    with mail_connection.MailConnection() as post:
        assert post.ready() is None
        verdict = post.give(message)
    assert verdict.fate == "failed" and verdict.why.startswith("cannot_compose")
    assert smtp.raw == []
