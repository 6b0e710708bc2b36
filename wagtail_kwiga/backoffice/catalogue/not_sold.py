"""The editor of an offer page that is live while nothing of it is sold: what nobody else would tell."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from wagtail.admin import messages

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.offers import publishing


def warn_on_page(request: HttpRequest, page: Any) -> None:
    """``before_edit_page``: say that a live page sells nothing. Code that sets *live* does not publish, so no terms were written."""
    if request.method != "GET" or not page.live or not publishing.is_offer_page(page):
        return
    offers = Offer.objects.filter(translation_key=publishing.key_of(page), state=Offer.State.ON_SALE)
    if not offers.exists():
        messages.warning(
            request,
            _("This page is live, but nobody can order on it: it has not been published yet. Publish it once to sell."),
        )
