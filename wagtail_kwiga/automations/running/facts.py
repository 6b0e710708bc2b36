"""Everything the decisions of one batch may know, in a fixed number of queries however many runs there are."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from wagtail.models import Site

from wagtail_kwiga.access import ownership
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.conditions import BoughtBefore, Condition
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import (
    ContactSnapshot,
    Facts,
    GrantSnapshot,
    MarketingCap,
    OrderSnapshot,
    Past,
    RunSnapshot,
    source_of,
)
from wagtail_kwiga.automations.core.steps import ContinueIf, Step
from wagtail_kwiga.automations.models import Run, ScenarioVersion, StepRecord
from wagtail_kwiga.automations.running import coupon_facts, mail_facts
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact, ListMembership
from wagtail_kwiga.coupons import eligibility, rules
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import NewerVersion, ScenarioFault
from wagtail_kwiga.mailing import permission, sender, suppression
from wagtail_kwiga.mailing.models import EmailTemplateVersion
from wagtail_kwiga.mailing.sending import marketing_cap
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE, Status
from wagtail_kwiga.payments import polling


@dataclass(frozen=True)
class Case:
    """One run with all that its decision may know. Without a definition, ``fault`` says why it cannot be read; ``newer`` says
    that it was written by a newer release."""

    run: RunSnapshot
    definition: Definition | None
    facts: Facts
    fault: str = ""
    newer: bool = False


@dataclass
class Batch:
    """The cases of a batch by run id, and the rows behind them, which the effects need again."""

    cases: dict[int, Case] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    contacts: Mapping[int, Contact] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    coupons: dict[int, Coupon] = field(default_factory=dict)
    #: (template, language, is it marketing) → the version to send.
    mails: dict[mail_facts.Mail, EmailTemplateVersion] = field(default_factory=dict)

    def language_of(self, run: Run, order_id: int | None) -> str:
        """The language in which this person is written to: that of the order, else of the run, else their own."""
        order = self.orders.get(order_id) if order_id else None
        return order.language if order else run.language or self.contacts[run.contact_id].language


def load(runs: Sequence[Run], now: dt.datetime, contacts: Mapping[int, Contact] | None = None) -> Batch:
    """The facts about ``runs`` at ``now``. ``contacts``: the rows, where the caller has locked them already."""
    if contacts is None:
        contacts = Contact.objects.in_bulk({run.contact_id for run in runs})
    definitions, faults = _definitions({run.version_id for run in runs})
    batch = Batch(runs={run.pk: run for run in runs}, contacts=contacts)
    world = _World(batch, list(definitions.values()), now)
    for run in runs:
        snapshot = snapshot_of(run)
        definition = definitions.get(run.version_id)
        facts = world.facts(run, snapshot, definition)
        fault = faults.get(run.version_id)
        batch.cases[run.pk] = Case(snapshot, definition, facts, str(fault or ""), isinstance(fault, NewerVersion))
    return batch


def snapshot_of(run: Run) -> RunSnapshot:
    """The row as the pure core sees it."""
    return RunSnapshot(
        id=run.pk,
        contact_id=run.contact_id,
        position=run.position,
        due_at=run.due_at or run.stepped_at,
        stepped_at=run.stepped_at,
        order_id=run.order_id,
        purchase_id=run.purchase_id,
        in_flight_since=run.in_flight_since,
        first_message_at=run.first_message_at,
        context=run.context,
    )


def order_snapshot(order: Order) -> OrderSnapshot:
    """The row as the pure core sees it."""
    return OrderSnapshot(
        id=order.pk,
        status=str(order.status),
        placed_at=order.placed_at,
        total=order.total,
        offer_id=order.offer_id,
        purchase_id=order.purchase_id,
        paid_at=order.paid_at,
        payment_kind=str(order.payment_kind),
        origin=str(order.origin),
    )


def _definitions(version_ids: Iterable[int]) -> tuple[dict[int, Definition], dict[int, ScenarioFault]]:
    """The definitions by version, and why some cannot be read: an unknown step is never left out."""
    kinds = registry.kinds()
    read, faults = {}, {}
    for pk, data in ScenarioVersion.objects.filter(pk__in=list(version_ids)).values_list("pk", "definition"):
        try:
            read[pk] = Definition.from_json(data, kinds)
        except ScenarioFault as fault:
            faults[pk] = fault
    return read, faults


class _World:
    """What the database says about everybody in the batch. Each question is one query, asked once."""

    def __init__(self, batch: Batch, definitions: list[Definition], now: dt.datetime):
        self.batch, self.now = batch, now
        self.runs = list(batch.runs.values())
        self.steps = [step for definition in definitions for step in definition.steps]
        self.lists = {pk for definition in definitions for pk in definition.uses().lists}
        coupon_ids = {pk for definition in definitions for pk in definition.uses().coupons}
        templates = {(pk, one.markets(pk)) for one in definitions for pk in one.uses().templates}
        self._load_orders()
        self._load_offers()
        self.owned = self._load_owned(definitions)
        self.in_flight = set()
        if any(definition.event.minds_payment for definition in definitions):
            self.in_flight = {batch.orders[pk].purchase_id for pk in polling.in_flight(batch.orders)}
        self.coupons = coupon_facts.load(coupon_ids, list(batch.contacts), now)
        batch.coupons = self.coupons.rows
        self.grants = self._load_grants()
        self.known = suppression.known_among(contact.email for contact in batch.contacts.values())
        self.senders = sender.for_sites({self._site_id(run) for run in self.runs})
        languages = {batch.language_of(run, run.order_id) for run in self.runs}
        self.mails = mail_facts.load(templates, languages | self._languages())
        batch.mails = self.mails.versions
        self.history = self._load_history()
        self.marketing = self._load_marketing()
        self.next_day = marketing_cap.day_of(now)[1]
        self.bought = self._load_bought()
        self.extra = self._load_extra()

    def _languages(self) -> set[str]:
        """Those of the whole purchases: a run may go on with a newer order in another language."""
        return {order.language for order in self.batch.orders.values()}

    # --- queries ----------------------------------------------------------------------------------------------------

    def _load_orders(self) -> None:
        purchase_ids = {run.purchase_id for run in self.runs if run.purchase_id}
        ids = {run.order_id for run in self.runs if run.order_id}
        rows = Order.objects.filter(Q(purchase_id__in=purchase_ids) | Q(pk__in=ids)).order_by("pk")
        rows = rows.select_related("coupon_use")  # whether the price of the order still binds depends on it
        self.batch.orders = {order.pk: order for order in rows} if purchase_ids or ids else {}
        # A shop has a handful of sites: one object each, and not one an order.
        wanted = {order.site_id for order in self.batch.orders.values()} | {run.site_id for run in self.runs}
        sites = Site.objects.in_bulk(wanted - {None})
        of_a_site: Iterable[Order | Run] = (*self.batch.orders.values(), *self.runs)
        for row in of_a_site:
            row.site = sites.get(row.site_id)
        self.purchase_ids: dict[Any, list[OrderSnapshot]] = defaultdict(list)
        for order in self.batch.orders.values():
            self.purchase_ids[order.purchase_id].append(order_snapshot(order))

    def _load_offers(self) -> None:
        ids = {order.offer_id for order in self.batch.orders.values() if order.offer_id}
        ids |= {pk for step in self.steps for pk in step.uses().offers}
        self.batch.offers = Offer.objects.in_bulk(ids) if ids else {}
        self.offers = {offer.pk: eligibility.facts_of_offer(offer, self.now) for offer in self.batch.offers.values()}

    def _load_owned(self, definitions: Iterable[Definition]) -> set[tuple[int, int]]:
        """(contact, offer) of the unpaid orders whose buyer has everything that the offer would add; only where a scenario
        about unpaid orders asks."""
        if not any(definition.event.purpose == registry.RECOVERY for definition in definitions):
            return set()
        pairs = {(one.contact_id, one.offer_id) for one in self.batch.orders.values() if one.offer_id}
        return ownership.owned_offers(pairs, self.now) if pairs else set()

    def _load_grants(self) -> dict[int, list[GrantSnapshot]]:
        """Grants on the lists that matter, those that are over among them: who was on a coupon's list is told so. And all
        that the runs themselves made: leaving may end those."""
        found: dict[int, list[GrantSnapshot]] = defaultdict(list)
        sources = [source_of(run.pk) for run in self.runs]
        lists = self.lists | self.coupons.lists
        rows = ListMembership.objects.filter(
            Q(list_id__in=lists) | Q(source__in=sources), contact_id__in=list(self.batch.contacts)
        )
        for contact_id, list_id, source, until, removed_at in rows.values_list(
            "contact_id", "list_id", "source", "until", "removed_at"
        ):
            is_removed = removed_at is not None and removed_at <= self.now
            found[contact_id].append(GrantSnapshot(list_id, source, rules.earlier(until, removed_at), is_removed))
        return found

    def _load_history(self) -> dict[int, tuple[tuple[Past, ...], frozenset[str]]]:
        """What was recorded at each step before, and the steps whose mail exists."""
        past: dict[int, list[Past]] = defaultdict(list)
        mailed: dict[int, set[str]] = defaultdict(set)
        rows = StepRecord.objects.filter(run_id__in=[run.pk for run in self.runs]).order_by("at", "pk")
        for run_id, step, outcome, email_id in rows.values_list("run_id", "step", "outcome", "email_id"):
            past[run_id].append(Past(step, outcome))
            if email_id is not None:
                mailed[run_id].add(step)
        return {run.pk: (tuple(past[run.pk]), frozenset(mailed[run.pk])) for run in self.runs}

    def _load_bought(self) -> dict[int, set[tuple[Any, int | None]]]:
        """Purchases that the contacts have paid, with their offers; only where a condition asks."""
        found: dict[int, set[tuple[Any, int | None]]] = defaultdict(set)
        if any(isinstance(step, ContinueIf) and isinstance(step.condition, BoughtBefore) for step in self.steps):
            paid = Order.objects.filter(contact_id__in=list(self.batch.contacts), paid_at__isnull=False)
            for contact_id, purchase_id, offer_id in paid.values_list("contact_id", "purchase_id", "offer_id"):
                found[contact_id].add((purchase_id, offer_id))
        return found

    def _load_extra(self) -> dict[str, dict[int, Any]]:
        """What the site's own steps and conditions load for themselves."""
        classes: set[type[Step | Condition]] = {type(step) for step in self.steps}
        classes |= {type(step.condition) for step in self.steps if isinstance(step, ContinueIf)}
        snapshots = tuple(snapshot_of(run) for run in self.runs)
        return {one.kind: one.load(snapshots, self.now) for one in sorted(classes, key=lambda one: one.kind)}

    def _load_marketing(self) -> dict[int, int]:
        """How much marketing each contact gets today; only where somebody may get more."""
        may_market = any(
            one.kind == permission.PROMOTION for known in self.mails.snapshots.values() for one in known.values()
        )
        if not may_market or not any(one.promo_mails_per_day for one in self.senders.values()):
            return {}
        return marketing_cap.of_today(list(self.batch.contacts), self.now)

    # --- one run ----------------------------------------------------------------------------------------------------

    def facts(self, run: Run, snapshot: RunSnapshot, definition: Definition | None) -> Facts:
        contact = self.batch.contacts[run.contact_id]
        site_rules = self.senders[self._site_id(run)]
        purchase_id = tuple(self.purchase_ids.get(run.purchase_id, ()))
        history, mailed = self.history[run.pk]
        return Facts(
            contact=self._contact(contact),
            orders=purchase_id or self._single(run),
            offers=self.offers,
            owned=frozenset(offer_id for contact_id, offer_id in self.owned if contact_id == contact.pk),
            in_flight=run.purchase_id in self.in_flight,
            grants=tuple(self.grants.get(contact.pk, ())),
            coupons=self.coupons.snapshots,
            redeemed=self.coupons.redeemed.get(contact.pk, {}),
            reserved=frozenset(self.coupons.reserved.get(contact.pk, ())),
            templates=self.mails.for_run(self.batch.language_of(run, self._newest_id(run)), definition),
            recovery_on=site_rules.recovery_on,
            promo_policy=str(site_rules.promo_policy),
            marketing=self._marketing(contact, site_rules),
            bought=frozenset(offer for other, offer in self.bought.get(contact.pk, ()) if other != run.purchase_id),
            history=history,
            mailed=mailed,
            extra={kind: values.get(run.pk) for kind, values in self.extra.items()},
        )

    def _marketing(self, contact: Contact, by: sender.Sender) -> MarketingCap:
        return MarketingCap(by.promo_mails_per_day, self.marketing.get(contact.pk, 0), self.next_day)

    def _single(self, run: Run) -> tuple[OrderSnapshot, ...]:
        order = self.batch.orders.get(run.order_id) if run.order_id else None
        return (order_snapshot(order),) if order else ()

    def _newest_id(self, run: Run) -> int | None:
        """The order whose language counts: the run's own, or the one that has replaced it."""
        waiting = [one for one in self.purchase_ids.get(run.purchase_id, ()) if one.status in PAYABLE]
        own = self.batch.orders.get(run.order_id) if run.order_id else None
        if own is not None and own.status == Status.SUPERSEDED and waiting:
            return max(waiting, key=lambda one: (one.placed_at, one.id)).id
        return run.order_id

    def _contact(self, contact: Contact) -> ContactSnapshot:
        recipient = suppression.recipient_among(contact, self.known)
        return ContactSnapshot(contact.pk, **vars(recipient))

    def _site_id(self, run: Run) -> int | None:
        """The site whose rules count: that of the order which the mail will be about."""
        order_id = self._newest_id(run)
        order = self.batch.orders.get(order_id) if order_id else None
        return order.site_id if order else run.site_id
