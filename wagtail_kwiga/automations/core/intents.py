"""What a decision wants done: frozen values that ``effects`` carries out for a whole batch at once. Plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from wagtail_kwiga.automations.core.snapshots import Facts, GrantSnapshot, source_of


@dataclass(frozen=True)
class Intent:
    """One effect on the world. A site's own is a frozen subclass with ``apply_all``, which writes database rows and no
    more: whatever must leave the house becomes a row that a sweep of its own delivers."""

    kind: ClassVar[str] = ""

    run_id: int

    def fold(self, facts: Facts) -> Facts:
        """The facts once this is done, for the steps that follow in the same pass."""
        return facts

    @classmethod
    def apply_all(cls, intents: Sequence[Any], *, now: dt.datetime) -> None:
        """Carry out the intents of a whole batch, in a fixed number of queries, inside the engine's transaction."""
        raise NotImplementedError


@dataclass(frozen=True)
class GrantMembership(Intent):
    """Put the contact on a list until ``until`` (``None``: without end), in the run's own name."""

    kind: ClassVar[str] = "grant_membership"

    list_id: int
    contact_id: int
    until: dt.datetime | None = None

    def fold(self, facts: Facts) -> Facts:
        return facts.with_grant(GrantSnapshot(self.list_id, source_of(self.run_id), self.until))


@dataclass(frozen=True)
class EndMembership(Intent):
    """Take back what the run itself granted; what others granted stays."""

    kind: ClassVar[str] = "end_membership"

    list_id: int
    contact_id: int

    def fold(self, facts: Facts) -> Facts:
        return facts.without_grant(self.list_id, source_of(self.run_id))


@dataclass(frozen=True)
class QueueEmail(Intent):
    """Put one mail into the outbox. ``coupon_until`` is the deadline it tells; after ``not_after`` it is missed
    (``None``: it is told however late)."""

    kind: ClassVar[str] = "queue_email"

    step_id: str
    template_id: int
    coupon_id: int | None
    coupon_until: dt.datetime | None
    not_after: dt.datetime | None
    #: The offer that the mail is about where the run is about no order.
    offer_id: int | None = None

    @property
    def key(self) -> str:
        """The outbox key: one run mails once at one step, whatever happens."""
        return mail_key(self.run_id, self.step_id)

    def fold(self, facts: Facts) -> Facts:
        return facts.with_mail(self.step_id, self.template_id)


def mail_key(run_id: int, step_id: str) -> str:
    """The outbox key of the mail of a run at a step."""
    return f"run:{run_id}:{step_id}"


@dataclass(frozen=True)
class Record:
    """What was decided at one step, and why; becomes a ``StepRecord``. ``facts`` are JSON values."""

    step: str
    kind: str
    outcome: str
    reason: str
    facts: tuple[tuple[str, Any], ...] = ()
    mail_key: str = ""
