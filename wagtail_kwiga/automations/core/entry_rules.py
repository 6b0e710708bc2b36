"""Who is let in, and what a newer order does to those inside. Pure, like ``decisions``; ``enrolment`` writes it down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import OrderSnapshot
from wagtail_kwiga.mailing import permission


@dataclass(frozen=True)
class Newcomer:
    """What enrolment knows of the person at the door of one scenario."""

    order: OrderSnapshot
    is_placeholder: bool = False
    recovery_on: bool = True
    #: Inside already, or held because something is wrong.
    is_inside: bool = False
    #: The person has everything already that the offer would add, by whatever way they came by it.
    owns_all: bool = False
    #: When this scenario last wrote to this person about this purchase.
    last_message_at: dt.datetime | None = None


def refusal(newcomer: Newcomer, now: dt.datetime, cooling: dt.timedelta) -> str:
    """Why somebody whose order the scenario is about is not let in all the same; empty when they are."""
    if not newcomer.recovery_on:
        return "recovery_off"
    if newcomer.is_placeholder:
        return permission.PLACEHOLDER
    if newcomer.owns_all:
        return "owned"
    if newcomer.is_inside:
        return "already_inside"
    if newcomer.last_message_at is not None and now - newcomer.last_message_at < cooling:
        return "cooling"
    return ""


@dataclass(frozen=True)
class Move:
    """What a newer order does to a run: ``starts_afresh``, ``follows_order``, or why the run ends."""

    reason: str
    position: str = ""
    due_at: dt.datetime | None = None

    @property
    def ends(self) -> bool:
        return self.reason not in ("starts_afresh", "follows_order")


def move(
    definition: Definition, first_message_at: dt.datetime | None, order: OrderSnapshot, *, owns_all: bool = False
) -> Move:
    """Where a run inside goes when ``order`` replaces its own.

    Before the first message the wait starts afresh (returning every 29 minutes means no mail until 30 quiet minutes);
    afterwards only the pointer moves, so coming back by the mail's link and leaving again brings no second mail.
    """
    if why := definition.event.exit_for_newer(order, has_mailed=first_message_at is not None):
        return Move(why)
    if owns_all:
        return Move("owned")
    if first_message_at is not None:
        return Move("follows_order")
    position, due_at = definition.opening(order.placed_at)
    return Move("starts_afresh", position, due_at)


@dataclass(frozen=True)
class JoiningRun:
    """A run inside whose purchase joins another, or is joined by others."""

    id: int
    scenario_id: int
    entered_at: dt.datetime
    first_message_at: dt.datetime | None = None


def ended_by_joining(runs: Iterable[JoiningRun]) -> set[int]:
    """Of runs that come to stand in one purchase, those that end: one of each scenario stays, the one that has mailed
    before one that has not, else the oldest."""
    staying: dict[int, JoiningRun] = {}
    ended: set[int] = set()
    for run in sorted(runs, key=lambda run: (run.first_message_at is None, run.entered_at, run.id)):
        if run.scenario_id in staying:
            ended.add(run.id)
        else:
            staying[run.scenario_id] = run
    return ended
