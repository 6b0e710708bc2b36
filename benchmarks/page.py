"""A. Looking at an offer page."""

from __future__ import annotations

from collections.abc import Iterator

from django.test import Client

from benchmarks.measuring import Cost, Pair, Work, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import Shop

TITLE = "A. Offer page: six blocks, a video and a price among them"
FLOOR = "Floor: an ordinary Wagtail page of the same blocks, its price typed in; and the same page with a plain Django form."
AIM = "floor + 3 queries, at least 0.9 of its rate; with a coupon 1 query more"


def look(url: str) -> Work:
    client = Client()

    def get() -> None:
        response = client.get(url)
        assert response.status_code == 200, response.status_code

    return get


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    for what, url in _addresses(shop).items():
        get = look(url)
        get()  # Wagtail caches where its sites are
        yield what, cost_of(get)


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair]]:
    urls = _addresses(shop)
    floor = look(urls["a plain page"])
    for what in list(urls)[1:]:
        yield f"{what} / a plain page", paired(scale.requests, floor, look(urls[what]))
    with_form = look(urls["a plain page with a plain form"])
    yield "offer page / a plain page with a form", paired(scale.requests, with_form, look(urls["offer page"]))


def _addresses(shop: Shop) -> dict[str, str]:
    return {
        "a plain page": shop.plain.url,
        "a plain page with a plain form": shop.plain_with_form.url,
        "offer page": shop.page.url,
        "offer page with a coupon": f"{shop.page.url}?coupon={shop.coupon.code}",
    }
