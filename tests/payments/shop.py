"""Orders, attempts and signed webhooks for the tests of this room; rows are made by the public verbs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core import serializers
from wagtail.models import Locale, Page, Site

from tests.orders.shop import order_for
from tests.support import START, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments import attempts, provider_events, registry
from wagtail_kwiga.payments.provider import WebhookRequest
from wagtail_kwiga.payments.providers.sandbox import SandboxProvider


def new_order(*, amount: str = "120.00", currency: str = "EUR", now: dt.datetime = START, **given: Any) -> m.Order:
    contact = given.pop("contact", None) or make_contact()
    offer = given.pop("offer", None) or make_offer(amount=amount, currency=currency)
    given.setdefault("site", Site.objects.filter(is_default_site=True).first())
    return order_for(contact, offer, now=now, **given)


def new_attempt(order: m.Order | None = None, *, method: str = "sandbox", now: dt.datetime = START, **given: Any):
    order = order or new_order(now=now, **given)
    return attempts.start(order, method=method, now=now).attempt


def bank_data(**given: str) -> m.KwigaSettings:
    site = given.pop("site", None) or Site.objects.get(is_default_site=True)
    data = {"bank_holder": "School Ltd", "bank_iban": "de89370400440532013000", "bank_bic": "COBADEFFXXX"}
    settings, _made = m.KwigaSettings.objects.update_or_create(site=site, defaults={**data, **given})
    return settings


def told(attempt: m.PaymentAttempt, outcome: str = "confirmed", **given: Any) -> dict[str, Any]:
    """What the sandbox gateway would say about ``attempt``; ``given`` replaces parts of it."""
    minor = int(attempt.amount * 100)
    return {
        "id": f"evt_{attempt.pk}_{outcome}",
        "token": attempt.token,
        "payment": attempt.reference,
        "outcome": outcome,
        "amount": minor if outcome == "confirmed" else None,
        "currency": attempt.currency,
        "live": False,
        "reason": "",
        **given,
    }


def signed(
    attempt: m.PaymentAttempt, outcome: str = "confirmed", *, now: dt.datetime = START, **given: Any
) -> WebhookRequest:
    provider = registry.get(attempt.method)
    assert isinstance(provider, SandboxProvider)
    return provider.signed(told(attempt, outcome, **given), now)


def tell(attempt: m.PaymentAttempt, outcome: str = "confirmed", *, now: dt.datetime = START, **given: Any):
    (taken_in,) = provider_events.receive(attempt.method, signed(attempt, outcome, now=now, **given), now)
    return taken_in


def codes(subject: Any, *, attention: bool | None = None) -> list[str]:
    entries = writing.timeline(subject)
    if attention is not None:
        entries = entries.filter(needs_attention=attention)
    return list(entries.values_list("code", flat=True))


def flagged(subject: Any) -> list[str]:
    return codes(subject, attention=True)


def snapshot() -> dict[str, str]:
    """Every row of every table, as text."""
    return {
        model._meta.label: serializers.serialize("json", model._base_manager.order_by("pk"))
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed
    }


def lay_ground() -> None:
    """A Wagtail site, for tests that begin with empty tables."""
    if not Site.objects.exists():
        Locale.objects.get_or_create(language_code="en")
        root = Page.objects.filter(depth=1).first() or Page.add_root(title="Root", slug="root")
        Site.objects.create(hostname="localhost", root_page=root, is_default_site=True)


def path_of(url: str) -> str:
    """The path of an address of the shop; where somebody is sent on within it, the path is all there is."""
    assert url.startswith(("http://localhost/", "/")), url
    return url.removeprefix("http://localhost")


def pay_path(order, now=START):
    return path_of(links.pay_url(order, now))


def order_path(order, now=START):
    return path_of(links.order_url(order, now))


def return_path(attempt, now=START):
    return path_of(links.return_url(attempt.payment.order, now, attempt=attempt.token))


def text(answer) -> str:
    return answer.content.decode().replace("\xa0", " ")


def standing(order: m.Order) -> tuple[str, Decimal]:
    order.refresh_from_db()
    return order.status, order.paid_amount
