"""Links to orders: signed, single-purpose, expiring (``signing``). They give no session (promise 10).

Links are absolute from the order's site, because a worker has no request. Each names the address it was written to: that of the
order's contact where ``to`` does not say another, which a mail does whose contact has a new address by the time it leaves.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from wagtail.models import Site

from wagtail_kwiga import signing
from wagtail_kwiga.exceptions import BadToken, ConfigurationFault
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.signing import Purpose


def site_root(site_id: int | None) -> str:
    """``https://host`` of a Wagtail site without a trailing slash; of the default site where ``None`` or gone.

    It begins with ``https://`` where Django sends every visitor there, whatever port the site's record says: a mail program that
    unsubscribes by one click (RFC 8058) sends a POST, and follows no redirect with it.

    Read from Wagtail's cached site paths: no query once warm.
    """
    return _where_it_is_sent_on_to(_site_root(site_id))


def redirects_to_https() -> bool:
    """Whether Django itself sends on every request to HTTPS (``SECURE_SSL_REDIRECT``)."""
    return bool(getattr(django_settings, "SECURE_SSL_REDIRECT", False))


def _where_it_is_sent_on_to(root: str) -> str:
    """As ``SecurityMiddleware`` answers a request to ``root``: the same host and port, or that of ``SECURE_SSL_HOST``."""
    if not (redirects_to_https() and root.startswith("http://")):
        return root
    return f"https://{django_settings.SECURE_SSL_HOST or root.removeprefix('http://')}"


def _site_root(site_id: int | None) -> str:
    paths = Site.get_site_root_paths()
    for path in paths:
        if path.site_id == site_id:
            return str(path.root_url)
    default = Site.objects.filter(is_default_site=True).first()
    if default is not None:
        return str(default.root_url)
    if paths:
        return str(paths[0].root_url)
    raise ConfigurationFault("There is no Wagtail site to make links for.")


def absolute(name: str, token: str | int, *, site_id: int | None, language: str) -> str:
    """The absolute address of one of our URLs in the given site and language.

    Where the site has our URLs below ``i18n_patterns``, a language that it no longer has would lead nowhere; the default
    one leads to the same page, which speaks the order's language as well as it can.
    """
    with translation.override(_routed(language)):
        try:
            path = reverse(f"wagtail_kwiga:{name}", args=[token])
        except NoReverseMatch as fault:
            raise ConfigurationFault(
                "wagtail_kwiga.urls is not included in the site's URLs (see the README's lines)."
            ) from fault
    return site_root(site_id) + _below_script_name(path)


def _below_script_name(path: str) -> str:
    """``path`` with the prefix that ``FORCE_SCRIPT_NAME`` puts before all of a site. Django keeps it for each thread, and sets it
    in the first one and in those of requests; any other, a worker's say, would write links without it."""
    prefix = (django_settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    return path if not prefix or path.startswith(f"{prefix}/") else prefix + path


def from_here(request: HttpRequest, url: str) -> str:
    """``url`` for a visitor to be sent on to: its path alone where it leads to the Wagtail site they are on already.

    So nobody is sent to another host or port than the one they reached the shop by. A development server rarely has the
    port of the Site's record; in production the two are the same.
    """
    site = Site.find_for_request(request)
    root = site_root(site.pk) if site is not None else ""
    return url.removeprefix(root) if root and url.startswith(f"{root}/") else url


def _routed(language: str) -> str:
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return django_settings.LANGUAGE_CODE


def are_routed() -> bool:
    """Whether the site includes our URLs at all. Without them nothing may be ordered: no link could lead anywhere."""
    try:
        reverse("wagtail_kwiga:pay", args=["token"])
    except NoReverseMatch:
        return False
    return True


def offer_url(offer_uid: str, code: str, *, site_id: int | None, language: str) -> str:
    """To the page of an offer, for somebody who has ordered nothing, with a coupon filled in. Nothing of it is personal."""
    asked = {"lang": language} | ({"coupon": code} if code else {})
    return f"{absolute('offer', offer_uid, site_id=site_id, language=language)}?{urlencode(asked)}"


def token_for(purpose: str, order: Order, now: dt.datetime | None = None, *, to: str = "", **payload: Any) -> str:
    """A token about one order, written to the address ``to``, good for as long as its purpose allows."""
    written_to = signing.address_digest(to or order.contact.email)
    return signing.make(purpose, now, order=signing.handle_of(order), to=written_to, **payload)


def order_of(purpose: str, token: str, now: dt.datetime | None = None) -> tuple[Order, dict[str, Any]]:
    """The order a token speaks of, and the rest of what it carries. Raises ``BadToken``: with code ``gone`` where the order is
    not there any more, or belongs to another address than the one that the link was written to."""
    payload = signing.read(purpose, token, now)
    orders = Order.objects.select_related("contact", "offer", "site", "purchase")
    order = signing.with_handle(orders, payload.get("order")).first()
    if order is None or not signing.is_written_to(payload.get("to"), order.contact.email):
        raise BadToken(
            _(
                "We do not know any more what this link was about. If you had a later mail from us, please use the link in it."
            ),
            code="gone",
        )
    return order, payload


def pay_url(order: Order, now: dt.datetime | None = None, *, to: str = "") -> str:
    """Where the buyer pays."""
    token = token_for(Purpose.PAY, order, now, to=to)
    return absolute("pay", token, site_id=order.site_id, language=order.language)


def order_url(order: Order, now: dt.datetime | None = None, *, to: str = "") -> str:
    """Where the buyer sees how the order stands, and the way in once it is paid."""
    token = token_for(Purpose.ORDER, order, now, to=to)
    return absolute("order", token, site_id=order.site_id, language=order.language)


def return_url(order: Order, now: dt.datetime | None = None, **payload: Any) -> str:
    """Where a payment provider sends the buyer back to."""
    token = token_for(Purpose.RETURN, order, now, **payload)
    return absolute("return", token, site_id=order.site_id, language=order.language)


def resume_url(order: Order, coupon: str | None, now: dt.datetime | None = None, *, to: str = "") -> str:
    """Back to the offer, filled in, with the coupon of that handle (``signing.handle_of``) applied."""
    payload = {"coupon": coupon} if coupon else {}
    token = token_for(Purpose.RESUME, order, now, to=to, **payload)
    return absolute("resume", token, site_id=order.site_id, language=order.language)
