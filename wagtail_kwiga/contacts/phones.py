"""The phone numbers that were given for a contact: each once, with where it came from and when."""

from __future__ import annotations

import datetime as dt
import unicodedata

from wagtail_kwiga import upserts
from wagtail_kwiga.contacts.models import Contact, PhoneNumber

#: Digits of a number with its country (ITU E.164 has at most 15; shorter ones than 7 are no subscriber's).
_SHORTEST, _LONGEST = 7, 15
_ONCE_NORMALISED, _ONCE_AS_GIVEN = "kwiga_phone_normalised_once", "kwiga_phone_as_given_once"


def normalise(number: str) -> str:
    """``number`` as ``+`` and digits where it names its country (a leading ``+`` or ``00``), else empty.

    Which country a number without one belongs to is not guessed.
    """
    number = unicodedata.normalize("NFKC", number).strip()
    number, _comma, _extension = number.removeprefix("tel:").partition(";")
    # In "+44 (0)20 …" the bracketed zero is only dialled inside the country.
    digits = "".join(letter for letter in number.replace("(0)", "") if letter.isascii() and letter.isdigit())
    first = next((letter for letter in number if letter == "+" or letter.isdigit()), "")
    if first != "+":
        if not digits.startswith("00"):
            return ""
        digits = digits[2:]
    return f"+{digits}" if _SHORTEST <= len(digits) <= _LONGEST and not digits.startswith("0") else ""


def note(contact: Contact, number: str, *, source: str, now: dt.datetime) -> None:
    """Remember that ``number`` was given for ``contact``. One statement.

    A number that is known keeps its spelling and its first source: only the moment it was last given moves on. Call with
    the contact locked, so that two who note the same numbers never wait for one another crosswise.
    """
    row = PhoneNumber(
        contact=contact,
        number=number,
        normalised=normalise(number),
        source=source,
        first_seen_at=now,
        last_seen_at=now,
    )
    upserts.insert_or_touch(row, "last_seen_at", constraint=_ONCE_NORMALISED if row.normalised else _ONCE_AS_GIVEN)
