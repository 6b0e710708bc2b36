"""A mail backend that takes messages and remembers them, and sometimes does not, or dies over it."""

from __future__ import annotations

import smtplib
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend

#: How one hand-over may go. The first word says whether the message was taken.
WAYS = (
    "taken",
    "taken, connection lost",
    "taken, killed",
    "not taken, killed",
    "not taken, connection lost",
    "not taken, later",
    "not taken, address refused",
    "not taken, message refused",
    "not taken, none",
)


class PostOffice:
    """Where all messages of a history arrive."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        #: Outbox row → how often its message was taken.
        self.taken: Counter[int] = Counter()
        self.ways: list[str] = []
        #: Called at the very moment of a hand-over, with the key of the outbox row.
        self.witness: Callable[[int], None] = lambda email: None
        self.meanwhile: Callable[[], None] | None = None
        self.kill: Callable[[], None] = lambda: None
        #: Hand-overs whose end the sender cannot know.
        self.doubts = 0

    def take(self, message: Any) -> int:
        email = int(message.metadata["kwiga_email"].partition(".")[0])
        self.witness(email)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        way = self.ways.pop(0) if self.ways else "taken"
        if way.startswith("taken"):
            self.taken[email] += 1
        if "killed" in way or "lost" in way:
            self.doubts += 1
        match way.rpartition(", ")[2]:
            case "killed":
                self.kill()
            case "connection lost":
                raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
            case "later":
                raise smtplib.SMTPDataError(451, b"4.3.0 try again later")
            case "address refused":
                raise smtplib.SMTPRecipientsRefused({"x": (550, b"5.1.1 no such user")})
            case "message refused":
                raise smtplib.SMTPDataError(554, b"5.6.0 message refused")
            case "none":
                return 0
        return 1


OFFICE = PostOffice()


class Backend(BaseEmailBackend):
    """The mail backend of these tests."""

    def send_messages(self, email_messages: list[Any]) -> int:
        return sum(OFFICE.take(message) for message in email_messages)
