"""What every page of the site knows: the shop's clock, and where the school's own links lead."""

from __future__ import annotations

from django.conf import settings
from django.utils.functional import SimpleLazyObject
from django.utils.translation import ngettext

from sandbox import clock


def school(request) -> dict:
    """Template context: ``shop_clock`` (lazy) and the languages of the site."""
    return {"shop_clock": SimpleLazyObject(_clock), "school_languages": settings.LANGUAGES}


def _clock() -> dict:
    offset = clock.offset()
    return {"moved": bool(offset), "ahead": in_words(offset), "now": clock.now()}


def in_words(span) -> str:
    """A span for people, in the language of the page: ``1 day 2 hours``."""
    return " ".join(_amount(count, unit) for count, unit in clock.spoken(span)) or _amount(0, "minute")


def _amount(count: int, unit: str) -> str:
    return {
        "day": ngettext("%(count)d day", "%(count)d days", count),
        "hour": ngettext("%(count)d hour", "%(count)d hours", count),
        "minute": ngettext("%(count)d minute", "%(count)d minutes", count),
    }[unit] % {"count": count}
