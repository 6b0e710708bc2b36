"""The steps of a scenario: frozen values with a pure ``decide``. Plain Python.

A site adds classes through ``register_kwiga_steps``. A step decides, it does nothing: what it wants done it says in
intents, which the engine carries out for a whole batch at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from wagtail_kwiga.automations.core.conditions import Condition
from wagtail_kwiga.automations.core.intents import EndMembership, GrantMembership, Intent, QueueEmail, mail_key
from wagtail_kwiga.automations.core.serialization import Serializable, whole
from wagtail_kwiga.automations.core.snapshots import Facts, Rules, RunSnapshot
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.mailing import permission

if TYPE_CHECKING:
    from wagtail_kwiga.automations.core.definitions import Definition


@dataclass(frozen=True)
class StepContext:
    """Where a run stands when a step is asked: its row, its way, and how it came here."""

    run: RunSnapshot
    definition: Definition
    index: int
    rules: Rules
    #: The run came to this step in this very pass, instead of having stood here since the last one.
    just_came: bool
    #: The order that the run is about by now: ``run.order_id``, or the one that has replaced it.
    order_id: int | None = None

    def list_was_missed(self, facts: Facts) -> bool:
        """Whether the nearest *add to list* before this step, not taken back since, was missed."""
        for step in reversed(self.definition.steps[: self.index]):
            if isinstance(step, RemoveFromList):
                return False
            if isinstance(step, AddToList):
                return facts.last_outcome(step.id) == "missed"
        return False


@dataclass(frozen=True)
class StepResult:
    """What a step decided. ``outcome`` is ``acted, waited, skipped, missed`` (the run goes on) or ``left, paused``.

    With ``due_at`` the run stays here and asks again then. ``facts`` are JSON values for the record.
    """

    outcome: str
    reason: str
    intents: tuple[Intent, ...] = ()
    due_at: dt.datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    mail_key: str = ""


@dataclass(frozen=True)
class Step(Serializable):
    """One step. Subclass it, frozen, with a ``kind``, the dotted path of its form ``block``, and ``decide``."""

    #: Dotted path of the block an editor fills in; a subclass of ``automations.editing.blocks.StepBlock``.
    block: ClassVar[str] = ""
    #: Later than ``Rules.too_late`` it is missed instead of asked.
    can_be_missed: ClassVar[bool] = True
    #: In scenarios about unpaid orders it is not asked while a payment is under way.
    waits_for_payment: ClassVar[bool] = True

    #: The id of its block in the stream: what runs, records and outbox keys refer to.
    id: str

    def markets(self, run: StepContext, facts: Facts) -> bool:
        """Whether acting here brings the person a marketing mail, or is told in one: then it keeps to how many a day are allowed."""
        return False

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        """What happens at this step at ``now``. Pure: nothing but the arguments may matter."""
        raise NotImplementedError

    @classmethod
    def load(cls, runs: tuple[RunSnapshot, ...], now: dt.datetime) -> dict[int, Any]:
        """Facts of its own for a batch, found in ``facts.extra[kind]``: run id → value, by a fixed number of queries."""
        return {}

    def delay(self) -> dt.timedelta:
        """For how long the run waits here, as far as that is known beforehand."""
        return dt.timedelta()

    def uses(self) -> Uses:
        """What it refers to; none of that can be deleted while the version may run."""
        return Uses()


@dataclass(frozen=True)
class Uses:
    """Ids of what a step or a whole definition refers to."""

    lists: frozenset[int] = frozenset()
    coupons: frozenset[int] = frozenset()
    templates: frozenset[int] = frozenset()
    offers: frozenset[int] = frozenset()

    def __or__(self, other: Uses) -> Uses:
        return Uses(
            self.lists | other.lists, self.coupons | other.coupons,
            self.templates | other.templates, self.offers | other.offers,
        )  # fmt: skip


@dataclass(frozen=True)
class Wait(Step):
    """Wait some minutes from the moment the step before was really applied."""

    kind: ClassVar[str] = "wait"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.blocks.WaitBlock"
    can_be_missed: ClassVar[bool] = False
    waits_for_payment: ClassVar[bool] = False

    minutes: int

    def __post_init__(self) -> None:
        whole("minutes", self.minutes)

    def delay(self) -> dt.timedelta:
        return dt.timedelta(minutes=self.minutes)

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        due = now + self.delay() if run.just_came else run.run.due_at
        if now < due:
            return StepResult("waited", "waiting", due_at=due)
        return StepResult("waited", "wait_over", facts={"due": due.isoformat()})


@dataclass(frozen=True)
class ContinueIf(Step):
    """Go on only where a condition holds; else the run ends here."""

    kind: ClassVar[str] = "continue_if"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.blocks.ContinueIfBlock"
    can_be_missed: ClassVar[bool] = False

    condition: Condition

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        asked = self.condition.to_json()
        if self.condition.holds(run.run, facts, now):
            return StepResult("acted", "condition_holds", facts=asked)
        return StepResult("left", "condition_fails", facts=asked)

    def uses(self) -> Uses:
        return Uses(lists=self.condition.list_ids())


@dataclass(frozen=True)
class AddToList(Step):
    """Put the person on a list, with an end that is told and enforced by the clock.

    ``until``: ``scenario`` (until a later step takes them off; without such a step, for good), ``hours`` (so many hours
    from now, but no longer than that), ``none`` (for good).
    """

    kind: ClassVar[str] = "add_to_list"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.blocks.AddToListBlock"

    list_id: int
    until: str = "scenario"
    hours: int | None = None

    def __post_init__(self) -> None:
        whole("list_id", self.list_id, least=1)
        if self.until not in ("scenario", "hours", "none"):
            raise ScenarioFault(f"Nobody knows the end {self.until!r} of a list membership.")
        if self.until == "hours":
            whole("hours", self.hours, least=1)

    def length(self, definition: Definition, index: int) -> dt.timedelta | None:
        """For how long the membership holds from the moment this step, the ``index``-th, is applied."""
        spans = []
        if self.until == "hours" and self.hours:
            spans.append(dt.timedelta(hours=self.hours))
        if self.until != "none" and (removal := definition.removal_delay(index)) is not None:
            spans.append(removal)
        return min(spans, default=None)

    def markets(self, run: StepContext, facts: Facts) -> bool:
        """The mail that tells of the list follows before the next wait."""
        for step in run.definition.steps[run.index + 1 :]:
            if step.delay() or (isinstance(step, RemoveFromList) and step.list_id == self.list_id):
                return False
            if isinstance(step, SendEmail) and step.id not in facts.mailed and step.markets(run, facts):
                return True
        return False

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        length = self.length(run.definition, run.index)
        until = None if length is None else now + length
        grant = GrantMembership(run.run.id, self.list_id, facts.contact.id, until)
        told = {"list": self.list_id, "until": until.isoformat() if until else None}
        return StepResult("acted", "due", (grant,), facts=told)

    def uses(self) -> Uses:
        return Uses(lists=frozenset({self.list_id}))


@dataclass(frozen=True)
class RemoveFromList(Step):
    """Take back the membership that this run granted. Never missed, never put off: it ends when it was to end."""

    kind: ClassVar[str] = "remove_from_list"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.blocks.RemoveFromListBlock"
    can_be_missed: ClassVar[bool] = False
    waits_for_payment: ClassVar[bool] = False

    list_id: int

    def __post_init__(self) -> None:
        whole("list_id", self.list_id, least=1)

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        end = EndMembership(run.run.id, self.list_id, facts.contact.id)
        return StepResult("acted", "due", (end,), facts={"list": self.list_id})

    def uses(self) -> Uses:
        return Uses(lists=frozenset({self.list_id}))


@dataclass(frozen=True)
class SendEmail(Step):
    """Queue one mail. ``coupon_id`` was settled when the scenario was published. ``offer_id`` is what the mail is about and
    leads to where the run is about no order; an order brings its own offer."""

    kind: ClassVar[str] = "send_email"
    block: ClassVar[str] = "wagtail_kwiga.automations.editing.blocks.SendEmailBlock"

    template_id: int
    coupon_id: int | None = None
    offer_id: int | None = None

    def __post_init__(self) -> None:
        whole("template_id", self.template_id, least=1)
        if self.coupon_id is not None:
            whole("coupon_id", self.coupon_id, least=1)
        if self.offer_id is not None:
            whole("offer_id", self.offer_id, least=1)

    def markets(self, run: StepContext, facts: Facts) -> bool:
        template = facts.templates.get(self.template_id)
        if template is None or template.is_unpublished or template.kind != permission.PROMOTION:
            return False
        return not facts.mail_refusal(permission.PROMOTION)

    def decide(self, run: StepContext, facts: Facts, now: dt.datetime) -> StepResult:
        if self.id in facts.mailed:
            return StepResult("skipped", "already_sent")
        if run.list_was_missed(facts):
            return StepResult("missed", "list_missed")
        template = facts.templates.get(self.template_id)
        if template is None or template.fault:
            fault = template.fault if template else "gone"
            return StepResult("paused", "template_missing", facts={"template": self.template_id, "fault": fault})
        if template.is_unpublished:
            return StepResult("skipped", "template_unpublished", facts={"template": self.template_id})
        if refusal := facts.mail_refusal(template.kind):
            return StepResult("skipped", refusal)
        until = None
        if self.coupon_id is not None:
            verdict = facts.coupon_verdict(self.coupon_id, facts.offer_of(run.order_id, self.offer_id), now)
            if not verdict.ok:
                return StepResult("skipped", f"coupon_{verdict.reason}", facts={"coupon": self.coupon_id})
            until = verdict.until
        if template.tells_end and until is None:
            return StepResult("skipped", "no_end_to_tell", facts={"coupon": self.coupon_id})
        not_after = now + (until - now) / 2 if until else None
        if not_after is None and not run.definition.event.can_be_late:
            not_after = now + run.rules.too_late
        mail = QueueEmail(run.run.id, self.id, self.template_id, self.coupon_id, until, not_after, self.offer_id)
        told = {"template": self.template_id, "coupon": self.coupon_id, "until": until.isoformat() if until else None}
        return StepResult("acted", "due", (mail,), facts=told, mail_key=mail_key(run.run.id, self.id))

    def uses(self) -> Uses:
        coupons = frozenset() if self.coupon_id is None else frozenset({self.coupon_id})
        offers = frozenset() if self.offer_id is None else frozenset({self.offer_id})
        return Uses(coupons=coupons, templates=frozenset({self.template_id}), offers=offers)


STEPS: dict[str, type[Step]] = {one.kind: one for one in (Wait, ContinueIf, AddToList, RemoveFromList, SendEmail)}
