"""What an older process meets of a newer release: runs that it leaves to a newer worker, and people it cannot let in itself.

Whoever would have come in by a version that this process cannot read gets a run all the same, one that stands nowhere yet
(``position`` is empty). It is due, so each worker meets it; the first that can read the version decides whether the person comes in,
as of the moment when it happened, and goes on from there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wagtail_kwiga import newer_release
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core import decisions, serialization
from wagtail_kwiga.automations.core.decisions import RUN, Decision
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import Record
from wagtail_kwiga.automations.core.snapshots import Facts, OrderSnapshot, Rules, RunSnapshot
from wagtail_kwiga.automations.core.triggers import Entry, StartEvent
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion
from wagtail_kwiga.automations.running import mail_facts
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.journal import writing

CODE = "automations.newer_version"


@dataclass(frozen=True)
class _Unfiltered:
    """A start event whose filters cannot be read: a newer worker asks them."""

    of: StartEvent

    @property
    def kind(self) -> str:
        return self.of.kind

    def entry(self, event: Any) -> Entry | None:
        return self.of.entry(event)

    def matches(self, order: OrderSnapshot) -> bool:
        return True


@dataclass(frozen=True)
class Unread:
    """As much of a definition as lets people in who are then waited for by a newer worker."""

    event: StartEvent | _Unfiltered

    def opening(self, at: dt.datetime) -> tuple[str, dt.datetime]:
        """Nowhere yet, and due."""
        return "", at


def unread(version: ScenarioVersion) -> Unread | None:
    """What can be made of a version of a newer release: its start event with its filters, or one of that kind without any.
    ``None`` where not even the kind is known here."""
    kinds = registry.kinds()
    event = version.definition.get("event") if isinstance(version.definition, dict) else None
    flat = {"kind": event.get("kind"), **(event.get("filters") or {})} if isinstance(event, dict) else {}
    try:
        return Unread(serialization.read(flat, kinds.events, "start event"))
    except ScenarioFault:
        try:
            return Unread(_Unfiltered(kinds.events[version.event]()))
        except (KeyError, TypeError, ScenarioFault):
            return None


def decide(definition: Definition, run: RunSnapshot, facts: Facts, now: dt.datetime, rules: Rules) -> Decision:
    """Whether somebody whom an older process could not let in comes in, and how far they are by now."""
    order = facts.order(run.order_id) if run.order_id else None
    if order is not None and not definition.event.matches(order):
        record = Record("", RUN, "left", "other_kind_of_order")
        return Decision(
            run.id, Run.State.REFUSED, "left", "other_kind_of_order", "", None, run.stepped_at,
            order_id=run.order_id, records=(record,),
        )  # fmt: skip
    began = run.stepped_at if order is None else max(run.stepped_at, order.placed_at)  # a newer order may have come
    position, due_at = definition.opening(began)
    return decisions.decide(definition, replace(run, position=position, due_at=due_at), facts, now, rules)


def wants_newer(decision: Decision) -> bool:
    """Whether a run would be held for an e-mail that a newer release has published."""
    faults = (str(dict(record.facts).get("fault", "")) for record in decision.records)
    return decision.reason == "template_missing" and any(fault.startswith(mail_facts.NEWER) for fault in faults)


def leave_to_newer(runs: Sequence[Run], now: dt.datetime) -> None:
    """Leave runs that cannot be read to a newer worker: due as they are, and nobody looks at them for some minutes. Where that
    has gone on for long a person is told, once for each scenario. One query, one or two more for those."""
    if not runs:
        return
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(leased_until=now + newer_release.RETRY_AFTER, attempts=0)
    waiting = [run for run in runs if run.due_at and newer_release.has_waited_too_long(run.due_at, now)]
    _tell(waiting, now)


def _tell(runs: Iterable[Run], now: dt.datetime) -> None:
    versions = {run.scenario_id: run.version_id for run in runs}
    if not versions:
        return
    told = writing.told_since(Scenario, versions, CODE, now - newer_release.TOLD_AGAIN_AFTER)
    entries = [
        writing.draft((Scenario, scenario_id), CODE, now=now, attention=True, version=version_id)
        for scenario_id, version_id in sorted(versions.items())
        if scenario_id not in told
    ]
    if entries:
        writing.write_many(entries)
