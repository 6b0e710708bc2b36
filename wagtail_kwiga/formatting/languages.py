"""Languages: what they are called, which of several is nearest to the one wanted, and in which we have words of our own.

A language is a Django code such as ``de`` or ``pt-br``. How it is written (capitals, an underscore) makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils import translation

#: What is spoken where nothing else is known: the language the package itself is written in.
DEFAULT = "en"
#: The folder of our own words, one folder a language.
_CATALOGUES = Path(__file__).resolve().parent.parent / "locale"


def active() -> str:
    """The language of the reader: the active one, ``en`` where none is (then nothing is translated either)."""
    return translation.get_language() or DEFAULT


def fallbacks(language: str) -> tuple[str, ...]:
    """``language`` and the languages it is a variant of, the nearest first: ``zh-hant-tw``, ``zh-hant``, ``zh``.

    In small letters with hyphens. No language, no fallbacks.
    """
    parts = _normal(language).split("-") if language else []
    return tuple("-".join(parts[:length]) for length in range(len(parts), 0, -1))


def distance(wanted: str, spoken: str) -> int | None:
    """How far ``spoken`` is from what a reader of ``wanted`` reads: 0 for that very language, then the languages it is a variant
    of, the nearest first, and last its other variants (``de-ch`` for ``de-at``, ``pt-br`` for ``pt``). ``None`` for another
    language."""
    codes = fallbacks(wanted)
    code = _normal(spoken)
    if code in codes:
        return codes.index(code)
    return len(codes) if is_same(wanted, spoken) else None


def nearest(wanted: str, available: Iterable[str]) -> str | None:
    """The one of ``available`` (as it is written there) with the least ``distance`` from ``wanted``, of several the first.

    ``None`` where all are other languages, and the caller's default is due.
    """
    steps = [(step, code) for code in available if (step := distance(wanted, code)) is not None]
    return min(steps, key=lambda each: each[0])[1] if steps else None


def is_same(one: str, other: str) -> bool:
    """Whether both are the same language or variants of it, such as ``pt`` and ``pt-br``."""
    return bool(one and other) and fallbacks(one)[-1] == fallbacks(other)[-1]


def _normal(language: str) -> str:
    return language.lower().replace("_", "-")


def name(language: str) -> str:
    """What ``language`` is called in the active one, for readers of another; an unknown code stands for itself.

    A language that Django does not know, or knows only the base of, has the name that ``LANGUAGES`` gives it.
    """
    given = dict(settings.LANGUAGES).get(language)
    if given is not None and language.lower() not in LANG_INFO:
        return str(given)
    try:
        return str(translation.get_language_info(language)["name_translated"])
    except KeyError:
        return language


def own_name(language: str) -> str:
    """What ``language`` calls itself (“Deutsch”), for whoever looks for theirs; as ``name`` where Django does not know it."""
    try:
        return str(translation.get_language_info(language)["name_local"]).capitalize()
    except KeyError:
        return name(language)


def has_words(language: str) -> bool:
    """Whether the package itself speaks ``language``, or a language that it is a variant of."""
    return not _catalogues().isdisjoint(fallbacks(language))


@lru_cache(maxsize=1)
def _catalogues() -> frozenset[str]:
    return frozenset(_normal(folder.name) for folder in _CATALOGUES.iterdir() if folder.is_dir())


@lru_cache(maxsize=256)
def locale_for(language: str) -> Locale:
    """Babel's locale for ``language``, or for the nearest one that Babel knows; English where it knows none."""
    for code in fallbacks(language):
        try:
            return Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return Locale.parse(DEFAULT)
