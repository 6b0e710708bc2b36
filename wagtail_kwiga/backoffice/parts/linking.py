"""Links from one screen to another: only where the screen exists and the reader may open it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from wagtail.admin.utils import get_valid_next_url_from_request

from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.models import EmailTemplate, OutgoingEmail
from wagtail_kwiga.orders.models import Order

#: Model → (the screen of one row, what somebody must be allowed to do to open it).
_SCREENS: dict[type, tuple[str, str]] = {
    Order: ("wagtail_kwiga_orders:inspect", "view"),
    OutgoingEmail: ("wagtail_kwiga_mail:inspect", "view"),
    Run: ("wagtail_kwiga_runs:inspect", "view"),
    Offer: ("wagtail_kwiga_offers:inspect", "view"),
    Coupon: ("wagtail_kwiga_coupons:edit", "change"),
    Scenario: ("wagtail_kwiga_scenarios:edit", "change"),
    EmailTemplate: ("wagtail_kwiga_emails:edit", "change"),
}


def url(name: str, *args: Any) -> str:
    """The address of a named screen, or an empty string where this site has no such screen."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def address(model: Any, pk: Any, user: Any) -> str:
    """Where ``user`` can look at that row; an empty string where there is no such screen for them."""
    name, verb = _SCREENS.get(model, ("", ""))
    return url(name, pk) if name and pk and policies.may(user, verb, model) else ""


def orders_of(contact: Any) -> str:
    """The list of a person's orders; people have no screen of their own yet."""
    return f"{url('wagtail_kwiga_orders:index')}?{urlencode({'q': contact.email})}"


def waiting_mail(user: Any) -> str:
    """The list of mail that waits to be sent; an empty string where ``user`` may not see it."""
    return f"{url('wagtail_kwiga_mail:index')}?status=queued" if policies.may(user, "view", OutgoingEmail) else ""


def back(request: HttpRequest, default: str) -> str:
    """Where ``next`` in the address or the form leads, if it is a path of this site; else ``default``.

    Wagtail lets a bare word pass, and to redirect to one is to ask for the screen of that name.
    """
    wanted = get_valid_next_url_from_request(request)
    return wanted if wanted.startswith("/") else default


def linked(record: Any, words: Any, user: Any) -> Any:
    """``words``, as a link to the screen of ``record`` where ``user`` can open it."""
    where = address(type(record), record.pk, user) if record is not None else ""
    return format_html('<a href="{}">{}</a>', where, words) if where else words
