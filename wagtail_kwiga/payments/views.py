"""The buyer's side of paying, and the address for webhooks.

Looking changes nothing (promise 9): every GET and HEAD only reads. A link is not a login (promise 10): the pages show
what was bought and what it costs, and neither address nor phone.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from wagtail_kwiga import conf, signing
from wagtail_kwiga.contacts import limits
from wagtail_kwiga.exceptions import (
    BadSignature,
    CouponRefused,
    KwigaError,
    PaymentRefused,
    ProviderUnavailable,
    TooManyAttempts,
)
from wagtail_kwiga.journal.acting import Actor, acting_as
from wagtail_kwiga.orders import links, purchases
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, Status
from wagtail_kwiga.payments import attempts, pages, polling, presentation, provider_events, registry
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.payments.provider import Form, Redirect, WebhookRequest
from wagtail_kwiga.payments.providers import gateway
from wagtail_kwiga.signing import Purpose

#: Bytes of a webhook; the largest that any provider is known to send are a few thousand.
WEBHOOK_MAX_BYTES = 256 * 1024
#: Attempts per order, and looks at the provider per attempt, that a buyer may ask for within an hour.
STARTS_AN_HOUR = 30
ASKS_AN_HOUR = 30


@transaction.non_atomic_requests
@pages.private
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """What is to be paid, and in which way; a POST starts to pay."""
    now = conf.now()
    order, payload = links.order_of(Purpose.PAY, token, now)
    if order.status == Status.SUPERSEDED:
        newest = purchases.newest(order.purchase_id)
        if newest is not None and newest.pk != order.pk:
            return HttpResponseRedirect(
                links.from_here(
                    request, _pay_url_instead(newest, payload.get("instead", signing.handle_of(order)), now)
                )
            )
    with pages.speaking(order.language):
        refusal = attempts.why_not_payable(order, now)
        if refusal is not None:
            return _not_payable(request, order, refusal, now)
        if request.method == "POST":
            return _start(request, order, request.POST.get("method", ""), now)
        return _pay_page(request, order, now, instead_of=payload.get("instead"), is_better=bool(payload.get("better")))


def url_of_better(order: Order, now: dt.datetime) -> str:
    """The pay page of ``order`` for somebody who was about to order at today's price, which is worse: the page says so."""
    token = links.token_for(Purpose.PAY, order, now, better=1)
    return links.absolute("pay", token, site_id=order.site_id, language=order.language)


def _pay_url_instead(newest: Order, earlier: str, now: dt.datetime) -> str:
    """The pay page of the order that took the place of another. The link remembers which one, for the page to tell what
    is not the same; so nobody agrees unawares to other terms than those of the link they followed."""
    token = links.token_for(Purpose.PAY, newest, now, instead=earlier)
    return links.absolute("pay", token, site_id=newest.site_id, language=newest.language)


@acting_as(Actor.BUYER)
def _start(request: HttpRequest, order: Order, method: str, now: dt.datetime) -> HttpResponse:
    try:
        limits.check(f"pay:{order.pk}", limit=STARTS_AN_HOUR, now=now)
        # Whoever follows a link need not be the one who ordered last: a stranger may have typed the address meanwhile.
        payer_is_known = not purchases.has_several_names(order.purchase_id)
        started = attempts.start(order, method=method, now=now, payer_is_known=payer_is_known)
    except TooManyAttempts as refusal:
        answer = _pay_page(request, order, now, error=refusal, status=429)
        answer["Retry-After"] = str(refusal.facts["retry_after"])
        return answer
    except ProviderUnavailable as refusal:
        return _pay_page(request, order, now, error=refusal, status=503)
    except CouponRefused as refusal:
        return _not_payable(request, order, refusal, now)
    except PaymentRefused as refusal:
        order.refresh_from_db()
        if attempts.why_not_payable(order, now) is not None:
            return _not_payable(request, order, refusal, now)
        return _pay_page(request, order, now, error=refusal, status=400)
    return hand_over(request, started, now)


def hand_over(request: HttpRequest, started: attempts.StartedAttempt, now: dt.datetime | None = None) -> HttpResponse:
    """The answer that sends a buyer on to pay: a redirect, a form to post on, or the order page with instructions.

    The checkout of the offers room ends with it too. Call it with the order's language active.
    """
    if isinstance(started.next_action, Redirect):
        return HttpResponseRedirect(links.from_here(request, started.next_action.url))
    if isinstance(started.next_action, Form):
        context = presentation.on_to_pay(started)
        return pages.page(request, "hand_over", context, site_id=started.order.site_id)
    return HttpResponseRedirect(links.from_here(request, links.order_url(started.order, now)))


def _pay_page(
    request: HttpRequest,
    order: Order,
    now: dt.datetime,
    *,
    error: KwigaError | None = None,
    instead_of: str | None = None,
    is_better: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = {
        **presentation.to_pay(order, now, instead_of=instead_of),
        "is_better": is_better,
        "error": error.message if error else "",
    }
    return pages.page(request, "pay", context, site_id=order.site_id, status=status)


def _not_payable(request: HttpRequest, order: Order, refusal: KwigaError, now: dt.datetime) -> HttpResponse:
    """Why nothing is paid here, and what to do instead: today's price, or the way in."""
    context = presentation.not_payable(order, refusal, now)
    status = 200 if request.method in ("GET", "HEAD") or refusal.code == "already_paid" else 409
    return pages.page(request, "not_payable", context, site_id=order.site_id, status=status)


@pages.private
@require_safe
def show_order(request: HttpRequest, token: str) -> HttpResponse:
    """How the order stands, what was bought, the way in once it is paid, and what to do where it is not."""
    now = conf.now()
    order, _payload = links.order_of(Purpose.ORDER, token, now)
    with pages.speaking(order.language):
        return pages.page(request, "order", presentation.order(order, now), site_id=order.site_id)


@transaction.non_atomic_requests
@csrf_exempt
@pages.private
@require_http_methods(["GET", "HEAD", "POST"])
def come_back(request: HttpRequest, token: str) -> HttpResponse:
    """Where a provider sends the buyer back to. Being here proves nothing, so it marks nothing paid.

    A POST asks the provider how the payment stands and applies its answer like a webhook. It needs no CSRF token, because
    some providers send buyers back with a POST of their own, and because all it does is look.
    """
    now = conf.now()
    order, payload = links.order_of(Purpose.RETURN, token, now)
    order_attempts = PaymentAttempt.objects.filter(payment__order=order.pk)
    attempt = signing.with_handle(order_attempts, payload.get("attempt")).first()
    if request.method == "POST":
        if attempt is not None and order.status in PAYABLE:
            _ask(attempt, now)
        return HttpResponseRedirect(request.path)
    with pages.speaking(order.language):
        return pages.page(request, "return", presentation.come_back(order, attempt, now), site_id=order.site_id)


def _ask(attempt: PaymentAttempt, now: dt.datetime) -> None:
    try:
        limits.check(f"ask:{attempt.pk}", limit=ASKS_AN_HOUR, now=now)
        polling.poll(attempt, now)
    except (TooManyAttempts, ProviderUnavailable):
        return  # the page then says that we are still checking, and so it is


@transaction.non_atomic_requests
@csrf_exempt
@sensitive_post_parameters()  # some providers send their signature and the buyer's data as a form
@pages.private
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("body", "asked", "reported")
def notify(request: HttpRequest, alias: str) -> HttpResponse:
    """Where webhooks come in. 400 for a bad signature, 404 for an unknown provider, 413 for too much, else 200 as soon as
    the events are remembered, whatever becomes of them.

    Some gateways look first whether anybody is there: GET and HEAD are answered without effect.
    """
    if request.method != "POST":
        return HttpResponse(content_type="text/plain")
    try:
        # No more than that: a body sent in chunks tells its size nowhere, and an ASGI server hands it over whole.
        body = b"" if _size(request) > WEBHOOK_MAX_BYTES else request.read(WEBHOOK_MAX_BYTES + 1)
    except UnreadablePostError:
        return HttpResponse("Broken off", status=400, content_type="text/plain")
    if max(_size(request), len(body)) > WEBHOOK_MAX_BYTES:
        return HttpResponse("Too large", status=413, content_type="text/plain")
    now = conf.now()
    asked = WebhookRequest("POST", body, dict(request.headers), request.GET.dict(), at=now)
    try:
        provider = registry.get(alias)
        reported = provider_events.verified(provider, asked, now)
    except BadSignature:
        return HttpResponse("Bad signature", status=400, content_type="text/plain")
    except PaymentRefused as refusal:
        if refusal.code != "unknown_method":
            raise
        return HttpResponse("Unknown", status=404, content_type="text/plain")
    provider_events.receive_verified(provider, reported, asked, now)
    told = provider.acknowledge(reported, now)
    return HttpResponse(told.body, content_type=told.content_type)


def _size(request: HttpRequest) -> int:
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return WEBHOOK_MAX_BYTES + 1


urlpatterns: list[Any] = [
    path("pay/<str:token>/", pay, name="pay"),
    path("order/<str:token>/", show_order, name="order"),
    path("return/<str:token>/", come_back, name="return"),
    path("notify/<str:alias>/", notify, name="notify"),
    path("sandbox-gateway/<str:token>/", gateway.gateway, name="sandbox_gateway"),
]
