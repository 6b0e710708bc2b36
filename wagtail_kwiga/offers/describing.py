"""What is sold, in words: the terms of access, and the way in once it is paid."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_kwiga.catalogue.terms import AT_PAYMENT, AccessTerms, Length, OfferTerms

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.orders.models import Order


@dataclass(frozen=True)
class Sold:
    """One product of an offer, as visitors read it."""

    title: str
    access: tuple[str, ...]


@dataclass(frozen=True)
class WayIn:
    """Where a buyer goes; ``url`` is empty where the product has no address."""

    title: str
    url: str


def products(offer: Offer) -> list[Sold]:
    """The products of ``offer`` with their terms, in the active language. No query."""
    return [Sold(row.title, access_in_words(row.access)) for row in OfferTerms.from_json(offer.terms).products]


def access_in_words(terms: AccessTerms) -> tuple[str, ...]:
    """What a buyer should know about the access, the plainest first; what goes without saying is left out."""
    words = [_length(terms.length)]
    if terms.start != AT_PAYMENT:
        words.append(_("starts on %(date)s") % {"date": _day(terms.start)})
    if terms.lessons.kind == "first":
        words.append(
            ngettext("the first lesson", "the first %(count)s lessons", terms.lessons.n) % {"count": terms.lessons.n}
        )
    if terms.release.kind == "every":
        words.append(
            ngettext("a new lesson every day", "a new lesson every %(count)s days", terms.release.n)
            % {"count": terms.release.n}
        )
    if terms.practice == "curator":
        words.append(_("a curator looks at your practice work"))
    if terms.certificate:
        words.append(_("with a certificate"))
    return tuple(words)


def ways_in(order: Order) -> list[WayIn]:
    """Where the buyer of ``order`` goes now, product by product. One query."""
    lines = order.lines.select_related("product")
    return [WayIn(line.title, _address(line.product.entry_url)) for line in lines]


def _length(length: Length) -> str:
    if length.kind == "days":
        return ngettext("access for %(count)s day", "access for %(count)s days", length.n) % {"count": length.n}
    if length.kind == "months":
        return ngettext("access for %(count)s month", "access for %(count)s months", length.n) % {"count": length.n}
    if length.kind == "until":
        return _("access until %(date)s") % {"date": _day(length.last_day)}
    return _("access without end")


def _day(iso: str) -> str:
    return date_format(dt.date.fromisoformat(iso), "DATE_FORMAT")


def _address(entry: str) -> str:
    """Only an address that goes to this site or to a web page: an editor's slip must not become a script."""
    is_own = entry.startswith("/") and not entry.startswith(("//", "/\\"))
    return entry if is_own or entry.startswith(("https://", "http://")) else ""
