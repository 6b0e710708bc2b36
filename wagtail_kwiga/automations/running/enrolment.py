"""Who comes in, who moves on and who leaves, when orders are placed, paid and closed, and when purchases are joined.

Called inside the transaction of the move, with the contact locked. Each reaction guards itself with a savepoint: a broken
scenario never refuses an order or money. What it could not do is logged and put on a person's list, and the sweep asks
again whether anybody has paid before it does anything.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q
from wagtail.models import Site

from wagtail_kwiga import conf
from wagtail_kwiga.access import ownership
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core import entry_rules
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import OrderSnapshot
from wagtail_kwiga.automations.core.triggers import Entry, unpaid_key
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion, StepRecord
from wagtail_kwiga.automations.running import endings, facts, joining, missed_entries
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import NewerVersion, ScenarioFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.locking import locked
from wagtail_kwiga.mailing import sender
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why
from wagtail_kwiga.orders import purchases
from wagtail_kwiga.orders.events import (
    OrderClosed,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrdersClosed,
    PurchasesJoined,
)
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status

logger = logging.getLogger("wagtail_kwiga.automations")

#: Staff's verbs, beside those of orders.
stop, stop_all, let_go_on = endings.stop, endings.stop_all, endings.let_go_on

#: As long as an entry key may be.
KEY_LENGTH = 80
#: Inside: on the way, or held.
INSIDE = [Run.State.ACTIVE, Run.State.PAUSED]
#: Mails that said nothing to anybody.
_NEVER_LEFT = [
    OutgoingEmail.Status.CANCELLED,
    OutgoingEmail.Status.MISSED,
    OutgoingEmail.Status.SUPPRESSED,
    OutgoingEmail.Status.FAILED,
]


def on_purchases_joined(event: PurchasesJoined) -> None:
    """Runs of purchases that have become one go on, or end, as runs of that one."""
    _guarded("purchases_joined", (Contact, event.contact_id), joining.join, event)


def on_order_placed(event: OrderPlaced) -> None:
    """Runs of this purchase move to the new order; scenarios about unpaid orders take the person in."""
    _guarded("order_placed", (Order, event.order_id), _placed, event)


def on_order_paid(event: OrderPaid) -> None:
    """Runs about the unpaid purchase end, and with them what they granted."""
    _guarded("order_paid", (Order, event.order_id), _silence, event)


def on_orders_closed(event: OrdersClosed) -> None:
    """Runs whose order was cancelled or has expired end. A superseded order's runs move when the newer one is placed."""
    closed = [one for one in event.orders if one.status in (Status.CANCELLED, Status.EXPIRED)]
    if closed:
        # A sweep closes the orders of many in one move; what breaks is told with the first of them.
        _guarded("order_closed", (Order, closed[0].order_id), _closed, closed, event.at, about=closed[0])


def on_order_refunded(event: OrderRefunded) -> None:
    """Whoever got all their money back is not thanked any more: runs that a payment began end, and their mail is called back."""
    if event.whole:
        _guarded("order_refunded", (Order, event.order_id), _refunded, event)


def on_event(event: Any) -> None:
    """Start events that listen to this class of events take people in. Called for whatever is published; without a scenario
    that begins with such an event it costs nothing, or the one query that says so. Recovery comes in by ``on_order_placed``,
    which knows who is inside already."""
    kinds = registry.listening_to(type(event), recovery=False if isinstance(event, OrderPlaced) else None)
    if kinds:
        subject = (Contact, event.contact_id) if hasattr(event, "contact_id") else None
        _guarded(type(event).__name__, subject, _enter_by, event, kinds)


def enter(
    kind: str,
    *,
    contact: Contact,
    key: str,
    order: Order | None = None,
    once: bool = True,
    site: Site | None = None,
    language: str = "",
    context: Mapping[str, Any] | None = None,
    now: dt.datetime | None = None,
) -> list[Run]:
    """Let ``contact`` into every live scenario that begins with the site's own start event ``kind``.

    ``key`` names what happened (``lesson:17``). With ``once`` the same contact and key enter a scenario once in all, else
    once at a time. ``site`` and ``language`` say from where and in which language the person is written to; an ``order``
    brings its own. ``context`` (JSON values) is kept with the run. The caller holds the contact's lock. Returns the runs
    that began.
    """
    now = now or conf.now()
    entry = Entry(contact.pk, key, once, None, site.pk if site else None, language, context or {})
    return _enter([(version, one, entry) for version, one in _open_versions([kind])], {None: order}, now)


def _guarded(
    what: str, subject: writing.Subject | None, react: Callable[..., Any], *args: Any, about: Any = None
) -> None:
    """``react(*args)``, whatever becomes of it. ``about`` (default: the first argument) is the event that says whose it is, and
    when."""
    event = args[0] if about is None else about
    try:
        with transaction.atomic():
            react(*args)
    except Exception as error:
        logger.exception("Scenarios: %s of %s", what, subject)
        if subject is None:
            return
        try:
            with transaction.atomic():
                writing.write(
                    subject,
                    "automations.enrolment_failed",
                    now=getattr(event, "at", None),
                    attention=True,
                    contact_id=getattr(event, "contact_id", None),
                    what=what,
                    error=str(error)[:500],
                )
        except Exception:  # the money and the order come first, whatever is broken here
            logger.exception("Not even on the timeline: %s of %s", what, subject)


# --- an event lets people in ------------------------------------------------------------------------------------------------

#: A version that is open, its definition, and who comes in by it.
_Opened = Definition | missed_entries.Unread
_Door = tuple[ScenarioVersion, _Opened, Entry]


def _enter_by(event: Any, kinds: Sequence[str]) -> None:
    doors = []
    for version, definition in _open_versions(kinds):
        if entry := definition.event.entry(event):
            doors.append((version, definition, entry))
    if not doors:
        return
    directory.lock_many(entry.contact_id for _version, _definition, entry in doors)
    orders: dict[int | None, Order | None] = {None: None}
    if wanted := {entry.order_id for _version, _definition, entry in doors if entry.order_id}:
        orders |= Order.objects.in_bulk(wanted)
    _enter(doors, orders, getattr(event, "at", None) or conf.now())


def _enter(doors: Sequence[_Door], orders: Mapping[int | None, Order | None], now: dt.datetime) -> list[Run]:
    """Begin the runs of those who are not inside for the same thing, nor (``once``) ever were. Two queries."""
    runs = []
    for version, definition, entry in doors:
        order = orders[entry.order_id]
        if order is not None and not definition.event.matches(facts.order_snapshot(order)):
            continue
        key = _run_key(definition.event.kind, entry)
        runs.append(_run(version, definition, entry, key, now, order=order))
    known = Run.objects.exclude(state=Run.State.REFUSED).filter(
        Q(once_key__in={run.once_key for run in runs} - {""})
        | Q(entry_key__in={run.entry_key for run in runs}, state__in=INSIDE),
        scenario_id__in={run.scenario_id for run in runs},
    )
    taken = set(known.values_list("scenario_id", "entry_key")) if runs else set()
    fresh = {(run.scenario_id, run.entry_key): run for run in runs if (run.scenario_id, run.entry_key) not in taken}
    return Run.objects.bulk_create(list(fresh.values()))


def _run_key(kind: str, entry: Entry) -> str:
    """What tells this entry from others of the scenario. A long one is told by its digest: cut off, two would be one."""
    key = f"{kind}:{entry.contact_id}:{entry.key}"
    return key if len(key) <= KEY_LENGTH else f"{key[: KEY_LENGTH - 65]}:{hashlib.sha256(key.encode()).hexdigest()}"


def _open_versions(kinds: Sequence[str]) -> list[tuple[ScenarioVersion, _Opened]]:
    """What live scenarios with these start events follow now. One query. One of a newer release lets people in for a newer worker;
    one that cannot be read at all lets nobody in."""
    found: list[tuple[ScenarioVersion, _Opened]] = []
    scenarios = Scenario.objects.filter(live=True, version__event__in=kinds).select_related("version").order_by("pk")
    for scenario in scenarios.defer("start", "steps"):
        version = cast(ScenarioVersion, scenario.version)
        try:
            found.append((version, Definition.from_json(version.definition, registry.kinds())))
        except NewerVersion as fault:
            if known := missed_entries.unread(version):
                logger.warning("Scenario %s lets people in for a newer worker: %s", scenario.pk, fault)
                found.append((version, known))
            else:
                logger.error("Scenario %s lets nobody in: %s", scenario.pk, fault)
        except ScenarioFault as fault:
            logger.error("Scenario %s lets nobody in: %s", scenario.pk, fault)
    return found


def _run(
    version: ScenarioVersion,
    definition: _Opened,
    entry: Entry,
    key: str,
    at: dt.datetime,
    *,
    order: Order | None = None,
) -> Run:
    position, due_at = definition.opening(at)
    return Run(
        scenario_id=version.scenario_id,
        version=version,
        contact_id=entry.contact_id,
        order_id=order.pk if order else None,
        purchase_id=order.purchase_id if order else None,
        site_id=order.site_id if order else entry.site_id,
        language=order.language if order else entry.language,
        context=dict(entry.context),
        entry_key=key,
        once_key=key if entry.once else "",
        position=position,
        due_at=due_at,
        entered_at=at,
        stepped_at=at,
    )


# --- an order was placed -----------------------------------------------------------------------------------------------------


def _placed(event: OrderPlaced) -> None:
    if event.offer_id is None:
        return
    open_versions = _open_versions(registry.listening_to(OrderPlaced, recovery=True))
    cooling = dt.timedelta(days=conf.settings.REENTRY_COOLING_DAYS)
    known = _known(event.purchase_id, event.at - cooling)
    if not open_versions and not known:
        return
    row = _order(event.order_id)
    order = facts.order_snapshot(row)
    owns_all = row.has_access and ownership.owns_all(event.contact_id, event.offer_id, event.at)
    inside = [run for run in known if run.state in INSIDE]
    _move(inside, order, owns_all, event.at)
    held = {run.scenario_id for run in inside if run.state in INSIDE}
    moved = {run.scenario_id for run in inside if run.state == Run.State.ACTIVE}
    newcomers = [
        (version, one)
        for version, one in open_versions
        if one.event.matches(order) and version.scenario_id not in moved
    ]
    written = _last_messages(known) if newcomers else {}
    runs = []
    for version, definition in newcomers:
        newcomer = entry_rules.Newcomer(
            order,
            is_placeholder=row.placeholder,
            recovery_on=_recovery_on(row),
            is_inside=version.scenario_id in held,
            owns_all=owns_all,
            last_message_at=written.get(version.scenario_id),
        )
        if (entry := definition.event.entry(event)) is None:
            continue
        run = _run(version, definition, entry, entry.key, event.at, order=row)
        if why := entry_rules.refusal(newcomer, event.at, cooling):
            run.state, run.reason, run.ended_at, run.due_at = Run.State.REFUSED, why, event.at, None
        runs.append(run)
    Run.objects.bulk_create(runs)


def _known(purchase_id: int, since: dt.datetime) -> list[Run]:
    """The purchase's runs that are inside, and those that wrote to the person not long ago. One query."""
    rows = Run.objects.filter(purchase_id=purchase_id, entry_key=unpaid_key(purchase_id))
    asked = rows.filter(Q(state__in=INSIDE) | Q(last_message_at__gt=since))
    return list(locked(asked).select_related("version").order_by("pk"))


def _order(order_id: int) -> Any:
    """The order, with what enrolment asks of its site and contact. One query."""
    access = AccessGrant.objects.filter(contact_id=OuterRef("contact_id"), revoked_at__isnull=True)
    rows = Order.objects.annotate(
        switch=F("site__kwigasettings__recovery_on"),
        placeholder=F("contact__is_placeholder"),
        has_access=Exists(access),
    )
    return rows.get(pk=order_id)


def _recovery_on(order: Any) -> bool:
    """The recovery switch of the order's site, or of the default site for an order without one."""
    if order.site_id is None:
        return sender.for_site(None).recovery_on
    return order.switch is not False


def _last_messages(known: Iterable[Run]) -> dict[int, dt.datetime]:
    """Scenario → when it last wrote about this purchase. Mails that never left do not count."""
    wrote = [run.pk for run in known if run.last_message_at]
    if not wrote:
        return {}
    mails = OutgoingEmail.objects.filter(step_records__run_id__in=wrote).exclude(status__in=_NEVER_LEFT)
    return dict(mails.order_by().values_list("step_records__run__scenario_id").annotate(last=Max("queued_at")))


def _move(runs: Sequence[Run], order: OrderSnapshot, owns_all: bool, at: dt.datetime) -> None:
    """Runs inside go on with the new order."""
    records = [_moved(run, order, owns_all, at) for run in runs]
    if runs:
        Run.objects.bulk_update(
            runs,
            ["state", "order", "purchase_id", "position", "due_at", "stepped_at", "in_flight_since", "lease", "leased_until",
             "attempts", "reason", "ended_at"],
        )  # fmt: skip
        StepRecord.objects.bulk_create(records)


def _moved(run: Run, order: OrderSnapshot, owns_all: bool, at: dt.datetime) -> StepRecord:
    move = _where_to(run, order, owns_all)
    told = {"from": run.order_id, "to": order.id}
    record = StepRecord(run=run, step=run.position, kind=RUN, reason=move.reason, facts=told, at=at)
    run.order_id, run.purchase_id = order.id, order.purchase_id
    if move.ends:
        record.outcome = "left"
        endings.mark(run, Run.State.LEFT, move.reason, at)
        return record
    record.outcome = "waited"
    if move.position:
        run.position, run.due_at, run.stepped_at = move.position, move.due_at, at
        run.in_flight_since, run.lease, run.leased_until, run.attempts = None, "", None, 0
    return record


def _where_to(run: Run, order: OrderSnapshot, owns_all: bool) -> entry_rules.Move:
    if run.state == Run.State.PAUSED:
        return entry_rules.Move("follows_order")
    try:
        definition = Definition.from_json(run.version.definition, registry.kinds())
    except ScenarioFault:  # the sweep will pause it
        return entry_rules.Move("follows_order")
    return entry_rules.move(definition, run.first_message_at, order, owns_all=owns_all)


# --- an order was paid, or closed ---------------------------------------------------------------------------------------------


def _silence(event: OrderPaid) -> None:
    """End everything that is about the purchase being unpaid. One query where nobody is inside."""
    inside = _inside_recovery().filter(purchase_id=event.purchase_id)
    endings.end(list(locked(inside).order_by("pk")), Run.State.LEFT, "purchase_paid", event.at, take_back=True)


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


def _refunded(event: OrderRefunded) -> None:
    """Also those whose way through is over: their last mail may still be waiting."""
    about = Run.objects.filter(order_id=event.order_id, version__event__in=registry.listening_to(OrderPaid))
    runs = list(locked(about.exclude(state=Run.State.REFUSED)).order_by("pk"))
    if not runs:
        return
    endings.end([run for run in runs if run.state in INSIDE], Run.State.LEFT, "order_refunded", event.at)
    endings.call_back(runs, Why.MONEY_BACK)


def _inside_recovery() -> Any:
    return Run.objects.filter(state__in=INSIDE, version__event__in=registry.recovery_events())
