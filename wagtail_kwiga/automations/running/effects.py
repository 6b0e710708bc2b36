"""Carrying out the decisions of a batch: each kind of effect for everybody at once. Database rows only.

Whatever must leave the house becomes a row that is delivered one by one. Called inside the engine's transaction, with the
contacts and runs locked.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

from django.db.models import Exists, OuterRef

from wagtail_kwiga import compiled_queries, hooks, quoting
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.decisions import Decision
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import EndMembership, GrantMembership, Intent, QueueEmail
from wagtail_kwiga.automations.core.snapshots import source_of
from wagtail_kwiga.automations.core.triggers import StartEvent
from wagtail_kwiga.automations.models import Run, Scenario, StepRecord
from wagtail_kwiga.automations.running.facts import Batch
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.models import EmailTemplate, OutgoingEmail
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.orders import binding
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote

#: Kinds carried out here; any other class brings its own ``apply_all``.
_OURS = (GrantMembership, EndMembership, QueueEmail)


#: What a decision changes, and what letting go of the lease does.
_RUN_COLUMNS = [
    "state", "position", "due_at", "stepped_at", "in_flight_since", "order_id", "purchase_id", "first_message_at",
    "last_message_at", "ended_at", "reason", "error", "lease", "leased_until", "attempts",
]  # fmt: skip


def apply(batch: Batch, decisions: Sequence[Decision], now: dt.datetime) -> None:
    """Do what was decided, and write down where everybody stands and why. A fixed number of queries per kind."""
    intents = [intent for decision in decisions for intent in decision.intents]
    _memberships(intents, now)
    mails = _mails(batch, decisions, now)
    for kind, of_kind in _others(intents).items():
        kind.apply_all(of_kind, now=now)
    _save_runs(batch, decisions, _written_to(decisions, mails), now)
    compiled_queries.insert(StepRecord, _RECORD, _records(decisions, mails, now))
    _call_somebody(batch, [decision for decision in decisions if decision.state == "paused"], now)
    _tell_of_unpublished(batch, decisions, now)


def _call_somebody(batch: Batch, paused: Sequence[Decision], now: dt.datetime) -> None:
    """What is held goes on a person's list."""
    if paused:
        writing.write_many(
            writing.draft(batch.runs[one.run_id], "automations.paused", now=now, attention=True, error=one.error)
            for one in paused
        )


def _tell_of_unpublished(batch: Batch, decisions: Sequence[Decision], now: dt.datetime) -> None:
    """An email that was not sent because somebody has unpublished it goes on a person's list: once, and not for each reader. Two
    queries more, where there is one."""
    skipped: dict[int, int] = {}
    for decision in decisions:
        for record in decision.records:
            if record.reason == "template_unpublished":
                skipped.setdefault(dict(record.facts)["template"], batch.runs[decision.run_id].scenario_id)
    if not skipped:
        return
    code = "automations.template_unpublished"
    is_told = Exists(writing.open_about(EmailTemplate, OuterRef("pk")).filter(code=code))
    told = set(EmailTemplate.objects.filter(is_told, pk__in=skipped).values_list("pk", flat=True))
    titles = dict(Scenario.objects.filter(pk__in=skipped.values()).values_list("pk", "title"))
    writing.write_many(
        writing.draft((EmailTemplate, pk), code, now=now, attention=True, scenario=titles[scenario_id])
        for pk, scenario_id in skipped.items()
        if pk not in told
    )


def _memberships(intents: Sequence[Intent], now: dt.datetime) -> None:
    """Of several intents about the same grant the last one counts: a pass may put somebody on a list and off again."""
    last: dict[tuple[int, int, str], GrantMembership | EndMembership] = {}
    for intent in intents:
        if isinstance(intent, GrantMembership | EndMembership):
            last[intent.list_id, intent.contact_id, source_of(intent.run_id)] = intent
    granted = [(key, one.until) for key, one in last.items() if isinstance(one, GrantMembership)]
    lists.add_many([(key[0], key[1], until, key[2]) for key, until in granted], now=now)
    lists.remove_many([key for key, one in last.items() if isinstance(one, EndMembership)], now=now)


def _mails(batch: Batch, decisions: Sequence[Decision], now: dt.datetime) -> dict[str, OutgoingEmail]:
    """Queue every mail; the rows by key."""
    quotes: Quotes = {}
    queued = [
        outbox.QueuedMail(
            key=mail.key,
            purpose=_event(batch, decision).purpose,
            version=batch.mails[
                mail.template_id,
                _language(batch, decision),
                _definition(batch, decision.run_id).markets(mail.template_id),
            ],
            situation=_situation(batch, decision, mail, now, quotes),
            not_after=mail.not_after,
        )
        for decision in decisions
        for mail in decision.mails
    ]
    return {row.key: row for row in outbox.queue_many(queued, now=now)} if queued else {}


def _event(batch: Batch, decision: Decision) -> StartEvent:
    return _definition(batch, decision.run_id).event


def _language(batch: Batch, decision: Decision) -> str:
    return batch.language_of(batch.runs[decision.run_id], decision.order_id)


Quotes = dict[tuple[int, int | None], Quote]


def _quote(offer: Offer, coupon: Coupon | None, contact: Contact, now: dt.datetime, quotes: Quotes) -> Quote:
    """Today's price of an offer with a coupon: the same for everybody, unless the site makes prices of its own."""
    if hooks.has_listeners("construct_kwiga_quote"):
        return quoting.make(offer, coupon, contact, now)
    key = offer.pk, coupon.pk if coupon else None
    if key not in quotes:
        quotes[key] = quoting.make(offer, coupon, contact, now)
    return quotes[key]


def _prices(
    batch: Batch,
    run: Run,
    order: Order | None,
    offer: Offer | None,
    coupon: Coupon | None,
    now: dt.datetime,
    quotes: Quotes,
) -> tuple[Money | None, Money | None]:
    """List price and total that a mail tells; ``None`` for those of its order, as for one that is paid.

    They are today's, because the button leads to a new order at today's terms. Where the standing order is cheaper, the button
    of a mail without a coupon leads to that one (promise 3); and one that holds a coupon hands it on, so its own price is told.
    """
    is_recovery = _definition(batch, run.pk).event.purpose == registry.RECOVERY
    if offer is None or (coupon is None and order is not None and not is_recovery):
        return None, None
    quote = _quote(offer, coupon, batch.contacts[run.contact_id], now, quotes)
    if coupon is None and order is not None:
        if binding.binds(order, now) and binding.is_better(order.total, quote.total):
            return order.list_price, order.total
        if order.coupon_use_id is not None:
            return None, None
    return quote.list_price, quote.total


def _situation(batch: Batch, decision: Decision, mail: QueueEmail, now: dt.datetime, quotes: Quotes) -> Situation:
    """What the mail is about."""
    run = batch.runs[decision.run_id]
    order = batch.orders.get(decision.order_id) if decision.order_id else None
    offer_id = order.offer_id if order else mail.offer_id
    offer = batch.offers.get(offer_id) if offer_id else None
    coupon = batch.coupons.get(mail.coupon_id) if mail.coupon_id else None
    before, after = _prices(batch, run, order, offer, coupon, now, quotes)
    return Situation(
        contact=batch.contacts[run.contact_id],
        order=order,
        offer=offer,
        site=order.site if order else run.site,
        language=_language(batch, decision),
        now=now,
        coupon=coupon,
        coupon_until=mail.coupon_until,
        quote_before=before,
        quote_after=after,
    )


def _others(intents: Sequence[Intent]) -> dict[type[Intent], list[Intent]]:
    """The site's own intents, by class."""
    found: dict[type[Intent], list[Intent]] = defaultdict(list)
    for intent in intents:
        if not isinstance(intent, _OURS):
            found[type(intent)].append(intent)
    return found


def _is_message(row: OutgoingEmail) -> bool:
    """Whether the row is on its way; one that was suppressed at once says nothing to anybody."""
    return row.status != OutgoingEmail.Status.SUPPRESSED


def _written_to(decisions: Sequence[Decision], mails: dict[str, OutgoingEmail]) -> set[int]:
    """Runs in which a message was really queued."""
    return {one.run_id for one in decisions for mail in one.mails if _is_message(mails[mail.key])}


#: The columns of a ``StepRecord``, in the order of ``_records``.
_RECORD = ["run_id", "step", "kind", "outcome", "reason", "facts", "at", "email_id"]


def _records(
    decisions: Sequence[Decision], mails: dict[str, OutgoingEmail], now: dt.datetime
) -> Iterator[tuple[Any, ...]]:
    for decision in decisions:
        for record in decision.records:
            mail = mails.get(record.mail_key)
            outcome, reason = record.outcome, record.reason
            if mail is not None and not _is_message(mail):
                outcome, reason = "skipped", mail.why.partition(":")[0]
            email_id = mail.pk if mail is not None else None
            yield decision.run_id, record.step, record.kind, outcome, reason, dict(record.facts), now, email_id


# --- where the runs stand ------------------------------------------------------------------------------------------------


def _save_runs(batch: Batch, decisions: Sequence[Decision], written_to: Collection[int], now: dt.datetime) -> None:
    """Save what ``decisions`` say of their runs and let go of the leases. ``written_to``: who was sent a message."""
    runs = []
    for decision in decisions:
        run = batch.runs[decision.run_id]
        _take_over(run, decision, batch, now)
        if run.pk in written_to:
            run.first_message_at = run.first_message_at or now
            run.last_message_at = now
        runs.append(run)
    compiled_queries.update(
        Run, _RUN_COLUMNS, [[run.pk, *(getattr(run, name) for name in _RUN_COLUMNS)] for run in runs]
    )


def _take_over(run: Run, decision: Decision, batch: Batch, now: dt.datetime) -> None:
    run.state, run.position, run.due_at = decision.state, decision.position, decision.due_at
    run.stepped_at, run.in_flight_since = decision.stepped_at, decision.in_flight_since
    if decision.order_id != run.order_id and decision.order_id in batch.orders:
        run.order_id, run.purchase_id = decision.order_id, batch.orders[decision.order_id].purchase_id
    run.lease, run.leased_until, run.attempts = "", None, 0
    if decision.state != Run.State.ACTIVE:
        run.ended_at = None if decision.state == Run.State.PAUSED else now
        run.reason = decision.reason
        run.error = decision.error


def _definition(batch: Batch, run_id: int) -> Definition:
    return cast(Definition, batch.cases[run_id].definition)  # a run without one is paused, and has no effect
