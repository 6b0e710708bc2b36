"""The timeline: what happened to an order, a contact, a run or a mail, and what a person must look at."""

from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga.journal.acting import Actor

#: Labels of ``journal.acting.Actor``.
ACTOR_CHOICES = [
    (Actor.USER.value, pgettext_lazy("sales", "staff")),
    (Actor.BUYER.value, _("the buyer")),
    (Actor.SCENARIO.value, _("a scenario")),
    (Actor.PROVIDER.value, _("a provider")),
    (Actor.IMPORT.value, _("an import")),
    (Actor.SYSTEM.value, _("the system")),
]


class TimelineEntry(models.Model):
    """One thing that happened. Append-only, but for ``attended_at`` on entries that ask for a person."""

    subject_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")
    subject_id = models.PositiveBigIntegerField()
    subject = GenericForeignKey("subject_type", "subject_id")
    #: Stable word, ``room.what``, e.g. ``order.placed``; its sentence comes from ``journal.writing.sentence``.
    code = models.CharField(pgettext_lazy("sales", "what"), max_length=60)
    facts = models.JSONField(pgettext_lazy("sales", "facts"), default=dict, blank=True)
    at = models.DateTimeField(pgettext_lazy("sales", "when"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("sales", "by"),
    )
    #: By whose doing, where no member of staff did it: an ``Actor``.
    actor = models.CharField(_("by whose doing"), max_length=8, choices=ACTOR_CHOICES, default=Actor.SYSTEM.value)
    #: Key of the contact it is about, whatever its subject is: a person's whole history is one query. No foreign key, because
    #: this room knows no other, and an entry outlives what it tells of.
    contact_id = models.PositiveBigIntegerField(pgettext_lazy("sales", "contact"), null=True, blank=True)
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
                fields=["contact_id", "at"],
                name="kwiga_timeline_contact",
                condition=models.Q(contact_id__isnull=False),
            ),
            models.Index(
                fields=["at"],
                name="kwiga_timeline_attention",
                condition=models.Q(needs_attention=True, attended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.code
