"""What is sold and on which terms, without any page."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.pricing.money import Money


class Product(models.Model):
    """Something a buyer gets access to: a course, a consultation, a membership, a download."""

    class Kind(models.TextChoices):
        COURSE = "course", _("course")
        CONSULTATION = "consultation", _("consultation")
        MEMBERSHIP = "membership", _("membership")
        DOWNLOAD = "download", _("download")

    title = models.CharField(_("title"), max_length=200)
    slug = models.SlugField(_("short name"), max_length=80, unique=True, help_text=_("Letters, digits and hyphens."))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.COURSE)
    description = models.TextField(_("description"), blank=True)
    entry_url = models.CharField(
        _("way in"),
        max_length=500,
        blank=True,
        help_text=_(
            "Where buyers go once they have paid: an address of this site such as /course/, or a full https:// address."
        ),
    )
    #: Read it through ``is_repeatable``: null follows the kind.
    repeatable = models.BooleanField(
        _("bought again"),
        null=True,
        blank=True,
        choices=[
            (None, _("as usual for its kind: consultations again and again, anything else once")),
            (True, _("again and again")),
            (False, _("once: whoever has it need not buy it twice")),
        ],
        help_text=_(
            "Whoever has all that an offer would give is told so instead of being asked to pay, and gets no mail about "
            "an order left unpaid. What is bought again and again is always sold and always reminded of."
        ),
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_repeatable(self) -> bool:
        """Whether buying it once more always adds something: a further consultation does, the same course does not."""
        return self.kind == self.Kind.CONSULTATION if self.repeatable is None else self.repeatable


class Offer(models.Model):
    """The machine's side of an offer page: one integer-keyed row per translation key, written when the page is published.

    Orders, coupons, runs and staff refer to it; it is never deleted while referred to. Unpublishing withdraws it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        ON_SALE = "on_sale", _("on sale")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class CouponMode(models.TextChoices):
        """The offer's own gate for coupons: the coupon's own limits come on top."""

        NONE = "none", _("no coupons")
        ANY = "any", _("any coupon")
        ONLY = "only", _("only these coupons")

    #: The translation key of its pages; null for an offer made without a page.
    translation_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    title = models.CharField(_("title"), max_length=255)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.DRAFT)
    amount = models.DecimalField(_("price"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    coupon_mode = models.CharField(_("coupons"), max_length=8, choices=CouponMode.choices, default=CouponMode.NONE)
    is_listed = models.BooleanField(_("shown in the store"), default=True)
    sales_from = models.DateTimeField(_("sold from"), null=True, blank=True)
    sales_until = models.DateTimeField(_("sold until"), null=True, blank=True)
    #: Aliases of payment methods that the buyer may choose; empty means all that the site has.
    payment_methods = models.JSONField(_("payment methods"), default=list, blank=True)
    #: ``catalogue.terms.OfferTerms`` as JSON: products and the access each opens.
    terms = models.JSONField(_("terms"), default=dict, blank=True)
    updated_at = models.DateTimeField(_("last published"), auto_now=True)

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        ordering = ["title"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="kwiga_offer_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def price(self) -> Money:
        return Money(self.amount, self.currency)


class OfferProduct(models.Model):
    """That an offer sells a product; the index behind ``Offer.terms``, and what protects a product from deletion."""

    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="offer_products")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="offer_products")

    class Meta:
        verbose_name = _("product of an offer")
        verbose_name_plural = _("products of offers")
        constraints = [models.UniqueConstraint(fields=["offer", "product"], name="kwiga_offer_product_unique")]

    def __str__(self) -> str:
        return f"{self.offer_id} sells {self.product_id}"
