"""What happens to one run at one moment. Pure: no database, no clock, no hidden randomness, neither Django nor Wagtail.

The same function serves the engine, a dry run over past orders, and the property tests. Order of the questions:

1. Does the run end here, whatever its step (paid, cancelled, switched off …)?
2. Has its order been replaced by a newer one? Before the first message the wait starts afresh from that one, so
   coming back every 29 minutes means no mail until 30 quiet minutes; afterwards only the pointer moves.
3. Step by step to the next wait, folding what each step does into the facts that the next one sees. A step that acts
   is put off while a payment is under way, and missed when it comes too late. One that brings a marketing mail, or makes the
   promise that such a mail tells, waits for the next day where the person has got as many today as the site allows.

A pass is whole: where a step pauses the run, what the steps before it wanted in this pass is not done either, so that
whoever lets the run go on sets it off from where it stood.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import EndMembership, Intent, QueueEmail, Record
from wagtail_kwiga.automations.core.snapshots import Facts, OrderSnapshot, Rules, RunSnapshot
from wagtail_kwiga.automations.core.steps import Step, StepContext, StepResult

#: Kind of the records that belong to the run as a whole and not to a step.
RUN = "run"


@dataclass(frozen=True)
class Decision:
    """Where one run stands afterwards, and what is to be done for it.

    ``state`` is that of the ``Run`` row (``active, completed, left, paused``). ``outcome`` sums up the pass: ``acted`` when
    something was done, else ``missed, skipped, waited``, or the state where the run has ended.
    """

    run_id: int
    state: str
    outcome: str
    reason: str
    position: str
    due_at: dt.datetime | None
    stepped_at: dt.datetime
    in_flight_since: dt.datetime | None = None
    order_id: int | None = None
    intents: tuple[Intent, ...] = ()
    records: tuple[Record, ...] = ()
    error: str = ""

    @property
    def mails(self) -> tuple[QueueEmail, ...]:
        return tuple(intent for intent in self.intents if isinstance(intent, QueueEmail))


def decide(definition: Definition, run: RunSnapshot, facts: Facts, now: dt.datetime, rules: Rules) -> Decision:
    """Decide one run. Whatever a step raises pauses this run with the error's words, and no other."""
    try:
        return _decide(definition, run, facts, now, rules)
    except Exception as error:
        return paused(run, f"{type(error).__name__}: {error}")


def paused(run: RunSnapshot, error: str, reason: str = "error", record: Record | None = None) -> Decision:
    """Hold the run where it stands until a person has looked at it; nothing else is done."""
    record = record or Record(run.position, RUN, "paused", reason, (("error", error[:500]),))
    return Decision(
        run.id, "paused", "paused", reason, run.position, run.due_at, run.stepped_at,
        run.in_flight_since, run.order_id, records=(record,), error=error,
    )  # fmt: skip


def _decide(definition: Definition, run: RunSnapshot, facts: Facts, now: dt.datetime, rules: Rules) -> Decision:
    walk = _Walk(definition, run, facts, now, rules)
    if reason := definition.event.leaves(run, facts, now):
        return walk.leave(reason)
    if newer := definition.event.follows(run, facts):
        if run.first_message_at is None:
            return walk.start_afresh(newer)
        walk.follow(newer)
    if now < run.due_at:
        return walk.stay("waiting", run.due_at)
    return walk.on()


class _Walk:
    """One pass of one run through its steps."""

    def __init__(self, definition: Definition, run: RunSnapshot, facts: Facts, now: dt.datetime, rules: Rules):
        self.definition, self.run, self.facts, self.now, self.rules = definition, run, facts, now, rules
        self.is_late = not definition.event.can_be_late and now - run.due_at > rules.too_late
        self.index = definition.index(run.position)
        self.just_came = False
        self.has_waited_enough = False
        self.stepped_at = run.stepped_at
        self.in_flight_since = run.in_flight_since
        self.order_id = run.order_id
        self.intents: list[Intent] = []
        self.records: list[Record] = []

    # --- the steps --------------------------------------------------------------------------------------------------

    def on(self) -> Decision:
        while self.index < len(self.definition.steps):
            step = self.definition.steps[self.index]
            missed = self.is_late and step.can_be_missed
            if not missed and self._must_wait_for_payment(step):
                return self._ask_again()
            told = self._missed() if missed else self._ask(step)
            if told.outcome == "paused":
                return paused(self.run, f"{told.reason} {told.facts}", told.reason, _record(step, told))
            if told.outcome == "left":
                self.records.append(_record(step, told))
                return self._left(told.reason)
            if told.due_at is not None:
                return self.stay(told.reason, told.due_at)
            if told.outcome == "acted" and (allowed := self._allowed_from(step)) is not None:
                return self._put_off(step, allowed)
            self._take(step, told)
        self.stepped_at = self.now
        return self._result("completed", "through", position="", due_at=None)

    def _missed(self) -> StepResult:
        late = int((self.now - self.run.due_at).total_seconds() // 60)
        return StepResult("missed", "too_late", facts={"due": self.run.due_at.isoformat(), "minutes_late": late})

    def _ask(self, step: Step) -> StepResult:
        return step.decide(self._standing(), self.facts, self.now)

    def _standing(self) -> StepContext:
        return StepContext(self.run, self.definition, self.index, self.rules, self.just_came, self.order_id)

    def _take(self, step: Step, told: StepResult) -> None:
        """Note what the step did, let the facts know, and go on to the next."""
        self.records.append(_record(step, told))
        self.facts = self.facts.with_past(step.id, told.outcome)
        for intent in told.intents:
            self.intents.append(intent)
            self.facts = intent.fold(self.facts)
        self.index += 1
        self.just_came, self.stepped_at, self.in_flight_since = True, self.now, None

    # --- a payment under way ----------------------------------------------------------------------------------------

    def _must_wait_for_payment(self, step: Step) -> bool:
        if not (self.definition.event.minds_payment and step.waits_for_payment and self.facts.in_flight):
            return False
        if self.in_flight_since is not None and self.now - self.in_flight_since >= self.rules.in_flight_limit:
            self.has_waited_enough = True  # for the rest of this pass; a later one asks anew
        return not self.has_waited_enough

    def _ask_again(self) -> Decision:
        step = self.definition.steps[self.index]
        if self.in_flight_since is None:
            self.in_flight_since = self.now
            self.records.append(Record(step.id, step.kind, "waited", "payment_in_flight"))
        return self.stay("payment_in_flight", self.now + self.rules.in_flight_recheck)

    # --- enough marketing for today ---------------------------------------------------------------------------------

    def _allowed_from(self, step: Step) -> dt.datetime | None:
        """From when on what the step would do is allowed, where the person has got enough marketing today."""
        allowed = self.facts.marketing.allowed_from()
        return allowed if allowed is not None and step.markets(self._standing(), self.facts) else None

    def _put_off(self, step: Step, allowed: dt.datetime) -> Decision:
        """Ask again then. What the step promises counts from then, too."""
        told = (("due", allowed.isoformat()), ("marketing_today", self.facts.marketing.today))
        self.records.append(Record(step.id, step.kind, "waited", "marketing_cap", told))
        return self.stay("marketing_cap", allowed)

    # --- a newer order ----------------------------------------------------------------------------------------------

    def start_afresh(self, newer: OrderSnapshot) -> Decision:
        position, due_at = self.definition.opening(newer.placed_at)
        self._note_newer("starts_afresh", newer)
        self.stepped_at, self.in_flight_since, self.order_id = newer.placed_at, None, newer.id
        return self._result("active", "starts_afresh", position=position, due_at=due_at)

    def follow(self, newer: OrderSnapshot) -> None:
        self._note_newer("follows_order", newer)
        self.order_id = newer.id

    def _note_newer(self, reason: str, newer: OrderSnapshot) -> None:
        self.records.append(moved(self.run, newer.id, reason))

    # --- where it ends ----------------------------------------------------------------------------------------------

    def stay(self, reason: str, due_at: dt.datetime) -> Decision:
        return self._result("active", reason, position=self.definition.steps[self.index].id, due_at=due_at)

    def leave(self, reason: str) -> Decision:
        self.records.append(Record(self.run.position, RUN, "left", reason))
        return self._left(reason)

    def _left(self, reason: str) -> Decision:
        """Memberships carry the end that was told, so they stay; but who has paid needs the advantage no longer."""
        if reason == "purchase_paid":
            mine = sorted(
                {grant.list_id for grant in self.facts.grants if grant.source == self.run.source and not grant.removed}
            )
            self.intents.extend(EndMembership(self.run.id, one, self.run.contact_id) for one in mine)
        return self._result("left", reason, position=self.definition.steps[self.index].id, due_at=None)

    def _result(self, state: str, reason: str, *, position: str, due_at: dt.datetime | None) -> Decision:
        outcomes = [record.outcome for record in self.records]
        told = next((word for word in ("acted", "missed", "skipped") if word in outcomes), "waited")
        return Decision(
            self.run.id, state, "left" if state == "left" else told, reason, position, due_at,
            self.stepped_at, self.in_flight_since, self.order_id, tuple(self.intents), tuple(self.records),
        )  # fmt: skip


def _record(step: Step, told: StepResult) -> Record:
    return Record(step.id, step.kind, told.outcome, told.reason, tuple(told.facts.items()), told.mail_key)


def moved(run: RunSnapshot, order_id: int, reason: str) -> Record:
    """The record of a run that goes on with a newer order."""
    return Record(run.position, RUN, "waited", reason, (("from", run.order_id), ("to", order_id)))
