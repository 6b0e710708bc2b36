"""The folder of mails, and how one is read."""

from __future__ import annotations

import datetime as dt
import random
from email import message_from_bytes

import pytest
from django.core.mail import EmailMultiAlternatives
from django.http import Http404

from sandbox import clock, mailbox
from sandbox.school import inbox
from tests.mailing.making import smtp_server


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("KWIGA_DEMO_DIR", str(tmp_path))
    settings.MAIL_FOLDER = tmp_path / "mail"


def _mail(
    subject: str = "Grüße",
    html: str = "<html><head><title>x</title></head><p>Hallo <a href='/a'>da</a></p></html>",
    **headers,
):
    mail = EmailMultiAlternatives(
        subject,
        "Hallo, https://example.com/a da",
        "School <school@example.com>",
        ["Ada <ada@example.com>"],
        headers=headers,
    )
    if html:
        mail.attach_alternative(html, "text/html")
    return mail


def _send(*mails) -> int:
    return mailbox.FolderBackend().send_messages(list(mails))


def test_a_mail_becomes_a_file_of_real_bytes_dated_by_the_shop(tmp_path):
    clock.set_offset(dt.timedelta(hours=26))
    assert _send(_mail()) == 1
    (name,) = mailbox.names()
    raw = (mailbox.folder() / name).read_bytes()
    assert b"\r\n\r\n" in raw and b"\n" not in raw.replace(b"\r\n", b"")
    assert message_from_bytes(raw)["Message-ID"]
    letter = inbox.read(name)
    assert letter.subject == "Grüße"
    assert abs(letter.at - clock.now()) < dt.timedelta(seconds=5)
    assert letter.at - clock.real_now() > dt.timedelta(hours=25)


def test_the_file_has_what_a_mail_server_would_have_got(settings):
    """On whatever Django: the same mail, once to a server on this machine and once into the folder."""
    mail = _mail(
        "Grüße, " * 20, **{"Message-ID": "<1@example.com>", "List-Unsubscribe": f"<https://example.com/{'u' * 90}/>"}
    )
    with smtp_server(settings) as server:
        random.seed(1)  # out of which the boundary between the parts is made
        assert mailbox.FolderBackend().send_messages([mail]) == 1
        random.seed(1)
        assert mail.send() == 1  # with the Date that it was given above
    (name,) = mailbox.names()
    assert (mailbox.folder() / name).read_bytes() == server.raw[0]


def test_newest_comes_first_and_half_written_files_are_not_seen():
    _send(_mail("one"), _mail("two"))
    (mailbox.folder() / ".draft.eml").write_bytes(b"From: nobody")
    (mailbox.folder() / "note.txt").write_bytes(b"no mail")
    assert [inbox.read(name).subject for name in mailbox.names()] == ["two", "one"]


def test_no_folder_is_an_empty_inbox():
    assert mailbox.names() == []
    assert mailbox.empty() == 0


def test_mails_of_the_past_are_taken_and_not_kept():
    with mailbox.nobody_home():
        assert _send(_mail()) == 1
    assert mailbox.names() == []


@pytest.mark.parametrize("name", ["../db.sqlite3", "x.eml", "0" * 20 + "-00000000.txt", "0" * 20 + "-00000000.eml", ""])
def test_only_names_of_mails_are_read(name):
    with pytest.raises(Http404):
        inbox.read(name)


def test_the_letter_shown_in_a_frame_opens_its_links_elsewhere():
    _send(_mail(), _mail("bare", html="<p>no head</p>"), _mail("plain", html=""))
    plain, bare, whole = (inbox.read(name) for name in mailbox.names())
    assert whole.document.count('<base target="_blank">') == 1
    assert whole.document.startswith('<html><head><base target="_blank">')
    # Python's newer mail API ends each text with a line break.
    assert bare.document.rstrip() == '<base target="_blank"><p>no head</p>'
    assert plain.html == ""
    assert plain.snippet == "Hallo, da"


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, ""),
        ({"List-Unsubscribe": "<https://shop.example/u/1/>"}, ""),
        (
            {
                "List-Unsubscribe": "<mailto:u@shop.example>, <https://shop.example/u/1/>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            "https://shop.example/u/1/",
        ),
        ({"List-Unsubscribe": "<javascript:alert(1)>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}, ""),
    ],
)
def test_one_click_is_offered_only_where_the_mail_offers_it(headers, url):
    _send(_mail(**headers))
    assert inbox.read(mailbox.names()[0]).unsubscribe_url == url
