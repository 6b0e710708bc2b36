"""The page that is an offer: for the editor an ordinary Wagtail page, for a visitor the way in."""

from __future__ import annotations

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from wagtail.models import Page

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.streams import OpenStreamField


def _offer_blocks():
    from wagtail_kwiga.offers import blocks

    return blocks.offer_blocks()


def _product_blocks():
    from wagtail_kwiga.offers import blocks

    return blocks.product_blocks()


def _coupon_blocks():
    from wagtail_kwiga.offers import blocks

    return blocks.coupon_blocks()


class LanguageMode(models.TextChoices):
    """Which language an offer page speaks (spec kwiga 23)."""

    PAGE = "page", _("the page's own")
    VISITOR = "visitor", _("the visitor's browser")
    FIXED = "fixed", _("always the same")


class PhoneMode(models.TextChoices):
    """Whether the form asks for a phone number."""

    NO = "no", _("do not ask")
    OPTIONAL = "optional", _("ask, may be left empty")
    REQUIRED = "required", _("must be given")


class OfferPageMixin(models.Model):
    """Everything that makes a page an offer. A site may put it on a page type of its own, before ``Page``.

    Publishing writes the terms into ``catalogue.Offer`` (``offers.publishing``); unpublishing or deleting withdraws it.
    The page in the source locale owns price, products, gate and coupons; its translations follow.
    """

    body = OpenStreamField(blocks=_offer_blocks, blank=True, verbose_name=_("page"))
    price = models.DecimalField(
        _("price"), max_digits=14, decimal_places=4, default=0, validators=[MinValueValidator(0)],
        help_text=_("0 makes a free offer: no payment step, access at once."),
    )
    currency = models.CharField(
        _("currency"), max_length=3, blank=True, validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as EUR."))],
        help_text=_("Left empty: the site's default currency."),
    )
    products = OpenStreamField(blocks=_product_blocks, blank=True, verbose_name=_("products"), help_text=_("What buyers get access to."))
    coupon_mode = models.CharField(_("coupons"), max_length=8, choices=Offer.CouponMode.choices, default=Offer.CouponMode.NONE)
    coupons = OpenStreamField(
        blocks=_coupon_blocks, blank=True, verbose_name=_("these coupons"), help_text=_("Counts under “only these coupons”.")
    )
    is_listed = models.BooleanField(
        _("show in the store"), default=True, help_text=_("Off: for sale, but only for people who have the address.")
    )
    sales_from = models.DateTimeField(_("sold from"), null=True, blank=True)
    sales_until = models.DateTimeField(_("sold until"), null=True, blank=True)
    ask_phone = models.CharField(_("phone number"), max_length=10, choices=PhoneMode.choices, default=PhoneMode.OPTIONAL)
    language_mode = models.CharField(
        _("language of this page"), max_length=10, choices=LanguageMode.choices, default=LanguageMode.PAGE
    )
    fixed_language = models.CharField(_("language"), max_length=15, blank=True)

    class Meta:
        abstract = True


class OfferPage(OfferPageMixin, Page):
    """The offer page that comes with the package."""

    class Meta:
        verbose_name = _("offer page")
        verbose_name_plural = _("offer pages")
