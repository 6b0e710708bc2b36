"""The words of a ready-made recovery: which languages its readers speak, its standard e-mail in each, and how it will look.

Nothing here writes anything; ``presets`` makes what is shown here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import get_language_info, to_locale
from django.utils.translation import gettext as _
from wagtail.models import Locale

import wagtail_kwiga
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing import rendering
from wagtail_kwiga.mailing.authoring import sample_data, versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.offers.choices import LanguageMode
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.pricing.quotes import make_quote

_CATALOGUES = Path(wagtail_kwiga.__file__).parent / "locale"


@dataclass(frozen=True)
class Texts:
    """What an editor may reword. Plain words with placeholders; an empty line in ``text`` begins a new paragraph."""

    subject: str
    heading: str
    text: str
    button: str


@dataclass(frozen=True)
class Spoken:
    """A language that buyers of an offer may order in, and what the offer is called in it."""

    language: str
    title: str
    locale: Locale

    @property
    def name(self) -> str:
        """The language in its own words: “Deutsch”."""
        try:
            return str(get_language_info(self.language)["name_local"]).capitalize()
        except KeyError:
            return self.language


@dataclass(frozen=True)
class Languages:
    """The language a recovery is written in, the others that we can write it in, and those we have no words for."""

    own: Spoken
    others: tuple[Spoken, ...] = ()
    missing: tuple[Spoken, ...] = ()


def standard_texts(language: str) -> Texts:
    """Our own words in ``language``; where we have none, in the language that Django falls back to."""
    with translation.override(language or None):
        return Texts(
            subject=_("{{ coupon.size }} off {{ order.title }}: your order is still here"),
            heading=_('Hello {{ contact.first_name | default: "there" }}'),
            text="\n\n".join(
                (
                    _("You began an order for {{ order.title }}, and it is not paid yet. We have kept it for you."),
                    _("Come back by {{ coupon.valid_until }}, and you pay {{ price.after }} instead of {{ price.before }}."),
                )
            ),
            button=_("Back to my order"),
        )  # fmt: skip


def has_texts(language: str) -> bool:
    """Whether the package speaks ``language``, or its base language."""
    codes = (to_locale(language), to_locale(language.split("-")[0]))
    return any((_CATALOGUES / code).is_dir() for code in codes)


def languages_of(page: Any) -> Languages:
    """The languages that orders of ``page`` (the source page) and its live translations may be in. Two queries."""
    pages = type(page)._default_manager.filter(translation_key=page.translation_key, live=True)
    pages = [page, *pages.exclude(pk=page.pk).select_related("locale").order_by("pk")]
    locales = {locale.language_code: locale for locale in Locale.objects.all()}
    found: dict[str, Spoken] = {}
    for version in pages:
        for code in _codes(version):
            if code in locales:
                found.setdefault(code, Spoken(code, version.title, locales[code]))
    own = next(iter(found.values()), None) or Spoken(page.locale.language_code, page.title, page.locale)
    others = [spoken for code, spoken in found.items() if code != own.language]
    return Languages(
        own,
        tuple(spoken for spoken in others if has_texts(spoken.language)),
        tuple(spoken for spoken in others if not has_texts(spoken.language)),
    )


def _codes(page: Any) -> Iterable[str]:
    """The languages a page may speak, its first one first (see ``offers.languages.spoken_language``)."""
    known = dict(settings.LANGUAGES)
    if page.language_mode == LanguageMode.FIXED and page.fixed_language in known:
        return [page.fixed_language]
    if page.language_mode == LanguageMode.VISITOR:
        return [page.locale.language_code, *known]
    return [page.locale.language_code]


# --- the e-mail -----------------------------------------------------------------------------------------------------------


def as_rich_text(text: str) -> str:
    """Plain words as the rich text of a mail's block: paragraphs at empty lines, whatever looks like markup escaped."""
    paragraphs = "\n".join(line.strip() for line in text.splitlines()).strip().split("\n\n")
    # Quotes stay: a placeholder's default is written in them.
    return "".join(
        "<p>" + escape(part.strip("\n"), quote=False).replace("\n", "<br/>") + "</p>" for part in paragraphs if part
    )


def email_of(texts: Texts, locale: Locale, *, title: str) -> EmailTemplate:
    """The e-mail as a draft in memory: heading, text, coupon card, button, order summary."""
    blocks = [
        ("heading", {"text": texts.heading}),
        ("text", {"text": as_rich_text(texts.text)}),
        ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
        ("button", {"label": texts.button, "where": "resume", "url": ""}),
        ("order_summary", {"title": ""}),
    ]
    return EmailTemplate(
        title=title,
        kind=Kind.PROMOTION,
        subject=texts.subject,
        preheader="{{ coupon.deadline }}",
        body=[{"type": kind, "value": value} for kind, value in blocks],
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
