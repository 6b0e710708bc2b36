"""Sums asked for, attempts to get them, money given back, and what providers said."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.labels import EVENT_KIND_CHOICES, FAILURE_CHOICES
from wagtail_kwiga.payments.statuses import EventKind


class Payment(models.Model):
    """A sum asked for. An order has one; an instalment plan will have several."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments", verbose_name=_("order"))
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    due_at = models.DateTimeField(_("due"))
    #: What a buyer writes on a bank transfer; short and unmistakable.
    reference = models.CharField(_("reference"), max_length=32, unique=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="kwiga_payment_amount_not_negative")
        ]

    def __str__(self) -> str:
        return self.reference


class PaymentAttempt(models.Model):
    """One hand-over to a provider, or money that came without one. Confirmed amounts are what an order has received."""

    class State(models.TextChoices):
        STARTED = "started", _("started")
        PENDING = "pending", _("under way")
        CONFIRMED = "confirmed", _("confirmed")
        FAILED = "failed", _("failed")
        ABANDONED = "abandoned", _("abandoned")
        REVIEW = "review", _("needs review")

    class Origin(models.TextChoices):
        CHECKOUT = "checkout", _("order form")
        PAY_PAGE = "pay_page", _("pay page")
        #: Money that came by itself, entered by staff or an import.
        RECORDED = "recorded", _("recorded")
        #: Charged without the buyer.
        MANDATE = "mandate", _("mandate")

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("payment"))
    #: Alias of the provider in ``PAYMENT_PROVIDERS``, or the word staff gave for money that came by itself.
    method = models.CharField(_("method"), max_length=40)
    #: Our own handle, told to the provider; also the idempotency key.
    token = models.CharField(max_length=43, unique=True)
    #: The provider's handle of the payment; unique per method once known.
    reference = models.CharField(_("provider's reference"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.STARTED)
    amount = models.DecimalField(_("asked"), max_digits=14, decimal_places=4)
    confirmed_amount = models.DecimalField(_("confirmed"), max_digits=14, decimal_places=4, default=0)
    currency = models.CharField(_("currency"), max_length=3)
    started_at = models.DateTimeField(_("started"))
    changed_at = models.DateTimeField(_("changed"))
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
    failure_code = models.CharField(_("reason"), max_length=24, choices=FAILURE_CHOICES, blank=True)
    failure_message = models.CharField(_("provider's reason"), max_length=255, blank=True)
    #: How it was paid at the provider, in its own word: ``card``, ``blik``.
    channel = models.CharField(_("channel"), max_length=200, blank=True)
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
    """Money given back, in a row of its own: a payment's amount is never edited."""

    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("attempt")
    )
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    made_at = models.DateTimeField(_("made"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="kwiga_refund_amount_positive"),
            models.UniqueConstraint(
                fields=["attempt", "reference"], condition=~models.Q(reference=""), name="kwiga_refund_reference_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"-{self.amount} {self.currency}"


class ProviderEvent(models.Model):
    """One thing that a provider told us, by webhook or when asked, remembered once."""

    class Result(models.TextChoices):
        #: Remembered; not applied yet, or the provider has yet to confirm it.
        RECEIVED = "received", _("received")
        APPLIED = "applied", _("applied")
        IGNORED = "ignored", _("nothing to do")
        UNKNOWN = "unknown", _("unknown payment")
        REVIEW = "review", _("needs review")
        FAILED = "failed", _("failed")

    method = models.CharField(_("method"), max_length=40)
    #: The provider's own event id, or a hash of the body and the position in it where there is none.
    event_id = models.CharField(_("event"), max_length=200)
    kind = models.CharField(_("kind"), max_length=10, choices=EVENT_KIND_CHOICES, default=EventKind.PAYMENT.value)
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="provider_events",
        verbose_name=_("attempt"),
    )
    #: The event in our words (``payments.serialization``).
    meaning = models.JSONField(_("meaning"), default=dict, blank=True)
    #: Word for word. Of several events in one body the first has it.
    body = models.TextField(_("body"), blank=True)
    position = models.PositiveSmallIntegerField(_("position in the body"), default=0)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    received_at = models.DateTimeField(_("received"))
    #: When the provider itself said yes to it (``Provider.confirm``).
    confirmed_at = models.DateTimeField(_("confirmed by the provider"), null=True, blank=True)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    result = models.CharField(_("result"), max_length=10, choices=Result.choices, default=Result.RECEIVED)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    # The claim of the worker that has it in hand, and when it is tried next; empty once it is processed.
    lease = models.CharField(max_length=43, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
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
