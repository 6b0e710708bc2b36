"""Who comes in, who moves on and who leaves, when orders are placed, paid and closed.

Called inside the transaction of the move, with the contact locked. Each reaction guards itself with a savepoint: a broken
scenario never refuses an order or money. What it could not do is logged and put on a person's list, and the sweep asks
again whether anybody has paid before it does anything.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q

from wagtail_kwiga import conf
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core import entry_rules
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import OrderSnapshot
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion, StepRecord
from wagtail_kwiga.automations.running import endings, facts
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.locking import locked
from wagtail_kwiga.mailing import sender
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.orders import purchases
from wagtail_kwiga.orders.events import OrderClosed, OrderPaid, OrderPlaced, OrdersClosed
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status

logger = logging.getLogger("wagtail_kwiga.automations")

#: Staff's verbs, beside those of orders.
stop, stop_all, let_go_on = endings.stop, endings.stop_all, endings.let_go_on

#: Inside: on the way, or held.
INSIDE = [Run.State.LIVE, Run.State.PARKED]
#: Mails that said nothing to anybody.
_NEVER_LEFT = [
    OutgoingEmail.Status.CANCELLED,
    OutgoingEmail.Status.MISSED,
    OutgoingEmail.Status.SUPPRESSED,
    OutgoingEmail.Status.FAILED,
]


def on_order_placed(event: OrderPlaced) -> None:
    """Runs of this person and offer move to the new order; scenarios about unpaid orders take the person in."""
    _guarded("order_placed", event.order_id, _placed, event)


def on_order_paid(event: OrderPaid) -> None:
    """Runs about the unpaid purchase end, and with them what they granted; scenarios about paid orders begin."""
    _guarded("order_paid", event.order_id, _silence, event)
    if event.first:
        _guarded("order_paid", event.order_id, _enter_paid, event)


def on_orders_closed(event: OrdersClosed) -> None:
    """Runs whose order was cancelled or has expired end. A superseded order's runs move when the newer one is placed."""
    closed = [one for one in event.orders if one.status in (Status.CANCELLED, Status.EXPIRED)]
    if closed:
        _guarded("order_closed", closed[0].order_id, _closed, closed, event.at)


def enter(
    kind: str,
    *,
    contact: Contact,
    key: str,
    order: Order | None = None,
    once: bool = True,
    now: dt.datetime | None = None,
) -> list[Run]:
    """Let ``contact`` into every live scenario that begins with the site's own start event ``kind``.

    ``key`` names what happened (``lesson:17``). With ``once`` the same contact and key enter a scenario once in all, else
    once at a time. The caller holds the contact's lock. Returns the runs that began.
    """
    now = now or conf.now()
    entry = f"{kind}:{contact.pk}:{key}"[:80]
    about = facts.order_snapshot(order) if order else None
    runs = []
    for version, definition in _open_versions([kind]):
        if about is not None and not definition.event.matches(about):
            continue
        same = (
            Q(once_key=entry) | Q(entry_key=entry, state__in=INSIDE) if once else Q(entry_key=entry, state__in=INSIDE)
        )
        if Run.objects.filter(same, scenario_id=version.scenario_id).exclude(state=Run.State.REFUSED).exists():
            continue
        runs.append(_run(version, definition, contact.pk, entry, now, order=order, once_key=entry if once else ""))
    return Run.objects.bulk_create(runs)


def _guarded(what: str, order_id: int, react: Callable[..., None], *args: Any) -> None:
    try:
        with transaction.atomic():
            react(*args)
    except Exception as error:
        logger.exception("Scenarios: %s of order %s", what, order_id)
        try:
            with transaction.atomic():
                writing.write(
                    (Order, order_id), "automations.enrolment_failed", attention=True, what=what, error=str(error)[:500]
                )
        except Exception:  # the money and the order come first, whatever is broken here
            logger.exception("Not even on the timeline: %s of order %s", what, order_id)


# --- an order was placed -----------------------------------------------------------------------------------------------------


def _placed(event: OrderPlaced) -> None:
    if event.offer_id is None:
        return
    open_versions = _open_versions(registry.beginning_on("placed"))
    cooling = dt.timedelta(days=conf.settings.REENTRY_COOLING_DAYS)
    known = _known(event, cooling)
    if not open_versions and not known:
        return
    row = _order(event.order_id)
    order = facts.order_snapshot(row)
    inside = [run for run in known if run.state in INSIDE]
    _move(inside, order, event)
    held = {run.scenario_id for run in inside if run.state in INSIDE}
    matching = [(version, one) for version, one in open_versions if one.event.matches(order)]
    moved = {run.scenario_id for run in inside if run.state == Run.State.LIVE}
    newcomers = [(version, one) for version, one in matching if version.scenario_id not in moved]
    written = _last_messages(event, known) if newcomers else {}
    runs = []
    for version, definition in newcomers:
        newcomer = entry_rules.Newcomer(
            order,
            is_placeholder=row.placeholder,
            recovery_on=_recovery_on(row),
            is_inside=version.scenario_id in held,
            last_message_at=written.get(version.scenario_id),
        )
        run = _run(version, definition, event.contact_id, _pair(event), event.at, order=row)
        if why := entry_rules.refusal(newcomer, event.at, cooling):
            run.state, run.reason, run.ended_at, run.due_at = Run.State.REFUSED, why, event.at, None
        runs.append(run)
    Run.objects.bulk_create(runs)


def _pair(event: OrderPlaced) -> str:
    return f"unpaid:{event.contact_id}:{event.offer_id}"


def _known(event: OrderPlaced, cooling: dt.timedelta) -> list[Run]:
    """The pair's runs that are inside, and those that wrote to the person not long ago. One query."""
    rows = Run.objects.filter(contact_id=event.contact_id, offer_id=event.offer_id, entry_key=_pair(event))
    recent = Q(last_message_at__gt=event.at - cooling)
    return list(locked(rows.filter(Q(state__in=INSIDE) | recent)).select_related("version").order_by("pk"))


def _order(order_id: int) -> Any:
    """The order, with what enrolment asks of its site and contact. One query."""
    rows = Order.objects.annotate(
        switch=F("site__kwigasettings__recovery_on"), placeholder=F("contact__is_placeholder")
    )
    return rows.get(pk=order_id)


def _recovery_on(order: Any) -> bool:
    """The recovery switch of the order's site, or of the default site for an order without one."""
    if order.site_id is None:
        return sender.for_site(None).recovery_on
    return order.switch is not False


def _last_messages(event: OrderPlaced, known: Iterable[Run]) -> dict[int, dt.datetime]:
    """Scenario → when it last wrote to this person about this offer. Mails that never left do not count."""
    if not any(run.last_message_at for run in known):
        return {}
    mails = OutgoingEmail.objects.filter(
        step_records__run__contact_id=event.contact_id, step_records__run__offer_id=event.offer_id
    ).exclude(status__in=_NEVER_LEFT)
    return dict(mails.order_by().values_list("step_records__run__scenario_id").annotate(last=Max("queued_at")))


def _move(runs: Sequence[Run], order: OrderSnapshot, event: OrderPlaced) -> None:
    """Runs inside go on with the new order."""
    records = []
    for run in runs:
        records.append(_moved(run, order, event))
    if runs:
        Run.objects.bulk_update(
            runs,
            ["state", "order", "purchase_id", "position", "due_at", "stepped_at", "in_flight_since", "lease", "leased_until",
             "attempts", "reason", "ended_at"],
        )  # fmt: skip
        StepRecord.objects.bulk_create(records)


def _moved(run: Run, order: OrderSnapshot, event: OrderPlaced) -> StepRecord:
    move = _where_to(run, order)
    told = {"from": run.order_id, "to": order.id}
    record = StepRecord(run=run, step=run.position, kind=RUN, reason=move.reason, facts=told, at=event.at)
    run.order_id, run.purchase_id = order.id, event.purchase_id
    if move.ends:
        record.outcome = "left"
        endings.mark(run, Run.State.LEFT, move.reason, event.at)
        return record
    record.outcome = "waited"
    if move.position:
        run.position, run.due_at, run.stepped_at = move.position, move.due_at, event.at
        run.in_flight_since, run.lease, run.leased_until, run.attempts = None, "", None, 0
    return record


def _where_to(run: Run, order: OrderSnapshot) -> entry_rules.Move:
    if run.state == Run.State.PARKED:
        return entry_rules.Move("follows_order")
    try:
        definition = Definition.from_json(run.version.definition, registry.kinds())
    except ScenarioFault:  # the sweep will park it
        return entry_rules.Move("follows_order")
    return entry_rules.move(definition, run.first_message_at, order)


# --- an order was paid, or closed ---------------------------------------------------------------------------------------------


def _silence(event: OrderPaid) -> None:
    """End everything that is about the purchase being unpaid. One query where nobody is inside."""
    inside = _inside_recovery().filter(purchase_id=event.purchase_id)
    endings.end(list(locked(inside).order_by("pk")), Run.State.LEFT, "purchase_paid", event.at, take_back=True)


def _enter_paid(event: OrderPaid) -> None:
    open_versions = _open_versions(registry.beginning_on("paid"))
    if not open_versions:
        return
    row = Order.objects.get(pk=event.order_id)
    order, key = facts.order_snapshot(row), f"paid:{event.order_id}"
    Run.objects.bulk_create(
        _run(version, definition, event.contact_id, key, event.at, order=row, once_key=key)
        for version, definition in open_versions
        if definition.event.matches(order)
    )


def _closed(closed: Sequence[OrderClosed], at: dt.datetime) -> None:
    status = {one.order_id: one.status for one in closed}
    runs = list(locked(_inside_recovery().filter(order_id__in=status)).order_by("pk"))
    if not runs:
        return
    # Siblings are closed because another order was paid; that is told in a moment, and better.
    paid: set[int] = purchases.paid_among({run.purchase_id for run in runs if run.purchase_id})
    for word in sorted(set(status.values())):
        ending = [run for run in runs if status[run.order_id] == word and run.purchase_id not in paid]
        endings.end(ending, Run.State.LEFT, f"order_{word}", at)


def _inside_recovery() -> Any:
    return Run.objects.filter(state__in=INSIDE, version__event__in=registry.recovery_events())


# --- coming in ------------------------------------------------------------------------------------------------------------------


def _open_versions(kinds: Sequence[str]) -> list[tuple[ScenarioVersion, Definition]]:
    """What live scenarios with these start events follow now. One query. One that cannot be read lets nobody in."""
    found = []
    scenarios = Scenario.objects.filter(live=True, version__event__in=kinds).select_related("version").order_by("pk")
    for scenario in scenarios.defer("start", "steps"):
        try:
            found.append((scenario.version, Definition.from_json(scenario.version.definition, registry.kinds())))
        except ScenarioFault as fault:
            logger.error("Scenario %s lets nobody in: %s", scenario.pk, fault)
    return found


def _run(
    version: ScenarioVersion,
    definition: Definition,
    contact_id: int,
    entry_key: str,
    at: dt.datetime,
    *,
    order: Order | None = None,
    once_key: str = "",
) -> Run:
    position, due_at = definition.opening(at)
    return Run(
        scenario_id=version.scenario_id,
        version=version,
        contact_id=contact_id,
        offer_id=order.offer_id if order else None,
        order_id=order.pk if order else None,
        purchase_id=order.purchase_id if order else None,
        entry_key=entry_key,
        once_key=once_key,
        position=position,
        due_at=due_at,
        entered_at=at,
        stepped_at=at,
    )
