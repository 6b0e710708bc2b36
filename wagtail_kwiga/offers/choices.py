"""What an editor may choose on an offer page, and which of its fields its source page owns. Knows nothing else of this room."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

#: The fields that the source page owns; on translations they are shown, not edited.
SOURCE_FIELDS = ("price", "currency", "products", "coupon_mode", "coupons", "is_listed", "sales_from", "sales_until")


class LanguageMode(models.TextChoices):
    """Which language an offer page speaks: Kwiga's article “How to set a specific language for an offer page”, and more."""

    PAGE = "page", _("the page's own")
    VISITOR = "visitor", _("the visitor's browser")
    FIXED = "fixed", _("always the same")


class PhoneMode(models.TextChoices):
    """Whether the form asks for a phone number."""

    NO = "no", _("do not ask")
    OPTIONAL = "optional", _("ask, may be left empty")
    REQUIRED = "required", _("must be given")
