"""Codes of coupons."""

from __future__ import annotations

from collections.abc import Callable

from wagtail_kwiga import readable_codes

#: What a coupon's code may have at most (``Coupon.code``).
LONGEST = 40


def generate(length: int = 8, prefix: str = "", *, is_taken: Callable[[str], bool] | None = None) -> str:
    """``prefix`` and ``length`` characters by chance, unguessable: 20 to the power of ``length`` codes.

    Nothing is looked up but by ``is_taken``: that no two coupons share a code is the database's business. Raises
    ``ValueError`` for a length below 1 or a code above 40 characters, ``RuntimeError`` where all that were tried are taken.
    """
    if len(prefix) + length > LONGEST:
        raise ValueError(f"a code has at most {LONGEST} characters")
    return readable_codes.generate([length], prefix=prefix, is_taken=is_taken)
