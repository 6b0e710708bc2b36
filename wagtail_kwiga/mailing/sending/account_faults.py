"""What a refusal says about the *account* that a site sends with, and not about the mail: every other mail would be refused as well.

Such a mail is not failed but waits, the sweep goes no further, and a person is told once (``account_watch``). Pure; answers of
providers come from ``anymail_bridge``, replies of SMTP servers from ``outcomes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any


class AccountFault(StrEnum):
    """What is the matter with an account."""

    #: Its password or key is refused, or there is none.
    CREDENTIALS = "credentials"
    #: It is paused, closed, not approved yet, or not allowed to send.
    SUSPENDED = "suspended"
    #: It has sent, or paid for, as much as it may. (Not the number of mails a second: that is over in a moment.)
    LIMIT = "limit"
    #: The address or domain of the sender is not confirmed there.
    SENDER = "sender"
    #: Anything else that is set up wrongly.
    SETTINGS = "settings"


_Fault = AccountFault

#: By the answer's HTTP status alone. The interface is not there, or the key is not known or not good for it.
_BY_STATUS = {
    401: _Fault.CREDENTIALS,
    402: _Fault.LIMIT,
    403: _Fault.SETTINGS,
    404: _Fault.SETTINGS,
    405: _Fault.SETTINGS,
    407: _Fault.SETTINGS,
    420: _Fault.LIMIT,  # of no standard; Mailgun and SparkPost say so
}

#: By provider (Anymail's ``esp_name``): the codes of its answers that are about the account, in small letters.
_BY_CODE: dict[str, dict[str, AccountFault]] = {
    "Amazon SES": {
        "accountsuspendedexception": _Fault.SUSPENDED,
        "sendingpausedexception": _Fault.SUSPENDED,
        "accountsendingpausedexception": _Fault.SUSPENDED,
        "configurationsetsendingpausedexception": _Fault.SUSPENDED,
        "mailfromdomainnotverifiedexception": _Fault.SENDER,
        "configurationsetdoesnotexistexception": _Fault.SETTINGS,
        "notfoundexception": _Fault.SETTINGS,
        "limitexceededexception": _Fault.LIMIT,
        "invalidclienttokenid": _Fault.CREDENTIALS,
        "unrecognizedclientexception": _Fault.CREDENTIALS,
        "signaturedoesnotmatch": _Fault.CREDENTIALS,
        "invalidsignatureexception": _Fault.CREDENTIALS,
        "expiredtokenexception": _Fault.CREDENTIALS,
        "accessdeniedexception": _Fault.CREDENTIALS,
    },
    "Brevo": {
        "unauthorized": _Fault.CREDENTIALS,
        "permission_denied": _Fault.SUSPENDED,
        "account_under_validation": _Fault.SUSPENDED,
        "not_enough_credits": _Fault.LIMIT,
    },
    "Mailjet": {"send-0008": _Fault.SENDER},
    "Mandrill": {
        "invalid_key": _Fault.CREDENTIALS,
        "paymentrequired": _Fault.LIMIT,
        "unknown_subaccount": _Fault.SETTINGS,
        # It says so of the recipient, and means us.
        "unsigned": _Fault.SENDER,
        "invalid-sender": _Fault.SENDER,
        "test-mode-limit": _Fault.LIMIT,
        "recipient-domain-mismatch": _Fault.SUSPENDED,
    },
    "Postal": {
        "accessdenied": _Fault.CREDENTIALS,
        "invalidserverapikey": _Fault.CREDENTIALS,
        "serversuspended": _Fault.SUSPENDED,
        "unauthenticatedfromaddress": _Fault.SENDER,
    },
    "Postmark": {
        "10": _Fault.CREDENTIALS,
        "400": _Fault.SENDER,
        "401": _Fault.SENDER,
        "405": _Fault.LIMIT,
        "412": _Fault.SUSPENDED,
        "413": _Fault.SUSPENDED,
    },
    "Resend": {
        "missing_api_key": _Fault.CREDENTIALS,
        "invalid_api_key": _Fault.CREDENTIALS,
        "restricted_api_key": _Fault.CREDENTIALS,
        "daily_quota_exceeded": _Fault.LIMIT,
        "monthly_quota_exceeded": _Fault.LIMIT,
    },
    "Scaleway": {"quotas_exceeded": _Fault.LIMIT},
    "SparkPost": {"7001": _Fault.SENDER},
}
#: Names in JSON under which a provider keeps such a code.
_CODE_KEYS = {"code", "errorcode", "name", "reject_reason", "type"}

#: Where there is no code to go by, or it is one for many things: what the words are, in small letters. Of an identity that is not
#: verified (which is the sending domain or, in its sandbox, everybody) Amazon says *message rejected*.
_BY_WORDS: dict[str, tuple[tuple[str, AccountFault], ...]] = {
    "Amazon SES": (
        ("is not verified", _Fault.SENDER),
        ("daily message quota exceeded", _Fault.LIMIT),
        ("sending suspended", _Fault.SUSPENDED),
        ("sending paused", _Fault.SUSPENDED),
        ("sending is paused", _Fault.SUSPENDED),
    ),
    "Brevo": (("sender is not valid", _Fault.SENDER), ("the sender you used", _Fault.SENDER)),
    "MailerSend": (
        ("#ms42207", _Fault.SENDER),
        ("domain must be verified", _Fault.SENDER),
        ("#ms42222", _Fault.LIMIT),
        ("#ms42225", _Fault.LIMIT),
        ("daily quota", _Fault.LIMIT),
    ),
    "Mailgun": (
        ("domain is unverified", _Fault.SENDER),
        ("recipient limit exceeded", _Fault.LIMIT),
        ("sandbox subdomains", _Fault.SUSPENDED),
        ("is not allowed to send", _Fault.SUSPENDED),
        ("for test purposes only", _Fault.SUSPENDED),
        ("account disabled", _Fault.SUSPENDED),
    ),
    "Resend": (
        ("domain is not verified", _Fault.SENDER),
        ("you can only send testing emails", _Fault.SENDER),
    ),
    "SparkPost": (
        ("unconfigured sending domain", _Fault.SENDER),
        ("unverified sending domain", _Fault.SENDER),
        ("exceed sending limit", _Fault.LIMIT),
    ),
}


def of_answer(provider: str, status: int | None, body: Any, words: str = "") -> AccountFault | None:
    """What the answer of a provider says of the account; ``None`` where it is about the mail, or about nothing.

    ``provider`` is Anymail's name of it, ``status`` that of HTTP, ``body`` the answer as read from JSON (``None`` where it is none),
    ``words`` its text.
    """
    codes = _BY_CODE.get(provider, {})
    for code in _codes(body):
        if code in codes:
            return codes[code]
    said = words.lower()
    for part, fault in _BY_WORDS.get(provider, ()):
        if part in said:
            return fault
    return _BY_STATUS.get(status or 0)


def _codes(body: Any, depth: int = 6) -> Iterator[str]:
    """Whatever stands under the name of a code anywhere in ``body``, in small letters."""
    if depth and isinstance(body, Mapping):
        for name, value in body.items():
            if str(name).lower() in _CODE_KEYS and isinstance(value, str | int):
                yield str(value).lower()
            yield from _codes(value, depth - 1)
    elif depth and isinstance(body, list):
        for one in body[:20]:
            yield from _codes(one, depth - 1)


#: SMTP, whatever the point of the conversation. 5.1.7 and 5.1.8 are the sender's address, 5.7.8 to 5.7.14 who we are (RFC 3463,
#: RFC 4954, RFC 5248).
_REPLIES = {
    525: _Fault.SUSPENDED,
    530: _Fault.CREDENTIALS,
    534: _Fault.CREDENTIALS,
    535: _Fault.CREDENTIALS,
    538: _Fault.CREDENTIALS,
}
_ENHANCED = re.compile(r"\b5\.(1\.[78]|7\.(?:8|9|11|12|13|14))(?!\d|\.\d)")
_ENHANCED_MEANS = {"1.7": _Fault.SENDER, "1.8": _Fault.SENDER, "7.13": _Fault.SUSPENDED}
#: About a recipient or a mailbox there, whatever the words: that may have an account that is disabled, too.
_RECIPIENT = re.compile(r"\b[45]\.(?:1\.[1-6]|2\.\d{1,3})(?!\d|\.\d)")
#: What the large services write behind codes that stand for many things.
_REPLY_WORDS = (
    ("daily message quota exceeded", _Fault.LIMIT),
    ("daily user sending", _Fault.LIMIT),
    ("daily sending quota", _Fault.LIMIT),
    ("sending limit exceeded", _Fault.LIMIT),
    ("address is not verified", _Fault.SENDER),
    ("domain is not verified", _Fault.SENDER),
    ("not authorized to perform", _Fault.CREDENTIALS),
    ("sending suspended", _Fault.SUSPENDED),
    ("sending paused", _Fault.SUSPENDED),
    ("sending is paused", _Fault.SUSPENDED),
    ("is not allowed to send", _Fault.SUSPENDED),
    ("your account is ", _Fault.SUSPENDED),
    ("your account has been ", _Fault.SUSPENDED),
    ("your account was ", _Fault.SUSPENDED),
    ("authentication required", _Fault.CREDENTIALS),
    ("relay access denied", _Fault.CREDENTIALS),
    ("relaying denied", _Fault.CREDENTIALS),
    ("relay not permitted", _Fault.CREDENTIALS),
    ("unable to relay", _Fault.CREDENTIALS),
)


def of_reply(code: int, answer: str) -> AccountFault | None:
    """What the reply of an SMTP server to any command says of the account; ``None`` where it is about the mail or a moment."""
    if not 400 <= code < 600 or _RECIPIENT.search(answer):
        return None
    if code in _REPLIES:
        return _REPLIES[code]
    if code >= 500 and (found := _ENHANCED.search(answer)):
        return _ENHANCED_MEANS.get(found[1], _Fault.CREDENTIALS)
    said = " ".join(answer.lower().split())
    return next((fault for part, fault in _REPLY_WORDS if part in said), None)
