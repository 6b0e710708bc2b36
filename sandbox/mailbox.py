"""A post office in a folder: every mail becomes one ``.eml`` file, byte for byte what a mail server would have got."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import time
from collections.abc import Iterator
from contextvars import ContextVar
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from smtplib import SMTPDataError
from typing import Any

import django
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend

from sandbox import clock
from sandbox.datadir import write_whole

_away: ContextVar[bool] = ContextVar("away", default=False)
_dead: ContextVar[tuple[str, ...]] = ContextVar("dead", default=())


class FolderBackend(BaseEmailBackend):
    """Writes each message to ``settings.MAIL_FOLDER``; its Date is the shop's. Names sort by the order of arrival."""

    def send_messages(self, email_messages) -> int:
        for message in email_messages:
            if any(address in to for address in _dead.get() for to in message.to):
                raise TimeoutError("the answer of the mail server never came")
            stamp = dt.datetime.fromtimestamp(int(clock.now().timestamp()), dt.UTC)
            message.extra_headers.setdefault("Date", format_datetime(stamp))
            raw = _as_sent(message)
            if not _away.get():
                _take(raw)
        return len(email_messages)


def _as_sent(message: Any) -> bytes:
    """What Django's SMTP backend would give to a mail server."""
    if django.VERSION >= (6, 0):
        return message.message(policy=SMTP).as_bytes()
    return message.message().as_bytes(linesep="\r\n")


def _take(raw: bytes) -> None:
    """Keep a mail, or refuse it the way a mail server with a full disk does: certainly not taken, come again later."""
    try:
        write_whole(folder() / f"{time.time_ns():020d}-{secrets.token_hex(4)}.eml", raw)
    except OSError as error:
        raise SMTPDataError(452, f"4.3.1 {error}") from error


def folder() -> Path:
    """The folder of mails."""
    return Path(settings.MAIL_FOLDER)


def names() -> list[str]:
    """File names of all mails, newest first. Half-written files have a dot in front and are not among them."""
    with contextlib.suppress(FileNotFoundError):
        return sorted((path.name for path in folder().iterdir() if _is_mail(path)), reverse=True)
    return []


def _is_mail(path: Path) -> bool:
    return path.suffix == ".eml" and not path.name.startswith(".")


def empty() -> int:
    """Throw all mails away; how many there were."""
    found = names()
    for name in found:
        (folder() / name).unlink(missing_ok=True)
    return len(found)


@contextlib.contextmanager
def nobody_home() -> Iterator[None]:
    """Within the block mails are taken and thrown away: for telling the past, whose mails nobody needs to read."""
    token = _away.set(True)
    try:
        yield
    finally:
        _away.reset(token)


@contextlib.contextmanager
def no_answer_for(*addresses: str) -> Iterator[None]:
    """Within the block nobody learns whether mail to them arrived: the line goes dead while it is handed over."""
    token = _dead.set(addresses)
    try:
        yield
    finally:
        _dead.reset(token)
