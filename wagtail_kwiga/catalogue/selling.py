"""Whether an offer is for sale at an instant, and the words for it when it is not."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.formatting import instants

DRAFT = "draft"
WITHDRAWN = "withdrawn"
NOT_YET = "not_yet"
OVER = "over"


def why_not_for_sale(offer: Offer, now: dt.datetime | None = None) -> str | None:
    """``None`` while visitors may buy it, else ``draft``, ``withdrawn``, ``not_yet`` or ``over``.

    Sales run from ``sales_from`` (that instant included) to ``sales_until`` (that instant no more). Staff may sell an
    offer by hand whatever the answer is.
    """
    now = now or conf.now()
    if offer.state == Offer.State.DRAFT:
        return DRAFT
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


def message(code: str, offer: Offer) -> str:
    """A sentence for the visitor, in the active language, for a code of ``why_not_for_sale``."""
    if code == NOT_YET and offer.sales_from is not None:
        return _("Not on sale yet. Sales begin on %(when)s.") % {"when": instants.moment(offer.sales_from)}
    if code == OVER and offer.sales_until is not None:
        return _("Sales have ended: this was on offer until %(when)s.") % {"when": instants.moment(offer.sales_until)}
    if code == DRAFT:
        return _("This is not on sale yet.")
    return _("This is no longer on sale.")
