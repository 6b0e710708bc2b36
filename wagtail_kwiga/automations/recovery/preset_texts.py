"""The words of a ready-made recovery: which languages its readers speak, its standard e-mail in each, and how it will look.

Nothing here writes anything; ``presets`` makes what is shown here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from wagtail.models import Locale

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing import rendering
from wagtail_kwiga.mailing.authoring import default_content, sample_data, versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.offers.choices import languages_spoken
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.pricing.quotes import make_quote


@dataclass(frozen=True)
class Spoken:
    """A language that buyers of an offer may order in, and what the offer is called in it."""

    language: str
    title: str
    locale: Locale

    @property
    def name(self) -> str:
        """The language in its own words: “Deutsch”."""
        return languages.own_name(self.language)


@dataclass(frozen=True)
class Languages:
    """The language a recovery is written in, the others that we can write it in, and those we have no words for."""

    own: Spoken
    others: tuple[Spoken, ...] = ()
    missing: tuple[Spoken, ...] = ()


def languages_of(page: Any) -> Languages:
    """The languages that orders of ``page`` (the source page) and its live translations may be in. Two queries."""
    pages = type(page)._default_manager.filter(translation_key=page.translation_key, live=True)
    pages = [page, *pages.exclude(pk=page.pk).select_related("locale").order_by("pk")]
    locales = {locale.language_code: locale for locale in Locale.objects.all()}
    found: dict[str, Spoken] = {}
    for version in pages:
        for code in languages_spoken(version.locale.language_code, version.language_mode, version.fixed_language):
            if code in locales:
                found.setdefault(code, Spoken(code, version.title, locales[code]))
    own = next(iter(found.values()), None) or Spoken(page.locale.language_code, page.title, page.locale)
    others = [spoken for code, spoken in found.items() if code != own.language]
    return Languages(
        own,
        tuple(spoken for spoken in others if languages.has_words(spoken.language)),
        tuple(spoken for spoken in others if not languages.has_words(spoken.language)),
    )


# --- the e-mail -----------------------------------------------------------------------------------------------------------


def email_of(texts: default_content.Texts, locale: Locale, *, title: str) -> EmailTemplate:
    """The e-mail as a draft in memory: heading, text, coupon card, button, order summary."""
    return EmailTemplate(
        title=title,
        kind=Kind.PROMOTION,
        subject=texts.subject,
        preheader=default_content.PREHEADER,
        body=default_content.body_of(texts),
        locale=locale,
        live=False,
    )


def preview(
    template: EmailTemplate,
    *,
    offer: Offer,
    title: str,
    coupon: Coupon,
    holds: dt.timedelta,
    site: Any = None,
    now: dt.datetime | None = None,
) -> rendering.Mail:
    """The very mail that a made-up person would get who left an order for ``offer``; its links lead nowhere.

    ``title`` is what the offer is called in the mail's language. Raises ``TemplateFault`` for a mistake in the words.
    Nothing is saved.
    """
    example = sample_data.situation(language=template.locale.language_code, site=site, now=now)
    price = offer.price
    order = Order(
        number=example.order.number if example.order else "",
        title=title,
        currency=price.currency,
        language=example.language,
        placed_at=example.now,
        list_amount=price.amount,
        discount_amount=Decimal(0),
        total_amount=price.amount,
    )
    quote = make_quote(price, discounts.discount_of(coupon))
    example = replace(
        example,
        order=order,
        coupon=coupon,
        coupon_until=example.now + holds,
        quote_before=quote.list_price,
        quote_after=quote.total,
    )
    return sample_data.mail(versions.compiled(template), example)
