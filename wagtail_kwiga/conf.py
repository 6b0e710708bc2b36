"""The one settings dict, ``WAGTAIL_KWIGA``: typed defaults, read late, checked once.

``conf.settings.PRICE_HOLDS_DAYS`` reads the site's value or the default below at the moment of asking, so
``override_settings`` works. What an editor should decide lives in ``site_settings.KwigaSettings`` instead.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string


def _default_providers() -> dict[str, dict[str, Any]]:
    return {"transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"}}


@dataclass(frozen=True)
class Defaults:
    """Every key of ``WAGTAIL_KWIGA`` with its default. The type of a value must be the annotated one."""

    #: Dotted path of the callable that says what time it is; asked wherever no ``now`` is passed.
    CLOCK: str = "django.utils.timezone.now"
    #: Let ``kwiga_work --at`` take an instant in the future. Only for sandboxes and tests.
    ALLOW_TIME_TRAVEL: bool = False
    #: The template that every visitor page extends.
    BASE_TEMPLATE: str = "wagtail_kwiga/base.html"
    #: Alias → {"class": dotted path of a Provider, …options}. The alias is stored on orders: never rename one in use.
    PAYMENT_PROVIDERS: dict[str, dict[str, Any]] = field(default_factory=_default_providers)
    #: Days for which a placed order binds the seller to its price.
    PRICE_HOLDS_DAYS: int = 7
    #: Days after which an unpaid order expires.
    ORDER_EXPIRES_DAYS: int = 14
    #: Minutes for which a coupon use is held while a gateway is asked for money; each attempt renews it.
    GATEWAY_HOLD_MINUTES: int = 60
    #: Days a person is left in peace after the last recovery message of a scenario for the same offer.
    REENTRY_COOLING_DAYS: int = 30
    #: Hours by which a step may be late and still act; later it is missed.
    TOO_LATE_HOURS: int = 6
    #: Minutes between two looks at a payment in flight, and the hours after which a run no longer waits for it.
    IN_FLIGHT_RECHECK_MINUTES: int = 10
    IN_FLIGHT_LIMIT_HOURS: int = 24
    #: Runs or messages leased at a time, and seconds after which a sweep lets go of the worker.
    SWEEP_BATCH: int = 500
    SWEEP_SECONDS: int = 20
    #: Seconds for which a lease on runs or mails is honoured before another worker may take them.
    LEASE_SECONDS: int = 120
    #: Times a run or a mail is tried before it is parked or failed.
    MAX_ATTEMPTS: int = 5
    #: Minutes after which a receipt whose hand-over had no clear end is tried once more.
    RECEIPT_RETRY_MINUTES: int = 60
    #: Minutes without a sweep after which the worker counts as missing.
    HEARTBEAT_STALE_MINUTES: int = 5
    #: Checkout posts allowed per address and per IP within an hour, and coupon codes per IP within an hour.
    CHECKOUTS_PER_ADDRESS: int = 10
    CHECKOUTS_PER_IP: int = 60
    COUPON_TRIES_PER_IP: int = 60
    #: The request's META key in which your own proxy writes the visitor's address, e.g. ``HTTP_X_REAL_IP``. Name it only if
    #: that proxy always sets it. Without one, requests from private addresses (all of a proxy's) have no limit per IP.
    CLIENT_IP_HEADER: str = ""
    #: Days for which a link in a mail works.
    LINK_DAYS: int = 90
    #: Letters in front of an order number.
    ORDER_NUMBER_PREFIX: str = ""


_FIELDS = {f.name: f for f in fields(Defaults)}
_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "dict": dict}


class Settings:
    """Reads ``settings.WAGTAIL_KWIGA`` at each access."""

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"WAGTAIL_KWIGA has no setting {name!r}")
        given = getattr(django_settings, "WAGTAIL_KWIGA", {}) or {}
        if name in given:
            return given[name]
        return getattr(Defaults(), name)


settings = Settings()


def faults(given: Any) -> list[tuple[str, str]]:
    """What is wrong with a settings dict, as (what, hint) pairs; used by the system check."""
    import difflib

    if not isinstance(given, dict):
        return [("WAGTAIL_KWIGA is not a dict.", "Write WAGTAIL_KWIGA = {…}.")]
    found = []
    for key, value in given.items():
        if key not in _FIELDS:
            close = difflib.get_close_matches(str(key), _FIELDS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(sorted(_FIELDS))}."
            found.append((f"WAGTAIL_KWIGA has an unknown key {key!r}.", hint))
            continue
        kind = _TYPES[str(_FIELDS[key].type).partition("[")[0]]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found.append((f"WAGTAIL_KWIGA[{key!r}] must be of type {kind.__name__}.", f"It is {value!r}."))
        elif isinstance(value, int) and value < 0:
            found.append((f"WAGTAIL_KWIGA[{key!r}] must not be negative.", f"It is {value!r}."))
    return found


def now() -> dt.datetime:
    """The present, as the setting ``CLOCK`` tells it: an aware instant. The default of every ``now`` parameter."""
    clock: Callable[[], dt.datetime] = import_string(settings.CLOCK)
    return clock()


#: Django's own settings that hold secrets; others of its own only sound like it (``AUTH_USER_MODEL``).
_SECRETIVE = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "EMAIL_HOST_PASSWORD"}
#: One of Django's own (some day) with secrets somewhere in it: ``MAILERS["default"]["OPTIONS"]["password"]``.
_SEARCHED = {"MAILERS"}
#: Shorter ones would turn up in ordinary words.
_SHORTEST = 8
HIDDEN = "********"


def hushed(text: str) -> str:
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
    return getattr(django_settings._wrapped, name)


def _secrets_in(name: str, value: Any, is_secret: bool) -> Iterator[str]:
    from django.views.debug import SafeExceptionReporterFilter

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


setting_changed.connect(_forget_secrets, dispatch_uid="wagtail_kwiga.conf")


class Hush(logging.Filter):
    """Hides secrets in what our loggers say, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        with contextlib.suppress(Exception):  # words that do not fit together are for the handler to complain of
            said = record.getMessage()
            if (quiet := hushed(said)) != said:
                record.msg, record.args = quiet, None
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            if (quiet := hushed(trace)) != trace:
                record.exc_text, record.exc_info = quiet, None
        return True


#: Our loggers are called ``wagtail_kwiga.<one of these>``.
LOGGERS = (
    "access", "automations", "background", "backoffice", "drafts", "hooks", "journal", "mailing", "offers", "payments",
    "queue_admin", "reactions", "tasks",
)  # fmt: skip
_HUSH = Hush()


def hush_loggers() -> None:
    """Have all our loggers hide secrets. (A filter on their common parent would not see what its children say.)"""
    for name in LOGGERS:
        logging.getLogger(f"wagtail_kwiga.{name}").addFilter(_HUSH)
