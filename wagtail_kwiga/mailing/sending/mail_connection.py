"""Making the message of a mail, and giving it to the mail backend over one connection."""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
from typing import Any

from wagtail_kwiga.exceptions import NewerVersion
from wagtail_kwiga.mailing import link_building, rendering
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.sender import Sender, mailbox
from wagtail_kwiga.mailing.sending import anymail_bridge, attachments, mailers, tracking
from wagtail_kwiga.mailing.sending.message import Message
from wagtail_kwiga.mailing.sending.outcomes import DeliveryResult, Outcome, of_answer, of_connecting, of_sending

#: Seconds for which a mail server may keep us waiting, where the site sets no limit (Django then waits for ever).
#: Well below ``LEASE_SECONDS``: a hand-over must have ended before another worker thinks it broken.
TIMEOUT = 30
#: Faults of the connection in a row after which the rest of a batch is left for the next sweep.
PATIENCE = 3
#: What ends a mail on the line (RFC 5321, 4.1.1.4). As long as that has not left, no server can have taken the mail.
END = b"\r\n.\r\n"


def compose(email: OutgoingEmail, sender: Sender) -> Message:
    """The message of ``email``. The same mail gives the same message each time, its Message-ID included.

    Raises what making its files raises, ``NewerVersion`` for one that only a newer release can make, and ``ValueError`` for an address with special letters before the @. No form of ours takes one, but it may have come in
    otherwise, and Django 5.2 would write it as another address, which may belong to somebody.
    """
    if email.purpose not in OutgoingEmail.Purpose.values:  # what is asked before such a mail leaves, nobody knows here
        raise NewerVersion(f"There is no purpose {email.purpose!r} of mail here.")
    for address in (email.to_email, sender.address, sender.reply_to):
        if not address.rpartition("@")[0].isascii():
            raise ValueError("No mail can be sent from or to an address with special letters before the @.")
    links = link_building.of(email)
    mail = rendering.mail_of(email, links)
    headers = {
        "Message-ID": message_id(email, sender.domain),
        "Content-Language": email.language,
        # Keeps out-of-office answers away (RFC 3834).
        "Auto-Submitted": "auto-generated",
        **mail.headers,
    }
    # A test mail has no contact that could unsubscribe, and links that lead nowhere.
    if email.kind == Kind.PROMOTION and "contact" in email.links.get("unsubscribe_url", {}):
        headers |= unsubscribe_headers(links["unsubscribe_url"])
    message = Message(
        subject=mail.subject,
        body=mail.text,
        from_email=sender.from_header,
        to=[mailbox(email.to_name, email.to_email)],
        reply_to=[sender.reply_to] if sender.reply_to else None,
        headers=headers,
    )
    message.attach_alternative(mail.html, "text/html")
    if email.has_attachments:
        attachments.attach(message, email)
    # Read by Anymail's backends, ignored by all others.
    message.tags = [email.purpose]  # type: ignore[attr-defined]
    message.metadata = {"kwiga_email": tracking.handle_of(email)}  # type: ignore[attr-defined]
    return message


def message_id(email: OutgoingEmail, domain: str) -> str:
    """A Message-ID that stays the same when a mail is handed over again, so that servers and readers may see the double.

    Another mail never has it, not even one that got the same keys after a backup was restored: mailboxes hide what they take
    for a double.
    """
    digest = hashlib.sha256(f"{tracking.handle_of(email)}:{email.key}".encode()).hexdigest()[:20]
    return f"<kwiga.{email.pk}.{digest}@{domain}>"


def unsubscribe_headers(url: str) -> dict[str, str]:
    """RFC 8058: a POST to the address unsubscribes at once."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


class MailConnection:
    """One connection to the mail backend, for a batch. Opened when first needed, opened anew after an error."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._line: smtplib.SMTP | None = None
        self._faults = 0
        #: Of the mail being given: whether anything went over the line that we watch, and whether its end did.
        self._began = self._ended = False
        #: What the provider has no room for, as found out in this batch.
        self._left_out: set[str] = set()

    def __enter__(self) -> MailConnection:
        return self

    def __exit__(self, *error: object) -> None:
        self._drop()

    @property
    def is_down(self) -> bool:
        """Whether the connection has failed so often that going on makes no sense."""
        return self._faults >= PATIENCE

    def ready(self) -> DeliveryResult | None:
        """Have an open connection. ``None`` when there is one; else why not. Nothing has been handed over then."""
        try:
            if self._connection is not None and not self._is_alive():
                self._drop()
            if self._connection is None:
                connection = mailers.connection()
                if getattr(connection, "timeout", TIMEOUT) is None:
                    connection.timeout = TIMEOUT
                self._connection = connection  # before it is opened: what fails half-way wants closing too
                connection.open()
                self._watch(getattr(connection, "connection", None))
        except Exception as error:
            self._drop()
            self._faults += 1
            return of_connecting(error)
        return None

    def give(self, message: Message) -> DeliveryResult:
        """Hand ``message`` over, and say what came of it. Raises nothing.

        Where the provider has no room for our metadata or tags (``anymail_bridge.ask_for_less``), it goes without.
        """
        self._began = self._ended = False
        anymail_bridge.leave_out(message, self._left_out)
        try:
            verdict = of_answer(self._hand_over(message), message, anymail_bridge.provider_of(self._connection))
        except Exception as error:
            composing = error is message.fault or (isinstance(error, ValueError) and self._is_unsent)
            verdict = of_sending(error, composing=composing, untaken=self._began and not self._ended)
        if verdict.fate is Outcome.SENT:
            self._faults = 0
        else:
            # After an error nobody knows what the server is waiting for.
            self._drop()
            self._faults = self._faults + 1 if verdict.line_down else 0
        return verdict

    def _hand_over(self, message: Message) -> object:
        while True:
            try:
                return self._connection.send_messages([message])
            except Exception as error:
                if not (anymail_bridge.asked_too_much(error) and anymail_bridge.ask_for_less(message, self._left_out)):
                    raise

    def _watch(self, line: Any) -> None:
        """Have an SMTP connection tell how far it came: a line that breaks before the end of a mail has left proves that the
        mail was not taken. Other backends keep that to themselves, and so does one that opens a line of its own."""
        if not isinstance(line, smtplib.SMTP):
            return
        self._line = line
        send = line.send

        def watched(data: Any) -> None:
            self._began = True
            if data[:4] == "quit" or (isinstance(data, bytes) and data.endswith(END)):
                self._ended = True  # and what comes behind (a reset, say) does not undo it
            send(data)

        line.send = watched  # type: ignore[method-assign,assignment]  # on this one line only

    @property
    def _is_unsent(self) -> bool:
        """Whether the mail being given has certainly not left: the line of the backend is watched, and the end of it is not
        out. (Not for a network fault: a backend may have opened a line of its own after one.)"""
        line = getattr(self._connection, "connection", None)
        return line is not None and line is self._line and not self._ended

    def _is_alive(self) -> bool:
        """An SMTP server may have hung up meanwhile; to learn that during a hand-over would make the mail unknown."""
        noop = getattr(getattr(self._connection, "connection", None), "noop", None)
        if noop is None:
            return True
        try:
            return bool(noop()[0] == 250)
        except Exception:
            return False

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
