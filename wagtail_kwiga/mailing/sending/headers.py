"""How the headers of our mails are written on the wire, from Django 6.0 on.

Django hands messages to Python's newer mail API since then, and that folds headers in ways that change what they say: a long address
of ``List-Unsubscribe`` becomes an encoded word, which makes one-click unsubscribing void (RFC 8058, RFC 2369); a long display name
loses its quotes, and a comma or an angle bracket in it then names other mailboxes. So the headers that matter are written here, and
``policy_like`` makes an email policy that does so. What is written is lawful under RFC 5322 and RFC 2047 for every reader, and the
same on every Python.
"""

from __future__ import annotations

import base64
import email.policy
import re
from collections.abc import Callable
from email.headerregistry import (
    Address,
    AddressHeader,
    HeaderRegistry,
    UniqueAddressHeader,
    UniqueSingleAddressHeader,
    UniqueUnstructuredHeader,
    UnstructuredHeader,
)
from functools import lru_cache
from typing import Any, NamedTuple

#: Octets that a line should have, that a line with encoded words and that an encoded word must not exceed (RFC 5322 2.1.1,
#: RFC 2047 2); and characters of a word that is not encoded, so that no line comes near 998 octets, which none may exceed.
WIDTH, ENCODED_WIDTH, WORD, LONGEST = 78, 76, 75, 900
#: A mailbox as ``sender.mailbox`` writes it. Read here, because Python reads some names in it differently from version to version.
_MAILBOX = re.compile(r'"([^"\\]*)" <([^\s<>"]+)>')
#: Where a line may be folded: before white space between two words.
_GAP = re.compile(r"(?<=\S)(?=[ \t]+\S)")
#: What may stand for itself in an encoded word in a display name (RFC 2047 5, rule 3).
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


class _Line:
    """A header that grows piece by piece; a piece that does not fit begins a new line."""

    def __init__(self, name: str) -> None:
        self._done: list[str] = []
        self._now = f"{name}:"
        self._is_bare = (
            True  # nothing but the name, behind which no line is folded: some readers see an empty header then
        )

    def add(self, piece: str, *, width: int = WIDTH) -> None:
        """``piece`` begins with the white space before which it may be folded."""
        if not self._is_bare and len(self._now) + len(piece) > width:
            self._done.append(self._now)
            self._now = ""
        self._now += piece
        self._is_bare = False

    def room(self, width: int = ENCODED_WIDTH) -> int:
        """Octets that are left in this line for a piece with its white space."""
        return width - len(self._now)

    def written(self, linesep: str) -> str:
        return linesep.join([*self._done, self._now]) + linesep


class _TokenHeader(UnstructuredHeader):
    """Words of ASCII, of which none is ever encoded or split: addresses in angle brackets, message ids."""

    name: str  # brought by the registry, which makes a class of this one and its own

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        if not value.isascii():
            raise ValueError("This header can only have ASCII in it, for which an address on the web is to be encoded.")
        if any(len(word) > LONGEST for word in value.split()):
            raise ValueError(f"This header can only have words of up to {LONGEST} characters.")
        super().parse(value, kwds)
        kwds["decoded"] = value

    def fold(self, *, policy: Any) -> str:
        line = _Line(self.name)
        for piece in _GAP.split(f" {str(self).strip()}"):
            line.add(piece)
        return line.written(policy.linesep)


class _TextHeader(UniqueUnstructuredHeader):
    """Words for people: the subject."""

    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        super().parse(value, kwds)
        kwds["decoded"] = value  # and not what an encoded word in it would say

    def fold(self, *, policy: Any) -> str:
        line, text = _Line(self.name), str(self)
        # What looks like an encoded word would be read as one.
        if _is_plain(text) and "=?" not in text:
            for piece in _GAP.split(f" {text}"):
                line.add(piece)
        else:
            _add_encoded(line, text)
        return line.written(policy.linesep)


class _MailboxesFold:
    """Writes mailboxes so that each stays the one it is, whatever its name."""

    name: str
    addresses: tuple[Address, ...]

    @classmethod
    def parse(cls, value: Any, kwds: dict[str, Any]) -> None:
        ours = _MAILBOX.fullmatch(value) if isinstance(value, str) else None
        if ours:
            # Not ``addr_spec=``: that refuses a domain in another script, which Django encodes later.
            username, _at, domain = ours[2].rpartition("@")
            value = [Address(display_name=ours[1], username=username or domain, domain=domain if username else "")]
        super().parse(value, kwds)  # type: ignore[misc]  # that of the header behind it
        addresses = [address for group in kwds["groups"] for address in group.addresses]
        if not addresses or not all(address.username for address in addresses):
            raise ValueError("There is no address in this header, or a name without one.")
        if not all(address.username.isascii() for address in addresses):
            raise ValueError("No mail can be sent from or to an address with special letters before the @.")

    def fold(self, *, policy: Any) -> str:
        line, addresses = _Line(self.name), self.addresses
        for number, address in enumerate(addresses, 1):
            comma = "," if number < len(addresses) else ""
            _add_mailbox(line, address.display_name, address.addr_spec, comma)
        return line.written(policy.linesep)


class _MailboxesHeader(_MailboxesFold, AddressHeader):
    pass


class _UniqueMailboxesHeader(_MailboxesFold, UniqueAddressHeader):
    pass


class _SenderHeader(_MailboxesFold, UniqueSingleAddressHeader):
    pass


def _add_mailbox(line: _Line, name: str, address: str, comma: str) -> None:
    if not name:
        line.add(f" {address}{comma}")
        return
    width = WIDTH
    if _is_plain(name) and "=?" not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        for piece in _GAP.split(f' "{quoted}"'):
            line.add(piece)
    else:
        _add_encoded(line, name)
        width = ENCODED_WIDTH
    line.add(f" <{address}>{comma}", width=width)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _add_encoded(line: _Line, text: str) -> None:
    """``text`` as encoded words, each of whole characters, in whichever of the two encodings is shorter."""
    raw = text.encode("utf-8", "replace")
    code = min(_Q, _B, key=lambda each: each.octets(each.size(raw)))
    frame = len(f"=?utf-8?{code.letter}??=")
    room, start, size = min(line.room() - 1, WORD) - frame, 0, 0
    for end, character in enumerate(text):
        more = code.size(character.encode("utf-8", "replace"))
        if end > start and code.octets(size + more) > room:
            _add_word(line, code, text[start:end])
            room, start, size = WORD - frame, end, 0
        size += more
    if start < len(text):
        _add_word(line, code, text[start:])


def _add_word(line: _Line, code: _Code, text: str) -> None:
    line.add(f" =?utf-8?{code.letter}?{code.encode(text.encode('utf-8', 'replace'))}?=", width=ENCODED_WIDTH)


def _quoted_printable(raw: bytes) -> str:
    return "".join(chr(each) if each in _PLAIN else "_" if each == 32 else f"={each:02X}" for each in raw)


class _Code(NamedTuple):
    """One of the two encodings of RFC 2047. ``octets`` says how long that becomes whose ``size``s add up to so much."""

    letter: str
    encode: Callable[[bytes], str]
    size: Callable[[bytes], int]
    octets: Callable[[int], int]


_Q = _Code("q", _quoted_printable, lambda raw: len(_quoted_printable(raw)), lambda size: size)
_B = _Code("b", lambda raw: base64.b64encode(raw).decode("ascii"), len, lambda size: (size + 2) // 3 * 4)

_REGISTRY: Any = HeaderRegistry()  # the stubs take only a class with all of what the registry itself adds to it
_REGISTRY.map_to_type("subject", _TextHeader)
for _name in ("from", "to", "cc", "bcc", "reply-to"):
    _REGISTRY.map_to_type(_name, _UniqueMailboxesHeader)
for _name in ("resent-from", "resent-to", "resent-cc", "resent-bcc", "resent-reply-to"):
    _REGISTRY.map_to_type(_name, _MailboxesHeader)
_REGISTRY.map_to_type("sender", _SenderHeader)
for _name in (
    "message-id", "in-reply-to", "references", "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post",
    "list-subscribe", "list-post", "list-owner", "list-archive", "auto-submitted", "content-language", "feedback-id",
):  # fmt: skip
    _REGISTRY.map_to_type(_name, _TokenHeader)


@lru_cache(maxsize=8)
def policy_like(policy: email.policy.EmailPolicy) -> email.policy.EmailPolicy:
    """``policy``, with the headers above written as they are here."""
    return policy.clone(header_factory=_REGISTRY)
