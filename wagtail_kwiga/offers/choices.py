"""What an editor may choose on an offer page, and which of its fields its source page owns. Knows nothing else of this room."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

#: The fields that the source page owns; on translations they are shown, not edited.
SOURCE_FIELDS = (
    "price",
    "currency",
    "payment_methods",
    "products",
    "sells_no_access",
    "coupon_mode",
    "coupons",
    "is_listed",
    "sales_from",
    "sales_until",
)


class LanguageMode(models.TextChoices):
    """Which language an offer page speaks: Kwiga's article “How to set a specific language for an offer page”, and more."""

    PAGE = "page", _("the page's own")
    VISITOR = "visitor", _("the visitor's browser")
    FIXED = "fixed", _("always the same")


def languages_spoken(own: str, mode: str, fixed: str) -> tuple[str, ...]:
    """The languages that an offer page may speak, and so the orders placed on it: the page's ``own`` first where it is among
    them.

    A page that follows the visitor's browser speaks all languages of the site. A ``fixed`` language that the site no longer
    has gives way to the page's own.
    """
    known = dict(settings.LANGUAGES)
    if mode == LanguageMode.VISITOR:
        return tuple(sorted(known, key=lambda code: code != own))  # sorting keeps the order of the others
    return (fixed,) if mode == LanguageMode.FIXED and fixed in known else (own,)


class PhoneMode(models.TextChoices):
    """Whether the form asks for a phone number."""

    NO = "no", _("do not ask")
    OPTIONAL = "optional", _("ask, may be left empty")
    REQUIRED = "required", _("must be given")
