"""The address behind the button of a recovery mail."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.offers import publishing, resuming
from wagtail_kwiga.payments import pages


@pages.private
@require_safe
def resume(request: HttpRequest, token: str) -> HttpResponse:
    """Back to the offer at the form. Only a redirect: what the link may show, the page decides each time it is opened."""
    order = resuming.read(token, conf.now()).order
    page = publishing.page_for(order.offer, order.language, order.site) if order.offer else None
    address = page.get_url(request) if page is not None else None
    if not address:
        raise BadToken(_("What this link leads to is no longer on sale."), code="gone")
    return HttpResponseRedirect(f"{address}?{urlencode({'resume': token})}#order")


urlpatterns = [path("resume/<str:token>/", resume, name="resume")]
