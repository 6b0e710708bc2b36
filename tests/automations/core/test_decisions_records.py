"""What a decision leaves behind for the people who read the timeline of a run. No database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tests.automations.tables import RULES, STORY, facts, order, outcomes, run
from tests.support import after
from wagtail_kwiga.automations.core.conditions import BoughtBefore
from wagtail_kwiga.automations.core.decisions import decide, paused
from wagtail_kwiga.automations.core.steps import ContinueIf, Step, StepResult


@dataclass(frozen=True)
class Breaks(Step):
    kind: ClassVar[str] = "breaks"

    def decide(self, standing, facts, now) -> StepResult:
        raise ValueError("x" * 900)


def test_an_early_look_says_that_the_run_waits():
    decision = decide(STORY, run(), facts(), after(minutes=29), RULES)
    assert (decision.reason, decision.due_at) == ("waiting", after(minutes=30))


def test_a_fault_is_recorded_in_its_own_words_and_cut_short():
    definition = replace(STORY, steps=(STORY.steps[0], Breaks("broken")))
    decision = decide(definition, run(), facts(), after(minutes=30), RULES)
    (record,) = decision.records
    assert (record.step, record.kind, record.outcome, record.reason) == ("wait", "run", "paused", "error")
    assert record.facts == (("error", ("ValueError: " + "x" * 900)[:500]),)
    assert decision.error == "ValueError: " + "x" * 900


def test_a_record_at_hand_is_kept_when_a_run_is_paused():
    (record,) = paused(run(), "gone", "template_gone").records
    assert record.facts == (("error", "gone"),)
    mine = replace(record, reason="mine")
    assert paused(run(), "gone", record=mine).records == (mine,)


def test_a_condition_that_ends_the_run_is_on_record_with_what_it_saw():
    definition = replace(STORY, steps=(STORY.steps[0], ContinueIf("who", condition=BoughtBefore()), *STORY.steps[1:]))
    decision = decide(definition, run(), facts(), after(minutes=30), RULES)
    assert (decision.state, decision.reason, decision.position) == ("left", "condition_fails", "who")
    assert outcomes(decision) == [("wait", "waited", "wait_over"), ("who", "left", "condition_fails")]


def test_following_a_newer_order_names_both():
    newer = order(2, at=after(minutes=50))
    later = run("day", after(hours=25), first_message_at=after(minutes=30))
    decision = decide(STORY, later, facts(order(1, "superseded"), newer), after(hours=25), RULES)
    assert decision.records[0].facts == (("from", 1), ("to", 2))
