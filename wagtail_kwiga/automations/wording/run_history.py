"""What happened to people in scenarios, retold for staff: where somebody stands, why, and from which facts it was decided.

Names, definitions and order numbers are read once for all runs of a page, in a fixed number of queries.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core import serialization
from wagtail_kwiga.automations.core.decisions import RUN
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.models import Run, ScenarioVersion, StepRecord
from wagtail_kwiga.automations.wording import descriptions, reasons
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.orders.models import Order


class Retelling:
    """The words for some runs; their ``version`` should be loaded already. At most six queries, with ``records`` seven."""

    def __init__(self, runs: Iterable[Run], records: Sequence[StepRecord] = ()) -> None:
        versions = {run.version_id: run.version for run in runs}
        self.definitions = readable(versions.values())
        self.known = descriptions.names(*self.definitions.values())
        self.numbers = _order_numbers(records)

    def where(self, run: Run) -> str:
        """The step at which a run stands, in words; empty once it is through, or where it never came in."""
        if not run.position or run.state in (Run.State.COMPLETED, Run.State.REFUSED):
            return ""
        return self.step(run.version_id, run.position)

    def why(self, run: Run, now: dt.datetime) -> str:
        """Why a run is where it is."""
        if run.reason:
            return reasons.reason_text(run.reason)
        if run.state != Run.State.ACTIVE:
            return ""
        if run.in_flight_since is not None:
            return reasons.reason_text("payment_in_flight")
        if run.due_at is not None and run.due_at <= now:
            return _("It is time; the worker comes by once a minute.")
        return reasons.reason_text("waiting")

    def step(self, version_id: int, step_id: str) -> str:
        """A step of a version in words."""
        definition = self.definitions.get(version_id)
        if definition is not None:
            for index, step in enumerate(definition.steps):
                if step.id == step_id:
                    return descriptions.step_text(definition, index, self.known)
        return _("a step that nobody knows here")

    def step_of(self, record: StepRecord, version_id: int) -> str:
        """The step that a record is about. Some are about the run as a whole: they are asked whatever the step."""
        if record.kind == RUN:
            return _("At any step")
        return self.step(version_id, record.step)

    def facts(self, record: StepRecord) -> list[str]:
        """What a decision was made from, fact by fact; what nobody has words for is shown as it was kept."""
        facts = record.facts if isinstance(record.facts, Mapping) else {}
        if "kind" in facts and (words := self._condition(facts)):
            return [words]
        told = []
        for name, value in facts.items():
            tell = _TELLERS.get(name)
            words = tell(self, value) if tell else f"{name.replace('_', ' ')}: {value}"
            if words:
                told.append(words)
        return told

    def _condition(self, facts: Mapping[str, Any]) -> str:
        try:
            condition = serialization.read(facts, registry.kinds().conditions, "condition")
        except ScenarioFault:
            return ""
        return capfirst(descriptions.condition_text(condition, self.known))


def readable(versions: Iterable[ScenarioVersion]) -> dict[int, Definition]:
    """The definitions of versions by id; one that cannot be read is left out."""
    kinds = registry.kinds()
    found = {}
    for version in versions:
        try:
            found[version.pk] = Definition.from_json(version.definition, kinds)
        except ScenarioFault:
            continue
    return found


def _order_numbers(records: Sequence[StepRecord]) -> dict[int, str]:
    """The numbers of the orders that facts name. One query, none where there are none."""
    facts = [record.facts for record in records if isinstance(record.facts, Mapping)]
    ids = {value for one in facts for name in ("from", "to") if isinstance(value := one.get(name), int)}
    return dict(Order.objects.filter(pk__in=ids).values_list("pk", "number")) if ids else {}


# --- facts, by the name under which decisions keep them -----------------------------------------------------------------


def _named(words: Callable[[], str], kind: str) -> Callable[[Retelling, Any], str]:
    def tell(retelling: Retelling, value: Any) -> str:
        return "" if value is None else words() % {"name": getattr(retelling.known, kind).get(value, f"#{value}")}

    return tell


def _at(words: Callable[[], str], none: Callable[[], str] = str) -> Callable[[Retelling, Any], str]:
    def tell(retelling: Retelling, value: Any) -> str:
        instant = parse_datetime(value) if isinstance(value, str) else None
        return none() if instant is None else words() % {"when": instants.moment(instant)}

    return tell


def _order(words: Callable[[], str]) -> Callable[[Retelling, Any], str]:
    return lambda retelling, value: words() % {"number": retelling.numbers.get(value, f"#{value}")}


def _late(retelling: Retelling, value: Any) -> str:
    return ngettext("%(number)s minute late", "%(number)s minutes late", value) % {"number": value}


_TELLERS: dict[str, Callable[[Retelling, Any], str]] = {
    "list": _named(lambda: _("List: %(name)s"), "lists"),
    "coupon": _named(lambda: _("Coupon: %(name)s"), "coupons"),
    "template": _named(lambda: _("E-mail: %(name)s"), "templates"),
    "until": _at(lambda: _("Until %(when)s"), lambda: _("Without an end")),
    "due": _at(lambda: _("Due %(when)s")),
    "minutes_late": _late,
    "marketing_today": lambda retelling, value: _("Promotional mails today: %(number)s") % {"number": value},
    "from": _order(lambda: _("Before: order %(number)s")),
    "to": _order(lambda: _("Now: order %(number)s")),
    "fault": lambda retelling, value: str(value),
    "error": lambda retelling, value: str(value),
}
