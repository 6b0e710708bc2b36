"""What surrounds some scenarios while an editor looks at them: their coupons, offers, e-mails, and who else uses their lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Exists, F, OuterRef, Q
from wagtail.models import Site

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import CouponSnapshot
from wagtail_kwiga.automations.core.steps import AddToList, SendEmail
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion, ScenarioVersionLink
from wagtail_kwiga.automations.running import coupon_facts
from wagtail_kwiga.automations.wording import naming, offer_languages
from wagtail_kwiga.automations.wording.naming import Names
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import ListMembership
from wagtail_kwiga.coupons.models import CouponListLimit
from wagtail_kwiga.mailing.authoring import validation
from wagtail_kwiga.mailing.models import EmailTemplate


@dataclass(frozen=True)
class Mailing:
    """A live scenario that sends mail: what begins it, and for which offers (none: for all)."""

    scenario_id: int
    title: str
    event: str
    offers: frozenset[int]


@dataclass
class Circumstances:
    """As ``load`` has found them."""

    names: Names = field(default_factory=Names)
    coupons: Mapping[int, CouponSnapshot] = field(default_factory=dict)
    #: List → the coupons that are for people on it.
    of_list: dict[int, list[int]] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    templates: dict[int, EmailTemplate] = field(default_factory=dict)
    #: Offer → the languages in which orders for it come in; template → those it is not there in.
    languages: dict[int, list[str]] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)
    #: List → (scenario, its title) of those that add to it.
    adders: dict[int, dict[int, str]] = field(default_factory=dict)
    #: List → how many people are on it now, but by no scenario.
    members_otherwise: dict[int, int] = field(default_factory=dict)
    #: Template → the pages it links to that nobody can see.
    unpublished_targets: dict[int, list[str]] = field(default_factory=dict)
    #: Live scenarios that begin with the events asked about, and send mail.
    mailing: list[Mailing] = field(default_factory=list)
    #: On every site.
    recovery_is_off: bool = False

    def other_scenarios(self, list_id: int, scenario_id: int) -> list[str]:
        """The titles of the scenarios but this one that add to a list."""
        return sorted(title for pk, title in self.adders.get(list_id, {}).items() if pk != scenario_id)

    def same_event(self, definition: Definition, scenario_id: int) -> list[str]:
        """The titles of the live scenarios but this one that write to the same people about the same things."""
        offers = set(definition.event.offer_ids())
        return sorted(
            one.title
            for one in self.mailing
            if one.scenario_id != scenario_id
            and one.event == definition.event.kind
            and (not offers or not one.offers or offers & one.offers)
        )

    def offers_of(self, definition: Definition) -> list[Offer]:
        """The offers whose orders a scenario is about: those it names, else all that are not withdrawn."""
        named = definition.event.offer_ids()
        if named:
            return [self.offers[pk] for pk in named if pk in self.offers]
        return [offer for offer in self.offers.values() if offer.state != Offer.State.WITHDRAWN]

    def languages_missing(self, template_id: int, definition: Definition) -> list[str]:
        """The languages in which orders of this scenario come in, and an e-mail is not there."""
        wanted = {code for offer in self.offers_of(definition) for code in self.languages.get(offer.pk, ())}
        return [code for code in self.missing.get(template_id, ()) if code in wanted]


def load(definitions: Mapping[int, Definition], now: dt.datetime) -> Circumstances:
    """What surrounds these definitions at ``now``. A fixed number of queries, however many there are."""
    found = Circumstances(names=naming.names(*definitions.values()))
    steps = [step for definition in definitions.values() for step in definition.steps]
    added = {step.list_id for step in steps if isinstance(step, AddToList)}
    _coupons(found, definitions, added, now)
    _offers(found, definitions)
    _templates(found, definitions)
    if added:
        _other_ways(found, added, now)
    found.mailing = list(_mailing({definition.event.kind for definition in definitions.values()}))
    if any(definition.event.purpose == "recovery" for definition in definitions.values()):
        on = Site.objects.filter(Q(kwigasettings__isnull=True) | Q(kwigasettings__recovery_on=True))
        found.recovery_is_off = not on.exists()
    return found


def _mailing(events: Collection[str]) -> Iterator[Mailing]:
    rows = Scenario.objects.filter(live=True, version__event__in=events)
    for pk, title, event, data in rows.values_list("pk", "title", "version__event", "version__definition"):
        if any(step.get("kind") == SendEmail.kind for step in data.get("steps", ())):
            offers = (data.get("event", {}).get("filters") or {}).get("offers") or ()
            yield Mailing(pk, title, event, frozenset(offers))


def _coupons(found: Circumstances, definitions: Mapping[int, Definition], added: set[int], now: dt.datetime) -> None:
    for coupon_id, list_id in CouponListLimit.objects.filter(contact_list_id__in=added).values_list(
        "coupon_id", "contact_list_id"
    ):
        found.of_list.setdefault(list_id, []).append(coupon_id)
    named = {pk for definition in definitions.values() for pk in definition.uses().coupons}
    ids = named | {pk for coupons in found.of_list.values() for pk in coupons}
    found.coupons = coupon_facts.load(ids, [], now).snapshots


def _offers(found: Circumstances, definitions: Mapping[int, Definition]) -> None:
    named = [definition.event.offer_ids() for definition in definitions.values()]
    rows = Offer.objects.all()
    if all(named):
        rows = rows.filter(pk__in={pk for ids in named for pk in ids})
    found.offers = {offer.pk: offer for offer in rows}


def _templates(found: Circumstances, definitions: Mapping[int, Definition]) -> None:
    ids = {pk for definition in definitions.values() for pk in definition.uses().templates}
    if not ids:
        return
    found.templates = EmailTemplate.objects.select_related("locale").in_bulk(ids)
    found.unpublished_targets = validation.unpublished_targets(found.templates.values())
    found.languages = offer_languages.of_offers(found.offers.values())
    wanted = sorted({code for codes in found.languages.values() for code in codes})
    found.missing = offer_languages.missing(found.templates, dict.fromkeys(ids, wanted))


def _other_ways(found: Circumstances, added: set[int], now: dt.datetime) -> None:
    """Scenarios that add to these lists (those that let people in, or have some inside), and people on them otherwise."""
    inside = Run.objects.filter(version=OuterRef("pk"), state__in=[Run.State.ACTIVE, Run.State.PAUSED])
    alive = Q(scenario__live=True, pk=F("scenario__version")) | Exists(inside)
    linked = ScenarioVersionLink.objects.filter(contact_list__in=added)
    versions = ScenarioVersion.objects.filter(alive, pk__in=linked.values("version"))
    for scenario_id, title, data in versions.values_list("scenario_id", "scenario__title", "definition"):
        for step in data.get("steps", ()):
            if step.get("kind") == AddToList.kind and step.get("list_id") in added:
                found.adders.setdefault(step["list_id"], {})[scenario_id] = title
    others = ListMembership.objects.filter(lists.holding(now), list_id__in=added).exclude(source__startswith="run:")
    rows = others.order_by().values("list_id").annotate(people=Count("contact_id", distinct=True))
    found.members_otherwise = {row["list_id"]: row["people"] for row in rows}
