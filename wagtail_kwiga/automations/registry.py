"""What a site adds to scenarios, read from its hooks, and the rules it sets: the edge between Django and the pure core."""

from __future__ import annotations

import datetime as dt
from typing import Any

from wagtail_kwiga import conf, hooks
from wagtail_kwiga.automations.core.conditions import CONDITIONS
from wagtail_kwiga.automations.core.definitions import Kinds
from wagtail_kwiga.automations.core.snapshots import Rules
from wagtail_kwiga.automations.core.steps import STEPS
from wagtail_kwiga.automations.core.triggers import EVENTS

#: ``StartEvent.purpose`` of what is about unpaid purchases.
RECOVERY = "recovery"


def kinds() -> Kinds:
    """All classes by their stored word. A site adds to the package's own and cannot replace them."""
    return Kinds(
        steps=_with_ours(STEPS, hooks.collect("register_kwiga_steps")),
        events=_with_ours(EVENTS, hooks.collect("register_kwiga_events")),
        conditions=_with_ours(CONDITIONS, hooks.collect("register_kwiga_conditions")),
    )


def _with_ours(ours: dict[str, Any], theirs: list[Any]) -> dict[str, Any]:
    """Ours first, because editors read them in this order, and last in force."""
    return {**ours, **{one.kind: one for one in theirs}, **ours}


def rules() -> Rules:
    """The settings that decisions depend on, as a value."""
    return Rules(
        too_late=dt.timedelta(hours=conf.settings.TOO_LATE_HOURS),
        in_flight_recheck=dt.timedelta(minutes=conf.settings.IN_FLIGHT_RECHECK_MINUTES),
        in_flight_limit=dt.timedelta(hours=conf.settings.IN_FLIGHT_LIMIT_HOURS),
    )


def listening_to(event: type, *, recovery: bool | None = None) -> list[str]:
    """Words of the start events that listen to this class of published events; of those about unpaid purchases, or of the
    others, where ``recovery`` says which."""
    return sorted(
        kind
        for kind, one in kinds().events.items()
        if event in one.listens_to and recovery in (None, one.purpose == RECOVERY)
    )


def recovery_events() -> list[str]:
    """Words of the start events that are about unpaid orders: paying or closing the order ends their runs."""
    return sorted(kind for kind, event in kinds().events.items() if event.purpose == RECOVERY)
