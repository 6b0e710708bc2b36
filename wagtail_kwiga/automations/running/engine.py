"""The sweep: take every due run to its next wait.

T1 leases a batch and commits. T2 locks its contacts (so paying and deciding never overlap), reads the runs again under
its token, loads the facts, decides, and applies all effects and positions; one commit. What fails is tried again in
halves until the one bad run is found and paused. A killed worker loses nothing: T2 leaves no trace, and the lease runs out. What a newer release has written is left to a newer worker.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db import InterfaceError, OperationalError, transaction

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.decisions import Decision, decide, paused
from wagtail_kwiga.automations.core.snapshots import Rules
from wagtail_kwiga.automations.models import Run
from wagtail_kwiga.automations.running import effects, facts, leasing, missed_entries
from wagtail_kwiga.automations.running.facts import Batch
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal.acting import Actor, acting_as

logger = logging.getLogger("wagtail_kwiga.automations")


@dataclasses.dataclass(frozen=True)
class EngineSummary:
    """What a sweep came to, in runs. ``refused``: leased, but ended or taken by somebody else before they were decided."""

    decided: int = 0
    acted: int = 0
    waited: int = 0
    skipped: int = 0
    missed: int = 0
    left: int = 0
    paused: int = 0
    #: Written by a newer release, and left to a newer worker.
    later: int = 0
    #: Of all these, those that came to their end.
    completed: int = 0
    refused: int = 0
    batches: int = 0

    def __str__(self) -> str:
        told = [f"{value} {name}" for name, value in dataclasses.asdict(self).items() if value]
        return ", ".join(told) or "nobody due"


def run_due(now: dt.datetime | None = None, *, batch: int | None = None, seconds: float | None = None) -> EngineSummary:
    """Decide every run that is due at ``now``, ``batch`` at a time, for at most about ``seconds`` of real time.

    Safe to run from several workers at once and to be killed at any moment. A fixed number of queries per batch on
    PostgreSQL. Errors of the database connection pass through, after the leases have been given back.
    """
    now = now or conf.now()
    batch = batch or conf.settings.SWEEP_BATCH
    ends = time.monotonic() + (conf.settings.SWEEP_SECONDS if seconds is None else seconds)
    counts: Counter[str] = Counter()
    while claim := leasing.claim(now, batch):
        counts["batches"] += 1
        try:
            _work_off(claim, now, counts, ends)
        except (OperationalError, InterfaceError):
            logger.exception("A batch of runs was given back: the database failed")
            leasing.let_go(claim.token)
            raise
        if time.monotonic() >= ends:
            break
    return EngineSummary(**counts)


def _work_off(claim: leasing.Claim, now: dt.datetime, counts: Counter[str], ends: float) -> None:
    if claim.together:
        _settle(claim.together, claim.token, now, counts)
    for run_id, contact_id in claim.alone.items():
        if time.monotonic() >= ends:
            leasing.let_go(claim.token)
            return
        if leasing.count_try(run_id, claim.token):
            _settle({run_id: contact_id}, claim.token, now, counts)
    if claim.worn_out:
        _settle(claim.worn_out, claim.token, now, counts, worn_out=True)


@acting_as(Actor.SCENARIO)
def _settle(
    claimed: Mapping[int, int], token: str, now: dt.datetime, counts: Counter[str], *, worn_out: bool = False
) -> None:
    """T2: decide and apply, in one transaction."""
    with locking.atomic_write():
        contacts = directory.lock_many(claimed.values())
        mine = Run.objects.filter(pk__in=list(claimed), lease=token, state=Run.State.ACTIVE).order_by("pk")
        runs = list(locking.locked(mine))
        settled = _give_up(runs, now) if worn_out else _in_halves(runs, contacts, now, registry.rules())
    counts["later"] += len(runs) - len(settled)
    counts["refused"] += len(claimed) - len(runs)
    for decision in settled:
        counts["decided"] += 1
        counts[decision.outcome] += 1
        counts["completed"] += decision.state == Run.State.COMPLETED


def _in_halves(runs: list[Run], contacts: Mapping[int, Contact], now: dt.datetime, rules: Rules) -> list[Decision]:
    """Load, decide and apply; where that fails, each half by itself; a single run that fails is paused."""
    if not runs:
        return []
    try:
        with transaction.atomic():
            return _decide_all(runs, contacts, now, rules)
    except (OperationalError, InterfaceError):
        raise  # the database's fault and no run's
    except Exception as error:
        if len(runs) == 1:
            logger.exception("Run %s is paused", runs[0].pk)
            return _pause(runs, f"{type(error).__name__}: {error}", "error", now)
    middle = len(runs) // 2
    halves = runs[:middle], runs[middle:]
    return [decision for half in halves for decision in _in_halves(_afresh(half), contacts, now, rules)]


def _afresh(runs: list[Run]) -> list[Run]:
    """The rows without what a failed attempt has written on the objects. They are locked, so they are the same rows."""
    return list(Run.objects.filter(pk__in=[run.pk for run in runs]).order_by("pk"))


def _decide_all(runs: list[Run], contacts: Mapping[int, Contact], now: dt.datetime, rules: Rules) -> list[Decision]:
    batch = facts.load(runs, now, contacts)
    decisions: list[Decision] = []
    later: list[Run] = []
    #: Contact → the marketing that runs of theirs, decided just now, bring them.
    marketing: Counter[int] = Counter()
    for case in batch.cases.values():
        if case.newer:
            later.append(batch.runs[case.run.id])
        elif not case.run.position and case.definition is not None:
            decisions.append(missed_entries.decide(case.definition, case.run, case.facts, now, rules))
        elif case.definition is None:
            decisions.append(paused(case.run, case.fault, "definition"))
        else:
            more = marketing[case.run.contact_id]
            known = case.facts.with_marketing(more) if more else case.facts
            decision = decide(case.definition, case.run, known, now, rules)
            marketing[case.run.contact_id] += sum(known.is_promotion(mail.template_id) for mail in decision.mails)
            decisions.append(decision)
    later += [batch.runs[one.run_id] for one in decisions if missed_entries.wants_newer(one)]
    decisions = [one for one in decisions if not missed_entries.wants_newer(one)]
    effects.apply(batch, decisions, now)
    missed_entries.leave_to_newer(later, now)
    return decisions


def _give_up(runs: Iterable[Run], now: dt.datetime) -> list[Decision]:
    words = "Tried as often as allowed; each time the worker stopped in the middle."
    return _pause(runs, words, "too_many_attempts", now)


def _pause(runs: Iterable[Run], error: str, reason: str, now: dt.datetime) -> list[Decision]:
    """Hold runs without asking anything of them: neither their facts nor their steps."""
    rows = {run.pk: run for run in runs}
    decisions = [paused(facts.snapshot_of(run), error, reason) for run in rows.values()]
    effects.apply(Batch(runs=rows), decisions, now)
    return decisions
