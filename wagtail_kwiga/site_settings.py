"""What an editor decides once for a Wagtail site: who sells, who sends, how to pay by transfer, who may be reminded."""

from __future__ import annotations

import re
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel
from wagtail.blocks import PageChooserBlock, URLBlock
from wagtail.contrib.settings.models import BaseSiteSetting
from wagtail.models import Site

from wagtail_kwiga.currency_validator import validate_currency
from wagtail_kwiga.streams import OpenStreamField


def _legal_blocks() -> list[tuple[str, Any]]:
    return [
        ("page", PageChooserBlock(label=_("A page of this site"))),
        ("url", URLBlock(label=_("An address elsewhere"))),
    ]


class PromoPolicy(models.TextChoices):
    """Who may get promotional mail."""

    EVERYBODY = "everybody", _("everybody who left an order and has not unsubscribed")
    CONSENTED = "consented", _("only people who ticked the box on the order form")


class KwigaSettings(BaseSiteSetting):
    """The selling side's settings of one Wagtail site."""

    seller_name = models.CharField(
        _("seller's name"),
        max_length=200,
        blank=True,
        help_text=_("Shown on offer, order and pay pages, so that buyers know who sells."),
    )
    sender_name = models.CharField(
        _("sender's name"), max_length=100, blank=True, help_text=_("The name in the From line of mails.")
    )
    sender_email = models.EmailField(
        _("sender's address"),
        blank=True,
        help_text=_("The From address of mails. Left empty, the site's DEFAULT_FROM_EMAIL is used."),
    )
    reply_to = models.EmailField(
        _("answers go to"), blank=True, help_text=_("Left empty, answers go to the sender's address.")
    )
    postal_footer = models.TextField(
        _("postal address"),
        blank=True,
        help_text=_("Company and address at the foot of every mail. Anti-spam laws ask for it."),
    )
    tax_number = models.CharField(
        _("tax number"),
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text=_("VAT or tax number, as it must stand on receipts. Left empty, receipts name none."),
    )
    legal = OpenStreamField(
        blocks=_legal_blocks,
        blank=True,
        max_num=1,
        verbose_name=_("terms of sale"),
        help_text=_("Buyers agree to these before they order."),
    )
    default_currency = models.CharField(
        _("default currency"),
        max_length=3,
        default="EUR",
        validators=[validate_currency],
    )
    promo_policy = models.CharField(
        _("promotional mail goes to"), max_length=20, choices=PromoPolicy.choices, default=PromoPolicy.EVERYBODY
    )
    promo_mails_per_day = models.PositiveSmallIntegerField(
        _("promotional mails per person and day"),
        default=1,
        db_default=1,  # for processes of an older release that do not know the column yet
        help_text=_(
            "At most so many promotional mails of scenarios reach one person on one day. Whatever is more waits until the next day, "
            "and its deadline counts from then. Receipts and mail about an order are not counted. 0: no limit."
        ),
    )
    recovery_on = models.BooleanField(
        _("win back unpaid orders"),
        default=True,
        help_text=_("Off: no scenario about unpaid orders takes in anybody or sends anything on this site."),
    )
    bank_holder = models.CharField(_("account holder"), max_length=140, blank=True)
    bank_iban = models.CharField(_("account number (IBAN)"), max_length=42, blank=True)
    bank_bic = models.CharField(pgettext_lazy("sales", "BIC"), max_length=11, blank=True)
    bank_name = models.CharField(pgettext_lazy("sales", "bank"), max_length=140, blank=True)

    panels = [
        MultiFieldPanel(
            [FieldPanel("seller_name"), FieldPanel("postal_footer"), FieldPanel("tax_number"), FieldPanel("legal")],
            heading=pgettext_lazy("sales", "Seller"),
            icon="user",
        ),
        MultiFieldPanel(
            [FieldRowPanel([FieldPanel("sender_name"), FieldPanel("sender_email")]), FieldPanel("reply_to")],
            heading=pgettext_lazy("sales", "Sender"),
            icon="mail",
        ),
        MultiFieldPanel(
            [
                FieldPanel("promo_policy", classname="kwiga-fits"),
                FieldPanel("promo_mails_per_day"),
                FieldPanel("recovery_on"),
            ],
            heading=_("Promotional mail"),
            icon="tag",
        ),
        MultiFieldPanel(
            [
                FieldPanel("default_currency"),
                FieldPanel("bank_holder"),
                FieldPanel("bank_iban"),
                FieldRowPanel([FieldPanel("bank_bic"), FieldPanel("bank_name")]),
            ],
            heading=_("Currency and bank account"),
            icon="download",
        ),
    ]

    class Meta:
        app_label = "wagtail_kwiga"
        verbose_name = _("sales settings")
        verbose_name_plural = _("sales settings")

    @property
    def address_below_name(self) -> str:
        """The postal address without the seller's name on top, for where that stands above it already."""
        return address_below(self.seller_name, self.postal_footer)


def address_below(name: str, address: str) -> str:
    """``address`` without ``name`` at its beginning, where that is all of its first line, or stands before a comma.

    Editors begin a postal address with the company, as its help text says; whoever shows the name above it shows it once.
    Another name, such as the full one of the company, stays.
    """
    address = "\n".join(line.rstrip() for line in address.strip().splitlines())
    if not (name := name.strip()):
        return address
    return re.sub(rf"\A{re.escape(name)}\s*(?:[,\n]|\Z)\s*", "", address, flags=re.IGNORECASE)


def sales_settings(site: Site | int | None) -> KwigaSettings:
    """The sales settings of a site (``None``: the default one), only read. One query, none the second time for a ``Site``.

    ``KwigaSettings.for_site`` would make the row where it is missing, and a look at a page must change nothing.
    """
    known: KwigaSettings | None = getattr(site, "_kwiga_sales_settings", None)
    if known is not None:
        return known
    site_id = site.pk if isinstance(site, Site) else site
    wanted = {"site_id": site_id} if site_id is not None else {"site__in": Site.objects.filter(is_default_site=True)}
    found = KwigaSettings.objects.filter(**wanted).first() or KwigaSettings()
    if isinstance(site, Site):
        site._kwiga_sales_settings = found
    return found
