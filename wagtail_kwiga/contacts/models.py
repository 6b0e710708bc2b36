"""People, and the lists they are on."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Contact(models.Model):
    """One person, known by an e-mail address. The row is the first lock of every move that concerns the person."""

    email = models.EmailField(_("e-mail"), max_length=254)
    name = models.CharField(_("name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    language = models.CharField(_("language"), max_length=15, blank=True)
    #: True once money or a member of staff has stood up for the data; then no form overwrites them.
    is_verified = models.BooleanField(_("verified"), default=False)
    #: True where a payment system gave no e-mail and the address is made up: never mailed.
    is_placeholder = models.BooleanField(_("placeholder address"), default=False)
    consented_at = models.DateTimeField(_("agreed to promotional mail"), null=True, blank=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True, blank=True)
    created_at = models.DateTimeField(_("first seen"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(Lower("email"), name="kwiga_contact_email_unique")]
        indexes = [
            models.Index(fields=["-created_at"], name="kwiga_contact_created"),
            # For staff who type the beginning (LIKE 'ada%'), whatever the collation of the database.
            models.Index(fields=["email"], name="kwiga_contact_email_begins", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["name"], name="kwiga_contact_name_begins", opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


class ContactList(models.Model):
    """A static list: it holds exactly the people somebody or some scenario put on it. Empty means nobody."""

    title = models.CharField(_("title"), max_length=120)
    description = models.CharField(
        _("what it is for"), max_length=255, blank=True, help_text=_("For your team; buyers never see it.")
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("contact list")
        verbose_name_plural = _("contact lists")
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class ListMembership(models.Model):
    """One grant of membership, with its source and its term. A contact is on a list while any grant holds."""

    list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("list"))
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("contact")
    )
    #: Who granted it: ``""`` by hand, ``run:17`` by a run of a scenario, ``import:3`` …
    source = models.CharField(_("source"), max_length=60, blank=True)
    added_at = models.DateTimeField(_("added"))
    #: The end that was told; read at the moment of use, so no worker is needed to end it.
    until = models.DateTimeField(_("until"), null=True, blank=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("list membership")
        verbose_name_plural = _("list memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["list", "contact", "source"],
                condition=models.Q(removed_at__isnull=True),
                name="kwiga_membership_one_grant_a_source",
            )
        ]
        indexes = [
            models.Index(
                fields=["contact", "list"], name="kwiga_membership_open", condition=models.Q(removed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} on {self.list_id}"


class RateLimitWindow(models.Model):
    """How often something was tried within an hour, by a hashed key: the checkout's limits without a shared cache."""

    key = models.CharField(max_length=80)
    window = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("rate window")
        verbose_name_plural = _("rate windows")
        constraints = [models.UniqueConstraint(fields=["key", "window"], name="kwiga_rate_key_window")]
        indexes = [models.Index(fields=["window"], name="kwiga_rate_window")]
