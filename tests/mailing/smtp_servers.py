"""A hostile SMTP server on loopback: at each point of the conversation it does what a test tells it to do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.mail_settings import SMTP, use_mailer

#: Points of the conversation at which something can go wrong, in their order. ``dot``: all of a mail has come.
POINTS = ("banner", "EHLO", "MAIL", "RCPT", "DATA", "dot")
#: Beside bytes to be sent: hang up politely, hang up rudely, say nothing more until the test is over.
CLOSE, RESET, HANG = "close", "reset", "hang"

_USUAL = {
    "banner": b"220 hostile.example ready",
    "EHLO": b"250-hostile.example\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
    "DATA": b"354 go on",
    "QUIT": b"221 bye",
}

#: Of nobody, for ``localhost`` and 127.0.0.1, good until 2099.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjA5OTEyMzEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJYfj8DSlOrL7B26
7S8TRdW7tabMcgZbR5fLe7Iyx4Iuqp9p4fRpxo/9htCwp43c+xqq/v83FExtc+bU
Hsr6cEWjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBTOatbXsiR98vA7KpQJ8pHqvPSkJDAKBggqhkjOPQQD
AgNIADBFAiBgocmbZHYVeUfNsTdJH98QLUk3cTaaDoIkwW8ONviMUQIhAKLb0l21
Ec/EWbsqvkyl1e3Hnt8niT8O0L2N/AAqWwh9
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW+T+yY8oHc85H7Ay
XBBgsU8RTMiG1GOoQSYUKyeKbgqhRANCAASWH4/A0pTqy+wduu0vE0XVu7WmzHIG
W0eXy3uyMseCLqqfaeH0acaP/YbQsKeN3Psaqv7/NxRMbXPm1B7K+nBF
-----END PRIVATE KEY-----
"""


class HostileServer:
    """One thread a connection. ``script`` says what to do at a point: a list is used up one by one (``None``: as usual),
    anything else holds for ever. What a test lets through ends in ``taken``, as (recipients, bytes)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: dict[str, Any] = {}
        self.taken: list[tuple[list[str], bytes]] = []
        self.seen: Counter[str] = Counter()
        self.senders: list[str] = []
        #: Replies to single senders, whatever the script says.
        self.refused_senders: dict[str, bytes] = {}
        self.tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    @property
    def recipients(self) -> list[str]:
        """Who was sent something, once for each mail taken."""
        return [address for addresses, _raw in self.taken for address in addresses]

    def stop(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _listen(self) -> None:
        while True:
            try:
                line, _address = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._guarded, args=[line], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, line: socket.socket) -> None:
        line.settimeout(10)
        with contextlib.suppress(OSError), contextlib.ExitStack() as closing:
            closing.enter_context(line)
            self._talk(line, closing)

    def _talk(self, line: socket.socket, closing: contextlib.ExitStack) -> None:
        if not self._act("banner", line):
            return
        recipients: list[str] = []
        reader = closing.enter_context(line.makefile("rb"))
        while words := reader.readline():
            verb = words.split()[0].decode("latin-1").upper() if words.strip() else ""
            if verb == "STARTTLS" and self.tls:
                line.sendall(b"220 go on\r\n")
                line = closing.enter_context(self.tls.wrap_socket(line, server_side=True))
                reader = closing.enter_context(line.makefile("rb"))
                continue
            if verb == "MAIL":
                recipients = []
                self.senders.append(_address_in(words))
                if refusal := self.refused_senders.get(self.senders[-1]):
                    line.sendall(refusal + b"\r\n")
                    continue
            if not self._act(verb, line):
                return
            if verb == "RCPT" and self.last.startswith(b"25"):
                recipients.append(_address_in(words))
            if verb == "DATA" and self.last.startswith(b"354"):
                raw = b""
                while (row := reader.readline()) not in (b".\r\n", b""):
                    raw += row
                if not row:  # the sender went away in the middle of it
                    return
                if not self._act("dot", line, (recipients, raw)):
                    return
            if verb == "QUIT":
                return

    def _act(self, point: str, line: socket.socket, mail: Any = None) -> bool:
        """Do what the script says; returns whether the conversation goes on. Mail that is not refused counts as taken."""
        self.seen[point] += 1
        told = self.script.get(point)
        if isinstance(told, list):
            told = told.pop(0) if told else None
        answer = _USUAL.get(point, b"250 OK") if told is None else told
        if mail is not None and not (isinstance(answer, bytes) and answer[:1] in b"45"):
            self.taken.append(mail)
        self.last = answer if isinstance(answer, bytes) else b""
        match answer:
            case "hang":
                self._over.wait(60)
                return False
            case "reset":
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return False
            case "close":
                return False
            case (bytes() as words, "close"):  # a part of an answer, and then the end
                line.sendall(words)
                return False
        line.sendall(answer + b"\r\n")
        return not answer.startswith(b"421")


def _address_in(words: bytes) -> str:
    return words.decode("utf-8", "replace").partition("<")[2].partition(">")[0]


@contextmanager
def hostile_server(
    settings: Any, *, tls: ssl.SSLContext | None = None, timeout: float | None = 5, **options: Any
) -> Iterator[HostileServer]:
    """The server, with Django's own SMTP backend set up to talk to it, with more of its ``options``."""
    server = HostileServer(tls)
    use_mailer(settings, SMTP, host="127.0.0.1", port=server.port, timeout=timeout, **options)
    try:
        yield server
    finally:
        server.stop()


def server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with ``CERTIFICATE``, and the file in which clients who are to trust it find it."""
    file = folder / "hostile.pem"
    file.write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file
