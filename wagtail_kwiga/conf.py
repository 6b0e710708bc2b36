"""The one settings dict, ``WAGTAIL_KWIGA``: typed defaults, read late, checked once.

``conf.settings.PRICE_HOLDS_DAYS`` reads the site's value or the default below at the moment of asking, so
``override_settings`` works. What an editor should decide lives in ``site_settings.KwigaSettings`` instead.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, cast

from django.conf import settings as django_settings
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
    #: What this installation is called, where its database and ``SECRET_KEY`` do not tell it from its copies. No two
    #: installations may bear one name, and a copy must not bear that of production.
    INSTALLATION: str = ""
    #: The template that every visitor page extends.
    BASE_TEMPLATE: str = "wagtail_kwiga/base.html"
    #: Alias → {"class": dotted path of a Provider, …options}. The alias is stored on orders: never rename one in use.
    PAYMENT_PROVIDERS: dict[str, dict[str, Any]] = field(default_factory=_default_providers)
    #: Days for which a placed order binds the seller to its price.
    PRICE_HOLDS_DAYS: int = 7
    #: Days after which an unpaid order expires.
    ORDER_EXPIRES_DAYS: int = 14
    #: Days after the last part of a payment plan is due in which it may still be paid.
    PAYMENT_GRACE_DAYS: int = 7
    #: Minutes for which a coupon use is held while a gateway is asked for money; each attempt renews it.
    GATEWAY_RESERVATION_MINUTES: int = 60
    #: Days a person is left in peace after the last recovery message of a scenario for the same purchase.
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
    #: Times a run or a mail is tried before it is paused or failed.
    MAX_ATTEMPTS: int = 5
    #: Minutes after which a receipt whose hand-over had no clear end is tried once more.
    RECEIPT_RETRY_MINUTES: int = 60
    #: Kilobytes that the files of one mail may have together. Encoded they are a third more, and many servers take 10 MB.
    ATTACHMENTS_MAX_KB: int = 7000
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


#: The keys of ``WAGTAIL_KWIGA``, each with the site's value or its default: ``conf.settings.LINK_DAYS``.
settings: Defaults = cast(Defaults, Settings())  # so that a type checker knows each key and its type


def faults(given: Any) -> list[tuple[str, str]]:
    """What is wrong with a settings dict, as (what, hint) pairs; used by the system check."""
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
