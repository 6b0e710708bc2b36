"""Scenarios in words, for editors and staff, in the active language: the whole in one sentence, and step by step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from wagtail_kwiga.automations.core.conditions import BoughtBefore, Condition, OnList, OrderTotal
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.serialization import Serializable
from wagtail_kwiga.automations.core.steps import AddToList, ContinueIf, RemoveFromList, SendEmail, Step, Wait
from wagtail_kwiga.automations.core.triggers import OrderPaid, OrderUnpaid, StartEvent
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.wording.naming import Names, names
from wagtail_kwiga.automations.wording.reasons import outcome_text, reason_text, register_words
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.formatting.durations import exact_duration
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.orders.labels import ORIGIN_CHOICES, PAYMENT_KIND_CHOICES

__all__ = ["Names", "names", "outcome_text", "reason_text", "register_words", "sentence", "step_text"]

#: More offers than this are counted instead of named.
_FEW = 3


def sentence(definition: Definition, known: Names | None = None) -> str:
    """The whole scenario in one sentence, such as “30 minutes after an unpaid order for Watercolour, unless paid: 15% for
    24 hours, one e-mail”.

    Exact about when, for whom, how much and for how long; which lists and e-mails is what ``step_text`` tells. At most five
    queries, none where the names are ``known``.
    """
    known = names(definition) if known is None else known
    first, waves = _waves(definition, known)
    told = [
        _("%(span)s later: %(what)s") % {"span": exact_duration(delay), "what": ", ".join(what)}
        if index
        else ", ".join(what)
        for index, (delay, what) in enumerate(waves)
    ]
    whole = capfirst(_whole(definition.event, first, "; ".join(told) or pgettext("sales", "nothing"), known))
    filters = "; ".join(_filters(definition.event))
    return _("%(sentence)s (%(filters)s)") % {"sentence": whole, "filters": filters} if filters else whole


def step_text(definition: Definition, index: int, known: Names) -> str:
    """One step in full, with the names of all it uses: for lists of steps, and for where somebody stands."""
    return capfirst(_step(definition, index, known))


# --- the beginning ------------------------------------------------------------------------------------------------------

#: kind → (is there a wait, are offers named) → the sentence around it.
_STARTS: dict[str, dict[tuple[bool, bool], Any]] = {
    OrderUnpaid.kind: {
        (True, True): gettext_lazy("%(span)s after an unpaid order for %(offers)s, unless paid: %(what)s"),
        (True, False): gettext_lazy("%(span)s after any unpaid order, unless paid: %(what)s"),
        (False, True): gettext_lazy("After an unpaid order for %(offers)s, unless paid: %(what)s"),
        (False, False): gettext_lazy("After any unpaid order, unless paid: %(what)s"),
    },
    OrderPaid.kind: {
        (True, True): gettext_lazy("%(span)s after a paid order for %(offers)s: %(what)s"),
        (True, False): gettext_lazy("%(span)s after any paid order: %(what)s"),
        (False, True): gettext_lazy("After a paid order for %(offers)s: %(what)s"),
        (False, False): gettext_lazy("After any paid order: %(what)s"),
    },
    "": {
        (True, False): gettext_lazy("%(span)s after %(event)s: %(what)s"),
        (False, False): gettext_lazy("After %(event)s: %(what)s"),
    },
}


def _whole(event: StartEvent, first: dt.timedelta, what: str, known: Names) -> str:
    ours = event.kind in _STARTS
    offers = _offers(event.offer_ids(), known) if ours else ""
    words = _STARTS[event.kind if ours else ""][bool(first), bool(offers)]
    told = {"span": exact_duration(first), "offers": offers, "what": what, "event": "" if ours else _own(event)}
    return str(words % told)


def _filters(event: StartEvent) -> list[str]:
    """Which orders it is about, where an editor has chosen others than usual: in the words of the form."""
    if not isinstance(event, OrderUnpaid):
        return []
    usual, told = OrderUnpaid(), []
    kinds = [str(label) for kind, label in PAYMENT_KIND_CHOICES if kind in event.payment_kinds]
    origins = [str(label) for origin, label in ORIGIN_CHOICES if origin in event.origins]
    if set(event.payment_kinds) != set(usual.payment_kinds):
        told.append(_("%(filter)s: %(chosen)s") % {"filter": pgettext("sales", "Paying"), "chosen": ", ".join(kinds)})
    if set(event.origins) != set(usual.origins):
        told.append(_("%(filter)s: %(chosen)s") % {"filter": _("Made by"), "chosen": ", ".join(origins)})
    if event.include_free:
        told.append(_("Orders with nothing to pay, too"))
    return told


def _offers(ids: Iterable[int], known: Names) -> str:
    called = [_name(known.offers, pk) for pk in ids]
    if len(called) > _FEW:
        return ngettext("%(number)s offer", "%(number)s offers", len(called)) % {"number": len(called)}
    return get_text_list(called, pgettext("sales", "or"))


# --- what happens, from wait to wait ------------------------------------------------------------------------------------


def _waves(definition: Definition, known: Names) -> tuple[dt.timedelta, list[tuple[dt.timedelta, list[str]]]]:
    """The first wait; then after which further wait what is done. Waits before which nothing is done are added up."""
    steps = list(enumerate(definition.steps))
    first = dt.timedelta()
    while steps and isinstance(steps[0][1], Wait):
        first += steps.pop(0)[1].delay()
    waves: list[tuple[dt.timedelta, list[str]]] = []
    delay = dt.timedelta()
    wave: list[tuple[int, Step]] = []
    for index, step in steps:
        if not isinstance(step, Wait):
            wave.append((index, step))
            continue
        if what := _brief(definition, wave, known):
            waves.append((delay, what))
            delay = dt.timedelta()
        delay += step.delay()
        wave = []
    if what := _brief(definition, wave, known):
        waves.append((delay, what))
    return first, waves


def _brief(definition: Definition, wave: list[tuple[int, Step]], known: Names) -> list[str]:
    """What is done between two waits, in the fewest words: mails are counted, discounts told instead of lists."""
    told: list[str] = []
    mails = 0
    for index, step in wave:
        match step:
            case SendEmail():
                mails += 1
                if (what := _discount_of_mail(definition, index, step, known)) and what not in told:
                    told.append(what)
            case AddToList() if coupons := _coupons_given(definition, step, known):
                told.append(_discount(coupons, step.length(definition, index), known))
            case RemoveFromList() if _ends_what_was_told(definition, index):
                pass
            case _:
                told.append(_step(definition, index, known))
    if mails:
        one = _("one e-mail")
        count = ngettext("%(number)s e-mail", "%(number)s e-mails", mails) % {"number": mails}
        told.append(one if mails == 1 else count)
    return told


def _discount_of_mail(definition: Definition, index: int, mail: SendEmail, known: Names) -> str:
    """The coupon of a mail, where no *add to list* before has told of it."""
    if mail.coupon_id is None:
        return ""
    found = known.discounts.get(mail.coupon_id)
    if found is None:
        return _name(known.coupons, mail.coupon_id)
    if not found.lists:
        return _discount([mail.coupon_id], None, known)
    added = {step.list_id for step in definition.steps[:index] if isinstance(step, AddToList)}
    return "" if added & found.lists else found.size


def _coupons_given(definition: Definition, step: AddToList, known: Names) -> list[int]:
    """The coupons that being on the list opens: those the scenario's mails speak of, else all of the list's."""
    of_list = known.of_list(step.list_id)
    named = definition.uses().coupons
    return [pk for pk in of_list if pk in named] or of_list


def _discount(coupon_ids: list[int], length: dt.timedelta | None, known: Names) -> str:
    found = [known.discounts[pk] for pk in coupon_ids]
    size = get_text_list([one.size for one in found], pgettext("sales", "or"))
    ends = [one.until for one in found if one.until is not None]
    until = max(ends) if ends and len(ends) == len(found) else None
    told = {
        "size": size,
        "span": exact_duration(length) if length else "",
        "until": instants.until(until) if until else "",
    }
    if length and until:
        return _("%(size)s for %(span)s, until %(until)s at the latest") % told
    if length:
        return _("%(size)s for %(span)s") % told
    if until:
        return _("%(size)s until %(until)s") % told
    return _("%(size)s without an end") % told


def _ends_what_was_told(definition: Definition, index: int) -> bool:
    """Whether a *remove from list* only does what the length told at an *add to list* before says already."""
    off = definition.steps[index]
    return any(
        isinstance(step, AddToList)
        and isinstance(off, RemoveFromList)
        and step.list_id == off.list_id
        and step.until != "none"
        for step in definition.steps[:index]
    )


# --- one step -----------------------------------------------------------------------------------------------------------


def _step(definition: Definition, index: int, known: Names) -> str:
    step = definition.steps[index]
    match step:
        case Wait():
            return _("wait %(span)s") % {"span": exact_duration(step.delay())}
        case AddToList():
            length = step.length(definition, index)
            told = {"list": _name(known.lists, step.list_id), "span": exact_duration(length) if length else ""}
            if length:
                return _("on the list “%(list)s” for %(span)s") % told
            return _("on the list “%(list)s” without an end") % told
        case RemoveFromList():
            return _("off the list “%(list)s”") % {"list": _name(known.lists, step.list_id)}
        case SendEmail(coupon_id=None):
            told = {"mail": _name(known.templates, step.template_id)}
            if definition.markets(step.template_id) and step.template_id in known.services:
                return _("email “%(mail)s” as service, also to people who want no promotion") % told
            return _("e-mail “%(mail)s”") % told
        case SendEmail():
            told = {"mail": _name(known.templates, step.template_id), "coupon": _name(known.coupons, step.coupon_id)}
            if (found := known.discounts.get(step.coupon_id or 0)) is None:
                return _("e-mail “%(mail)s” with the coupon %(coupon)s") % told
            return _("e-mail “%(mail)s” with the coupon %(coupon)s (%(size)s)") % {**told, "size": found.size}
        case ContinueIf():
            return condition_text(step.condition, known)
    return _own(step)


def condition_text(condition: Condition, known: Names) -> str:
    """A condition of *continue only if* in words."""
    match condition:
        case OnList(expected=True):
            return _("only who is on the list “%(list)s”") % {"list": _name(known.lists, condition.list_id)}
        case OnList():
            return _("only who is not on the list “%(list)s”") % {"list": _name(known.lists, condition.list_id)}
        case BoughtBefore(expected=True):
            return _("only who has bought before")
        case BoughtBefore():
            return _("only who has never bought")
        case OrderTotal():
            return _("only orders of at least %(sum)s") % {"sum": money_for_reader(condition.least)}
    return _("only if: %(condition)s") % {"condition": _own(condition)}


def _own(one: Serializable) -> str:
    """A site's own class: in its own words, else by the label of its form."""
    if type(one).words is not Serializable.words:
        return str(one.words())
    label = label_of(one.kind)
    return _("“%(title)s”") % {"title": label} if label else str(one.words())


def label_of(kind: str) -> str:
    """What the form of a step, condition or start event is called; empty for one without a form."""
    steps = Scenario._meta.get_field("steps").stream_block.child_blocks
    events = Scenario._meta.get_field("start").stream_block.child_blocks
    conditions = steps[ContinueIf.kind].child_blocks["condition"].child_blocks if ContinueIf.kind in steps else {}
    block = steps.get(kind) or events.get(kind) or conditions.get(kind)
    return str(block.label) if block is not None else ""


# --- small things -------------------------------------------------------------------------------------------------------


def _name(known: Mapping[int, str], pk: int | None) -> str:
    return known.get(pk or 0, f"#{pk}")
