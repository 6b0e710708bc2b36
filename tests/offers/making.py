"""What the tests of this room share: real pages on a real site, and a browser of sorts."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from typing import Any

from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone
from django.utils.text import slugify
from PIL import Image as Picture
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Locale, Page, Site

from tests.support import START, make_product
from wagtail_kwiga import models as m

#: What the shop's clock says; tests set ``CLOCK`` to this module's ``clock``.
_present = [START]


def clock() -> dt.datetime:
    return _present[0]


def set_clock(at: dt.datetime) -> None:
    _present[0] = at


def root() -> Page:
    return Site.objects.get(is_default_site=True).root_page


def block(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "value": value}


def make_page(
    title: str = "Watercolour", *, parent: Page | None = None, publish: bool = True, **given: Any
) -> m.OfferPage:
    """An offer page as an editor makes it; ``products`` and ``coupons`` are lists of rows. One that sells nothing is published
    as only a schedule can."""
    products = given.pop("products", None)
    products = [make_product(entry_url="/course/")] if products is None else products
    coupons = given.pop("coupons", [])
    access = given.pop("access", {})
    page = m.OfferPage(
        title=title,
        slug=given.pop("slug", slugify(title)),
        price=given.pop("price", Decimal("120.00")),
        currency=given.pop("currency", "EUR"),
        products=[("product", {"product": each, **access}) for each in products],
        coupons=[("coupon", each) for each in coupons],
        live=False,
        **given,
    )
    (parent or root()).add_child(instance=page)
    if publish and not products and not page.sells_no_access:
        publish_by_schedule(page)
    elif publish:
        page.save_revision().publish()
    return m.OfferPage.objects.get(pk=page.pk)


def publish_by_schedule(page: Page) -> None:
    """Publish what ``page`` says as a schedule does whose time has come: nobody can be asked any more."""
    page.go_live_at = timezone.now() - dt.timedelta(minutes=1)
    page.save_revision(clean=False).publish()


def offer_of(page: Page) -> m.Offer:
    return m.Offer.objects.get(translation_key=page.translation_key)


def translate(page: Page, language: str, *, publish: bool = True, **changes: Any) -> Page:
    locale, _made = Locale.objects.get_or_create(language_code=language)
    for parent in reversed(page.get_ancestors().filter(depth__gt=1)):
        if not parent.has_translation(locale):
            parent.specific.copy_for_translation(locale, copy_parents=True)
            parent.get_translation(locale).save_revision().publish()
    copy = page.copy_for_translation(locale, copy_parents=True)
    for name, value in changes.items():
        setattr(copy, name, value)
    revision = copy.save_revision()
    if publish:
        revision.publish()
    return type(page).objects.get(pk=copy.pk)


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "input" or not given.get("name"):
            return
        if given.get("type") in ("radio", "checkbox") and "checked" not in given:
            return
        self.found[given["name"] or ""] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")


def fields_of(response: Any) -> dict[str, str]:
    """What a browser would send back of the form on the page."""
    parser = _Fields()
    parser.feed(response.content.decode())
    return parser.found


def text_of(response: Any) -> str:
    """The words on a page, spaces made single."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " ").split())


BUYER = {"name": "Ada Buyer", "email": "ada@example.com", "phone": "+48 600 100 200"}


def fill_in(client: Client, url: str, **typed: str) -> tuple[Any, dict[str, str]]:
    """Open ``url`` and type; returns the page and what would be sent."""
    page = client.get(url)
    return page, {**fields_of(page), **BUYER, **typed}


def order(client: Client, url: str, **typed: str) -> Any:
    """Open ``url``, fill in the form and send it to the page."""
    _page, sent = fill_in(client, url, **typed)
    return client.post(url.split("?")[0], sent)


def make_image() -> Image:
    file = io.BytesIO()
    Picture.new("RGB", (1600, 900), "teal").save(file, "PNG")
    return Image.objects.create(
        title="Teal", file=ContentFile(file.getvalue(), "teal.png"), description="A wash of teal"
    )


def make_document(name: str) -> Document:
    return Document.objects.create(title=name, file=ContentFile(b"x", name))
