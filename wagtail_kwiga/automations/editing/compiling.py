"""From what an editor wrote to what a run follows: the stream becomes a ``Definition``, or a list of what is in the way.

Everything that could go wrong for a person later is refused here, with words for the editor: a deadline that nobody
enforces, a coupon that its reader could not use, a step that nobody knows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from django.db.models import ExpressionWrapper, F, JSONField
from django.utils.translation import gettext as _
from wagtail.models import Revision

from wagtail_kwiga.automations import coupon_rules, registry
from wagtail_kwiga.automations.core import serialization
from wagtail_kwiga.automations.core.definitions import Definition, Kinds, read_step
from wagtail_kwiga.automations.core.steps import AddToList, RemoveFromList, Step
from wagtail_kwiga.automations.core.triggers import StartEvent
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.problems import ScenarioProblem
from wagtail_kwiga.exceptions import ScenarioFault


@dataclass
class Reading:
    """A scenario as far as it could be read: the definition where it is whole, and everything an editor must mend."""

    definition: Definition | None = None
    found: list[ScenarioProblem] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What must be mended, each with its place in words."""
        return [str(problem) for problem in self.found]


def problems(scenario: Scenario) -> list[str]:
    """Everything that keeps ``scenario``, as it stands in memory, from being published; empty when nothing does."""
    return read(scenario).problems


def compile_scenario(scenario: Scenario, revision: Revision | None = None) -> Definition:
    """The definition of ``scenario``. Raises ``ScenarioFault`` whose ``facts["problems"]`` say all that is in the way.

    ``revision`` is the one being published, where that is known.
    """
    reading = read(scenario, revision)
    if reading.problems or reading.definition is None:
        raise ScenarioFault(" ".join(reading.problems), problems=reading.problems)
    return reading.definition


def read(scenario: Scenario, revision: Revision | None = None) -> Reading:
    """Read the streams and judge them."""
    kinds = registry.kinds()
    reading = Reading()
    if unknown := unknown_problem(scenario, revision):
        reading.found.append(unknown)
        return reading
    event = _read_event(scenario, kinds, reading)
    steps = _read_steps(scenario, kinds, reading)
    if event is None or not steps or reading.found:
        return reading
    definition = Definition(event, steps)
    reading.found += _too_long(definition)
    if reading.found:  # what follows adds the waits up
        return reading
    reading.found += _first_wait(definition) + _ends(definition)
    coupons, faults = coupon_rules.settle(definition)
    reading.found += faults
    reading.definition = replace(definition, steps=coupons)
    return reading


# --- reading the streams ------------------------------------------------------------------------------------------------


def _read_event(scenario: Scenario, kinds: Kinds, reading: Reading) -> StartEvent | None:
    chosen = list(scenario.start)
    if len(chosen) != 1:
        reading.found.append(ScenarioProblem(_("Choose what starts the scenario."), "start"))
        return None
    child = chosen[0]
    try:
        return serialization.read(
            {"kind": child.block_type, **child.block.coded(child.value)}, kinds.events, "start event"
        )
    except ScenarioFault as fault:
        reading.found.append(ScenarioProblem(f"{child.block.label}: {fault}", "start"))
    return None


def _read_steps(scenario: Scenario, kinds: Kinds, reading: Reading) -> tuple[Step, ...]:
    steps = []
    seen: dict[str, int] = {}
    for index, child in enumerate(scenario.steps):
        label = str(child.block.label)
        if child.id and (first := seen.setdefault(str(child.id), index)) != index:
            words = _("It has the same identity as step %(first)s, of which it is a copy. Delete it and add it anew.")
            reading.found.append(ScenarioProblem(words % {"first": first + 1}, "steps", index, label))
            continue
        fields = child.block.coded(child.value)
        if missing := _missing(fields, child.block, kinds.steps[child.block_type]):
            words = _("What it names is gone, or was never chosen: %(missing)s.")
            reading.found.append(ScenarioProblem(words % {"missing": ", ".join(missing)}, "steps", index, label))
            continue
        try:
            steps.append(read_step({"kind": child.block_type, "id": child.id or f"new-{index}", **fields}, kinds))
        except ScenarioFault as fault:
            reading.found.append(ScenarioProblem(str(fault), "steps", index, label))
    if not len(scenario.steps):
        reading.found.append(ScenarioProblem(_("Add at least one step."), "steps"))
    return tuple(steps)


def _missing(fields: dict[str, Any], block: Any, step: type[Step]) -> list[str]:
    """Fields that must name something and do not, as the form calls them."""
    optional = {one.name for one in dataclasses.fields(step) if one.default is None}
    found = [_label(name, block) for name, value in fields.items() if value is None and name not in optional]
    condition = fields.get("condition")
    if isinstance(condition, dict):
        asked = block.child_blocks["condition"].child_blocks[condition["kind"]]
        found += [_label(name, asked) for name, value in condition.items() if value is None]
    return found


def _label(field_name: str, block: Any) -> str:
    name = block.FORM_FIELDS.get(field_name) or field_name.removesuffix("_id")
    child = block.child_blocks.get(name)
    return str(child.label) if child is not None else name.replace("_", " ")


def unknown_kinds(scenario: Scenario, revision: Revision | None = None) -> list[str]:
    """Block types in the stored streams that nobody knows.

    A StreamField leaves such blocks out without a word, so the stored text is read beside it: the revision being
    published, else the row and the latest draft. A scenario with any of them must not be opened, published or run.
    """
    known = {
        name: set(cast(Any, Scenario._meta.get_field(name)).stream_block.child_blocks) for name in ("start", "steps")
    }
    found = set()
    for stored in _stored(scenario, revision):
        for name, allowed in known.items():
            raw = stored.get(name) or []
            raw = json.loads(raw) if isinstance(raw, str) else raw
            found |= {str(child.get("type")) for child in raw if child.get("type") not in allowed}
    return sorted(found)


def unknown_problem(scenario: Scenario, revision: Revision | None = None) -> ScenarioProblem | None:
    """``unknown_kinds`` in words for the editor, ``None`` where there are none."""
    kinds = unknown_kinds(scenario, revision)
    words = _("Nobody here knows: %(kinds)s. Install what brings it, or make this scenario anew.")
    return ScenarioProblem(words % {"kinds": ", ".join(kinds)}) if kinds else None


def _stored(scenario: Scenario, revision: Revision | None) -> Iterator[dict[str, Any]]:
    if revision is not None:
        yield revision.content
        return
    if scenario.pk is None:
        return
    raw: dict[str, Any] = {
        f"raw_{name}": ExpressionWrapper(F(name), output_field=JSONField()) for name in ("start", "steps")
    }
    draft = F("latest_revision__content")
    rows: Any = Scenario.objects.filter(pk=scenario.pk).values(**raw, draft=draft)
    for row in rows:
        yield {"start": row["raw_start"], "steps": row["raw_steps"]}
        yield row["draft"] or {}


# --- judging ------------------------------------------------------------------------------------------------------------


def _first_wait(definition: Definition) -> list[ScenarioProblem]:
    """Payment systems may be slow and people type slowly, so nobody is written to at once.

    Kwiga's article “Sending Emails with Promo Codes (Unpaid Orders)” gives the same reason, and both numbers.
    """
    least = definition.event.least_wait
    waited = sum((step.delay() for step in _leading_waits(definition)), start=least * 0)
    if waited >= least:
        return []
    words = _(
        "Begin with a wait of at least %(least)s minutes; 30 are recommended. Payment systems may be slow to confirm, "
        "and people need time to pay."
    )
    return [ScenarioProblem(words % {"least": int(least.total_seconds() // 60)}, "steps", 0)]


def _leading_waits(definition: Definition) -> Iterator[Step]:
    for step in definition.steps:
        if not step.delay():
            return
        yield step


#: For how long somebody may be inside at most. Beyond it nobody remembers why, and dates come to an end.
LONGEST = dt.timedelta(days=5 * 366)


def _too_long(definition: Definition) -> list[ScenarioProblem]:
    try:
        whole = sum((step.delay() for step in definition.steps), start=dt.timedelta())
    except OverflowError:
        whole = dt.timedelta.max
    if whole <= LONGEST:
        return []
    words = _("All waits together come to more than %(years)s years. Choose shorter ones.")
    return [ScenarioProblem(words % {"years": LONGEST.days // 365}, "steps")]


def _ends(definition: Definition) -> list[ScenarioProblem]:
    """A membership “for good” that a later step ends would be a deadline that nobody was told."""
    found = []
    for index, step in enumerate(definition.steps):
        if isinstance(step, AddToList) and step.until == "none" and definition.removal_delay(index) is not None:
            later = next(
                number
                for number, other in enumerate(definition.steps[index + 1 :], index + 1)
                if isinstance(other, RemoveFromList) and other.list_id == step.list_id
            )
            words = _("It adds for good, but step %(later)s takes people off. Choose “a later step” as its end.")
            found.append(ScenarioProblem(words % {"later": later + 1}, "steps", index, _("Add to list")))
    return found
