"""What an offer sells, at which prices it did, whether it is for sale at an instant, and the words for it when it is not."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue.models import Offer, OfferProduct, PriceRecord
from wagtail_kwiga.catalogue.terms import AccessTerms, OfferTerms, ProductTerms
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.pricing.money import Money

DRAFT = "draft"
WITHDRAWN = "withdrawn"
NOT_YET = "not_yet"
OVER = "over"
NOTHING = "nothing"


def why_not_for_sale(offer: Offer, now: dt.datetime | None = None) -> str | None:
    """``None`` while visitors may buy it, else ``draft``, ``withdrawn``, ``nothing``, ``not_yet`` or ``over``.

    ``nothing``: there is nothing in it (``sells_nothing`` asks it of the rows; here the row of the offer says it, which costs
    no query).

    Sales run from ``sales_from`` (that instant included) to ``sales_until`` (that instant no more). Staff may sell an
    offer by hand whatever the answer is.
    """
    now = now or conf.now()
    if offer.state == Offer.State.DRAFT:
        return DRAFT
    if offer.state == Offer.State.EMPTY:
        return NOTHING
    if offer.state != Offer.State.ON_SALE:
        return WITHDRAWN
    if offer.sales_until is not None and now >= offer.sales_until:
        return OVER
    if offer.sales_from is not None and now < offer.sales_from:
        return NOT_YET
    return None


def is_for_sale(offer: Offer, now: dt.datetime | None = None) -> bool:
    """Whether a visitor may buy it at ``now``."""
    return why_not_for_sale(offer, now) is None


def sells_nothing(offer: Offer, products: Collection[object]) -> bool:
    """Whether buyers of ``offer`` would get nothing for their money: no ``products`` (or lines made of them), and nobody said
    on purpose that it sells no access. For an offer that code has made, whose row says *on sale* all the same."""
    return not products and not offer.sells_no_access


def why_empty(offer: Offer, products: Collection[object]) -> str | None:
    """``nothing`` where ``sells_nothing``, else ``None``; for whoever has asked ``why_not_for_sale`` already."""
    return NOTHING if sells_nothing(offer, products) else None


def message(code: str, offer: Offer) -> str:
    """A sentence for the visitor, in the active language, for a code of ``why_not_for_sale``."""
    if code == NOT_YET and offer.sales_from is not None:
        return _("Not on sale yet. Sales begin on %(when)s.") % {"when": instants.moment(offer.sales_from)}
    if code == OVER and offer.sales_until is not None:
        return _("Sales have ended: this was on offer until %(when)s.") % {"when": instants.until(offer.sales_until)}
    if code in (DRAFT, NOTHING):
        return _("This is not on sale yet.")
    return _("This is no longer on sale.")


def terms_of(offer: Offer) -> OfferTerms:
    """What ``offer`` sells, in the editor's order. One query; none where its ``offer_products`` were prefetched.

    Raises ``KwigaError`` (``unknown_terms``, ``bad_terms``) where a row cannot be read.
    """
    return _terms(offer.offer_products.all())


def offer_of_page(translation_key: uuid.UUID) -> tuple[Offer | None, OfferTerms]:
    """The offer that the pages of this key sell, with what it sells. One query; two for an offer without products."""
    rows = list(OfferProduct.objects.filter(offer__in=_of_page(translation_key)).select_related("offer"))
    return (rows[0].offer, _terms(rows)) if rows else (_of_page(translation_key).first(), OfferTerms())


def _of_page(translation_key: uuid.UUID) -> QuerySet[Offer]:
    return Offer.objects.filter(translation_key=translation_key, tariff_key="")


def terms_of_offers(offer_ids: Iterable[int]) -> dict[int, OfferTerms]:
    """``terms_of`` for many, by offer id; an offer that sells nothing is left out. One query.

    Raises ``KwigaError`` where a row of any of them cannot be read.
    """
    rows: dict[int, list[OfferProduct]] = {}
    for row in OfferProduct.objects.filter(offer_id__in=set(offer_ids)):
        rows.setdefault(row.offer_id, []).append(row)
    return {offer_id: _terms(sold) for offer_id, sold in rows.items()}


def _terms(rows: Iterable[OfferProduct]) -> OfferTerms:
    return OfferTerms(
        tuple(
            ProductTerms(row.product_id, row.title, AccessTerms.from_json(row.access_terms), row.price_share)
            for row in rows
        )
    )


def lowest_price(offer: Offer, *, days: int = 30, now: dt.datetime) -> Money | None:
    """The lowest price in the offer's present currency during the ``days`` before ``now``; ``None`` where there was none.

    A price counts that was set before and still held when those days began. One query.
    """
    since = now - dt.timedelta(days=days)
    counted: list[PriceRecord] = []
    for record in PriceRecord.objects.filter(offer=offer, valid_from__lte=now):
        if record.valid_from <= since:
            counted.clear()
        counted.append(record)
    amounts = [record.amount for record in counted if record.currency == offer.currency]
    return Money(min(amounts), offer.currency) if amounts else None
