"""Codes that people read aloud, write on a transfer and type from paper: one generator, one alphabet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

#: Capitals and digits without look-alikes (0 O Q, 1 I L, 2 Z, 5 S, 8 B, U V): of no pair is any left, so nothing has to be
#: guessed from handwriting. Without vowels, so that no words come about.
ALPHABET = "CDFGHJKMNPRTWXY34679"
#: Codes tried before a caller is told that none is free. So many taken in a row means that the code is too short.
MOST_TRIES = 100


def generate(
    groups: Sequence[int],
    *,
    prefix: str = "",
    separator: str = "-",
    is_taken: Callable[[str], bool] | None = None,
) -> str:
    """``prefix`` and characters by chance in groups of the given lengths: ``(4, 4)`` is ``K7M3-C9XR``.

    Unguessable (``secrets``): 20 to the power of the number of characters. Nothing is looked up here: whoever needs a code
    that nobody has passes ``is_taken``, which is asked about each, and has the database refuse the one that somebody else
    took in between. Raises ``ValueError`` for no characters or an empty group, ``RuntimeError`` where ``MOST_TRIES`` codes
    were all taken.
    """
    if not groups or any(length < 1 for length in groups):
        raise ValueError("a code has at least one character by chance in each group")
    for _try in range(MOST_TRIES):
        code = prefix + separator.join("".join(secrets.choice(ALPHABET) for _ in range(length)) for length in groups)
        if is_taken is None or not is_taken(code):
            return code
    raise RuntimeError(f"no code like {code!r} is free: {MOST_TRIES} were taken")
