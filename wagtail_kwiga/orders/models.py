"""The order: what one contact was offered for one offer, frozen at the moment the form was sent."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models.functions import Round
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.catalogue.models import Offer, Product
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.legal_texts.models import LegalText
from wagtail_kwiga.orders.labels import ORDER_KIND_CHOICES, ORIGIN_CHOICES, PAYMENT_KIND_CHOICES, STATUS_CHOICES
from wagtail_kwiga.orders.statuses import PAYABLE, UNSETTLED, OrderKind, Origin, PaymentKind, Status
from wagtail_kwiga.pricing.money import Money


def _net_of_discount(net: str) -> models.Q:
    """That the column ``net`` is list price less discount. Rounded, because SQLite reckons in binary fractions."""
    return models.Q(Exact(Round(models.F("list_amount") - models.F("discount_amount"), 4), Round(models.F(net), 4)))


class Purchase(models.Model):
    """One wish to buy: every order that one contact makes for it until one of them is paid.

    Coming back makes a new order each time, also for another plan of the same product, so one wish leaves several rows
    (``orders.purchases.which_to_join``). Recovery, closing and silence hang on the purchase, never on a single order. Only
    payment (or staff) closes it: an order that expires does not.
    """

    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="purchases", verbose_name=pgettext_lazy("sales", "contact")
    )
    #: The offer chosen at present.
    offer = models.ForeignKey(
        Offer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="purchases",
        verbose_name=pgettext_lazy("sales", "offer"),
    )
    #: Empty is the web's own; each deliberate further one of the same offer (a gift, a second seat) has a random slot.
    slot = models.CharField(max_length=32, blank=True, default="")
    opened_at = models.DateTimeField(pgettext_lazy("sales", "opened"))
    #: When an order of it was first paid. Kept after a refund: a refund does not restart recovery.
    paid_at = models.DateTimeField(_("paid on"), null=True, blank=True)
    closed_at = models.DateTimeField(pgettext_lazy("sales", "closed"), null=True, blank=True)
    #: When an order paid in part ran out of time: from then on new orders begin a purchase beside, and a person decides.
    set_aside_at = models.DateTimeField(_("set aside"), null=True, blank=True, editable=False)
    #: The purchase that this one's orders have moved to; never one that has itself been joined into another.
    joined_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="joined", editable=False
    )
    #: The order placed last.
    current_order = models.ForeignKey(
        "Order", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "purchase")
        verbose_name_plural = pgettext_lazy("sales", "purchases")
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "offer", "slot"],
                # ``orders.purchases.IS_OPEN``
                condition=models.Q(
                    paid_at__isnull=True,
                    closed_at__isnull=True,
                    joined_into__isnull=True,
                    set_aside_at__isnull=True,
                ),
                name="kwiga_purchase_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"purchase {self.pk} of {self.contact_id}"


class Order(models.Model):
    """Terms agreed, money owed and money had. ``status`` is moved by ``orders.transitions`` only."""

    number = models.CharField(pgettext_lazy("sales", "number"), max_length=32, unique=True, editable=False)
    #: Public handle in links; random, no relation to the number.
    token = models.CharField(max_length=43, unique=True, editable=False)
    purchase = models.ForeignKey(
        Purchase, on_delete=models.PROTECT, related_name="orders", verbose_name=pgettext_lazy("sales", "purchase")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="orders", verbose_name=pgettext_lazy("sales", "contact")
    )
    offer = models.ForeignKey(
        Offer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=pgettext_lazy("sales", "offer"),
    )
    status = models.CharField(
        pgettext_lazy("sales", "payment"),
        max_length=12,
        choices=STATUS_CHOICES,
        default=Status.OPEN.value,
        editable=False,
    )
    kind = models.CharField(
        pgettext_lazy("sales", "kind"),
        max_length=12,
        choices=ORDER_KIND_CHOICES,
        default=OrderKind.ONE_TIME.value,
        editable=False,
    )
    origin = models.CharField(_("made by"), max_length=8, choices=ORIGIN_CHOICES, default=Origin.WEB.value)
    payment_method = models.CharField(_("payment method"), max_length=40, blank=True)
    payment_kind = models.CharField(
        _("kind of payment"), max_length=10, choices=PAYMENT_KIND_CHOICES, default=PaymentKind.ONLINE.value
    )

    title = models.CharField(pgettext_lazy("sales", "what"), max_length=255)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    list_amount = models.DecimalField(_("list price"), max_digits=14, decimal_places=4)
    discount_amount = models.DecimalField(
        pgettext_lazy("sales", "discount"), max_digits=14, decimal_places=4, default=0
    )
    total_amount = models.DecimalField(pgettext_lazy("sales", "total"), max_digits=14, decimal_places=4)
    # Sums of the ledger's rows; written by ``transitions.apply_totals`` only.
    #: All movements of money together: what of the buyer's money is here.
    paid_amount = models.DecimalField(
        pgettext_lazy("sales", "received"), max_digits=14, decimal_places=4, default=0, editable=False
    )
    refunded_amount = models.DecimalField(
        pgettext_lazy("sales", "refunded"), max_digits=14, decimal_places=4, default=0, editable=False
    )
    #: How much of the total is asked for no more. A refund never lowers it, a chargeback does (``orders.totals``).
    settled_amount = models.DecimalField(max_digits=14, decimal_places=4, default=0, editable=False)
    coupon = models.ForeignKey(
        Coupon,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=pgettext_lazy("sales", "coupon"),
    )
    coupon_code = models.CharField(_("coupon code"), max_length=40, blank=True)
    coupon_use = models.OneToOneField(CouponUse, on_delete=models.PROTECT, null=True, blank=True, related_name="order")

    #: The Wagtail site it was placed on; links in its mails are absolute from it.
    site = models.ForeignKey(
        "wagtailcore.Site",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("sales", "site"),
    )
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15)
    buyer_name = models.CharField(_("name as given"), max_length=200, blank=True)
    buyer_phone = models.CharField(_("phone as given"), max_length=40, blank=True)

    placed_at = models.DateTimeField(pgettext_lazy("sales", "placed"))
    price_holds_until = models.DateTimeField(_("price holds until"))
    expires_at = models.DateTimeField(pgettext_lazy("sales", "expires"))
    #: When it first became paid. Kept after a refund: a refund does not restart recovery.
    paid_at = models.DateTimeField(_("paid on"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(pgettext_lazy("sales", "closed"), null=True, blank=True, editable=False)
    superseded_by = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="supersedes", editable=False
    )
    #: What the site's own fields of the order form were answered, by name (``orders.answers``).
    answers = models.JSONField(pgettext_lazy("sales", "answers"), default=dict, blank=True, editable=False)
    agreed_terms_at = models.DateTimeField(_("agreed to the terms of sale"), null=True, blank=True)
    # The words that were agreed to: the proof stays for as long as the order does.
    accepted_terms = models.ForeignKey(
        LegalText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        editable=False,
        verbose_name=_("terms of sale as agreed to"),
    )
    #: Wagtail's id of the revision of the offer page that the buyer saw. No foreign key: revisions get purged.
    page_revision = models.IntegerField(_("revision of the offer page"), null=True, blank=True, editable=False)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "order")
        verbose_name_plural = pgettext_lazy("sales", "orders")
        ordering = ["-placed_at", "-pk"]
        default_permissions = ("view",)  # a record: what is done to it is asked by its verb
        permissions = [
            ("record_payment", _("Can record money that arrived")),
            ("refund_order", _("Can give money back")),
            ("edit_order", _("Can change what was ordered")),
            ("place_order", _("Can place orders for buyers")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["purchase"],
                condition=models.Q(status__in=sorted(str(status) for status in UNSETTLED)),
                name="kwiga_order_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(list_amount__gte=0, discount_amount__gte=0, total_amount__gte=0),
                name="kwiga_order_amounts_not_negative",
            ),
            models.CheckConstraint(condition=_net_of_discount("total_amount"), name="kwiga_order_amounts_agree"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(str(status) for status in Status)), name="kwiga_order_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-placed_at", "-id"], name="kwiga_order_placed"),
            models.Index(fields=["status", "-placed_at", "-id"], name="kwiga_order_status_placed"),
            models.Index(fields=["contact", "offer", "-placed_at"], name="kwiga_order_contact_offer"),
            models.Index(
                fields=["expires_at"],
                name="kwiga_order_expiring",
                condition=models.Q(
                    status__in=sorted(str(status) for status in PAYABLE)
                ),  # what ``orders.expiry`` asks for
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def list_price(self) -> Money:
        return Money(self.list_amount, self.currency)

    @property
    def discount(self) -> Money:
        return Money(self.discount_amount, self.currency)

    @property
    def total(self) -> Money:
        return Money(self.total_amount, self.currency)

    @property
    def price_binds_until(self) -> dt.datetime:
        """Until when it can be paid at its price by somebody who comes to pay: promise 3."""
        return min(self.price_holds_until, self.expires_at)

    @property
    def received(self) -> Money:
        return Money(self.paid_amount, self.currency)

    @property
    def outstanding(self) -> Money:
        """What is left to pay; never negative. A refund does not raise it, a chargeback does."""
        return Money(max(self.total_amount - self.settled_amount, 0 * self.total_amount), self.currency)


class OrderLine(models.Model):
    """One product of an order, with its price and the access terms as sold.

    The lines of an order sum to its columns: list prices to the list price, discounts to the discount, amounts to the total.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="order_lines", verbose_name=pgettext_lazy("sales", "product")
    )
    #: What it was sold by; null for a line of its own price and terms.
    offer = models.ForeignKey(
        Offer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="order_lines",
        verbose_name=pgettext_lazy("sales", "offer"),
    )
    position = models.PositiveSmallIntegerField(default=0)
    #: Sold as what the order is about; not something that was added at the till. By these, orders join a purchase.
    is_main = models.BooleanField(default=True)
    title = models.CharField(pgettext_lazy("sales", "title"), max_length=255)
    list_amount = models.DecimalField(_("list price"), max_digits=14, decimal_places=4)
    discount_amount = models.DecimalField(
        pgettext_lazy("sales", "discount"), max_digits=14, decimal_places=4, default=0
    )
    #: What is paid for it: list price less discount.
    amount = models.DecimalField(pgettext_lazy("sales", "amount"), max_digits=14, decimal_places=4)
    #: ``catalogue.terms.AccessTerms`` as JSON, frozen.
    access_terms = models.JSONField(_("access terms"), default=dict)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(list_amount__gte=0, discount_amount__gte=0, amount__gte=0),
                name="kwiga_line_amounts_not_negative",
            ),
            models.CheckConstraint(condition=_net_of_discount("amount"), name="kwiga_line_amounts_agree"),
        ]

    def __str__(self) -> str:
        return self.title


class OrderNote(models.Model):
    """A note of the team on an order. Buyers never see it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField(pgettext_lazy("sales", "note"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField(pgettext_lazy("sales", "when"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("order note")
        verbose_name_plural = _("order notes")
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return self.text[:60]
