"""The one check of a currency that somebody types in, for the fields and forms of every room."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.pricing import currencies


def validate_currency(code: str) -> None:
    """Raises ``ValidationError`` unless ``code`` is an active currency of ISO 4217, in capital letters."""
    if not currencies.is_active(code):
        raise ValidationError(_("There is no such currency. Three capital letters, for example EUR."), code="currency")
