"""Which coupon each mail of a scenario means, and whether it can keep what it says about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from wagtail_kwiga.automations.core.conditions import OnList
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList, ContinueIf, RemoveFromList, SendEmail, Step
from wagtail_kwiga.automations.problems import ScenarioProblem
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.mailing import classification
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.models import EmailTemplate


def settle(definition: Definition) -> tuple[tuple[Step, ...], list[ScenarioProblem]]:
    """The steps with the coupon of every mail settled, and what an editor must mend."""
    known = _Known.of(definition)
    steps: list[Step] = []
    problems: list[ScenarioProblem] = []
    for index, step in enumerate(definition.steps):
        if isinstance(step, SendEmail):
            judge = _Judge(definition, index, step, known)
            step = replace(step, coupon_id=judge.coupon.pk if judge.coupon else None)
            problems += judge.problems()
        steps.append(step)
    return tuple(steps), problems


@dataclass
class _Known:
    """What the database says about the lists, coupons and templates of one definition."""

    lists: dict[int, ContactList] = field(default_factory=dict)
    coupons: dict[int, Coupon] = field(default_factory=dict)
    #: List → its active coupons.
    of_list: dict[int, list[Coupon]] = field(default_factory=dict)
    templates: dict[int, EmailTemplate] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: Definition) -> _Known:
        uses = definition.uses()
        lists = ContactList.objects.filter(pk__in=uses.lists)
        coupons = Coupon.objects.filter(Q(pk__in=uses.coupons) | Q(contact_lists__in=uses.lists)).distinct()
        known = cls({one.pk: one for one in lists})
        for coupon in coupons.prefetch_related("contact_lists"):
            known.coupons[coupon.pk] = coupon
            for one in coupon.contact_lists.all():
                if coupon.is_active:
                    known.of_list.setdefault(one.pk, []).append(coupon)
        known.templates = EmailTemplate.objects.in_bulk(uses.templates)
        return known


class _Judge:
    """One *send e-mail* step."""

    def __init__(self, definition: Definition, index: int, step: SendEmail, known: _Known):
        self.definition, self.index, self.step, self.known = definition, index, step, known
        self.template = known.templates.get(step.template_id)
        self.candidates = self._candidates()
        chosen = known.coupons.get(step.coupon_id) if step.coupon_id else None
        self.coupon = chosen or (self.candidates[0] if len(self.candidates) == 1 and not step.coupon_id else None)

    def _candidates(self) -> list[Coupon]:
        """The coupons of the list that was added to last and not taken back since."""
        for step in reversed(self.definition.steps[: self.index]):
            if isinstance(step, RemoveFromList):
                return []
            if isinstance(step, AddToList):
                return self.known.of_list.get(step.list_id, [])
        return []

    def problems(self) -> list[ScenarioProblem]:
        if self.template is None:
            return [self._say(_("The e-mail it names is gone."))]
        if not self.template.live:
            return [self._say(_("The e-mail “%(mail)s” is a draft. Publish it first."))]
        try:
            used = self._placeholders(self.template)
        except TemplateFault as fault:
            return [self._say(_("The e-mail “%(mail)s” cannot be sent: %(fault)s"), fault=fault)]
        if self.step.coupon_id and self.coupon is None:
            return [self._say(_("The coupon it names is gone."))]
        if not self.definition.event.has_order and (problem := self._without_order(used)):
            return [problem]
        if self.coupon is None:
            return [self._no_coupon()] if classification.speaks_of_coupon(used) else []
        if not self.coupon.is_active:
            return [self._say(_("The coupon %(coupon)s is not active."))]
        return self._lists(self.coupon) or self._end(self.coupon, used)

    def _placeholders(self, template: EmailTemplate) -> set[str]:
        """What the mail uses, in any of its languages."""
        translations = EmailTemplate.objects.filter(translation_key=template.translation_key)
        translations = translations.filter(Q(live=True) | Q(pk=template.pk)).select_related("locale")
        return {name for each in translations for name in versions.compiled(each).placeholders}

    def _without_order(self, used: set[str]) -> ScenarioProblem | None:
        """What begins with an event without an order has no offer but the one that the step names, and nothing to pay."""
        if of_order := sorted(classification.OF_ORDER & used):
            words = _(
                "The e-mail “%(mail)s” is about an order (%(placeholders)s), and what starts this scenario has none."
            )
            return self._say(words, placeholders=", ".join(of_order))
        if self.step.offer_id is None and (self.coupon is not None or classification.needs_offer(used)):
            words = _(
                "The e-mail “%(mail)s” speaks of an offer or a coupon, and what starts this scenario has no order. Choose the "
                "offer that its button leads to."
            )
            return self._say(words)
        return None

    def _no_coupon(self) -> ScenarioProblem:
        if len(self.candidates) > 1:
            codes = ", ".join(sorted(coupon.code for coupon in self.candidates))
            return self._say(
                _("The e-mail “%(mail)s” speaks of a coupon, and the list has several (%(codes)s). Choose one here."),
                codes=codes,
            )
        return self._say(
            _(
                "The e-mail “%(mail)s” speaks of a coupon. Choose one here, or add to a list that has one before this step."
            )
        )

    def _lists(self, coupon: Coupon) -> list[ScenarioProblem]:
        """A coupon for people on a list is of no use to somebody who is on none of them."""
        wanted = {one.pk: one.title for one in coupon.contact_lists.all()}
        if not wanted or wanted.keys() & self._sure_lists():
            return []
        words = _("The coupon %(coupon)s is only for people on: %(lists)s. No step before puts them there.")
        return [self._say(words, lists=", ".join(sorted(wanted.values())))]

    def _sure_lists(self) -> set[int]:
        """Lists on which everybody is who comes to this step."""
        sure: set[int] = set()
        for step in self.definition.steps[: self.index]:
            if isinstance(step, AddToList):
                sure.add(step.list_id)
            elif isinstance(step, RemoveFromList):
                sure.discard(step.list_id)
            elif isinstance(step, ContinueIf) and isinstance(step.condition, OnList) and step.condition.expected:
                sure.add(step.condition.list_id)
        return sure

    def _end(self, coupon: Coupon, used: set[str]) -> list[ScenarioProblem]:
        """A mail that names a deadline needs one that the checkout enforces."""
        if not classification.tells_end(used) or coupon.valid_until is not None or self._list_ends(coupon):
            return []
        words = _(
            "The e-mail “%(mail)s” says until when the coupon %(coupon)s holds, but nothing ends it. Give the coupon an "
            "end, take people off the list again in a later step, or say at “Add to list” after how many hours."
        )
        return [self._say(words)]

    def _list_ends(self, coupon: Coupon) -> bool:
        wanted = {one.pk for one in coupon.contact_lists.all()}
        return any(
            isinstance(step, AddToList) and step.list_id in wanted and step.length(self.definition, index) is not None
            for index, step in enumerate(self.definition.steps[: self.index])
        )

    def _say(self, words: str, **facts: Any) -> ScenarioProblem:
        facts |= {"mail": self.template or "", "coupon": self.coupon or ""}
        return ScenarioProblem(words % facts, "steps", self.index, _("Send e-mail"))
