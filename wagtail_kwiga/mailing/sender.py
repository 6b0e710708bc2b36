"""Who sends the mails of a site, and under which rules: ``KwigaSettings`` as a mail needs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings as django_settings
from django.db.models import Q
from django.utils.encoding import punycode
from wagtail.models import Site

from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.site_settings import KwigaSettings, PromoPolicy


@dataclass(frozen=True)
class Sender:
    """The sending side of one Wagtail site."""

    name: str = ""
    email: str = ""
    reply_to: str = ""
    seller_name: str = ""
    postal_footer: str = ""
    tax_number: str = ""
    promo_policy: str = PromoPolicy.EVERYBODY
    recovery_on: bool = True
    #: At most so many marketing mails a person and day; 0: any number.
    promo_mails_per_day: int = 1
    #: The site whose settings these are.
    site_id: int | None = None

    @property
    def from_header(self) -> str:
        """The From line: the editor's address and name, else ``DEFAULT_FROM_EMAIL`` (with the editor's name)."""
        return mailbox(self.name or parseaddr(django_settings.DEFAULT_FROM_EMAIL)[0], self.address)

    @property
    def address(self) -> str:
        """The From address alone."""
        return self.email or parseaddr(django_settings.DEFAULT_FROM_EMAIL)[1]

    @property
    def domain(self) -> str:
        """The domain of the From address in ASCII, for Message-IDs."""
        return punycode(self.address.rpartition("@")[2].strip(">").lower()) or "localhost"


def mailbox(name: str, address: str) -> str:
    """``"Ada Lovelace" <ada@example.com>`` with the name quoted and harmless; the bare address where there is no name."""
    # "=?" would begin an encoded word, which can bring back the line break that was taken out.
    name = placeholder_syntax.one_line(name, 100).replace("\\", "").replace('"', "'").replace("=?", "= ?")
    return f'"{name}" <{address}>' if name else address


def for_sites(site_ids: Iterable[int | None]) -> dict[int | None, Sender]:
    """The senders of these sites by id, in one query; ``None`` or a site that is gone means the default site."""
    wanted = set(site_ids)
    sites = Site.objects.filter(Q(pk__in=[pk for pk in wanted if pk]) | Q(is_default_site=True))
    rows = list(sites.select_related("kwigasettings"))
    known: dict[int | None, Sender] = {site.pk: _of(site) for site in rows}
    default = next((known[site.pk] for site in rows if site.is_default_site), Sender())
    return {pk: known.get(pk, default) for pk in wanted}


def for_site(site_id: int | None) -> Sender:
    """The sender of one site. One query."""
    return for_sites([site_id])[site_id]


def _of(site: Site) -> Sender:
    given: KwigaSettings | None = getattr(site, "kwigasettings", None)
    name = site.site_name or site.hostname
    if given is None:
        return Sender(seller_name=name, site_id=site.pk)
    return Sender(
        name=given.sender_name or given.seller_name,
        email=given.sender_email,
        reply_to=given.reply_to,
        seller_name=given.seller_name or given.sender_name or name,
        postal_footer=given.postal_footer,
        tax_number=given.tax_number,
        promo_policy=given.promo_policy,
        recovery_on=given.recovery_on,
        promo_mails_per_day=given.promo_mails_per_day,
        site_id=site.pk,
    )
