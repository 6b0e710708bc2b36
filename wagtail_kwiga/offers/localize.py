"""What wagtail-localize may do with an offer page, where a site has it: translate the words and follow in all else.

Without a word from us it would hand the currency to the translator and let a translation override products and coupons,
which the source page owns; buyers would not be charged by it, but editors would be shown what is not so.
"""

from __future__ import annotations

from typing import Any

from wagtail_kwiga.offers import choices

#: Copied from the source to each synced translation and not to be changed there.
FOLLOWING = (*choices.SOURCE_FIELDS, "ask_phone", "language_mode", "fixed_language")


def translatable_fields() -> list[Any]:
    """For ``override_translatable_fields`` of an offer page; empty where wagtail-localize is not installed."""
    try:
        from wagtail_localize.fields import SynchronizedField
    except ImportError:
        return []
    return [SynchronizedField(name, overridable=False) for name in FOLLOWING]
