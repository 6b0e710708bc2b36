"""Sums due, attempts to get them, money given back, the ledger, and what providers said."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.labels import EVENT_KIND_CHOICES, FAILURE_CHOICES
from wagtail_kwiga.payments.ledger_labels import DUE_KINDS, PAYMENT_STATES, REFUND_STATES, TRANSACTION_KINDS
from wagtail_kwiga.payments.statuses import DueKind, EventKind, PaymentState, RefundState, TransactionKind
from wagtail_kwiga.pricing.money import Money

APPEND_ONLY = "The ledger is append-only: a row is corrected by another one (payments.ledger.correct)."
#: Kinds of transactions by the sign of their amount; an adjustment has either.
MONEY_IN = [TransactionKind.CHARGE.value, TransactionKind.CHARGEBACK_REVERSED.value]
MONEY_OUT = [TransactionKind.CHARGEBACK.value, TransactionKind.REFUND.value]


class Payment(models.Model):
    """A sum due. An order has one; an order paid in parts has one for each part (``payments.schedule``)."""

    #: The books outlive everything: an order with a sum due is never deleted.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="payments", verbose_name=pgettext_lazy("sales", "order")
    )
    #: 1 for the first; parts are filled in this order.
    sequence = models.PositiveSmallIntegerField(pgettext_lazy("sales", "number"), default=1)
    kind = models.CharField(
        pgettext_lazy("sales", "kind"), max_length=10, choices=DUE_KINDS, default=DueKind.FULL.value
    )
    amount = models.DecimalField(pgettext_lazy("sales", "amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    due_at = models.DateTimeField(pgettext_lazy("sales", "due"))
    state = models.CharField(
        pgettext_lazy("sales", "state"), max_length=9, choices=PAYMENT_STATES, default=PaymentState.DUE.value
    )
    #: What of the order's money fills this part; written by ``payments.ledger`` only.
    paid_amount = models.DecimalField(pgettext_lazy("sales", "received"), max_digits=14, decimal_places=4, default=0)
    #: Access opens when this part is paid.
    opens_access = models.BooleanField(_("opens access"), default=True)
    #: What a buyer writes on a bank transfer; short and unmistakable.
    reference = models.CharField(pgettext_lazy("sales", "reference"), max_length=32, unique=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "payment")
        verbose_name_plural = pgettext_lazy("sales", "payments")
        ordering = ["order", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="kwiga_payment_sequence"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="kwiga_payment_amount_not_negative"),
            models.CheckConstraint(
                condition=models.Q(paid_amount__gte=0, paid_amount__lte=models.F("amount")),
                name="kwiga_payment_paid_within_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=sorted(str(state) for state in PaymentState)),
                name="kwiga_payment_state_known",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def rest(self) -> Money:
        """What is still missing of this part; nothing where it is asked for no more."""
        missing = self.amount - self.paid_amount if self.state == PaymentState.DUE else 0 * self.amount
        return Money(missing, self.currency)


class PaymentAttempt(models.Model):
    """One hand-over to a provider, or money that came without one. Confirmed amounts are what an order has received."""

    class State(models.TextChoices):
        STARTED = "started", pgettext_lazy("sales", "started")
        PENDING = "pending", _("under way")
        CONFIRMED = "confirmed", pgettext_lazy("sales", "confirmed")
        FAILED = "failed", pgettext_lazy("sales", "failed")
        ABANDONED = "abandoned", pgettext_lazy("sales", "abandoned")
        REVIEW = "review", _("needs review")

    class Origin(models.TextChoices):
        CHECKOUT = "checkout", _("order form")
        PAY_PAGE = "pay_page", _("pay page")
        #: Money that came by itself, entered by staff or an import.
        RECORDED = "recorded", pgettext_lazy("sales", "recorded")
        #: Charged without the buyer.
        MANDATE = "mandate", pgettext_lazy("sales", "mandate")

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="attempts", verbose_name=pgettext_lazy("sales", "payment")
    )
    #: Alias of the provider in ``PAYMENT_PROVIDERS``, or the word staff gave for money that came by itself.
    method = models.CharField(pgettext_lazy("sales", "method"), max_length=40)
    #: Our own handle, told to the provider; also the idempotency key.
    token = models.CharField(max_length=43, unique=True)
    #: The provider's handle of the payment; unique per method once known.
    reference = models.CharField(_("provider's reference"), max_length=200, blank=True)
    state = models.CharField(
        pgettext_lazy("sales", "state"), max_length=10, choices=State.choices, default=State.STARTED
    )
    amount = models.DecimalField(pgettext_lazy("sales", "asked"), max_digits=14, decimal_places=4)
    confirmed_amount = models.DecimalField(
        pgettext_lazy("sales", "confirmed"), max_digits=14, decimal_places=4, default=0
    )
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    started_at = models.DateTimeField(pgettext_lazy("sales", "started"))
    changed_at = models.DateTimeField(pgettext_lazy("sales", "changed"))
    #: Next moment to ask the provider itself: webhooks get lost.
    next_poll_at = models.DateTimeField(null=True, blank=True)
    poll_count = models.PositiveSmallIntegerField(default=0)
    origin = models.CharField(_("begun by"), max_length=10, choices=Origin.choices, default=Origin.PAY_PAGE)
    #: Whether real money moves, as the provider was set up when it began.
    is_live = models.BooleanField(_("real money"), default=True)
    #: Whether whoever pays is the one who ordered: False for somebody who followed a link, in a purchase that was ordered
    #: under several names. Access is then sent to the address only, and a person is told.
    payer_is_known = models.BooleanField(_("payer is known"), default=True)
    #: Why it failed, in our words (``payments.statuses.FailureCode``) and in the provider's own.
    failure_code = models.CharField(
        pgettext_lazy("sales", "reason"), max_length=24, choices=FAILURE_CHOICES, blank=True
    )
    failure_message = models.CharField(_("provider's reason"), max_length=255, blank=True)
    #: How it was paid at the provider, in its own word: ``card``, ``blik``.
    channel = models.CharField(pgettext_lazy("sales", "channel"), max_length=200, blank=True)
    #: Further ids by which people find it at the provider. Kept; nothing is decided by it.
    external_ids = models.JSONField(_("provider's ids"), default=dict, blank=True)
    #: What the provider's class wants to find again. Only that class reads it.
    data = models.JSONField(_("provider's data"), default=dict, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("payment attempt")
        verbose_name_plural = _("payment attempts")
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["method", "reference"], condition=~models.Q(reference=""), name="kwiga_attempt_reference_unique"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_poll_at"], name="kwiga_attempt_poll", condition=models.Q(next_poll_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.reference or self.token[:8]}"


class Refund(models.Model):
    """Money to be given back. The row is written before the provider is called, and settled after it (``payments.refunds``)."""

    #: Our handle, told to the provider; the idempotency key.
    token = models.CharField(max_length=43, unique=True, editable=False)
    #: Denormalised from the attempt, so that the books of an order are read without joins.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="refunds", verbose_name=pgettext_lazy("sales", "order")
    )
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, related_name="refunds", verbose_name=pgettext_lazy("sales", "attempt")
    )
    amount = models.DecimalField(pgettext_lazy("sales", "amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    state = models.CharField(
        pgettext_lazy("sales", "state"), max_length=9, choices=REFUND_STATES, default=RefundState.REQUESTED.value
    )
    #: The provider's or the bank's handle of it, once known.
    reference = models.CharField(pgettext_lazy("sales", "reference"), max_length=200, blank=True)
    reason = models.CharField(pgettext_lazy("sales", "reason"), max_length=255, blank=True)
    #: One of ``payments.statuses.FailureCode``, and the provider's own words for staff.
    failure_code = models.CharField(_("why it failed"), max_length=24, blank=True)
    failure_message = models.CharField(max_length=255, blank=True)
    requested_at = models.DateTimeField(_("asked for"))
    changed_at = models.DateTimeField(pgettext_lazy("sales", "changed"))
    #: When the sweep deals with it; empty where it is at its end, or a person's business.
    next_try_at = models.DateTimeField(null=True, blank=True)
    #: Times the provider was called or asked about it.
    tries = models.PositiveSmallIntegerField(default=0)
    #: Who asked for it; empty where the provider told of it. The refund outlives the account.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("sales", "by"),
    )

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "refund")
        verbose_name_plural = pgettext_lazy("sales", "refunds")
        ordering = ["requested_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="kwiga_refund_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(state__in=sorted(str(state) for state in RefundState)),
                name="kwiga_refund_state_known",
            ),
            models.UniqueConstraint(
                fields=["attempt", "reference"], condition=~models.Q(reference=""), name="kwiga_refund_reference_unique"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="kwiga_refund_due", condition=models.Q(next_try_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"-{self.amount} {self.currency}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class TransactionQuerySet(models.QuerySet["Transaction"]):
    """Rows of the ledger are added and read. Raises ``TypeError`` for everything else."""

    def update(self, **kwargs: Any) -> int:
        raise TypeError(APPEND_ONLY)

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)


class Transaction(models.Model):
    """One movement of money. Append-only: what is wrong is set right by a row of kind *adjustment* that names it.

    ``Order.paid_amount`` is the sum of an order's rows. Written by ``payments.ledger`` only.
    """

    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="transactions", verbose_name=pgettext_lazy("sales", "order")
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=pgettext_lazy("sales", "attempt"),
    )
    refund = models.ForeignKey(
        Refund,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=pgettext_lazy("sales", "refund"),
    )
    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=19, choices=TRANSACTION_KINDS)
    #: Money in is positive, money out negative.
    amount = models.DecimalField(pgettext_lazy("sales", "amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(pgettext_lazy("sales", "currency"), max_length=3)
    #: Alias of the provider, or the word staff gave for money that came by itself.
    method = models.CharField(pgettext_lazy("sales", "method"), max_length=40)
    #: The provider's or the bank's handle of this movement; of a refund it is ``Refund.token``.
    reference = models.CharField(pgettext_lazy("sales", "reference"), max_length=200, blank=True)
    #: The hand-made entry that an adjustment corrects.
    corrects = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="corrections",
        verbose_name=pgettext_lazy("sales", "corrects"),
    )
    at = models.DateTimeField(pgettext_lazy("sales", "when"))
    #: Who booked it; empty where a provider told of it. The books outlive the account.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("sales", "by"),
    )

    objects = TransactionQuerySet.as_manager()

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "transaction")
        verbose_name_plural = pgettext_lazy("sales", "transactions")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "method", "reference", "order"],
                condition=~models.Q(reference=""),
                name="kwiga_transaction_once",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=MONEY_IN, amount__gt=0)
                | models.Q(kind__in=MONEY_OUT, amount__lt=0)
                | (models.Q(kind=TransactionKind.ADJUSTMENT.value) & ~models.Q(amount=0)),
                name="kwiga_transaction_sign",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=TransactionKind.ADJUSTMENT.value, corrects__isnull=False)
                | (~models.Q(kind=TransactionKind.ADJUSTMENT.value) & models.Q(corrects__isnull=True)),
                name="kwiga_transaction_corrects",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row. Raises ``TypeError`` for one that is there already."""
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(APPEND_ONLY)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class ProviderEvent(models.Model):
    """One thing that a provider told us, by webhook or when asked, remembered once."""

    class Result(models.TextChoices):
        #: Remembered; not applied yet, or the provider has yet to confirm it.
        RECEIVED = "received", pgettext_lazy("sales", "received")
        APPLIED = "applied", pgettext_lazy("sales", "applied")
        IGNORED = "ignored", _("nothing to do")
        UNKNOWN = "unknown", _("unknown payment")
        REVIEW = "review", _("needs review")
        FAILED = "failed", pgettext_lazy("sales", "failed")

    method = models.CharField(pgettext_lazy("sales", "method"), max_length=40)
    #: The provider's own event id, or a hash of the body and the position in it where there is none.
    event_id = models.CharField(pgettext_lazy("sales", "event"), max_length=200)
    kind = models.CharField(
        pgettext_lazy("sales", "kind"), max_length=10, choices=EVENT_KIND_CHOICES, default=EventKind.PAYMENT.value
    )
    #: What was told about money outlives everything: an attempt that it speaks of is never deleted.
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="provider_events",
        verbose_name=pgettext_lazy("sales", "attempt"),
    )
    #: The event in our words (``payments.serialization``).
    meaning = models.JSONField(pgettext_lazy("sales", "meaning"), default=dict, blank=True)
    #: Word for word. Of several events in one body the first has it.
    body = models.TextField(pgettext_lazy("sales", "body"), blank=True)
    position = models.PositiveSmallIntegerField(_("position in the body"), default=0)
    headers = models.JSONField(pgettext_lazy("sales", "headers"), default=dict, blank=True)
    received_at = models.DateTimeField(pgettext_lazy("sales", "received"))
    #: When the provider itself said yes to it (``Provider.confirm``).
    confirmed_at = models.DateTimeField(_("confirmed by the provider"), null=True, blank=True)
    processed_at = models.DateTimeField(pgettext_lazy("sales", "processed"), null=True, blank=True)
    result = models.CharField(
        pgettext_lazy("sales", "result"), max_length=10, choices=Result.choices, default=Result.RECEIVED
    )
    detail = models.CharField(pgettext_lazy("sales", "detail"), max_length=255, blank=True)
    # The claim of the worker that has it in hand, and when it is tried next; empty once it is processed.
    lease = models.CharField(max_length=43, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(pgettext_lazy("sales", "tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("provider's event")
        verbose_name_plural = _("providers' events")
        ordering = ["-received_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["method", "event_id"], name="kwiga_event_once")]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="kwiga_event_next_try", condition=models.Q(next_try_at__isnull=False)
            ),
            # The list of events, newest first.
            models.Index(fields=["-received_at", "-id"], name="kwiga_event_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.event_id}"
