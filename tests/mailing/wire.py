"""Reading mails as bytes: by the letter of RFC 5322 and RFC 2047, with nothing of Python's ``email``, which is what we check.

``python -m tests.mailing.wire`` shows a promotion and a receipt as a mail server on this machine receives them.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from wagtail_kwiga.mailing.sending.message import HAS_POLICIES

#: Octets of an encoded word. Python's older mail API, which Django 5.2 uses, goes a little above the rule; all readers bear it.
LONGEST_WORD = 75 if HAS_POLICIES else 78
_WORD = re.compile(r"=\?utf-8\?([qb])\?([^? ]*)\?=", re.IGNORECASE)
_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+"
#: One mailbox and nothing else: an address, or a name (a quoted string, encoded words, or plain words) and an address.
_MAILBOX = re.compile(
    rf"""(?P<bare>{_ADDRESS})
    | (?: "(?P<quoted>(?:[^"\\\r\n]|\\[ -~])*)"
        | (?P<encoded>=\?[^? ]+\?[QqBb]\?[^? ]*\?=(?:[ \t]+=\?[^? ]+\?[QqBb]\?[^? ]*\?=)*)
        | (?P<plain>[A-Za-z0-9!\#$%&'*+/=?^_`{{|}}~-]+(?:[ \t]+[A-Za-z0-9!\#$%&'*+/=?^_`{{|}}~-]+)*)
      )[ \t]+<(?P<address>{_ADDRESS})>""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Mailbox:
    name: str
    address: str


class Head:
    """The head of a mail as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        head, blank, _body = raw.partition(b"\r\n\r\n")
        assert blank, "no blank line behind the head"
        assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"")
        self.lines = head.decode("ascii").split("\r\n")
        assert all(line.strip() for line in self.lines), "a line of nothing"
        self.fields: list[tuple[str, str]] = []
        for field in re.sub(r"\r\n(?=[ \t])", "", head.decode("ascii")).split("\r\n"):
            name, colon, value = field.partition(":")
            assert colon and re.fullmatch(r"[!-9;-~]+", name), field
            self.fields.append((name.lower(), value.strip(" \t")))

    def __getitem__(self, name: str) -> str:
        """The unfolded value of a header that is there exactly once."""
        (value,) = [value for each, value in self.fields if each == name.lower()]
        return value

    def __contains__(self, name: str) -> bool:
        return any(each == name.lower() for each, _value in self.fields)

    def mailbox(self, name: str) -> Mailbox:
        """The one mailbox of an address header."""
        value = self[name]
        found = _MAILBOX.fullmatch(value)
        assert found, f"{name} is not one mailbox: {value!r}"
        if found["bare"]:
            return Mailbox("", found["bare"])
        if found["quoted"] is not None:
            # Readers who decode encoded words in a quoted string (they must not) shall see the same.
            assert not _WORD.search(found["quoted"]), value
            return Mailbox(re.sub(r"\\(.)", r"\1", found["quoted"]), found["address"])
        return Mailbox(decoded(found["encoded"] or found["plain"]), found["address"])


def decoded(value: str) -> str:
    """A value for people, its encoded words decoded."""
    for word in re.findall(r"=\?\S*\?=", value):
        assert len(word) <= LONGEST_WORD and _WORD.fullmatch(word), word
    joined = re.sub(r"(\?=)[ \t]+(?==\?utf-8\?[qbQB]\?)", r"\1", value)
    return _WORD.sub(lambda word: _of_word(word[1], word[2]), joined)


def _of_word(code: str, text: str) -> str:
    if code.lower() == "b":
        return base64.b64decode(text, validate=True).decode("utf-8")
    octets = re.sub(
        r"=([0-9A-F]{2})", lambda hexed: chr(int(hexed[1], 16)), text.replace("_", " "), flags=re.IGNORECASE
    )
    return octets.encode("latin-1").decode("utf-8")


def show() -> None:
    """Print both mails, bytes as they are, from an empty database in memory."""
    import django
    from django.conf import settings
    from django.db import connection
    from django.test.utils import override_settings

    print(f"Django {django.get_version()}")
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        from tests.mailing import making
        from tests.orders.shop import order_for
        from tests.support import START, make_contact, make_offer
        from wagtail_kwiga.mailing.sending import order_mails
        from wagtail_kwiga.mailing.sending.delivery import deliver_due

        making.settings_of_default_site(sender_name="School, Inc. and the Riverside Academy of Watercolour and Drawing")
        making.queue_one(make_contact("ada@example.com", name="Ada Łovelace"))
        order_mails.receipt(order_for(make_contact("bob@example.com"), make_offer()), START)
        with override_settings(), making.smtp_server(settings) as inbox:
            assert deliver_due(START).sent == 2
        for raw in inbox.raw:
            print("=" * 100)
            print(raw.decode("utf-8"))
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], verbosity=0)


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    show()
