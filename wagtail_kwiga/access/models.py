"""Grants of access. What somebody may open is computed from them (promise 12)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.access.reasons import Reason
from wagtail_kwiga.access.spans import AdjustmentKind
from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.orders.models import OrderLine

REASON_CHOICES = [
    (Reason.ORDER.value, _("an order")),
    (Reason.STAFF.value, _("given by staff")),
    (Reason.IMPORT.value, _("an import")),
    (Reason.SCENARIO.value, _("a scenario")),
    (Reason.SUBSCRIPTION.value, _("a subscription")),
]
ADJUSTMENT_CHOICES = [
    (AdjustmentKind.EXTEND.value, pgettext_lazy("sales", "extended")),
    (AdjustmentKind.FREEZE.value, pgettext_lazy("sales", "frozen")),
    (AdjustmentKind.UNFREEZE.value, pgettext_lazy("sales", "unfrozen")),
    (AdjustmentKind.END.value, pgettext_lazy("sales", "ended")),
]


class AccessGrant(models.Model):
    """One reason for which a contact may open a product. Access is the sum of the reasons that hold at an instant."""

    # What somebody may open must not vanish with a row that is tidied away: a contact with grants is kept.
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="access_grants", verbose_name=pgettext_lazy("sales", "contact")
    )
    # The same for what it opens.
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="access_grants", verbose_name=pgettext_lazy("sales", "product")
    )
    # Access outlives the order that it came from, should that be deleted.
    line = models.ForeignKey(
        OrderLine,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="access_grants",
        verbose_name=_("order line"),
    )
    #: What it comes from, once each: ``line:17``, ``staff:<uuid>`` …
    source = models.CharField(pgettext_lazy("sales", "source"), max_length=60, unique=True)
    reason = models.CharField(
        pgettext_lazy("sales", "reason"), max_length=12, choices=REASON_CHOICES, default=Reason.ORDER.value
    )
    # The grant that this one was given instead of, where access was changed; it stands without it.
    replaces = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by", editable=False
    )
    # Who gave it; null where nobody did. A user who leaves takes nobody's access along.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    #: ``catalogue.terms.AccessTerms`` as JSON.
    terms = models.JSONField(pgettext_lazy("sales", "terms"), default=dict)
    granted_at = models.DateTimeField(pgettext_lazy("sales", "granted"))
    starts_at = models.DateTimeField(pgettext_lazy("sales", "starts"))
    #: As sold; ``adjustments`` say what was changed since, ``access.spans.effective`` what comes of it.
    ends_at = models.DateTimeField(pgettext_lazy("sales", "ends"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("taken away"), null=True, blank=True)
    #: When its opening is to be told to its contact (``access.announcing``); null where nothing is to be told (any more).
    announce_at = models.DateTimeField(null=True, blank=True, editable=False)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("access grant")
        verbose_name_plural = _("access grants")
        permissions = [("grant_access", _("Can give and end access"))]
        indexes = [
            models.Index(fields=["contact", "product"], name="kwiga_access_contact_product"),
            models.Index(
                fields=["announce_at"], name="kwiga_access_announce", condition=models.Q(announce_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.source


class AccessAdjustment(models.Model):
    """What staff changed about the time of a grant. Only appended to; ``access.spans`` says what each kind means."""

    # Part of its grant.
    grant = models.ForeignKey(
        AccessGrant, on_delete=models.CASCADE, related_name="adjustments", verbose_name=_("access grant")
    )
    kind = models.CharField(pgettext_lazy("sales", "change"), max_length=10, choices=ADJUSTMENT_CHOICES)
    #: For extending and freezing: for so many days, or ``until`` an instant.
    days = models.PositiveIntegerField(pgettext_lazy("sales", "days"), null=True, blank=True)
    until = models.DateTimeField(pgettext_lazy("sales", "until"), null=True, blank=True)
    #: From when on it counts.
    at = models.DateTimeField(pgettext_lazy("sales", "from"))
    # The change holds whoever made it.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(pgettext_lazy("sales", "note"), max_length=255, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("change of access")
        verbose_name_plural = _("changes of access")
        ordering = ["at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__isnull=True) | models.Q(until__isnull=True),
                name="kwiga_adjustment_days_or_until",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["freeze", "unfreeze", "end"])
                | models.Q(kind="extend", days__isnull=False, days__gt=0)
                | models.Q(kind="extend", until__isnull=False),
                name="kwiga_adjustment_extends_by_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.grant_id}"
