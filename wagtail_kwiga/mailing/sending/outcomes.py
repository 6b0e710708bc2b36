"""What a hand-over came to, and reading that out of whatever a mail backend raises.

The one question that counts is whether the mail may have been taken. Only a clear no is tried again; a lost answer is
*unknown*: the server may have taken the mail all the same (RFC 1047), and a second try would be a second mail.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from dataclasses import astuple, dataclass
from enum import StrEnum

from django.core.exceptions import ImproperlyConfigured

from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import account_faults, anymail_bridge
from wagtail_kwiga.mailing.sending.account_faults import AccountFault


class Outcome(StrEnum):
    """What became of a mail."""

    SENT = "sent"
    #: Not taken for certain; trying again is right.
    LATER = "later"
    #: Not taken for certain, and not tried either: the account is at fault.
    WAITING = "waiting"
    #: Not tried: a newer release has written it, and a newer worker is to send it.
    NEWER = "newer"
    #: The address does not take mail.
    REFUSED = "refused"
    #: Not taken, and trying again would not help.
    FAILED = "failed"
    #: Nobody knows.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DeliveryResult:
    """The fate of one mail. ``line_down``: the trouble is with the server and not with this mail."""

    fate: Outcome
    why: str = ""
    line_down: bool = False
    #: Seconds that the other side asks us to wait.
    retry_after: int = 0
    message_id: str = ""
    esp_status: str = ""
    #: What is the matter with the account: every other mail of the site would meet the same. Always *later*, ``line_down``.
    account: AccountFault | None = None


@dataclass
class DeliverySummary:
    """How many mails a sweep brought to which end. ``later`` went back to the queue."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    suppressed: int = 0
    missed: int = 0
    cancelled: int = 0
    later: int = 0

    @property
    def total(self) -> int:
        return sum(astuple(self))

    def count(self, status: str | None) -> None:
        name = "later" if status == OutgoingEmail.Status.QUEUED else status
        if name and hasattr(self, name):
            setattr(self, name, getattr(self, name) + 1)


def of_connecting(error: Exception) -> DeliveryResult:
    """The connection could not be made, or broke before a mail was given: nothing has been handed over."""
    reply = _reply_of(error)
    fault = account_faults.of_reply(*reply) if reply is not None else None
    if reply is not None and 400 <= reply[0] < 500:
        return DeliveryResult(Outcome.LATER, told(Why.NOT_NOW, _spoken(*reply)), line_down=True, account=fault)
    mine = isinstance(error, ImproperlyConfigured | ImportError | ssl.SSLCertVerificationError)
    # The bare class: smtplib found no way to log in that both sides know.
    mine = mine or isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException
    mine = mine or (reply is not None and 500 <= reply[0] < 600)
    said = _spoken(*reply) if reply is not None else _said(error)
    if not mine:
        return DeliveryResult(Outcome.LATER, told(Why.NO_CONNECTION, said), line_down=True)
    sender_refused = isinstance(error, smtplib.SMTPSenderRefused)
    fault = fault or (AccountFault.SENDER if sender_refused else AccountFault.SETTINGS)
    return _of_account(fault, said)


def _of_account(fault: AccountFault, said: str, code: int = 0) -> DeliveryResult:
    why = Why.NOT_NOW if 400 <= code < 500 else Why.CONFIGURATION
    return DeliveryResult(Outcome.LATER, told(why, said), line_down=True, account=fault)


def of_sending(error: Exception, *, composing: bool = False, untaken: bool = False) -> DeliveryResult:
    """What an error of the backend during hand-over says about the mail. ``untaken``: the end of it has not left for certain,
    so that no server can have taken it. ``composing``: it certainly came before, because the mail could not be written.

    Without that a ``ValueError`` says nothing: backends raise it for headers, but also for answers that they cannot read."""
    if isinstance(error, ImproperlyConfigured):
        return of_connecting(error)
    reading = anymail_bridge.read_error(error)
    if reading is not None:
        return _of_reading(reading, error)
    reply = _reply_of(error)
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, answer = next(iter(error.recipients.values()), (0, b""))
            return _of_reply(int(code), _text(answer), recipient=True, untaken=untaken)
        case smtplib.SMTPSenderRefused() if reply is not None and 500 <= reply[0] < 600 and not _is_too_big(*reply):
            return of_connecting(error)  # about us, and so about every mail
        case smtplib.SMTPResponseException() if reply is not None:
            return _of_reply(*reply, untaken=untaken)
        case _ if composing:
            return DeliveryResult(Outcome.FAILED, told(Why.CANNOT_COMPOSE, _said(error)))
        case smtplib.SMTPNotSupportedError():  # asked before the first word about the mail
            return DeliveryResult(Outcome.FAILED, told(Why.CANNOT_COMPOSE, _said(error)))
        case ConnectionRefusedError() | socket.gaierror():
            return of_connecting(error)
        case OSError() if untaken:
            return of_connecting(error)
    return DeliveryResult(Outcome.UNKNOWN, told(Why.NO_ANSWER, _said(error)), line_down=isinstance(error, OSError))


def of_answer(answer: object, message: object, provider: str = "") -> DeliveryResult:
    """The backend raised nothing: ``answer`` is what it returned, ``message`` may carry what the ``provider`` said."""
    status = anymail_bridge.read_status(message, provider)
    if status.account:
        return _of_account(status.account, status.words)
    if status.refused:
        return DeliveryResult(
            Outcome.REFUSED, told(Why.REFUSED, status.words), message_id=status.message_id, esp_status=status.words
        )
    if status.failed:
        return DeliveryResult(
            Outcome.FAILED,
            told(Why.SERVER_REFUSED, status.words),
            message_id=status.message_id,
            esp_status=status.words,
        )
    if answer == 0 and not status.words:  # a listener of the site cancelled it; some backends return nothing at all
        return DeliveryResult(Outcome.FAILED, told(Why.NOT_TAKEN))
    return DeliveryResult(Outcome.SENT, message_id=status.message_id, esp_status=status.words)


#: RFC 3463: 5.1.x is about the address, 5.2.1 a mailbox that takes no mail. 5.7.x is policy: *we* are not wanted, or the
#: relay is set up wrongly, which must never put every buyer on the list of refused addresses.
_ENHANCED = re.compile(r"\b([45])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS_CODES = {550, 551, 553, 556}


def _of_reply(code: int, answer: str, *, recipient: bool = False, untaken: bool = False) -> DeliveryResult:
    said = _spoken(code, answer)
    if fault := account_faults.of_reply(code, answer):
        return _of_account(fault, said, code)
    if 400 <= code < 500:
        return DeliveryResult(Outcome.LATER, told(Why.NOT_NOW, said), line_down=code == 421)
    if recipient and 500 <= code < 600:
        subject = _subject(answer)
        about_address = code in _ADDRESS_CODES if subject is None else subject[0] == "1" or subject == ("2", "1")
        if about_address:
            return DeliveryResult(Outcome.REFUSED, told(Why.REFUSED, said))
    if 500 <= code < 600:
        return DeliveryResult(Outcome.FAILED, told(Why.SERVER_REFUSED, said))
    if untaken:  # neither yes nor no
        odd = Why.NOT_NOW if 200 <= code < 400 else Why.NO_CONNECTION
        return DeliveryResult(Outcome.LATER, told(odd, said), line_down=odd == Why.NO_CONNECTION)
    return DeliveryResult(Outcome.UNKNOWN, told(Why.NO_ANSWER, said))


def _reply_of(error: Exception) -> tuple[int, str] | None:
    """What the server really replied; ``None`` where it did not. (A line that is too long comes as a 500 of smtplib's own.)"""
    if isinstance(error, smtplib.SMTPResponseException) and type(error) is not smtplib.SMTPResponseException:
        return int(error.smtp_code), _text(error.smtp_error)
    return None


def _subject(answer: str) -> tuple[str, str] | None:
    """The second and third part of an enhanced status code."""
    enhanced = _ENHANCED.search(answer)
    return (enhanced[2], enhanced[3]) if enhanced else None


def _is_too_big(code: int, answer: str) -> bool:
    return code == 552 or _subject(answer) == ("3", "4")


def _spoken(code: int, answer: str) -> str:
    """A reply for people; smtplib counts what is no number as -1."""
    return f"{code} {answer}" if code >= 100 else answer


def _of_reading(reading: anymail_bridge.Reading, error: Exception) -> DeliveryResult:
    said = _said(error)
    match reading.meaning:
        case "refused":
            return DeliveryResult(Outcome.REFUSED, told(Why.REFUSED, said))
        case "not_now":
            return DeliveryResult(
                Outcome.LATER,
                told(Why.NOT_NOW, said),
                line_down=True,
                retry_after=reading.retry_after,
                account=reading.account,
            )
        case "no_connection":
            return DeliveryResult(Outcome.LATER, told(Why.NO_CONNECTION, said), line_down=True)
        case "configuration":
            return DeliveryResult(Outcome.LATER, told(Why.CONFIGURATION, said), line_down=True, account=reading.account)
        case "permanent":
            return DeliveryResult(Outcome.FAILED, told(Why.SERVER_REFUSED, said))
    return DeliveryResult(Outcome.UNKNOWN, told(Why.NO_ANSWER, said))


def _said(error: Exception) -> str:
    try:
        return f"{type(error).__name__} {error}"
    except Exception:  # some errors stumble over their own words: an answer without a body, say
        return type(error).__name__


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
