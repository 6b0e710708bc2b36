"""Grants of access. What somebody may open is computed from them (promise 12)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.catalogue.models import Product
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.orders.models import OrderLine


class AccessGrant(models.Model):
    """One reason for which a contact may open a product. Access is the sum of the reasons that hold at an instant."""

    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="access_grants", verbose_name=_("contact")
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="access_grants", verbose_name=_("product")
    )
    line = models.ForeignKey(
        OrderLine,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="access_grants",
        verbose_name=_("order line"),
    )
    #: What it comes from, once each: ``line:17``, ``staff:<uuid>`` …
    source = models.CharField(_("source"), max_length=60, unique=True)
    #: ``catalogue.terms.AccessTerms`` as JSON.
    terms = models.JSONField(_("terms"), default=dict)
    granted_at = models.DateTimeField(_("granted"))
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("taken away"), null=True, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("access grant")
        verbose_name_plural = _("access grants")
        permissions = [("grant_access", _("Can give and end access"))]
        indexes = [models.Index(fields=["contact", "product"], name="kwiga_access_contact_product")]

    def __str__(self) -> str:
        return self.source
