"""Order numbers."""

from __future__ import annotations

from wagtail_kwiga import conf, readable_codes


def new_number() -> str:
    """A short readable number such as ``K7M-C9X-RT4W``: random, so that it does not tell how much a shop sells.

    20¹⁰ values: among a million orders the chance of any collision is about 5 %, and a collision only makes one checkout
    fail with the database's refusal, never two orders with one number.
    """
    return readable_codes.generate((3, 3, 4), prefix=conf.settings.ORDER_NUMBER_PREFIX)
