"""Scenarios and decisions in words, for editors and staff, in the active language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from wagtail_kwiga.automations.conditions import BoughtBefore, Condition, OnList, OrderTotal
from wagtail_kwiga.automations.definitions import Definition
from wagtail_kwiga.automations.steps import AddToList, ContinueIf, RemoveFromList, SendEmail, Step, Wait
from wagtail_kwiga.automations.triggers import OrderPaid, OrderUnpaid, StartEvent
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.models import EmailTemplate


@dataclass(frozen=True)
class Names:
    """What the things a definition refers to are called, by id. One that is missing shows as its number."""

    lists: Mapping[int, str] = field(default_factory=dict)
    coupons: Mapping[int, str] = field(default_factory=dict)
    templates: Mapping[int, str] = field(default_factory=dict)
    offers: Mapping[int, str] = field(default_factory=dict)


def names(*definitions: Definition) -> Names:
    """The names that ``sentence`` needs for all of these, in at most four queries."""
    uses = [definition.uses() for definition in definitions]

    def of(model: Any, kind: str) -> dict[int, str]:
        ids = {pk for one in uses for pk in getattr(one, kind)}
        return {row.pk: str(row) for row in model.objects.filter(pk__in=ids)} if ids else {}

    return Names(of(ContactList, "lists"), of(Coupon, "coupons"), of(EmailTemplate, "templates"), of(Offer, "offers"))


def sentence(definition: Definition, known: Names | None = None) -> str:
    """The whole scenario in one sentence, such as “30 minutes after an unpaid order for Watercolour, unless paid: on the
    list Come back, e-mail Your place is free; after 24 hours off the list Come back”."""
    known = names(definition) if known is None else known
    steps = list(definition.steps)
    first = dt.timedelta()
    while steps and isinstance(steps[0], Wait):
        first += steps.pop(0).delay()
    start = _event(definition.event, known)
    if first:
        start = _("%(span)s after %(start)s") % {"span": span(first), "start": start}
    if isinstance(definition.event, OrderUnpaid):
        start = _("%(start)s, unless paid") % {"start": start}
    told: list[list[str]] = [[]]
    for step in steps:
        if isinstance(step, Wait):
            told.append([_("after %(span)s") % {"span": span(step.delay())}])
        else:
            told[-1].append(_step(step, known))
    parts = [_joined(part, index) for index, part in enumerate(told) if part]
    return capfirst(f"{start}: {'; '.join(parts)}" if parts else start)


def _joined(part: list[str], index: int) -> str:
    if index and len(part) > 1:  # “after 24 hours” belongs to what follows it
        return f"{part[0]} {', '.join(part[1:])}"
    return ", ".join(part)


def _event(event: StartEvent, known: Names) -> str:
    offers = " · ".join(_name(known.offers, pk) for pk in event.offer_ids())
    match event:
        case OrderUnpaid():
            return _("an unpaid order for %(offers)s") % {"offers": offers} if offers else _("any unpaid order")
        case OrderPaid():
            return _("a paid order for %(offers)s") % {"offers": offers} if offers else _("any paid order")
    return event.kind.replace("_", " ")


def _step(step: Step, known: Names) -> str:
    match step:
        case AddToList(until="hours"):
            facts = {"list": _name(known.lists, step.list_id), "span": span(dt.timedelta(hours=step.hours or 0))}
            return _("on the list %(list)s for %(span)s") % facts
        case AddToList():
            return _("on the list %(list)s") % {"list": _name(known.lists, step.list_id)}
        case RemoveFromList():
            return _("off the list %(list)s") % {"list": _name(known.lists, step.list_id)}
        case SendEmail(coupon_id=None):
            return _("e-mail “%(mail)s”") % {"mail": _name(known.templates, step.template_id)}
        case SendEmail():
            facts = {"mail": _name(known.templates, step.template_id), "coupon": _name(known.coupons, step.coupon_id)}
            return _("e-mail “%(mail)s” with the coupon %(coupon)s") % facts
        case ContinueIf():
            return _condition(step.condition, known)
    return step.kind.replace("_", " ")


def _condition(condition: Condition, known: Names) -> str:
    match condition:
        case OnList(expected=True):
            return _("only who is on the list %(list)s") % {"list": _name(known.lists, condition.list_id)}
        case OnList():
            return _("only who is not on the list %(list)s") % {"list": _name(known.lists, condition.list_id)}
        case BoughtBefore(expected=True):
            return _("only who has bought before")
        case BoughtBefore():
            return _("only who has never bought")
        case OrderTotal():
            return _("only orders of at least %(sum)s") % {"sum": condition.least}
    return _("only if: %(condition)s") % {"condition": condition.kind.replace("_", " ")}


def _name(known: Mapping[int, str], pk: int | None) -> str:
    return known.get(pk or 0, f"#{pk}")


def span(length: dt.timedelta) -> str:
    """“30 minutes”, “24 hours”, “3 days”: the largest unit that says it exactly. A single day is 24 hours."""
    minutes = int(length.total_seconds() // 60)
    if minutes and minutes % (24 * 60) == 0 and minutes > 24 * 60:
        number = minutes // (24 * 60)
        return ngettext("%(number)s day", "%(number)s days", number) % {"number": number}
    if minutes and minutes % 60 == 0:
        number = minutes // 60
        return ngettext("%(number)s hour", "%(number)s hours", number) % {"number": number}
    return ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes}


_WORDS: dict[str, Any] = {
    # done
    "due": gettext_lazy("It was time."),
    "wait_over": gettext_lazy("The wait was over."),
    "waiting": gettext_lazy("Waiting."),
    "through": gettext_lazy("Went through all steps."),
    "condition_holds": gettext_lazy("The condition is met."),
    # put off, moved
    "payment_in_flight": gettext_lazy("A payment is under way; asked again every few minutes."),
    "starts_afresh": gettext_lazy("Came back with a newer order before the first message: the wait starts afresh."),
    "follows_order": gettext_lazy("Came back with a newer order; goes on with that one."),
    # missed
    "too_late": gettext_lazy("Missed: the worker came too late for this step."),
    "list_missed": gettext_lazy("Missed, because adding to the list was missed."),
    # no mail
    "already_sent": gettext_lazy("This mail was sent at this step before."),
    "placeholder_address": gettext_lazy("There is no real e-mail address."),
    "placeholder": gettext_lazy("There is no real e-mail address."),
    "unsubscribed": gettext_lazy("The person has unsubscribed from promotional mail."),
    "no_consent": gettext_lazy("The person has not agreed to promotional mail."),
    "suppressed": gettext_lazy("The address gets no mail any more."),
    "complained": gettext_lazy("The person complained about an earlier mail."),
    "bounced": gettext_lazy("The address does not accept mail."),
    "refused": gettext_lazy("The mail server refused the address."),
    "staff": gettext_lazy("Staff have put the address on the list of those that get no mail."),
    "no_end_to_tell": gettext_lazy("The mail names a deadline, and for this person the coupon has none."),
    "coupon_gone": gettext_lazy("The coupon is gone."),
    "coupon_not_for_sale": gettext_lazy("The offer is not for sale at present."),
    "coupon_inactive": gettext_lazy("The coupon is not active."),
    "coupon_not_yet": gettext_lazy("The coupon is not valid yet."),
    "coupon_expired": gettext_lazy("The coupon has expired."),
    "coupon_offer_takes_none": gettext_lazy("The offer takes no coupons."),
    "coupon_offer_takes_others": gettext_lazy("The offer takes only other coupons."),
    "coupon_wrong_offer": gettext_lazy("The coupon is for other offers."),
    "coupon_other_currency": gettext_lazy("The coupon is in another currency."),
    "coupon_not_on_list": gettext_lazy("The coupon is for people on a list, and this person is not on it."),
    "coupon_used_by_you": gettext_lazy("The person has used the coupon as often as allowed."),
    "coupon_used_up": gettext_lazy("The coupon is used up."),
    # left
    "family_paid": gettext_lazy("Paid: this purchase is made, by this order or another one."),
    "partly_paid": gettext_lazy("A part is paid; the buyer is asked for the rest instead."),
    "recovery_off": gettext_lazy("Winning back unpaid orders is switched off."),
    "order_cancelled": gettext_lazy("The order was cancelled."),
    "order_expired": gettext_lazy("The order has expired."),
    "order_superseded": gettext_lazy("The order was replaced, and no newer one waits for money."),
    "order_refunded": gettext_lazy("The money was given back."),
    "order_gone": gettext_lazy("The order is gone."),
    "other_kind_of_order": gettext_lazy("Came back with an order that this scenario is not about."),
    "condition_fails": gettext_lazy("The condition is not met."),
    "stopped": gettext_lazy("Stopped by staff."),
    # not let in
    "cooling": gettext_lazy("Was written to about this offer not long ago; left in peace for now."),
    "already_inside": gettext_lazy("Is inside already, and held there."),
    # held
    "error": gettext_lazy("Something went wrong; held until somebody has looked at it."),
    "definition": gettext_lazy("This version of the scenario cannot be read; held until that is mended."),
    "template_missing": gettext_lazy("The e-mail cannot be sent; held until that is mended."),
    "too_many_attempts": gettext_lazy("Tried as often as allowed without coming to an end; held."),
}


def because_text(code: str) -> str:
    """A ``because`` or ``reason`` code in words; an unknown one (a site's own) is spelled out."""
    words = _WORDS.get(code)
    return str(words) if words is not None else capfirst(code.replace("_", " "))
