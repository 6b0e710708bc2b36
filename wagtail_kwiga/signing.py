"""Every signed link, cookie and form field of ours: what each is for, for how long it is good, and what it names.

A token says what it is for in its salt, so one of another purpose is refused (promise 10). It gives no session. No other
module signs, compares or knows a salt. What is random instead of signed comes from ``random_token``.

A token speaks of a row by its *handle*: ``handle_of`` writes it, ``with_handle`` finds the row again, and nothing else looks
into it. A handle is the random ``token`` of the row and never its key: a restored backup gives the keys of lost rows to other
people's, and a copy of a site shares its ``SECRET_KEY``, while a random token is never given twice.

A link also names the address it was written to (``address_digest``), so that a mail in the wrong mailbox opens nothing once the
address was corrected.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.core import signing
from django.db import models
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import BadToken

#: Longer than any token of ours; longer input is not even looked at.
MAX_LENGTH = 400

Row = TypeVar("Row", bound=models.Model)


class Purpose(StrEnum):
    """What something signed is for. Of links also the name of the URL that takes it. The value is part of the salt: changing
    it spoils what is out there."""

    PAY = "pay"
    ORDER = "order"
    RETURN = "return"
    RESUME = "resume"
    UNSUBSCRIBE = "unsubscribe"
    #: The cookie by which a browser is known for orders it has placed; no link takes it.
    BROWSER = "browser"
    #: A picture in a mail, shown for as long as the mail is kept (``seal``).
    PICTURE = "picture"
    #: The total that an order form shows (``seal``).
    SHOWN_TOTAL = "offers.shown"
    #: The address that a link was written to (``address_digest``); no link takes it.
    ADDRESS = "address"
    #: The keys of limits (``keyed_hash``).
    RATE_LIMIT = "contacts.limits"
    #: By what an installation knows itself again (``keyed_hashes``).
    INSTALLATION = "installation"


def _days(number: int) -> Callable[[], dt.timedelta]:
    return lambda: dt.timedelta(days=number)


def _link_days() -> dt.timedelta:
    return dt.timedelta(days=conf.settings.LINK_DAYS)


#: Purposes of tokens that expire → for how long they are good.
_AGES: dict[Purpose, Callable[[], dt.timedelta]] = {
    Purpose.PAY: _link_days,
    Purpose.ORDER: _link_days,
    Purpose.RETURN: _link_days,
    Purpose.RESUME: _link_days,
    # Unsubscribing must work for years: people clean up their mail when they feel like it.
    Purpose.UNSUBSCRIBE: _days(3 * 366),
    Purpose.BROWSER: _days(14),
}


def max_age(purpose: str) -> dt.timedelta:
    """For how long a token of ``purpose`` is good. Raises ``ValueError`` for a purpose whose tokens have no age."""
    purpose = Purpose(purpose)
    if purpose not in _AGES:
        raise ValueError(f"tokens for {purpose.value!r} do not expire: seal instead")
    return _AGES[purpose]()


# --- tokens ---------------------------------------------------------------------------------------------------------------


def make(purpose: str, now: dt.datetime | None = None, *, expires: dt.datetime | None = None, **payload: Any) -> str:
    """A token for ``purpose`` that carries ``payload`` (JSON values, rows by their handles).

    It is good for ``max_age(purpose)`` from ``now`` on, or until ``expires``. Raises ``ValueError`` for an unknown purpose.
    """
    if expires is None:
        expires = (now or conf.now()) + max_age(purpose)
    return _signer(purpose).sign_object({**payload, "x": int(expires.timestamp())})


def read(purpose: str, token: str, now: dt.datetime | None = None) -> dict[str, Any]:
    """What a token carries. Raises ``BadToken``: ``bad_token`` when forged or of another purpose, ``expired_token`` (then
    ``facts["payload"]`` is what it carried). ``ValueError`` for an unknown purpose."""
    now, signer = now or conf.now(), _signer(purpose)
    try:
        if len(token) > MAX_LENGTH:
            raise signing.BadSignature("too long")
        payload: dict[str, Any] = signer.unsign_object(token)
        expires = int(payload.pop("x"))
    except (signing.BadSignature, ValueError, KeyError, AttributeError, TypeError, OverflowError) as fault:
        raise BadToken(_("This link is not complete. Please copy all of it from the mail.")) from fault
    if now.timestamp() >= expires:
        raise BadToken(_("This link has expired."), code="expired_token", payload=payload)
    return payload


def _signer(purpose: str) -> signing.Signer:
    return signing.Signer(sep=".", salt=_salt(purpose))


def _salt(purpose: str) -> str:
    return f"wagtail_kwiga.{Purpose(purpose).value}"


# --- what has no end ------------------------------------------------------------------------------------------------------


def seal(purpose: str, text: str) -> str:
    """``text``, readable and signed for ``purpose``, good for ever: for what a form shows and gets back."""
    return signing.Signer(salt=_salt(purpose)).sign(text)


def unseal(purpose: str, sealed: str) -> str | None:
    """The text that ``seal`` signed for ``purpose``; ``None`` for anything else."""
    try:
        return signing.Signer(salt=_salt(purpose)).unsign(sealed)
    except signing.BadSignature:
        return None


def keyed_hash(purpose: str, text: str) -> str:
    """What ``text`` may be kept as: the same each time, and of no use to whoever does not know the site's secret."""
    return str(salted_hmac(_salt(purpose), text, algorithm="sha256").hexdigest())


def keyed_hashes(purpose: str, text: str) -> tuple[str, ...]:
    """``keyed_hash`` by the site's secret and by each older one (``SECRET_KEY_FALLBACKS``): the present one first."""
    secrets_of_site = (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
    return tuple(
        str(salted_hmac(_salt(purpose), text, secret=secret, algorithm="sha256").hexdigest())
        for secret in secrets_of_site
    )


def random_token() -> str:
    """A random handle of 128 bits, 22 characters fit for an address: short enough for a link that holds two of them."""
    return secrets.token_urlsafe(16)


# --- handles --------------------------------------------------------------------------------------------------------------

_HANDLE = re.compile(r"[A-Za-z0-9_-]{16,43}")


def handle_of(row: models.Model) -> str:
    """What a token calls ``row``: its random ``token``. ``AttributeError`` for a row of a model that has none."""
    handle: str = row.token  # type: ignore[attr-defined]  # see the docstring
    return handle


def is_handle(value: Any) -> bool:
    """Whether ``value``, out of a token, may be a handle. (A token of another version of the software may hold anything.)"""
    return isinstance(value, str) and _HANDLE.fullmatch(value) is not None


def with_handle(rows: models.QuerySet[Row], handle: Any) -> models.QuerySet[Row]:
    """Those of ``rows`` that a token calls ``handle``: one, or none where it is gone or was no handle."""
    return rows.filter(token=handle) if is_handle(handle) else rows.none()


# --- whom a link was written to ---------------------------------------------------------------------------------------------


def address_digest(email: str) -> str:
    """What a link may say of the address it was written to: 64 bits, of no use to whoever does not know the site's secret."""
    return _digest(email, django_settings.SECRET_KEY)


def is_written_to(digest: Any, email: str) -> bool:
    """Whether ``digest``, out of a token, is that of ``email``. As with signatures, an older secret of the site will do."""
    secrets_of_site = (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
    return isinstance(digest, str) and any(
        constant_time_compare(digest, _digest(email, secret)) for secret in secrets_of_site
    )


def _digest(email: str, secret: str | bytes) -> str:
    whole = salted_hmac(_salt(Purpose.ADDRESS), email.lower(), secret=secret, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(whole[:8]).rstrip(b"=").decode("ascii")
