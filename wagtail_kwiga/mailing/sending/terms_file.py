"""The terms of sale as somebody agreed to them, as a file of the mail about the order: the very words that were kept."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import pgettext

from wagtail_kwiga.legal_texts.models import LegalText
from wagtail_kwiga.mailing import order_words, placeholder_syntax
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.sending.attachments import Attached


def attached(terms: LegalText | None, language: str) -> Attached | None:
    """The file for a mail in ``language``; ``None`` where nothing was agreed to, or only the address of terms elsewhere."""
    if terms is None or order_words.is_address(terms):
        return None
    with translation.override(language or None):
        name = pgettext("sales", "terms-of-sale.txt")
    return Attached(
        placeholder_syntax.one_line(name, 100).replace("/", "-"),
        "text/plain; charset=utf-8",
        maker=f"{__name__}.content",
        arguments={"text": terms.pk},
    )


def content(email: OutgoingEmail | None, *, text: int) -> bytes:
    """The words of ``LegalText`` number ``text``, with their title on top. One query."""
    terms = LegalText.objects.get(pk=text)
    return "\n\n".join(part for part in (terms.title, terms.text) if part).encode()
