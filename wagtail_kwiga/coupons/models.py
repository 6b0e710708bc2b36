"""Coupons, their uses, and which offers take them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga import signing
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact, ContactList
from wagtail_kwiga.currency_validator import validate_currency
from wagtail_kwiga.pricing import currencies
from wagtail_kwiga.pricing.money import quantise


class Coupon(models.Model):
    """A code that takes something off. Its name is the code that buyers type."""

    class Kind(models.TextChoices):
        PERCENT = "percent", _("percent of the price")
        FIXED = "fixed", _("fixed amount")

    code = models.CharField(
        pgettext_lazy("sales", "code"),
        max_length=40,
        validators=[
            RegexValidator(
                r"^[^\s\x00-\x1f\x7f]+(?: [^\s\x00-\x1f\x7f]+)*$", _("No spaces at the ends, no control characters.")
            )
        ],
        help_text=_("What buyers type. Capitals and small letters count the same."),
    )
    note = models.CharField(
        pgettext_lazy("sales", "note"), max_length=255, blank=True, help_text=_("For your team; buyers never see it.")
    )
    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=10, choices=Kind.choices, default=Kind.PERCENT)
    percent = models.DecimalField(
        pgettext_lazy("sales", "percent"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    amount = models.DecimalField(
        pgettext_lazy("sales", "amount"),
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    currency = models.CharField(
        pgettext_lazy("sales", "currency"), max_length=3, blank=True, validators=[validate_currency]
    )
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    limit_total = models.PositiveIntegerField(_("uses in all"), null=True, blank=True, help_text=_("Empty: no limit."))
    limit_per_contact = models.PositiveIntegerField(
        _("uses per person"), null=True, blank=True, default=1, help_text=_("Empty: no limit.")
    )
    contact_lists = models.ManyToManyField(
        ContactList,
        through="CouponListLimit",
        blank=True,
        related_name="coupons",
        verbose_name=_("only for people on"),
        help_text=_("No list chosen: for everybody. A chosen list that is empty: for nobody, until somebody is on it."),
    )
    offers = models.ManyToManyField(
        Offer,
        through="CouponOfferLimit",
        blank=True,
        related_name="coupons_for",
        verbose_name=_("only for"),
        help_text=_("None chosen: for every offer that takes it."),
    )
    is_active = models.BooleanField(pgettext_lazy("sales", "active"), default=True)
    #: Uses held or spent at present; moved only by the conditional UPDATE in ``coupons.uses``.
    used_count = models.PositiveIntegerField(pgettext_lazy("sales", "taken"), default=0, editable=False)
    created_at = models.DateTimeField(pgettext_lazy("sales", "made"), auto_now_add=True)
    #: What signed links call it (``signing``); random.
    token = models.CharField(max_length=43, unique=True, default=signing.random_token, editable=False)

    class Meta:
        verbose_name = pgettext_lazy("sales", "coupon")
        verbose_name_plural = pgettext_lazy("sales", "coupons")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                Upper("code"),
                name="kwiga_coupon_code_unique",
                violation_error_message=_("There is a coupon with this code already."),
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(kind="percent", percent__isnull=False, percent__gte=1, percent__lte=100)
                    | models.Q(kind="fixed", amount__isnull=False, amount__gt=0) & ~models.Q(currency="")
                ),
                name="kwiga_coupon_has_size",
                violation_error_message=_(
                    "Say how much it takes off: a percentage from 1 to 100, or an amount with its currency."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def save(self, *args: Any, **kwargs: Any) -> None:
        # ``taken`` belongs to ``coupons.uses``: a form saved while somebody buys must not put an old count back.
        if not self._state.adding and kwargs.get("update_fields") is None and not (args or kwargs.get("force_insert")):
            own = (field for field in self._meta.concrete_fields if not field.primary_key)
            kwargs["update_fields"] = [field.name for field in own if field.name != "used_count"]
        super().save(*args, **kwargs)

    def clean(self) -> None:
        super().clean()
        if (
            self.kind == self.Kind.FIXED
            and self.amount
            and currencies.is_active(self.currency)
            and quantise(self.amount, self.currency) != self.amount
        ):
            raise ValidationError({"amount": _("%(currency)s has no such small unit.") % {"currency": self.currency}})


class CouponListLimit(models.Model):
    """That a coupon is only for people on a list. Protects the list: a coupon that lost its last one would be for everybody."""

    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE, related_name="list_links")
    contact_list = models.ForeignKey(ContactList, on_delete=models.PROTECT, related_name="coupon_links")

    class Meta:
        verbose_name = _("list of a coupon")
        verbose_name_plural = _("coupons that are only for people on it")
        constraints = [models.UniqueConstraint(fields=["coupon", "contact_list"], name="kwiga_coupon_list_unique")]

    def __str__(self) -> str:
        return f"{self.coupon_id} for {self.contact_list_id}"


class CouponOfferLimit(models.Model):
    """That a coupon is only for an offer. Protects the offer, for the same reason."""

    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE, related_name="offer_links")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="coupon_links")

    class Meta:
        verbose_name = _("offer of a coupon")
        verbose_name_plural = _("coupons that are only for it")
        constraints = [models.UniqueConstraint(fields=["coupon", "offer"], name="kwiga_coupon_offer_unique")]

    def __str__(self) -> str:
        return f"{self.coupon_id} for {self.offer_id}"


class CouponUse(models.Model):
    """One use of a coupon by one contact: held, then spent or given back. An order points to its use."""

    class State(models.TextChoices):
        RESERVED = "reserved", pgettext_lazy("sales", "held")
        REDEEMED = "redeemed", pgettext_lazy("sales", "spent")
        RELEASED = "released", _("given back")

    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="uses", verbose_name=pgettext_lazy("sales", "coupon")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="coupon_uses", verbose_name=pgettext_lazy("sales", "contact")
    )
    state = models.CharField(
        pgettext_lazy("sales", "state"), max_length=12, choices=State.choices, default=State.RESERVED
    )
    reserved_at = models.DateTimeField(pgettext_lazy("sales", "held"))
    reserved_until = models.DateTimeField(_("held until"))
    redeemed_at = models.DateTimeField(pgettext_lazy("sales", "spent"), null=True, blank=True)
    released_at = models.DateTimeField(_("given back"), null=True, blank=True)
    #: Late money for a use whose place somebody else had taken meanwhile: booked all the same, and shown to a person.
    over_limit = models.BooleanField(_("over the limit"), default=False)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("use of a coupon")
        verbose_name_plural = _("uses of coupons")
        indexes = [
            models.Index(
                fields=["coupon", "reserved_until"], name="kwiga_use_reserved", condition=models.Q(state="reserved")
            ),
            models.Index(fields=["contact", "coupon"], name="kwiga_use_contact"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id} by {self.contact_id}: {self.state}"


class OfferAllowedCoupon(models.Model):
    """That an offer names a coupon under *only these coupons*; written when the offer's page is published."""

    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="named_coupons")
    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE, related_name="naming_offers")

    class Meta:
        verbose_name = _("coupon named by an offer")
        verbose_name_plural = _("coupons named by offers")
        constraints = [models.UniqueConstraint(fields=["offer", "coupon"], name="kwiga_offer_allowed_coupon_unique")]

    def __str__(self) -> str:
        return f"{self.offer_id} takes {self.coupon_id}"
