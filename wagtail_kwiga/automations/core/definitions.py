"""A scenario as compiled: what a run follows. Frozen, with a JSON schema of its own. Plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wagtail_kwiga.automations.core import serialization
from wagtail_kwiga.automations.core.conditions import CONDITIONS, Condition
from wagtail_kwiga.automations.core.steps import (
    STEPS,
    AddToList,
    ContinueIf,
    RemoveFromList,
    SendEmail,
    Step,
    Uses,
)
from wagtail_kwiga.automations.core.triggers import EVENTS, StartEvent
from wagtail_kwiga.exceptions import NewerScenario, ScenarioFault

#: Raised when stored definitions need to be read differently; old ones stay readable.
SCHEMA = 1


@dataclass(frozen=True)
class Kinds:
    """The classes that stored words stand for: the package's own, and what a site adds (``registry.kinds``)."""

    steps: Mapping[str, type[Step]] = field(default_factory=lambda: STEPS)
    events: Mapping[str, type[StartEvent]] = field(default_factory=lambda: EVENTS)
    conditions: Mapping[str, type[Condition]] = field(default_factory=lambda: CONDITIONS)


BUILTIN = Kinds()


@dataclass(frozen=True)
class Definition:
    """One start event with its filters, and the steps in order. Step ids are unique."""

    event: StartEvent
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        ids = [step.id for step in self.steps]
        if not ids or not all(ids) or len(set(ids)) != len(ids):
            raise ScenarioFault("A scenario needs steps, each with an id of its own.")

    # --- JSON -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        event = self.event.to_json()
        kind = event.pop("kind")
        return {"schema": SCHEMA, "event": {"kind": kind, "filters": event}, "steps": [s.to_json() for s in self.steps]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], kinds: Kinds = BUILTIN) -> Definition:
        """Raises ``NewerScenario`` for a schema of a newer release and for any word that nobody knows, since a step is never left
        out; ``ScenarioFault`` for whatever else makes no sense."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if isinstance(schema, int) and schema > SCHEMA:
            raise NewerScenario("This version of a scenario was written by a newer version of the software.")
        if schema != SCHEMA:
            raise ScenarioFault("This version of a scenario was written by another version of the package.")
        event, steps = data.get("event"), data.get("steps")
        if not isinstance(event, Mapping) or not isinstance(steps, list):
            raise ScenarioFault("A scenario needs a start event and steps.")
        flat = {"kind": event.get("kind"), **(event.get("filters") or {})}
        return cls(
            serialization.read(flat, kinds.events, "start event"), tuple(read_step(step, kinds) for step in steps)
        )

    # --- the way ----------------------------------------------------------------------------------------------------

    def index(self, step_id: str) -> int:
        """Where a step stands. Raises ``ScenarioFault`` for one that is not there."""
        for index, step in enumerate(self.steps):
            if step.id == step_id:
                return index
        raise ScenarioFault(f"There is no step {step_id!r} in this version.")

    def opening(self, at: dt.datetime) -> tuple[str, dt.datetime]:
        """Where somebody who enters at ``at`` stands, and when that step is due."""
        first = self.steps[0]
        return first.id, at + first.delay()

    def removal_delay(self, index: int) -> dt.timedelta | None:
        """From applying the *add to list* at ``index`` to the step that takes the person off that list again.

        ``None`` where none does. Each wait counts from when the step before was really applied, so the removal itself
        never comes earlier than this; the membership's own end makes sure it does not come later.
        """
        added = self.steps[index]
        if not isinstance(added, AddToList):
            raise ScenarioFault(f"Step {index} puts nobody on a list.")
        waited = dt.timedelta()
        for step in self.steps[index + 1 :]:
            waited += step.delay()
            if isinstance(step, RemoveFromList) and step.list_id == added.list_id:
                return waited
        return None

    def markets(self, template_id: int) -> bool:
        """Whether an email is marketing here: a mail whose kind its editor has left open is then promotion.

        Beside what the start event says of all its mails that is one which leads somebody without an order to an offer.
        """
        return self.event.is_marketing or (
            not self.event.has_order
            and any(
                isinstance(step, SendEmail) and step.template_id == template_id and step.offer_id is not None
                for step in self.steps
            )
        )

    def uses(self) -> Uses:
        """Everything it refers to."""
        found = Uses(offers=frozenset(self.event.offer_ids()))
        for step in self.steps:
            found |= step.uses()
        return found


def read_step(data: Any, kinds: Kinds = BUILTIN) -> Step:
    """One step from its JSON. Raises ``ScenarioFault``."""
    if isinstance(data, Mapping) and "condition" in data and kinds.steps.get(data.get("kind", "")) is ContinueIf:
        data = {**data, "condition": serialization.read(data["condition"], kinds.conditions, "condition")}
    return serialization.read(data, kinds.steps, "step")
