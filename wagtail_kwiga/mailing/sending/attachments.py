"""Files that go with a mail: kept as bytes when it is queued, or made when it leaves; to be saved, or shown inside the HTML.

They are rows of the mail, so that it is sent with the very same files again. What is made when the mail leaves (an invoice,
say) is named by the dotted path of a function and its arguments: the file then never lies about in the database.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email import encoders
from email.message import MIMEPart
from email.mime.base import MIMEBase
from typing import Any, cast

from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import KwigaError, NewerVersion
from wagtail_kwiga.mailing.models import EmailAttachment, OutgoingEmail
from wagtail_kwiga.mailing.sending.message import HAS_POLICIES, Message

logger = logging.getLogger("wagtail_kwiga.mailing")


@dataclass(frozen=True)
class Attached:
    """A file to go with a mail.

    Either ``content``, or ``maker``: the dotted path of a function that is called with the mail's row and ``arguments`` (JSON
    values, by name) when the mail leaves, and returns bytes. With a ``content_id`` the file is shown where the HTML says
    ``cid:<content_id>``, and not offered to be saved. Raises ``ValueError`` where it has both or neither, or where name, type
    or id could not stand in a header.
    """

    name: str
    content_type: str
    content: bytes | None = None
    maker: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    content_id: str = ""

    def __post_init__(self) -> None:
        if (self.content is None) is (not self.maker):
            raise ValueError(f"{self.name!r} needs either its content, or what makes it.")
        if not self.name or any(not sign.isprintable() or sign in '/\\"' for sign in self.name):
            raise ValueError(f"{self.name!r} is no name for a file.")
        main, slash, sub = self.content_type.partition("/")
        if not (slash and main and sub and self.content_type.isascii() and self.content_type.isprintable()):
            raise ValueError(f"{self.content_type!r} is no type of a file.")
        if self.content_id and not (
            self.content_id.isascii() and self.content_id.isprintable() and " " not in self.content_id
        ):
            raise ValueError(f"{self.content_id!r} is no id of a part of a mail.")


def check_size(files: Iterable[tuple[str, int]]) -> None:
    """Raise ``KwigaError`` (``attachments_too_big``) where these files, by name and bytes, are more than a mail may carry."""
    files = list(files)
    limit = conf.settings.ATTACHMENTS_MAX_KB * 1024
    if sum(size for _name, size in files) <= limit:
        return
    told = ", ".join(f"{name} ({size // 1024} kB)" for name, size in files)
    raise KwigaError(
        _("The files of this email are too big together: %(files)s. At most %(limit)s kB can be sent.")
        % {"files": told, "limit": limit // 1024},
        code="attachments_too_big",
    )


def rows_for(email: OutgoingEmail, files: Iterable[Attached]) -> list[EmailAttachment]:
    """The rows of ``files`` for a mail, not saved. Raises ``KwigaError`` where what is kept is too big already."""
    files = list(files)
    check_size((one.name, len(one.content)) for one in files if one.content is not None)
    return [
        EmailAttachment(
            email=email,
            position=position,
            name=one.name,
            content_type=one.content_type,
            content_id=one.content_id,
            content=one.content,
            maker=one.maker,
            arguments=dict(one.arguments),
        )
        for position, one in enumerate(files)
    ]


def attach(message: Message, email: OutgoingEmail) -> None:
    """Put the files of ``email`` on its message, making those that are made now. Raises whatever a maker raises,
    ``NewerVersion`` for a maker that is not there, ``TypeError`` where it returns no bytes, and ``KwigaError`` where all of them are too big together."""
    made = [(row, _content(row, email)) for row in email.attachments.all()]
    check_size((row.name, len(content)) for row, content in made)
    for row, content in made:
        message.attach(_part(row, content))


def with_pictures(html: str, files: Iterable[Attached | EmailAttachment], email: OutgoingEmail | None = None) -> str:
    """``html`` with the pictures it names (``cid:…``) written into it, for a look at the mail. One that cannot be made stays
    a name."""
    for one in files:
        if not one.content_id or f"cid:{one.content_id}" not in html:
            continue
        try:
            content = (
                bytes(one.content) if one.content is not None else import_string(one.maker)(email, **one.arguments)
            )
        except Exception:
            logger.exception("The picture %s of a mail cannot be shown", one.name)
            continue
        data = f"data:{one.content_type};base64,{base64.b64encode(content).decode()}"
        html = html.replace(f"cid:{one.content_id}", data)
    return html


def _content(row: EmailAttachment, email: OutgoingEmail) -> bytes:
    if not row.maker:
        return bytes(cast(bytes, row.content))
    try:
        make = import_string(row.maker)
    except ImportError as fault:
        raise NewerVersion(f"Nobody here makes {row.name!r}: {fault}") from fault
    content = make(email, **row.arguments)
    if not isinstance(content, bytes):
        raise TypeError(f"{row.maker} returned {type(content).__name__} for {row.name!r}, and not bytes.")
    return content


def _part(row: EmailAttachment, content: bytes) -> MIMEPart | MIMEBase:
    """The part of a message, as the mail API of this Django takes it."""
    main, _slash, sub = row.content_type.partition("/")
    disposition = "inline" if row.content_id else "attachment"
    if HAS_POLICIES:
        part = MIMEPart()
        part.set_content(content, main, sub, disposition=disposition, filename=row.name)
        if row.content_id:
            part["Content-ID"] = f"<{row.content_id}>"
        return part
    old = MIMEBase(main, sub)
    old.set_payload(content)
    encoders.encode_base64(old)
    old.add_header("Content-Disposition", disposition, filename=row.name)
    if row.content_id:
        old.add_header("Content-ID", f"<{row.content_id}>")
    return old
