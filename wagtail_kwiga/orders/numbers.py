"""Order numbers and tokens."""

from __future__ import annotations

import secrets

from wagtail_kwiga import conf

#: No 0/O, 1/I/L, U/V: a number must survive being read out on the phone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTWXYZ"


def new_number() -> str:
    """A short readable number such as ``K7M-2Q9-XRT``: random, so that it does not tell how much a shop sells.

    29⁹ values: among a million orders the chance of any collision is about 3 %, and a collision only makes one checkout
    fail with the database's refusal, never two orders with one number.
    """
    letters = "".join(secrets.choice(ALPHABET) for _ in range(9))
    return f"{conf.settings.ORDER_NUMBER_PREFIX}{letters[:3]}-{letters[3:6]}-{letters[6:]}"


def new_token() -> str:
    """A random handle of 256 bits for links."""
    return secrets.token_urlsafe(32)
