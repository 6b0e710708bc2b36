"""What a coupon's screens say about it just now: for whom it works, how much is left, where its links lead."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin.ui.components import Component

from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.backoffice.coupons import gates
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.cards import Card, CardNote, CopyLinks, Notes, joined
from wagtail_kwiga.backoffice.parts.columns import Facts, exact, exact_end, tag
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ContactList, ListMembership
from wagtail_kwiga.coupons import audience, discounts, uses
from wagtail_kwiga.coupons.gates import taking
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.offers import sharing
from wagtail_kwiga.orders.models import Order


def size(coupon: Coupon) -> str:
    """What it takes off, in the reader's language."""
    return discounts.size_text(coupon, languages.active())


def left(coupon: Coupon) -> str | int:
    """How many uses are left, in figures or words."""
    return _("no limit") if coupon.limit_total is None else max(coupon.limit_total - coupon.used_count, 0)


def present(coupon: Coupon, request: HttpRequest) -> Notes:
    """For whom the coupon works at this moment, what stands in the way, and how often it was used."""
    who = audience.audience(coupon)
    url, label = _list_button(who, request.user)
    told = [CardNote(audience.sentence(who), "warning" if who.is_nobody else "info", url, label)]
    if words := audience.hindrance(coupon):
        told.append(CardNote(words, "warning"))
    held, spent = uses.counts([coupon.pk])[coupon.pk]
    words = _("Spent: %(spent)s. Held by orders that are not paid yet: %(held)s. Left: %(left)s.")
    words %= {"spent": spent, "held": held, "left": left(coupon)}
    if policies.may(request.user, "view", Order):
        told.append(
            CardNote(words, "info", reverse("wagtail_kwiga_coupons:uses", args=[coupon.pk]), _("Show the uses"))
        )
    else:
        told.append(CardNote(words))
    return Notes(told)


def _list_button(who: audience.Audience, user: Any) -> tuple[str, Any]:
    """The way to the people, where it is one list and the reader may see them."""
    if len(who.lists) != 1 or not policies.may(user, "view", ListMembership):
        return "", ""
    where = reverse("wagtail_kwiga_lists:members", args=[who.lists[0].pk])
    may_add = who.is_nobody and policies.may(user, "add", ListMembership)
    return where, _("Put people on it") if may_add else _("Show the people")


def disagreements(coupon: Coupon, request: HttpRequest) -> Notes | None:
    """Where this coupon and an offer do not agree; ``None`` where all is well."""
    told = gates.notes(coupon, request.user, request.path)
    return Notes(told) if told else None


def links(coupon: Coupon, request: HttpRequest) -> CopyLinks:
    """The address of each live page of each offer on sale that takes the coupon, with the coupon applied."""
    on_sale = taking(coupon).filter(state=Offer.State.ON_SALE).order_by("title", "pk")
    return CopyLinks(
        sharing.links([(offer, coupon) for offer in on_sale], request),
        _("No offer on sale takes this coupon, so there is nothing to link to yet."),
    )


def cards(coupon: Coupon, request: HttpRequest) -> list[Component]:
    """The card of a coupon, for those who may only look."""
    told = [Card(_("At present"), present(coupon, request), "info-circle")]
    if wrong := disagreements(coupon, request):
        told.append(Card(_("What does not fit"), wrong, "warning"))
    offers = [linking.linked(offer, offer.title, request.user) for offer in coupon.offers.all()]
    scenarios = Scenario.objects.filter(version__links__coupon=coupon).distinct()
    facts = Facts(
        (_("Takes off"), size(coupon)),
        (
            pgettext("sales", "Active"),
            tag(pgettext("sales", "yes"), primary=True) if coupon.is_active else tag(pgettext("sales", "no")),
        ),
        (_("Only for people on"), joined(_list_link(one, request.user) for one in coupon.contact_lists.all())),
        (_("Only for"), joined(offers)),
        (pgettext("sales", "Begins"), exact(coupon.valid_from)),
        (pgettext("sales", "Ends"), exact_end(coupon.valid_until)),
        (_("Uses in all"), coupon.limit_total),
        (_("Uses per person"), coupon.limit_per_contact),
        (_("Scenarios that hand it out"), joined(linking.linked(one, one.title, request.user) for one in scenarios)),
        (pgettext("sales", "Note"), coupon.note),
    )
    told += [
        Card(pgettext("sales", "Coupon"), facts, "tag"),
        Card(_("Links with this coupon applied"), links(coupon, request), "link"),
    ]
    return told


def _list_link(one: ContactList, user: Any) -> Any:
    if not policies.may(user, "view", ListMembership):
        return one.title
    return format_html('<a href="{}">{}</a>', reverse("wagtail_kwiga_lists:members", args=[one.pk]), one.title)
