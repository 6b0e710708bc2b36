"""People, and the lists they are on."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wagtail_kwiga import signing
from wagtail_kwiga.legal_texts.models import LegalText


class Contact(models.Model):
    """One person, known by an e-mail address. The row is the first lock of every move that concerns the person."""

    email = models.EmailField(pgettext_lazy("sales", "e-mail"), max_length=254)
    #: What signed links call this person (``signing``); random, and never given twice.
    token = models.CharField(max_length=43, unique=True, default=signing.random_token, editable=False)
    name = models.CharField(pgettext_lazy("sales", "name"), max_length=200, blank=True)
    #: The number to call; all that were ever given stand in ``PhoneNumber``.
    phone = models.CharField(pgettext_lazy("sales", "phone"), max_length=40, blank=True)
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15, blank=True)
    #: True once money or a member of staff has stood up for the data; then no form overwrites them.
    is_verified = models.BooleanField(pgettext_lazy("sales", "verified"), default=False)
    #: True where a payment system gave no e-mail and the address is made up: never mailed.
    is_placeholder = models.BooleanField(_("placeholder address"), default=False)
    consented_at = models.DateTimeField(_("agreed to promotional mail"), null=True, blank=True)
    unsubscribed_at = models.DateTimeField(pgettext_lazy("sales", "unsubscribed"), null=True, blank=True)
    created_at = models.DateTimeField(_("first seen"))
    # Kept when the account is deleted: orders, mail and access belong to the person, not to the login.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("sales", "account"),
    )
    # The contact that this one turned out to be. A merged row stays for the links that name it; where its successor is
    # deleted it only forgets where to point.
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="merged", editable=False
    )
    #: What the site's own forms know of the person, by name.
    answers = models.JSONField(pgettext_lazy("sales", "answers"), default=dict, blank=True, editable=False)
    #: What another system (an import, a CRM) calls this person.
    external_ref = models.CharField(_("reference elsewhere"), max_length=200, blank=True)
    #: When the personal data were removed at the person's wish.
    erased_at = models.DateTimeField(pgettext_lazy("sales", "erased"), null=True, blank=True, editable=False)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "contact")
        verbose_name_plural = pgettext_lazy("sales", "contacts")
        ordering = ["-created_at", "-pk"]
        permissions = [("export_contacts", _("Can download names and addresses"))]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="kwiga_contact_email_unique"),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(user__isnull=False), name="kwiga_contact_one_a_user"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="kwiga_contact_created"),
            # For staff who type the beginning (LIKE 'ada%'), whatever the collation of the database.
            models.Index(fields=["email"], name="kwiga_contact_email_begins", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["name"], name="kwiga_contact_name_begins", opclasses=["varchar_pattern_ops"]),
            models.Index(
                fields=["external_ref"], name="kwiga_contact_external_ref", condition=~models.Q(external_ref="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email

    @property
    def contact_id(self) -> int | None:
        """As every row that belongs to a person has it: what the timeline is told."""
        return self.pk


class PhoneNumber(models.Model):
    """A number that was given for a contact: from where, and when. Whoever typed it need not be the person, so a row never
    changes what another one says."""

    # Deleted with the person.
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="phone_numbers", verbose_name=pgettext_lazy("sales", "contact")
    )
    number = models.CharField(_("number as given"), max_length=40)
    #: E.164, such as ``+442079460000``; empty where the country is not told.
    normalised = models.CharField(_("international number"), max_length=16, blank=True)
    #: Where it was first given: ``checkout``, ``staff``, ``import`` …; empty where nobody said.
    source = models.CharField(pgettext_lazy("sales", "source"), max_length=60, blank=True)
    first_seen_at = models.DateTimeField(_("first given"))
    last_seen_at = models.DateTimeField(_("last given"))

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("phone number")
        verbose_name_plural = _("phone numbers")
        ordering = ["-last_seen_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "normalised"], condition=~models.Q(normalised=""), name="kwiga_phone_normalised_once"
            ),
            models.UniqueConstraint(
                fields=["contact", "number"], condition=models.Q(normalised=""), name="kwiga_phone_as_given_once"
            ),
        ]
        indexes = [
            models.Index(fields=["normalised"], name="kwiga_phone_normalised", condition=~models.Q(normalised=""))
        ]

    def __str__(self) -> str:
        return self.number


class Consent(models.Model):
    """That somebody agreed to something: to which words, where and when, and until when it held."""

    class Kind(models.TextChoices):
        PROMOTION = "promotion", _("promotional mail")
        DECLARATION = "declaration", pgettext_lazy("sales", "declaration")

    # Deleted with the person: it is about nobody else.
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="consents", verbose_name=pgettext_lazy("sales", "contact")
    )
    kind = models.CharField(pgettext_lazy("sales", "kind"), max_length=20, choices=Kind.choices)
    # The words that were shown are the proof, so they cannot be deleted while somebody's consent rests on them. Empty where
    # there were none: a click on a link, a word to the staff.
    text = models.ForeignKey(
        LegalText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="consents",
        verbose_name=pgettext_lazy("sales", "text"),
    )
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15, blank=True)
    #: Where it was given: ``checkout``, ``link``, ``staff`` …
    form = models.CharField(_("given by"), max_length=60)
    given_at = models.DateTimeField(pgettext_lazy("sales", "given"))
    withdrawn_at = models.DateTimeField(pgettext_lazy("sales", "withdrawn"), null=True, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "consent")
        verbose_name_plural = pgettext_lazy("sales", "consents")
        ordering = ["-given_at", "-pk"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["contact", "kind", "-given_at"], name="kwiga_consent_of_contact")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.contact_id}"


class ContactList(models.Model):
    """A static list: it holds exactly the people somebody or some scenario put on it. Empty means nobody."""

    title = models.CharField(pgettext_lazy("sales", "title"), max_length=120)
    description = models.CharField(
        _("what it is for"), max_length=255, blank=True, help_text=_("For your team; buyers never see it.")
    )
    created_at = models.DateTimeField(pgettext_lazy("sales", "made"), auto_now_add=True)

    class Meta:
        verbose_name = _("contact list")
        verbose_name_plural = _("contact lists")
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class ListMembership(models.Model):
    """One grant of membership, with its source and its term. A contact is on a list while any grant holds."""

    # Deleted with the list, which staff confirm, or with the person.
    list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, related_name="memberships", verbose_name=pgettext_lazy("sales", "list")
    )
    contact = models.ForeignKey(  # likewise
        Contact, on_delete=models.CASCADE, related_name="memberships", verbose_name=pgettext_lazy("sales", "contact")
    )
    #: Who granted it: ``""`` by hand, ``run:17`` by a run of a scenario, ``import:3`` …
    source = models.CharField(pgettext_lazy("sales", "source"), max_length=60, blank=True)
    added_at = models.DateTimeField(pgettext_lazy("sales", "added"))
    #: The end that was told; read at the moment of use, so no worker is needed to end it.
    until = models.DateTimeField(pgettext_lazy("sales", "until"), null=True, blank=True)
    removed_at = models.DateTimeField(pgettext_lazy("sales", "removed"), null=True, blank=True)

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
