"""E-mail templates, their compiled versions, the outbox, and addresses that get nothing any more."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.models import DraftStateMixin, PreviewableMixin, RevisionMixin, Site, TranslatableMixin

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.drafts import StaleDraftGuard
from wagtail_kwiga.mailing import permission
from wagtail_kwiga.mailing.classification import Kind, settled_kind
from wagtail_kwiga.orders.models import Order, Purchase
from wagtail_kwiga.streams import OpenStreamField


class EmailTemplate(StaleDraftGuard, PreviewableMixin, DraftStateMixin, RevisionMixin, TranslatableMixin, models.Model):
    """An e-mail that editors compose of blocks, one row a language."""

    title = models.CharField(
        pgettext_lazy("sales", "title"),
        max_length=120,
        help_text=_("For your team; people who get the mail never see it."),
    )
    #: Empty means *automatic*; ``settled_kind`` is what counts.
    kind = models.CharField(
        pgettext_lazy("sales", "kind"),
        max_length=10,
        choices=Kind.choices,
        blank=True,
        default="",
        help_text=_(
            "Promotion goes only to people who may get promotional mail, with a way to unsubscribe. Left open, an email is "
            "promotion where it offers a coupon, and always in a scenario about unpaid orders. “Service” goes to everybody: choose "
            "it only for news about an order that its buyer has to have."
        ),
    )
    subject = models.CharField(pgettext_lazy("sales", "subject"), max_length=200)
    preheader = models.CharField(
        _("preview line"), max_length=200, blank=True, help_text=_("Shown by mail programs behind the subject.")
    )
    body = OpenStreamField(
        blocks="wagtail_kwiga.mailing.authoring.blocks.body_blocks",
        blank=True,
        verbose_name=pgettext_lazy("sales", "text"),
    )

    class Meta:
        verbose_name = pgettext_lazy("sales", "e-mail")
        verbose_name_plural = pgettext_lazy("sales", "e-mails")
        ordering = ["title"]
        unique_together = [("translation_key", "locale")]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Whatever saves a revision of what is live, and not only our form, meets what no version may have: placeholders that do
        not exist."""
        super().clean()
        if self.live:  # by its path: what reads mails through stands above the models
            import_string("wagtail_kwiga.mailing.authoring.validation.refuse")(self)

    exclude_fields_in_copy = ["live_revision", "first_published_at", "last_published_at", "go_live_at", "expire_at"]

    def copy_for_translation(self, locale: Any, exclude_fields: Any = None) -> Any:
        """A draft in another language. Wagtail's own copy would be as live as its source: readers of that language would
        get words that nobody has translated yet, or has even published."""
        copy = super().copy_for_translation(locale, exclude_fields=exclude_fields)
        copy.live, copy.has_unpublished_changes, copy.expired = False, True, False
        return copy

    @property
    def settled_kind(self) -> str:
        """The kind that counts: the editor's choice, else promotion where the mail holds a coupon, else service. In a scenario
        about unpaid orders a mail without an editor's choice is promotion, too (``classification.settled_kind``)."""
        return settled_kind(self)

    @property
    def preview_modes(self) -> list[tuple[str, Any]]:
        return [("", pgettext_lazy("sales", "Mail")), ("dark", _("Mail in dark mode")), ("text", _("Plain text"))]

    @property
    def preview_sizes(self) -> list[dict[str, Any]]:
        """The narrowest telephone that is still about, and a mail program on a desk."""
        return [
            {
                "name": "mobile",
                "icon": "mobile-alt",
                "device_width": 360,
                "label": pgettext_lazy("sales", "Preview in mobile size"),
            },
            {
                "name": "desktop",
                "icon": "desktop",
                "device_width": 760,
                "label": pgettext_lazy("sales", "Preview in desktop size"),
            },
        ]

    @property
    def default_preview_size(self) -> str:
        return "mobile"

    # The real mail, see mailing.previewing.
    def get_preview_template(self, request: HttpRequest, mode_name: str) -> str:
        return "wagtail_kwiga/mailing/preview.html"

    def serve_preview(self, request: HttpRequest, mode_name: str) -> Any:
        # By its path: Wagtail asks the model for its preview, and a preview stands above the models.
        return import_string("wagtail_kwiga.mailing.authoring.previewing.preview")(request, self, mode_name)


class OfferEmail(models.Model):
    """What goes out on one occasion of the orders of an offer, where that is not the mail that the package brings."""

    class Occasion(models.TextChoices):
        ORDER_RECEIVED = "order_received", _("order received")
        PAID = "paid", _("paid: the receipt")
        WAITING = "waiting", _("payment under way")
        FAILED = "failed", _("payment failed")
        FREE = "free", _("free offer accepted")
        ACCESS_OPENED = "access_opened", _("access opened")

    class Mode(models.TextChoices):
        STANDARD = "standard", _("the standard e-mail")
        OWN = "own", _("an e-mail of your own")
        NONE = "none", _("no e-mail")

    # Says something of its offer, and nothing without it.
    offer = models.ForeignKey(
        Offer, on_delete=models.CASCADE, related_name="emails", verbose_name=pgettext_lazy("sales", "offer")
    )
    occasion = models.CharField(pgettext_lazy("sales", "occasion"), max_length=20, choices=Occasion.choices)
    mode = models.CharField(_("what is sent"), max_length=10, choices=Mode.choices, default=Mode.STANDARD)
    # What buyers are to get must not vanish with a row that is tidied away.
    template = models.ForeignKey(
        EmailTemplate, on_delete=models.PROTECT, null=True, blank=True, related_name="offer_emails",
        verbose_name=pgettext_lazy("sales", "e-mail"),
    )  # fmt: skip

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("e-mail of an offer")
        verbose_name_plural = _("e-mails of an offer")
        constraints = [
            models.UniqueConstraint(fields=["offer", "occasion"], name="kwiga_offer_email_once"),
            models.CheckConstraint(
                condition=~models.Q(mode="none", occasion__in=["order_received", "paid", "free"]),
                name="kwiga_offer_email_required_by_law",
            ),
            models.CheckConstraint(
                condition=models.Q(mode="own", template__isnull=False)
                | (~models.Q(mode="own") & models.Q(template__isnull=True)),
                name="kwiga_offer_email_own_template",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.occasion} of offer {self.offer_id}: {self.mode}"


class EmailTemplateVersion(models.Model):
    """One template as compiled: immutable. Mails point to it, so what was sent can always be shown."""

    template = models.ForeignKey(
        EmailTemplate, on_delete=models.CASCADE, null=True, blank=True, related_name="versions"
    )
    #: Name of a mail that the package itself brings, e.g. ``receipt``; empty for editors' templates.
    builtin = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=15)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    checksum = models.CharField(max_length=64, unique=True)
    subject = models.CharField(max_length=200)
    html = models.TextField()
    text = models.TextField()
    #: Names of the placeholders it uses, so that building a context costs only what is needed.
    placeholders = models.JSONField(default=list)
    compiled_at = models.DateTimeField()

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("version of an e-mail")
        verbose_name_plural = _("versions of e-mails")

    def __str__(self) -> str:
        return f"{self.builtin or self.template_id} {self.checksum[:8]}"


class OutgoingEmail(models.Model):
    """One message to one person. Its key is unique, so nothing is queued twice."""

    class Status(models.TextChoices):
        QUEUED = "queued", pgettext_lazy("sales", "waiting")
        LEASED = "leased", _("taken by a worker")
        SENDING = "sending", _("being handed over")
        SENT = "sent", pgettext_lazy("sales", "sent")
        FAILED = "failed", pgettext_lazy("sales", "failed")
        UNKNOWN = "unknown", _("delivery unknown")
        SUPPRESSED = "suppressed", _("not sent: address refuses mail")
        MISSED = "missed", _("not sent: too late")
        CANCELLED = "cancelled", _("not sent: no longer needed")

    class Purpose(models.TextChoices):
        RECOVERY = "recovery", _("recovery of an unpaid order")
        SCENARIO = "scenario", pgettext_lazy("sales", "scenario")
        RECEIPT = "receipt", pgettext_lazy("sales", "receipt")
        ORDER = "order", _("about an order")
        ACCESS = "access", _("access opened")
        SERVICE = "service", pgettext_lazy("sales", "service")
        TEST = "test", pgettext_lazy("sales", "test")

    key = models.CharField(max_length=120, unique=True)
    purpose = models.CharField(pgettext_lazy("sales", "purpose"), max_length=10, choices=Purpose.choices)
    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=10, choices=Kind.choices)
    status = models.CharField(
        pgettext_lazy("sales", "status"), max_length=14, choices=Status.choices, default=Status.QUEUED
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="emails",
        verbose_name=pgettext_lazy("sales", "contact"),
    )
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="emails",
        verbose_name=pgettext_lazy("sales", "order"),
    )
    #: The purchase of ``order`` when queued: recovery mail of a paid purchase is never sent.
    purchase = models.ForeignKey(
        Purchase, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="emails",
        verbose_name=pgettext_lazy("sales", "purchase"),
    )  # fmt: skip
    version = models.ForeignKey(EmailTemplateVersion, on_delete=models.PROTECT, related_name="emails")
    site = models.ForeignKey(Site, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15)
    to_email = models.EmailField(pgettext_lazy("sales", "to"), max_length=254)
    to_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(pgettext_lazy("sales", "subject"), max_length=255)
    #: Placeholder → text, frozen when queued. Links are derived from ``links`` at hand-over.
    context = models.JSONField(default=dict)
    #: Link placeholder → what its token says, e.g. {"resume_url": {"order": 17, "coupon": "x7…", "at": 1790000000}}.
    #: A token names rows by their handles (``signing``).
    links = models.JSONField(default=dict)
    #: What the mail promises its reader, asked again right before it leaves (``sending.promises``): where its button leads,
    #: with which coupon, what it then costs at most, and until when at least. A mail without an offer here promises nothing.
    promised_offer = models.ForeignKey(  # an offer is never deleted while referred to
        Offer, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    promised_coupon = models.ForeignKey(  # the key stays when the coupon is deleted: it was promised all the same
        Coupon,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )
    promised_total = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    promised_currency = models.CharField(max_length=3, blank=True)
    promised_until = models.DateTimeField(null=True, blank=True)
    #: When it was rewritten with the facts of that moment, because what it said had become worse. That happens once.
    rebuilt_at = models.DateTimeField(null=True, blank=True)
    #: When and by whom a promise that was told was ended knowingly, by making worse what it depends on.
    promise_ended_at = models.DateTimeField(null=True, blank=True)
    promise_ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    #: Whether files go along (``attachments``): a sweep asks for them only then.
    has_attachments = models.BooleanField(default=False)
    queued_at = models.DateTimeField(pgettext_lazy("sales", "queued"))
    due_at = models.DateTimeField(pgettext_lazy("sales", "due"))
    #: After this instant the mail is missed instead of sent.
    not_after = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(pgettext_lazy("sales", "tries"), default=0)
    sending_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(pgettext_lazy("sales", "sent"), null=True, blank=True)
    message_id = models.CharField(max_length=255, blank=True)
    esp_status = models.CharField(max_length=60, blank=True)
    why = models.CharField(pgettext_lazy("sales", "why"), max_length=255, blank=True)
    #: What staff said of a mail whose delivery is unknown: ``was_sent`` or ``send_again``.
    settled_by = models.CharField(max_length=20, blank=True)
    #: The published pages that it links to, by key, where ``link_building.load_pages`` has read them. No column.
    linked_pages: dict[int, Any] | None = None

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("outgoing mail")
        verbose_name_plural = _("outgoing mail")
        default_permissions = ("view",)
        permissions = [("settle_email", _("Can decide about mail in doubt"))]
        ordering = ["-queued_at", "-pk"]
        indexes = [
            models.Index(fields=["due_at", "id"], name="kwiga_email_due", condition=models.Q(status="queued")),
            # Exactly what is leased has an end of its lease. A condition by status would not do: SQLite does not see that
            # "status IN (…)" fits it, and would read the whole outbox.
            models.Index(
                fields=["leased_until"], name="kwiga_email_leased", condition=models.Q(leased_until__isnull=False)
            ),
            models.Index(fields=["purchase"], name="kwiga_email_purchase", condition=models.Q(purchase__isnull=False)),
            # Who holds a promise that has not run out: asked before staff make something worse.
            models.Index(
                fields=["promised_coupon", "promised_until"],
                name="kwiga_email_promised_coupon",
                condition=models.Q(promised_coupon__isnull=False),
            ),
            models.Index(
                fields=["promised_offer", "promised_until"],
                name="kwiga_email_promised_offer",
                condition=models.Q(promised_offer__isnull=False, promised_until__isnull=False),
            ),
            models.Index(fields=["message_id"], name="kwiga_email_message_id", condition=~models.Q(message_id="")),
            models.Index(fields=["-queued_at", "-id"], name="kwiga_email_newest"),
            models.Index(fields=["sending_at"], name="kwiga_email_unknown", condition=models.Q(status="unknown")),
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to_email}"


class EmailAttachment(models.Model):
    """A file of one mail: its bytes, or what makes them when the mail leaves."""

    email = models.ForeignKey(OutgoingEmail, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(_("file name"), max_length=150)
    content_type = models.CharField(max_length=100)
    #: What the HTML calls it (``cid:…``); empty for a file to be saved.
    content_id = models.CharField(max_length=150, blank=True)
    content = models.BinaryField(null=True, blank=True)
    #: Dotted path of a function ``(email, **arguments) -> bytes``.
    maker = models.CharField(max_length=200, blank=True)
    arguments = models.JSONField(default=dict, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "attachment")
        verbose_name_plural = pgettext_lazy("sales", "attachments")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["email", "content_id"], condition=~models.Q(content_id=""), name="kwiga_attachment_content_id"
            ),
            models.CheckConstraint(
                condition=models.Q(content__isnull=True, maker__gt="") | models.Q(content__isnull=False, maker=""),
                name="kwiga_attachment_content_or_maker",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Suppression(models.Model):
    """An address that gets no mail of some scope, whoever it belongs to."""

    class Scope(models.TextChoices):
        PROMOTION = permission.PROMOTIONAL_MAIL, _("promotional mail")
        ALL = permission.ALL_MAIL, _("all mail")

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", pgettext_lazy("sales", "unsubscribed")
        COMPLAINED = "complained", pgettext_lazy("sales", "complained")
        BOUNCED = "bounced", _("does not accept mail")
        REFUSED = "refused", _("recipient refused")
        STAFF = "staff", _("by staff")

    email = models.EmailField(pgettext_lazy("sales", "address"), max_length=254)
    scope = models.CharField(pgettext_lazy("sales", "scope"), max_length=10, choices=Scope.choices)
    reason = models.CharField(pgettext_lazy("sales", "reason"), max_length=14, choices=Reason.choices)
    source = models.CharField(pgettext_lazy("sales", "source"), max_length=120, blank=True)
    at = models.DateTimeField(pgettext_lazy("sales", "since"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        constraints = [models.UniqueConstraint(fields=["email", "scope"], name="kwiga_suppression_once")]

    def __str__(self) -> str:
        return f"{self.email} ({self.scope})"
