"""Secrets of the settings stay out of whatever people read: logs, timelines, reasons of failed mails."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.views.debug import SafeExceptionReporterFilter

#: Django's own settings that hold secrets; others of its own only sound like it (``AUTH_USER_MODEL``).
_SECRETIVE = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "EMAIL_HOST_PASSWORD"}
#: One of Django's own (some day) with secrets somewhere in it: ``MAILERS["default"]["OPTIONS"]["password"]``.
_SEARCHED = {"MAILERS"}
#: Shorter ones would turn up in ordinary words.
_SHORTEST = 8
HIDDEN = "********"


def redact(text: str) -> str:
    """``text`` with every secret of the settings hidden, for whatever people will read: logs, timelines, reasons.

    Libraries put more into their errors than they should: a header with the key of an account, an address with a password.
    What counts as a secret is Django's rule for its error pages, asked of the site's settings at any depth.
    """
    for secret in _secrets():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


@cache
def _secrets() -> tuple[str, ...]:
    found: set[str] = set()
    for name in dir(django_settings):
        if name.isupper() and (name in _SECRETIVE or name in _SEARCHED or not hasattr(global_settings, name)):
            found.update(_secrets_in(name, _given(name), name in _SECRETIVE))
    return tuple(sorted(found, key=len, reverse=True))  # the longest first: one may be a part of another


def _given(name: str) -> Any:
    """A setting as the site wrote it. Asked of what Django's ``settings`` wrap: the wrapper itself warns whoever reads
    ``EMAIL_HOST_PASSWORD`` since 6.1, which is the site's and not ours to mend, and refuses an empty ``SECRET_KEY``."""
    return getattr(django_settings._wrapped, name)  # type: ignore[misc]  # the plug-in knows the settings only


def _secrets_in(name: str, value: Any, is_secret: bool) -> Iterator[str]:
    is_secret = is_secret or bool(SafeExceptionReporterFilter.hidden_settings.search(name))
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets_in(str(key), inner, is_secret)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets_in("", inner, is_secret)
    elif is_secret and isinstance(value, str) and not value.startswith(("http://", "https://")):
        # A key read from a file often brings the line break that made the trouble.
        yield from {line.strip() for line in (value, *value.splitlines()) if len(line.strip()) >= _SHORTEST}


def _forget_secrets(**_changed: Any) -> None:
    _secrets.cache_clear()


setting_changed.connect(_forget_secrets, dispatch_uid="wagtail_kwiga.redaction")


class SecretFilter(logging.Filter):
    """Hides secrets in what our loggers say, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        with contextlib.suppress(Exception):  # words that do not fit together are for the handler to complain of
            said = record.getMessage()
            if (quiet := redact(said)) != said:
                record.msg, record.args = quiet, None
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            if (quiet := redact(trace)) != trace:
                record.exc_text, record.exc_info = quiet, None
        return True


#: Our loggers are called ``wagtail_kwiga.<one of these>``.
LOGGERS = (
    "access", "automations", "background", "backoffice", "drafts", "hooks", "journal", "legal_texts", "mailing", "offers", "payments",
    "queue_admin", "reactions", "tasks",
)  # fmt: skip
_FILTER = SecretFilter()


def filter_loggers() -> None:
    """Have all our loggers hide secrets. (A filter on their common parent would not see what its children say.)"""
    for name in LOGGERS:
        logging.getLogger(f"wagtail_kwiga.{name}").addFilter(_FILTER)
