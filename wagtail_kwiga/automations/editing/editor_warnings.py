"""What an editor should know before publishing, though it does not stand in the way.

All of it is told for many scenarios at once in a fixed number of queries, so that a list can show it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from wagtail_kwiga import conf
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import CouponSnapshot
from wagtail_kwiga.automations.core.steps import AddToList, SendEmail
from wagtail_kwiga.automations.editing import compiling, editor_context
from wagtail_kwiga.automations.editing.editor_context import Circumstances
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.problems import place
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import eligibility, rules
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.formatting.durations import exact_duration
from wagtail_kwiga.mailing import classification
from wagtail_kwiga.mailing.authoring import validation
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate

#: More names than this are counted.
_FEW = 3
#: A promise shorter than this is hardly read in time.
_SHORT = dt.timedelta(hours=1)


def warnings(scenario: Scenario, now: dt.datetime | None = None) -> list[str]:
    """What to look at in ``scenario`` as it stands in memory, in the order of its steps.

    Empty for a scenario that cannot be read yet: its problems come first.
    """
    definition = compiling.read(scenario).definition
    return [] if definition is None else of_many({scenario.pk or 0: definition}, now)[scenario.pk or 0]


def of_many(definitions: Mapping[int, Definition], now: dt.datetime | None = None) -> dict[int, list[str]]:
    """``warnings`` for compiled scenarios, by the scenario's key (0: not saved yet). A fixed number of queries."""
    now = now or conf.now()
    around = editor_context.load(definitions, now)
    return {pk: list(_Reader(pk, definition, around, now).cautions()) for pk, definition in definitions.items()}


class _Reader:
    """Reads one definition through."""

    def __init__(self, scenario_id: int, definition: Definition, around: Circumstances, now: dt.datetime) -> None:
        self.scenario_id, self.definition, self.around, self.now = scenario_id, definition, around, now
        self.told: set[str] = set()

    def cautions(self) -> Iterator[str]:
        if self.definition.event.purpose == "recovery" and self.around.recovery_is_off:
            yield _("Winning back unpaid orders is switched off in the sales settings, so nobody is let in.")
        yield from self._same_event()
        for index, step in enumerate(self.definition.steps):
            found: Iterator[str] = iter(())
            if isinstance(step, AddToList):
                found = self._list(index, step)
            elif isinstance(step, SendEmail):
                found = self._mail(index, step)
            for words in found:
                if words not in self.told:  # the same coupon in three mails is one thing to look at
                    self.told.add(words)
                    label = _("Add to list") if isinstance(step, AddToList) else _("Send e-mail")
                    yield _("%(where)s: %(message)s") % {"where": place(index, label), "message": words}

    def _same_event(self) -> Iterator[str]:
        """Another scenario that writes to the same people, with an end of its own for what may be the same code."""
        mails = [step for step in self.definition.steps if isinstance(step, SendEmail)]
        if not mails or not (self.definition.event.is_marketing or any(step.coupon_id for step in mails)):
            return
        for title in self.around.same_event(self.definition, self.scenario_id):
            words = _(
                "The scenario “%(title)s” begins with the same event and writes to the same people. They get the emails of both, each "
                "with an end of its own; only the limit of promotional mails per day keeps them apart."
            )
            yield words % {"title": title}

    # --- add to list ----------------------------------------------------------------------------------------------------

    def _list(self, index: int, step: AddToList) -> Iterator[str]:
        title = self.around.names.lists.get(step.list_id, f"#{step.list_id}")
        yield from self._short(step, step.length(self.definition, index), title)
        for coupon in self._coupons_of(step.list_id):
            if step.length(self.definition, index) is None and coupon.valid_until is None:
                words = _(
                    "The discount of the coupon %(coupon)s never ends for these people: no later step takes them off the "
                    "list “%(list)s”, no number of hours is said, and the coupon itself has no end."
                )
                yield words % {"coupon": self._code(coupon.id), "list": title}
            yield from self._no_limit(coupon)
        if self._coupons_of(step.list_id) and (ways := self._other_ways(step.list_id)):
            words = _(
                "People get on the list “%(list)s” in other ways too: %(ways)s. The coupon works for them as well, for as "
                "long as they are on it."
            )
            yield words % {"list": title, "ways": ways}

    def _short(self, step: AddToList, length: dt.timedelta | None, title: str) -> Iterator[str]:
        """A promise that is over before anybody can have read of it."""
        if length is None or length >= _SHORT or not (self._coupons_of(step.list_id) or not length):
            return
        if not length:
            words = _(
                "A later step takes people off the list “%(list)s” again in the same moment: what is promised holds for 0 minutes, and "
                "no email tells of it. Put a wait between the two."
            )
        else:
            words = _(
                "People are on the list “%(list)s” for only %(span)s: the email promises that, and few will have read it by then."
            )
        yield words % {"list": title, "span": exact_duration(length)}

    def _coupons_of(self, list_id: int) -> list[CouponSnapshot]:
        found = (self.around.coupons.get(pk) for pk in self.around.of_list.get(list_id, ()))
        return [coupon for coupon in found if coupon is not None and coupon.is_active]

    def _other_ways(self, list_id: int) -> str:
        titles = self.around.other_scenarios(list_id, self.scenario_id)
        ways = [_("the scenario “%(title)s”") % {"title": title} for title in titles[:_FEW]]
        if more := len(titles[_FEW:]):
            ways.append(ngettext("%(number)s more scenario", "%(number)s more scenarios", more) % {"number": more})
        if people := self.around.members_otherwise.get(list_id, 0):
            words = ngettext("%(number)s person added by your team", "%(number)s people added by your team", people)
            ways.append(words % {"number": people})
        return get_text_list(ways, pgettext("sales", "and"))

    # --- send e-mail ----------------------------------------------------------------------------------------------------

    def _mail(self, index: int, step: SendEmail) -> Iterator[str]:
        coupon = self.around.coupons.get(step.coupon_id or 0)
        if coupon is not None:
            yield from self._offers(coupon)
            if not coupon.list_ids:
                yield from self._for_everybody(index, coupon)
            yield from self._no_limit(coupon)
            yield from self._over_by_then(index, coupon)
        template = self.around.templates.get(step.template_id)
        if template is None:
            return
        used = classification.names_used(template)
        if (
            coupon is not None
            and len(coupon.list_ids) > 1
            and coupon.valid_until is None
            and classification.tells_end(used)
        ):
            words = _(
                "The coupon %(coupon)s is for people on several lists. Whoever is on one of the others for good has no end to be told, "
                "and so never gets the email “%(mail)s”."
            )
            yield words % {"coupon": self._code(coupon.id), "mail": template}
        yield from self._after_a_sale(template)
        for hint in validation.target_hints(self.around.unpublished_targets.get(step.template_id, ())):
            yield _("The e-mail “%(mail)s”: %(hint)s") % {"mail": template, "hint": hint}
        if codes := self.around.languages_missing(step.template_id, self.definition):
            names = get_text_list([languages.name(code) for code in codes], pgettext("sales", "and"))
            words = _("The e-mail “%(mail)s” is not there in %(languages)s. Those buyers get it in %(own)s.")
            own = languages.name(template.locale.language_code)
            yield words % {"mail": template, "languages": names, "own": own}
        if (
            self.definition.markets(step.template_id)
            and template.kind == Kind.SERVICE
            and not classification.holds_coupon(template)
        ):
            words = _(
                "The email “%(mail)s” is marked as service, so people who have unsubscribed or never agreed to promotion get it "
                "too. That is allowed only for a plain reminder of their own order; otherwise let its kind be automatic."
            )
            yield words % {"mail": template}
        for hint in validation.hints(template):
            yield _("The e-mail “%(mail)s”: %(hint)s") % {"mail": template, "hint": hint}

    def _over_by_then(self, index: int, coupon: CouponSnapshot) -> Iterator[str]:
        """A coupon for people on a list, whose time on it is over, or nearly, when the mail about it comes to leave."""
        left: dict[int, tuple[dt.timedelta, dt.timedelta]] = {}
        waited = dt.timedelta()
        for number in range(index - 1, -1, -1):
            step = self.definition.steps[number]
            if isinstance(step, AddToList) and step.list_id in coupon.list_ids and step.list_id not in left:
                length = step.length(self.definition, number)
                if length is None:
                    return
                left[step.list_id] = (length - waited, length)
            waited += step.delay()
        if not left:
            return
        list_id = max(left, key=lambda pk: left[pk])
        rest, length = left[list_id]
        if rest <= dt.timedelta() < length:
            words = _(
                "People are on the list “%(list)s” for %(span)s, and that is over before this email leaves: nobody gets it. Put the "
                "email nearer to “Add to list”, or let them stay longer."
            )
        elif rest < _SHORT <= length:
            words = _("Of their %(span)s on the list “%(list)s” people have only %(rest)s left when this email leaves.")
        else:
            return
        title = self.around.names.lists.get(list_id, f"#{list_id}")
        rest = max(rest, dt.timedelta())
        yield words % {"list": title, "span": exact_duration(length), "rest": exact_duration(rest)}

    def _after_a_sale(self, template: EmailTemplate) -> Iterator[str]:
        event = self.definition.event
        if (
            event.has_order
            and not event.is_marketing
            and classification.links_used(template) & {"pay_url", "resume_url"}
        ):
            words = _(
                "A button or link of the email “%(mail)s” leads to paying or to ordering anew, and whoever gets it has paid already. The "
                "way in to what was bought, or the page of the order, is what they look for."
            )
            yield words % {"mail": template}

    def _offers(self, coupon: CouponSnapshot) -> Iterator[str]:
        """Offers whose orders this scenario is about, and for which the coupon works for nobody."""
        offers = self.around.offers_of(self.definition)
        refused: dict[Reason, list[Offer]] = {}
        for offer in offers:
            about = eligibility.gate_of_offer(offer)
            why = rules.judge(coupon, about, coupon.links(offer.pk), None, self.now).reason
            # A coupon for people on a list waits to be told who asks; that is about nobody in particular.
            if why not in (Reason.OK, Reason.NEEDS_ADDRESS):
                refused.setdefault(why, []).append(offer)
        for why, which in refused.items():
            words = _("The coupon %(coupon)s does not work for %(offers)s, so nobody gets this mail about it. %(why)s")
            told = {"coupon": self._code(coupon.id), "offers": _called(which)}
            yield words % {**told, "why": descriptions.reason_text(f"coupon_{why}")}

    def _for_everybody(self, index: int, coupon: CouponSnapshot) -> Iterator[str]:
        """A coupon without a list does not care about the steps that add to one."""
        lists = [step.list_id for step in self.definition.steps[:index] if isinstance(step, AddToList)]
        if lists:
            title = self.around.names.lists.get(lists[-1], f"#{lists[-1]}")
            words = _(
                "The coupon %(coupon)s works for everybody, so being on the list “%(list)s” changes nothing about it. "
                "Choose this list at the coupon, and it is only for them."
            )
            yield words % {"coupon": self._code(coupon.id), "list": title}
        if coupon.valid_until is None:
            yield _("The coupon %(coupon)s works for everybody and never ends.") % {"coupon": self._code(coupon.id)}

    def _no_limit(self, coupon: CouponSnapshot) -> Iterator[str]:
        if coupon.limit_per_contact is None:
            words = _("One person may use the coupon %(coupon)s as often as they like: it has no limit per person.")
            yield words % {"coupon": self._code(coupon.id)}

    def _code(self, coupon_id: int) -> str:
        return self.around.names.coupons.get(coupon_id, f"#{coupon_id}")


def _called(offers: Collection[Offer]) -> str:
    if len(offers) > _FEW:
        return ngettext("%(number)s offer", "%(number)s offers", len(offers)) % {"number": len(offers)}
    return get_text_list([_("“%(title)s”") % {"title": offer} for offer in offers], pgettext("sales", "or"))
