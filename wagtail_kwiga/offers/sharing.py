"""Addresses of offers with a coupon applied: what the team puts into a newsletter or a chat."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from wagtail.models import Page

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.offers import publishing


@dataclass(frozen=True)
class SharedLink:
    """One live page of an offer, opened with a coupon. ``language`` is empty where the offer has a single live page."""

    offer: Offer
    coupon: Coupon
    url: str
    language: str = ""


def share_url(offer: Offer, coupon: Coupon, language: str | None = None) -> str:
    """The absolute address of the offer's live page with ``coupon`` applied; empty where no page is live.

    In ``language`` as far as there is such a page, else (and without a language) the page that was made first.
    Whether the offer takes the coupon is not asked.
    """
    found = _live_pages([offer]).get(offer.translation_key, [])
    if language and found:
        page = publishing.page_for(offer, language)
        return _address(page, coupon, None) if page is not None else ""
    return next((url for page in found if (url := _address(page, coupon, None))), "")


def links(pairs: Iterable[tuple[Offer, Coupon]], request: HttpRequest | None = None) -> list[SharedLink]:
    """An address for each live page of each offer, in the order given; pages outside of every site have none.

    One query for the pages whatever their number.
    """
    pairs = list(pairs)
    pages = _live_pages(offer for offer, _coupon in pairs)
    found = []
    for offer, coupon in pairs:
        of_offer = pages.get(offer.translation_key, [])
        for page in of_offer:
            if url := _address(page, coupon, request):
                language = page.locale.get_display_name() if len(of_offer) > 1 else ""
                found.append(SharedLink(offer, coupon, url, language))
    return found


def _live_pages(offers: Iterable[Offer]) -> dict[uuid.UUID | None, list[Page]]:
    keys = {offer.translation_key for offer in offers if offer.translation_key is not None}
    found: dict[uuid.UUID | None, list[Page]] = {}
    if keys:
        pages = publishing.page_model().objects.filter(translation_key__in=keys, live=True)
        for page in pages.select_related("locale").order_by("pk"):
            found.setdefault(page.translation_key, []).append(page)
    return found


def _address(page: Page, coupon: Coupon, request: HttpRequest | None) -> str:
    address = page.get_full_url(request)
    return f"{address}?{urlencode({'coupon': coupon.code})}" if address else ""
