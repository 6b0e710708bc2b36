"""Turning what a mail's links are to say into addresses, at hand-over. The same mail gives the same addresses each time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from wagtail_kwiga import signing, web_addresses
from wagtail_kwiga.exceptions import NewerVersion
from wagtail_kwiga.mailing import references
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.orders import links

#: Schemes of links that lead to no page.
_NO_PAGES = frozenset({"mailto", "tel", "sms"})
#: The links that are signed when the mail leaves.
_SIGNED = frozenset({"resume_url", "pay_url", "order_url", "access_url", "unsubscribe_url"})


def of(email: OutgoingEmail) -> dict[str, str]:
    """Link placeholder → absolute address, good for whoever has the address that ``email`` is written to. Reads ``email.order``,
    ``email.version``, and the pages that the mail links to where nobody has loaded them (``load_pages``); sites are cached.

    No mail leaves with an empty link: a placeholder that nobody had an address for leads to the site's root.
    """
    found = {name: address(name, row, email) for name, row in email.links.items()}
    names = [name for name in email.version.placeholders if name.endswith("_url") and name not in found]
    if names:
        found |= dict.fromkeys(names, links.site_root(email.site_id)) | _references(names, email)
    return found


def load_pages(emails: Iterable[OutgoingEmail]) -> None:
    """Load the pages that mails link to, for all of them at once. One query, none where no mail does."""
    emails = list(emails)
    pages = references.load_pages({pk for email in emails for pk in references.pages_in(email.version.placeholders)})
    for email in emails:
        email.linked_pages = pages


def _references(names: Iterable[str], email: OutgoingEmail) -> dict[str, str]:
    return references.addresses(names, site_id=email.site_id, language=email.language, pages=email.linked_pages)


def address(name: str, row: Mapping[str, Any], email: OutgoingEmail) -> str:
    """The address of one link of ``email``. Raises ``NewerVersion`` for one that nobody knows. A link about an order that the mail no longer has, or to
    where nobody may be sent, is the site's root."""
    root = links.site_root(email.site_id)
    if "url" in row:  # what an app of the site says is input like any other
        return _elsewhere(str(row["url"]), root)
    if "to" in row:
        return web_addresses.destination(str(row["to"]), site_root=root) or root
    if "root" in row:
        return root
    if "offer" in row:
        return links.offer_url(row["offer"], row.get("code", ""), site_id=email.site_id, language=email.language)
    if name not in _SIGNED or "at" not in row:
        raise NewerVersion(f"Nobody here knows the link {name!r}.")
    at = dt.datetime.fromtimestamp(row["at"], dt.UTC)
    if "contact" in row:
        return unsubscribe_url(row["contact"], to=email.to_email, at=at, site_id=email.site_id, language=email.language)
    if email.order is None:
        return root
    if name == "resume_url":
        return links.resume_url(email.order, row.get("coupon"), at, to=email.to_email)
    if name == "pay_url":
        return links.pay_url(email.order, at, to=email.to_email)
    return links.order_url(email.order, at, to=email.to_email)


def _elsewhere(url: str, root: str) -> str:
    """``url`` where a mail may lead to it: a page of the site, or a whole address of a scheme that links of a mail may have."""
    is_sample = url.startswith("#")  # in a test mail
    if is_sample or (url.partition(":")[0].lower() in _NO_PAGES and not web_addresses.is_odd(url)):
        return url
    return web_addresses.destination(url, site_root=root) or root


def unsubscribe_url(contact: str, *, to: str, at: dt.datetime, site_id: int | None, language: str) -> str:
    """Where the contact of that handle unsubscribes the address ``to``; the token names the language the page should speak."""
    written_to = signing.address_digest(to)
    token = signing.make(signing.Purpose.UNSUBSCRIBE, at, contact=contact, to=written_to, lang=language)
    return links.absolute("unsubscribe", token, site_id=site_id, language=language)


def neutral(email: OutgoingEmail) -> dict[str, str]:
    """The links of ``email`` made harmless, for staff who look at it: ``#resume_url`` leads nowhere."""
    names = [name for name in email.version.placeholders if name.endswith("_url")]
    ours = {name: links.site_root(email.site_id) if "root" in row else f"#{name}" for name, row in email.links.items()}
    return {name: f"#{name}" for name in names} | ours | _references(names, email)
