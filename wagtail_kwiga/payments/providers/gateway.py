"""The sandbox gateway's hosted page: a small bank with four buttons. It exists only where a sandbox is enabled."""

from __future__ import annotations

import datetime as dt

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import PaymentRefused
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments import pages, provider_events, registry
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.payments.provider import CONFIRMED
from wagtail_kwiga.payments.providers.sandbox import CHOICES, SandboxProvider
from wagtail_kwiga.pricing.money import Money


@pages.private
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def gateway(request: HttpRequest, token: str) -> HttpResponse:
    """Show the bank; a POST of ``choice`` does there what the button says and sends the buyer back to the shop."""
    now = conf.now()
    provider, attempt = _attempt(token)
    booked = attempt.data.get("gateway") or {}
    done = attempt.state == PaymentAttempt.State.CONFIRMED or booked.get("outcome") == CONFIRMED
    back = attempt.data.get("return_url", "/")
    if request.method == "POST":
        choice = request.POST.get("choice", "")
        if choice not in CHOICES:
            return HttpResponseBadRequest("Choose one of the four.", content_type="text/plain")
        if not done:
            booked = provider.choose(attempt, choice, now)
            if dt.datetime.fromisoformat(booked["tell_at"]) <= now:
                provider_events.receive(provider.alias, provider.webhook_about(attempt, booked, now), now)
        return HttpResponseRedirect(links.from_here(request, back))
    order = attempt.payment.order
    with pages.speaking(order.language):
        context = {
            "order": order,
            "amount": Money(attempt.amount, attempt.currency),
            "done": done,
            "booked": booked,
            "tell_at": dt.datetime.fromisoformat(booked["tell_at"]) if booked else None,
            "back": back,
        }
        return pages.page(request, "gateway", context, site_id=order.site_id)


def _attempt(token: str) -> tuple[SandboxProvider, PaymentAttempt]:
    """The attempt behind a token, and its provider. 404 unless that is an enabled sandbox."""
    if "\x00" in token:  # PostgreSQL does not even look for it
        raise Http404
    attempt = PaymentAttempt.objects.select_related("payment__order").filter(token=token).first()
    if attempt is None:
        raise Http404
    try:
        provider = registry.get(attempt.method)
    except PaymentRefused:
        raise Http404 from None
    if not isinstance(provider, SandboxProvider):
        raise Http404
    return provider, attempt
