"""The timeline: what happened to an order, a contact, a run or a mail, and what a person must look at."""

from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _


class TimelineEntry(models.Model):
    """One thing that happened. Append-only, but for ``attended_at`` on entries that ask for a person."""

    subject_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")
    subject_id = models.PositiveBigIntegerField()
    subject = GenericForeignKey("subject_type", "subject_id")
    #: Stable word, ``room.what``, e.g. ``order.placed``; its sentence comes from ``journal.writing.sentence``.
    code = models.CharField(_("what"), max_length=60)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    at = models.DateTimeField(_("when"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    needs_attention = models.BooleanField(_("needs attention"), default=False)
    attended_at = models.DateTimeField(_("attended to"), null=True, blank=True)
    attended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline entries")
        default_permissions = ("view",)
        permissions = [("resolve_attention", _("Can tick off what needs a person"))]
        ordering = ["at", "pk"]
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "at"], name="kwiga_timeline_subject"),
            models.Index(
                fields=["at"],
                name="kwiga_timeline_attention",
                condition=models.Q(needs_attention=True, attended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.code
