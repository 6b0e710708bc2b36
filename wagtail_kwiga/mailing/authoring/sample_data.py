"""People and orders for previews, made up or real: built and filled as a real mail is, with links that lead nowhere."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from django.utils import translation
from django.utils.translation import gettext
from wagtail.models import Site

from wagtail_kwiga import conf, hooks
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts, eligibility
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.legal_texts.models import LegalText
from wagtail_kwiga.mailing import placeholder_syntax, placeholders, references, rendering, sender
from wagtail_kwiga.mailing.authoring import compiling
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.order_words import Opened
from wagtail_kwiga.orders import links
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.provider import TransferDetails
from wagtail_kwiga.payments.statuses import FailureCode
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import KwigaSettings


def situation(*, language: str, site: Site | None = None, now: dt.datetime | None = None) -> placeholders.Situation:
    """Ada, who left a course for 120.00 unpaid and has 24 hours for 15 % off. Nothing of it is saved. Two queries."""
    now = (now or conf.now()).replace(second=0, microsecond=0)
    site = site or Site.objects.filter(is_default_site=True).first()
    given = KwigaSettings.objects.filter(site=site).first() if site else None
    currency = given.default_currency if given else "EUR"
    with translation.override(language or None):
        title, terms = gettext("Watercolour for beginners"), gettext("Terms of sale")
    order = Order(
        number=f"{conf.settings.ORDER_NUMBER_PREFIX}10042",
        title=title,
        currency=currency,
        language=language,
        placed_at=now,
        list_amount=Decimal(120),
        discount_amount=Decimal(0),
        total_amount=Decimal(120),
        price_holds_until=now + dt.timedelta(days=conf.settings.PRICE_HOLDS_DAYS),
        expires_at=now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS),
        paid_at=now,
        agreed_terms_at=now,
        accepted_terms=LegalText(title=terms),
    )
    return placeholders.Situation(
        contact=Contact(name="Ada Lovelace", email="ada@example.com", language=language),
        order=order,
        site=site,
        language=language,
        now=now,
        coupon=made_up_coupon(),
        coupon_until=now + dt.timedelta(hours=24),
        quote_before=Money(Decimal(120), currency),
        quote_after=Money(Decimal(102), currency),
        seller=sender.for_site(site.pk if site else None),
        transfer=_account(Money(Decimal(120), currency), now),
        has_transfer_code=True,
        failure=FailureCode.DECLINED,
        opened=(Opened(title, now + dt.timedelta(days=365)),),
    )


def of_builtin(name: str, *, language: str, site: Site | None = None) -> placeholders.Situation:
    """``situation`` as it is on the occasion of a built-in mail: nothing is paid yet where it is to be paid, and what is free
    costs nothing. Not saved."""
    example = situation(language=language, site=site)
    order = cast(Order, example.order)
    if name not in ("receipt", "free", "access_opened"):
        order.paid_at = None
    if name == "receipt":
        order.list_amount, order.discount_amount, order.coupon_code = Decimal(140), Decimal(20), "WELCOME20"
    if name == "free":
        order.list_amount = order.total_amount = Decimal(0)
        order.paid_at = None
    return example


def _account(amount: Money, now: dt.datetime) -> TransferDetails:
    """An account that the banks use as their own example."""
    until = now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS)
    return TransferDetails(
        "Riverside Studio", "DE02 1203 0000 0000 2020 51", "BYLADEM1001", "Riverside Bank", amount, "K7M3-C9XR", until
    )


def of_order(
    order: Order, *, language: str, site: Site | None = None, now: dt.datetime | None = None
) -> placeholders.Situation:
    """The buyer and the order as they are, for a preview. At most nine queries; nothing is saved.

    Which coupon a mail means is settled by the scenario that sends it. Here it is the one the order was placed with, with
    the end it has for this buyer now; else the made-up one, taken off the order's list price.
    """
    now = now or conf.now()
    by = sender.for_site(order.site_id or (site.pk if site else None))
    real = placeholders.Situation(
        contact=order.contact, order=order, site=order.site or site, language=language, now=now, seller=by
    )
    if order.coupon is not None:
        until = order.coupon.valid_until
        if order.offer is not None:
            verdict = eligibility.check_coupon(
                order.coupon, offer=order.offer, contact=order.contact, now=now, holding=order.coupon_use
            )
            until = verdict.until or until
        return replace(real, coupon=order.coupon, coupon_until=until)
    coupon = made_up_coupon()
    price = order.list_price
    return replace(
        real,
        coupon=coupon,
        coupon_until=now + dt.timedelta(hours=24),
        quote_before=price,
        quote_after=price - discounts.discount_of(coupon).off(price),
    )


def made_up_coupon() -> Coupon:
    """15 % off, not saved."""
    return Coupon(code="COMEBACK15", kind=Coupon.Kind.PERCENT, percent=Decimal(15))


@dataclass(frozen=True)
class Shown:
    """One placeholder as an editor may use it: as typed, what it stands for, an example, and whether it is a link."""

    name: str
    typed: str
    label: Any
    sample: str
    is_link: bool


def of_placeholders(example: placeholders.Situation) -> list[Shown]:
    """Every placeholder that editors may use, ours and the site's, with its value in ``example``. No query of its own."""
    return [
        Shown(
            name=name,
            typed=str(placeholder_syntax.Token(name)),
            label=placeholder.label,
            sample="" if placeholder.kind == "url" else _text(placeholder, example)[name],
            is_link=placeholder.kind == "url",
        )
        for name, placeholder in placeholders.registry().items()
        if not placeholder.internal
    ]


def values(compiled: Any, example: placeholders.Situation) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and links for ``compiled`` (or a stored version). Links become ``#resume_url`` and the like."""
    known = placeholders.registry()
    texts: dict[str, str] = {}
    site_id = example.site.pk if example.site else None
    addresses = references.addresses(compiled.placeholders, site_id=site_id, language=example.language)
    for name in compiled.placeholders:
        placeholder = known.get(name)
        if placeholder is None:
            continue
        if placeholder.internal and placeholder.kind == "url":
            addresses[name] = links.site_root(site_id)
        elif placeholder.kind == "url":
            addresses[name] = f"#{name}"
        else:
            texts.update(_text(placeholder, example))
    return texts, addresses


def mail(compiled: Any, example: placeholders.Situation) -> rendering.Mail:
    """``compiled`` (or a stored version) filled for the example, and shaped by the site as a mail that leaves.

    Raises whatever a placeholder or a hook of the site raises.
    """
    filled = rendering.fill(compiled, *values(compiled, example))
    changed: rendering.Mail = hooks.transform("construct_kwiga_email", replace(filled, language=example.language))
    return changed


def line(words: str, example: placeholders.Situation) -> str:
    """One line of words with its placeholders filled: what stands behind the subject in an inbox."""
    known = placeholders.registry()
    texts: dict[str, str] = {}
    for token in placeholder_syntax.found_in(words):
        if token.name in known and known[token.name].kind == "text":
            texts.update(_text(known[token.name], example))
    return placeholder_syntax.one_line(placeholder_syntax.fill_text(words, texts))


def block(block_type: str, value: Any) -> rendering.Mail:
    """One block alone as mail, for the block picker, in the active language."""
    example = situation(language=languages.active())
    compiled = compiling.compile_mail(
        subject="",
        preheader="",
        kind=Kind.SERVICE,
        blocks=[compiling.Block(block_type, value)],
        language=example.language,
    )
    return rendering.fill(compiled, *values(compiled, example))


def _text(placeholder: placeholders.Placeholder, example: placeholders.Situation) -> dict[str, str]:
    """Built from the example, so that it is told in its language. A site's own may look things up in the database, so for
    a made-up order they show their sample."""
    is_real = example.order is not None and example.order.pk is not None
    if is_real or placeholder.name in placeholders.OURS:
        return placeholders.build_context([placeholder.name], example)[0]
    with translation.override(example.language or None):
        return {placeholder.name: str(placeholder.sample)}
