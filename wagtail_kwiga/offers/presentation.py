"""What is sold, in words: the terms of access, and the way in once it is paid."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wagtail_kwiga import web_addresses
from wagtail_kwiga.catalogue import terms_text
from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.orders import access_starts

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.terms import OfferTerms
    from wagtail_kwiga.orders.models import Order


@dataclass(frozen=True)
class Sold:
    """One product of an offer, as visitors read it."""

    title: str
    access: tuple[str, ...]


@dataclass(frozen=True)
class WayIn:
    """Where a buyer goes; ``url`` is empty where the product has no address that may be followed, and where its access opens
    only at ``opens_at``."""

    title: str
    url: str
    opens_at: dt.datetime | None = None


def products(terms: OfferTerms) -> list[Sold]:
    """The products of an offer with their terms, in the active language. No query."""
    return [Sold(row.title, terms_text.access_in_words(row.access)) for row in terms.products]


def ways_in(order: Order, now: dt.datetime) -> list[WayIn]:
    """Where the buyer of ``order``, which is paid, goes now, product by product. One query."""
    ways = []
    for line in order.lines.select_related("product"):
        opens_at = access_starts.later(line, order.paid_at or now, now)
        ways.append(WayIn(line.title, "" if opens_at else web_addresses.destination(line.product.entry_url), opens_at))
    return ways


def ways_into(terms: OfferTerms) -> list[WayIn]:
    """Where somebody goes who has what an offer sells, product by product. One query."""
    products = Product.objects.in_bulk([row.product_id for row in terms.products])
    return [WayIn(row.title, web_addresses.destination(products[row.product_id].entry_url)) for row in terms.products]


def title(page: Any, seller: str) -> str:
    """What the browser shows on the tab of an offer page; without ``seller``, the page's own title alone."""
    title = getattr(page, "seo_title", "") or page.title
    return f"{title} – {seller}" if seller else title


def picture(page: Any) -> Any:
    """The rendition that stands for a page where it is shared: of the first picture on it. ``None`` without one."""
    for block in page.body:
        image = (
            block.value.get("image") if block.block_type in ("hero", "image") and hasattr(block.value, "get") else None
        )
        if image is not None:
            return image.get_rendition("fill-1200x630|format-jpeg")
    return None
