"""The very texts that people agreed to. A row is written once and never changed, so that it can be shown for as long as it counts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class LegalText(models.Model):
    """One wording, kept once for each kind and language however many people agreed to it."""

    class Kind(models.TextChoices):
        TERMS = "terms", _("terms of sale")
        PRIVACY = "privacy", _("privacy notice")
        PROMO_CONSENT = "promo_consent", _("consent to promotional mail")
        DECLARATION = "declaration", pgettext_lazy("sales", "declaration")

    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=20, choices=Kind.choices)
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15)
    title = models.CharField(pgettext_lazy("sales", "title"), max_length=255, blank=True)
    text = models.TextField(pgettext_lazy("sales", "text"), blank=True)
    #: SHA-256 of title and text, in hexadecimal.
    checksum = models.CharField(max_length=64, editable=False)
    first_seen_at = models.DateTimeField(_("first seen"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("legal text")
        verbose_name_plural = _("legal texts")
        ordering = ["-first_seen_at", "-pk"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["kind", "language", "checksum"], name="kwiga_legal_text_once")]

    def __str__(self) -> str:
        return self.title or self.checksum[:12]


class LegalTextSource(models.Model):
    """Where a text was read, so that it need not be read again: several sources may say the same."""

    #: Kind and what the reader calls it: ``terms:page:17:revision:203``.
    key = models.CharField(max_length=200, unique=True)
    # Deleted with the text: it says nothing without it.
    text = models.ForeignKey(LegalText, on_delete=models.CASCADE, related_name="sources")

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("source of a legal text")
        verbose_name_plural = _("sources of legal texts")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
