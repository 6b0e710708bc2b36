"""Made-up people and orders for previews: the same building and filling as for a real mail, with links that lead nowhere."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.utils import translation
from django.utils.translation import gettext
from wagtail.models import Site

from wagtail_kwiga import conf
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing import compiling, placeholders, rendering, sender
from wagtail_kwiga.mailing.models import Kind
from wagtail_kwiga.orders import links
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import KwigaSettings


def situation(*, language: str, site: Site | None = None, now: dt.datetime | None = None) -> placeholders.Situation:
    """Ada, who left a course for 120.00 unpaid and has 24 hours for 15 % off. Nothing of it is saved. Two queries."""
    now = (now or conf.now()).replace(second=0, microsecond=0)
    site = site or Site.objects.filter(is_default_site=True).first()
    given = KwigaSettings.objects.filter(site=site).first() if site else None
    currency = given.default_currency if given else "EUR"
    with translation.override(language or None):
        title = gettext("Watercolour for beginners")
    order = Order(
        number=f"{conf.settings.ORDER_NUMBER_PREFIX}10042",
        title=title,
        currency=currency,
        language=language,
        placed_at=now,
        list_amount=Decimal(120),
        discount_amount=Decimal(0),
        total_amount=Decimal(120),
    )
    return placeholders.Situation(
        contact=Contact(name="Ada Lovelace", email="ada@example.com", language=language),
        order=order,
        site=site,
        language=language,
        now=now,
        coupon=Coupon(code="COMEBACK15", kind=Coupon.Kind.PERCENT, percent=Decimal(15)),
        coupon_until=now + dt.timedelta(hours=24),
        quote_before=Money(Decimal(120), currency),
        quote_after=Money(Decimal(102), currency),
        seller=sender.for_site(site.pk if site else None),
    )


def values(compiled: Any, example: placeholders.Situation) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and links for ``compiled`` (or a stored version). Links become ``#resume_url`` and the like."""
    known = placeholders.registry()
    texts: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for name in compiled.placeholders:
        placeholder = known.get(name)
        if placeholder is None:
            continue
        if placeholder.internal:
            addresses[name] = links.site_root(example.site.pk if example.site else None)
        elif placeholder.kind == "url":
            addresses[name] = f"#{name}"
        else:
            texts.update(_text(placeholder, example))
    return texts, addresses


def mail(compiled: Any, example: placeholders.Situation) -> rendering.Mail:
    """``compiled`` (or a stored version) filled for the example."""
    return rendering.fill(compiled, *values(compiled, example))


def block(block_type: str, value: Any) -> rendering.Mail:
    """One block alone as mail, for the block picker, in the active language."""
    example = situation(language=translation.get_language() or "en")
    compiled = compiling.compile_mail(
        subject="",
        preheader="",
        kind=Kind.SERVICE,
        blocks=[compiling.Block(block_type, value)],
        language=example.language,
    )
    return mail(compiled, example)


def _text(placeholder: placeholders.Placeholder, example: placeholders.Situation) -> dict[str, str]:
    """Ours are built from the example, so that they are told in its language; a site's own show their sample."""
    if placeholder.name in placeholders.OURS:
        return placeholders.build_context([placeholder.name], example)[0]
    return {placeholder.name: str(placeholder.sample)}
