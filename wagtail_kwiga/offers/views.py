"""The addresses behind the buttons of mails: back to an order, and to an offer."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from wagtail.models import Site

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.offers import publishing, resuming
from wagtail_kwiga.orders import links, purchases
from wagtail_kwiga.payments import pages
from wagtail_kwiga.payments import views as payment_views


@pages.private
@require_safe
def resume(request: HttpRequest, token: str) -> HttpResponse:
    """Back to the offer at the form, or on to paying the order that stands where that is cheaper or the offer is not for sale any
    more; to the order that is paid where the offer has no page. Only a redirect: what the link may show, the page decides each
    time it is opened."""
    now = conf.now()
    resumed = resuming.read(token, now)
    if (better := resuming.better_order(resumed, now)) is not None:
        return HttpResponseRedirect(links.from_here(request, payment_views.url_of_better(better, now)))
    order = resumed.order
    page = publishing.page_for(order.offer, order.language, order.site) if order.offer else None
    address = page.get_url(request) if page is not None else None
    if not address:
        paid = purchases.paid_order(order.purchase_id) if order.purchase.paid_at is not None else None
        if paid is not None:
            return HttpResponseRedirect(links.from_here(request, links.order_url(paid, now)))
        raise BadToken(_("What this link leads to is no longer on sale."), code="gone")
    return HttpResponseRedirect(f"{address}?{urlencode({'resume': token})}#order")


@require_safe
def offer(request: HttpRequest, uid: UUID) -> HttpResponse:
    """To the page of an offer in the language of the mail, with the coupon of the mail. Only a redirect; raises 404 for an offer
    that nobody knows, and says so kindly where it has no page any more."""
    row = get_object_or_404(Offer, uid=uid)
    language = request.GET.get("lang") or get_language() or ""
    page = publishing.page_for(row, language, Site.find_for_request(request))
    address = page.get_url(request) if page is not None else None
    if not address:
        raise BadToken(_("What this link leads to is no longer on sale."), code="gone")
    code = request.GET.get("coupon", "")
    return HttpResponseRedirect(f"{address}?{urlencode({'coupon': code})}" if code else address)


urlpatterns = [
    path("resume/<str:token>/", resume, name="resume"),
    path("offer/<uuid:uid>/", pages.private(offer), name="offer"),
]
