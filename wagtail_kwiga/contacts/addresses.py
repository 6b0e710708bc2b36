"""E-mail addresses in the one form under which a person is known."""

from __future__ import annotations

import unicodedata
from typing import Any

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.exceptions import KwigaError

#: Longest address that the database and RFC 5321 (4.5.3.1) hold, and its longest part before the @.
MAX_LENGTH = 254
MAX_LOCAL = 64
#: Invisible characters that come along when an address is copied from a web page.
_STRAY = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e"

#: No ``localhost``: a stranger must not have mail delivered to the accounts of the mail server itself.
_validate = EmailValidator(allowlist=[])


def normalise(email: str) -> str:
    """``email`` in lower case, with an ASCII domain and nothing around it; the same for everything that means the same.

    A domain in another script becomes its ASCII form (``bücher.example`` → ``xn--bcher-kva.example``), which is what
    mail servers see. Raises ``KwigaError`` with code ``bad_email`` and a message for the person who typed it.
    """
    if not isinstance(email, str):
        raise _bad(_("Please give an e-mail address."))
    email = _trim(email)
    if not email:
        raise _bad(_("Please give an e-mail address."))
    # Before any work on it: a megabyte of text is no address.
    if len(email) > MAX_LENGTH:
        raise _bad(_("This e-mail address is too long."))
    local, at, domain = email.rpartition("@")
    if not (local and at and domain):
        raise _bad(_("Please give the whole e-mail address, such as name@example.com."))
    if any(unicodedata.category(letter).startswith(("C", "Z")) for letter in email):
        raise _bad(_("There is a space or an invisible character in this e-mail address. Please type it again."))
    # Before lower(): some foreign letters turn into ASCII ones there, and one person must not become another.
    if not local.isascii():
        raise _bad(
            _("We cannot send to an address with special letters before the @. Please give another e-mail address.")
        )
    if local.startswith('"'):
        raise _bad(_("We cannot send to an address in quotation marks. Please give another e-mail address."))
    if len(local) > MAX_LOCAL:
        raise _bad(_("This e-mail address is too long."))
    if domain.startswith("["):
        raise _bad(_("Please give an e-mail address with a name behind the @, such as name@example.com."))
    plain = f"{local.lower()}@{_ascii_domain(domain)}"
    if len(plain) > MAX_LENGTH:
        raise _bad(_("This e-mail address is too long."))
    try:
        _validate(plain)
    except ValidationError as fault:
        raise _bad(_("This does not look like an e-mail address. Please check it for typing mistakes.")) from fault
    return plain


def _trim(email: str) -> str:
    trimmed = email.strip().strip(_STRAY)
    return trimmed if trimmed == email else _trim(trimmed)


def _ascii_domain(domain: str) -> str:
    """``domain`` in its ASCII form, by IDNA 2008 with the mapping of UTS 46.

    Python's own codec follows the standard of 2003, in which ``straße`` becomes ``strasse``: somebody else's domain.
    """
    plain = domain.lower()
    if plain.isascii() and "xn--" not in plain:
        return plain  # no international name; IDNA would refuse some that exist (``ab--cd.example``)
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as fault:
        raise _bad(_("This does not look like an e-mail address. Please check it for typing mistakes.")) from fault


def _bad(message: Any) -> KwigaError:
    return KwigaError(message, code="bad_email")
