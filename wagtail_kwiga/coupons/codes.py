"""Codes that people can read aloud and type from paper."""

from __future__ import annotations

import secrets

#: Capitals and digits without look-alikes (0 O Q, 1 I L, 2 Z, 5 S, 8 B, U V), and without vowels: no words come about.
ALPHABET = "CDFGHJKMNPRTWXY34679"
#: What a coupon's code may have at most (``Coupon.code``).
LONGEST = 40


def generate(length: int = 8, prefix: str = "") -> str:
    """``prefix`` and ``length`` characters by chance, unguessable (``secrets``): 20 to the power of ``length`` codes.

    Nothing is looked up: that no two coupons share a code is the database's business. Raises ``ValueError`` for a
    length below 1 or a code above 40 characters.
    """
    if length < 1:
        raise ValueError("a code has at least one character by chance")
    if len(prefix) + length > LONGEST:
        raise ValueError(f"a code has at most {LONGEST} characters")
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
