"""What an e-mail provider says through Anymail, in the package's own words. The only module that knows Anymail.

Works without Anymail in ``INSTALLED_APPS``, with any other backend, and even with Anymail not installed.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

try:
    import requests
    from anymail import exceptions
    from anymail.signals import tracking
except ImportError:  # pragma: no cover - Anymail is a dependency; a site may still have thrown it out
    exceptions = None
    tracking = None

from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.mailing.sending import account_faults
from wagtail_kwiga.mailing.sending.account_faults import AccountFault
from wagtail_kwiga.mailing.sending.tracking import Report, record


@dataclass(frozen=True)
class Reading:
    """``refused``, ``not_now``, ``no_connection``, ``configuration``, ``permanent`` or ``unknown``."""

    meaning: str
    retry_after: int = 0
    #: What is the matter with the account, where it is about that and so about every mail.
    account: AccountFault | None = None


@dataclass(frozen=True)
class Status:
    """What the provider said about a message it was given. ``account``: what is the matter with the account, where it said so of
    the one recipient."""

    words: str = ""
    message_id: str = ""
    refused: bool = False
    failed: bool = False
    account: AccountFault | None = None


def read_error(error: Exception) -> Reading | None:
    """What an Anymail error means; ``None`` for an error of somebody else."""
    if exceptions is None or not isinstance(error, exceptions.AnymailError):
        return None
    if isinstance(error, exceptions.AnymailRecipientsRefused):
        fault = _fault_in(error.esp_name, error.response)
        return _of_account(fault) if fault else Reading("refused")
    if isinstance(error, exceptions.AnymailAPIError):
        return _read_api_error(error)
    # Unsupported feature, invalid address, serialisation, cancelled by a listener: all before anything was sent.
    return Reading("permanent")


def asked_too_much(error: Exception) -> bool:
    """Whether a provider's interface has no room for something of the message. Nothing has left then."""
    return exceptions is not None and isinstance(error, exceptions.AnymailUnsupportedFeature)


def ask_for_less(message: Any, left_out: set[str]) -> bool:
    """Take from ``message`` what is only for our own bookkeeping, one thing at a time, and note it in ``left_out``.

    Returns whether there was anything. A report about a mail without metadata is joined to it by its message id.
    """
    for name in _EXTRAS:
        if name not in left_out and hasattr(message, name):
            left_out.add(name)
            delattr(message, name)
            return True
    return False


def leave_out(message: Any, names: set[str]) -> None:
    """Take from ``message`` what a provider has been found to have no room for."""
    for name in names:
        if hasattr(message, name):
            delattr(message, name)


def read_status(message: Any, provider: str = "") -> Status:
    """What ``message.anymail_status`` says after sending; an empty status with other backends. ``provider``: its name."""
    given = getattr(message, "anymail_status", None)
    statuses = getattr(given, "status", None) or set()
    message_id = getattr(given, "message_id", None)
    refused = bool(statuses) and statuses <= {"invalid", "rejected"}
    failed = bool(statuses) and statuses == {"failed"}
    return Status(
        words=",".join(sorted(str(status or "unknown") for status in statuses))[:60],
        message_id=str(message_id)[:255] if isinstance(message_id, str | int) else "",
        refused=refused,
        failed=failed,
        account=_fault_in(provider, getattr(given, "esp_response", None)) if refused or failed else None,
    )


def provider_of(backend: object) -> str:
    """Anymail's name of the provider that ``backend`` gives mail to; empty for another backend."""
    return str(getattr(type(backend), "esp_name", "")) if exceptions is not None else ""


def connect() -> None:
    """Listen to the provider's events (``anymail.urls``). Called once when the app is ready; calling it again is harmless."""
    if tracking is not None:
        tracking.connect(_on_event, dispatch_uid="wagtail_kwiga.mailing.sending.anymail_bridge")


#: What Anymail reads of a message beside what is sent: metadata, which MailerSend, Postal and others have no room for; tags.
_EXTRAS = ("metadata", "tags")


def _read_api_error(error: Any) -> Reading:
    sdk = _code_of_sdk(error.__cause__)
    status = error.status_code or _status_of_sdk(error.__cause__)
    if sdk:
        fault = account_faults.of_answer("Amazon SES", status, {"code": sdk}, str(error.__cause__))
    else:
        fault = _fault_in(error.esp_name, error.response, status)
    if status == 429 or sdk in _LIMIT_CODES:
        return Reading("not_now", retry_after=_retry_after(error.response), account=fault)
    if fault:
        return _of_account(fault, status)
    if status is None:
        if _is_wrong_in_sdk(error.__cause__):
            return Reading("permanent")
        if _never_began(error.__cause__):
            return Reading("configuration", account=AccountFault.SETTINGS)
        return Reading("no_connection" if _never_connected(error.__cause__) else "unknown")
    if status == 408:  # it gave up on us while we still spoke, or so it says
        return Reading("unknown")
    if 400 <= status < 500:
        return Reading("permanent")
    # 5xx: some providers have taken the mail all the same. 2xx with an unreadable body: they most likely have.
    return Reading("unknown")


def _of_account(fault: AccountFault, status: int | None = None) -> Reading:
    is_over_soon = fault == AccountFault.LIMIT and status != 402
    return Reading("not_now" if is_over_soon else "configuration", account=fault)


def _fault_in(provider: Any, response: Any, status: int | None = None) -> AccountFault | None:
    """What the answer of a provider says of the account. ``response`` is that of ``requests``, or none."""
    try:
        body = response.json()
    except (AttributeError, ValueError):
        body = None
    words = getattr(response, "text", "")
    status = status or getattr(response, "status_code", None)
    return account_faults.of_answer(str(provider or ""), status, body, words if isinstance(words, str) else "")


#: Amazon SES: too much at a time, or in a day (which its words tell).
_LIMIT_CODES = {"Throttling", "ThrottlingException", "TooManyRequestsException"}
#: Errors of its library that come before the first byte of a mail leaves; by name, because a site need not have that library.
_SDK_NOT_SET_UP = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoRegionError", "InvalidRegionError",
    "ProfileNotFound", "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "NoAuthTokenError",
    "ConfigNotFound", "ConfigParseError", "InvalidEndpointConfigurationError", "InvalidProxiesConfigError",
    "MetadataRetrievalError", "UnknownServiceError", "InfiniteLoopConfigError", "RefreshWithMFAUnsupportedError",
}  # fmt: skip
_SDK_NEVER_CONNECTED = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}
_SDK_WRONG = {"ParamValidationError", "ValidationError"}


def _names(error: Any) -> set[str]:
    """The names of an error's class and of those it is made of, where they are of the library of Amazon."""
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("botocore.")}


def _code_of_sdk(cause: Any) -> str:
    """The word for what happened, where a provider is spoken to through a library of its own (Amazon SES)."""
    answer = getattr(cause, "response", None)
    return str((answer.get("Error") or {}).get("Code") or "") if isinstance(answer, dict) else ""


def _status_of_sdk(cause: Any) -> int | None:
    """The HTTP status there."""
    answer = getattr(cause, "response", None)
    return (answer.get("ResponseMetadata") or {}).get("HTTPStatusCode") if isinstance(answer, dict) else None


def _is_wrong_in_sdk(cause: Any) -> bool:
    """Whether the library found the mail itself to be wrong, and asked nobody."""
    return bool(_names(cause) & _SDK_WRONG)


def _never_began(cause: Any) -> bool:
    """Whether the request could not even be written: an address that is none, a key with a line break in it."""
    wrong = requests.exceptions
    return bool(_names(cause) & _SDK_NOT_SET_UP) or isinstance(
        cause,
        wrong.MissingSchema | wrong.InvalidSchema | wrong.InvalidURL | wrong.InvalidHeader | wrong.InvalidProxyURL,
    )


def _never_connected(cause: Any) -> bool:
    """Whether a network error proves that no connection came about. A broken or timed-out one proves nothing."""
    ours = _names(cause)
    if ours & _SDK_NEVER_CONNECTED or isinstance(
        cause, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError
    ):
        return True
    if isinstance(cause, requests.exceptions.SSLError) or "SSLError" in ours:
        return any(_while_greeting(error) for error in _chain(cause) if isinstance(error, ssl.SSLError))
    if not isinstance(cause, requests.exceptions.ConnectionError):
        return False
    inner = cause.args[0] if cause.args else None
    reason = getattr(inner, "reason", None)
    return any(kind.__name__ in ("NewConnectionError", "NameResolutionError") for kind in type(reason).__mro__)


def _chain(error: Any) -> Iterator[BaseException]:
    """``error`` and all it was made from, however the libraries between wrapped it."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < 50:
        each = waiting.pop()
        if not isinstance(each, BaseException) or any(each is known for known in seen):
            continue
        seen.append(each)
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting += list(getattr(each, "kwargs", {}).values())  # where Amazon's library keeps what it wraps


def _while_greeting(error: ssl.SSLError) -> bool:
    """Whether TLS failed before anything could be said. It may fail as well when the mail has long been handed over."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_name == "do_handshake"


def _retry_after(response: Any) -> int:
    value = getattr(response, "headers", {}).get("Retry-After", "")
    return min(int(value), 6 * 3600) if _is_number(str(value)) else 0


def _is_number(text: str) -> bool:
    """A whole number of a size that a database takes. (``isdigit`` finds digits in ``²`` too.)"""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _on_event(sender: Any, event: Any, **more: Any) -> None:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    record(
        Report(
            handle=str(metadata.get("kwiga_email", ""))[:60],
            message_id=placeholder_syntax.one_line(str(event.message_id or "")),
            recipient=placeholder_syntax.one_line(str(event.recipient or "")).lower(),
            event=str(event.event_type or "unknown"),
            reject_reason=str(event.reject_reason or ""),
            at=event.timestamp,
        )
    )
