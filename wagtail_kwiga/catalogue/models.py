"""What is sold and on which terms, without any page."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.pricing.money import Money


class Product(models.Model):
    """Something a buyer gets access to: a course, a consultation, a membership, a download."""

    class Kind(models.TextChoices):
        COURSE = "course", pgettext_lazy("sales", "course")
        CONSULTATION = "consultation", pgettext_lazy("sales", "consultation")
        MEMBERSHIP = "membership", pgettext_lazy("sales", "membership")
        DOWNLOAD = "download", pgettext_lazy("sales", "download")

    title = models.CharField(pgettext_lazy("sales", "title"), max_length=200)
    slug = models.SlugField(_("short name"), max_length=80, unique=True, help_text=_("Letters, digits and hyphens."))
    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=20, choices=Kind.choices, default=Kind.COURSE)
    description = models.TextField(pgettext_lazy("sales", "description"), blank=True)
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
            (None, _("as usual for its kind")),
            (True, _("again and again")),
            (False, _("only once")),
        ],
        help_text=_(
            "Whoever has all that an offer would give is told so instead of being asked to pay, and gets no mail about "
            "an order left unpaid. What is bought again and again is always sold and always reminded of. As usual: "
            "consultations again and again, anything else only once."
        ),
    )
    created_at = models.DateTimeField(pgettext_lazy("sales", "made"), auto_now_add=True)

    class Meta:
        verbose_name = pgettext_lazy("sales", "product")
        verbose_name_plural = pgettext_lazy("sales", "products")
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_repeatable(self) -> bool:
        """Whether buying it once more always adds something: a further consultation does, the same course does not."""
        return self.kind == self.Kind.CONSULTATION if self.repeatable is None else self.repeatable


class Offer(models.Model):
    """The machine's side of an offer page: one integer-keyed row per translation key and tariff, written when the page is
    published. What it sells stands in its ``offer_products``, read by ``catalogue.selling.terms_of``.

    Orders, coupons, runs and staff refer to it; it is never deleted while referred to. Unpublishing withdraws it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", pgettext_lazy("sales", "draft")
        ON_SALE = "on_sale", _("on sale")
        WITHDRAWN = "withdrawn", pgettext_lazy("sales", "withdrawn")
        #: Published, and there is nothing in it: no product, and nobody said that it sells no access.
        EMPTY = "empty", _("nothing in it")

    class CouponMode(models.TextChoices):
        """The offer's own gate for coupons: the coupon's own limits come on top."""

        NONE = "none", _("no coupons")
        ANY = "any", _("any coupon")
        ONLY = "only", _("only these coupons")

    #: What may be told outside: it says nothing of how many offers there are.
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    #: The translation key of its pages; null for an offer made without a page.
    translation_key = models.UUIDField(null=True, blank=True, editable=False)
    #: Which of several tariffs of one page this is. A page that sells on one tariff leaves it empty.
    tariff_key = models.CharField(max_length=40, blank=True, default="", editable=False)
    title = models.CharField(pgettext_lazy("sales", "title"), max_length=255)
    state = models.CharField(pgettext_lazy("sales", "state"), max_length=12, choices=State.choices, default=State.DRAFT)
    amount = models.DecimalField(pgettext_lazy("sales", "price"), max_digits=14, decimal_places=4)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    coupon_mode = models.CharField(
        pgettext_lazy("sales", "coupons"), max_length=8, choices=CouponMode.choices, default=CouponMode.NONE
    )
    #: Said on purpose: buyers pay for something that this site opens no access to.
    sells_no_access = models.BooleanField(
        _("sells no access"), default=False, db_default=False
    )  # older releases know no such column
    is_listed = models.BooleanField(_("shown in the store"), default=True)
    sales_from = models.DateTimeField(_("sold from"), null=True, blank=True)
    sales_until = models.DateTimeField(_("sold until"), null=True, blank=True)
    #: Aliases of payment methods that the buyer may choose; empty means all that the site has.
    payment_methods = models.JSONField(_("payment methods"), default=list, blank=True)
    updated_at = models.DateTimeField(_("last published"), auto_now=True)

    class Meta:
        verbose_name = pgettext_lazy("sales", "offer")
        verbose_name_plural = pgettext_lazy("sales", "offers")
        ordering = ["title"]
        constraints = [
            models.UniqueConstraint(fields=["translation_key", "tariff_key"], name="kwiga_offer_tariff_unique"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="kwiga_offer_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def price(self) -> Money:
        return Money(self.amount, self.currency)


class OfferProduct(models.Model):
    """A product that an offer sells, with the access it opens. ``catalogue.selling.terms_of`` reads these rows."""

    # The rows are part of their offer and go with it.
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="offer_products")
    # A product that is sold must not vanish from under its offer.
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="offer_products")
    #: The place in which the editor listed it, from 0.
    position = models.PositiveSmallIntegerField(default=0)
    #: What the product was called when the offer was published.
    title = models.CharField(pgettext_lazy("sales", "title"), max_length=255, blank=True)
    #: ``catalogue.terms.AccessTerms`` as JSON.
    access_terms = models.JSONField(_("access terms"), default=dict, blank=True)
    #: How much of the price falls to this product, relative to the others of the offer; null on all: equal shares.
    price_share = models.DecimalField(_("share of the price"), max_digits=14, decimal_places=4, null=True, blank=True)

    class Meta:
        verbose_name = _("product of an offer")
        verbose_name_plural = _("products of offers")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "product"], name="kwiga_offer_product_unique"),
            models.CheckConstraint(
                condition=models.Q(price_share__isnull=True) | models.Q(price_share__gt=0),
                name="kwiga_offer_product_share_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.offer_id} sells {self.product_id}"


class PriceRecord(models.Model):
    """The price of an offer from an instant on. Only appended to: a price cut may have to name the lowest price before it
    (in the European Union that of the last 30 days; ``catalogue.selling.lowest_price``)."""

    # The history of an offer goes with it.
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="price_records")
    amount = models.DecimalField(pgettext_lazy("sales", "price"), max_digits=14, decimal_places=4)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    valid_from = models.DateTimeField(pgettext_lazy("sales", "from"))
    # The price was asked whoever published it.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("price of an offer")
        verbose_name_plural = _("prices of offers")
        ordering = ["valid_from", "pk"]
        indexes = [models.Index(fields=["offer", "valid_from"], name="kwiga_price_record_offer")]

    def __str__(self) -> str:
        return f"{self.offer_id}: {self.amount} {self.currency} from {self.valid_from:%Y-%m-%d}"
