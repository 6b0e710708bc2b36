"""The forms: what they take, what they refuse, and that a site can add to them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from wagtail import hooks
from wagtail.blocks import IntegerBlock, StreamBlockValidationError, StructBlockValidationError

from tests.automations.story import stream, told, write
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import Intent
from wagtail_kwiga.automations.core.steps import Step, StepResult
from wagtail_kwiga.automations.editing import blocks, compiling, versions
from wagtail_kwiga.automations.editing.blocks import StepBlock
from wagtail_kwiga.automations.editing.condition_blocks import OrderTotalBlock
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.automations.wording.run_history import Retelling

pytestmark = pytest.mark.django_db


def steps_field():
    return m.Scenario._meta.get_field("steps")


def test_the_steps_and_events_on_offer_ours_before_those_of_the_example_app():
    assert [name for name, _ in blocks.start_blocks()] == ["order_unpaid", "order_paid", "studio_lesson_finished"]
    assert [name for name, _ in blocks.step_blocks()] == [
        "wait", "continue_if", "add_to_list", "remove_from_list", "send_email", "studio_ask_to_call",
    ]  # fmt: skip
    asked = [name for name, _ in blocks.condition_blocks()]
    assert asked == ["on_list", "bought_before", "order_total", "studio_came_back"]


def test_everything_has_a_label_and_an_icon():
    for name, block in [*blocks.start_blocks(), *blocks.step_blocks(), *blocks.condition_blocks()]:
        assert str(block.label) and block.meta.icon not in ("", "placeholder"), name


def test_defaults():
    unpaid = dict(blocks.start_blocks())["order_unpaid"]
    assert unpaid.coded(unpaid.get_default()) == {
        "offers": [], "payment_kinds": ["online"], "origins": ["web"], "include_free": False,
    }  # fmt: skip
    wait = dict(blocks.step_blocks())["wait"]
    assert wait.coded(wait.get_default()) == {"minutes": 30}


@pytest.mark.parametrize("typed", [{"amount": None, "unit": "hours"}, {"amount": 5, "unit": ""}])
def test_a_half_typed_wait_is_told_and_breaks_nothing(typed):
    """As the editor's own saving meets it: the number just emptied."""
    found = compiling.read(m.Scenario(title="Half", steps=stream(("wait", typed)))).found
    assert [str(problem.message) for problem in found if problem.stream == "steps"] == [
        "What it names is gone, or was never chosen: Wait."
    ]


@pytest.mark.parametrize(
    ("given", "amount", "unit"),
    [
        ({"minutes": 30}, 30, "minutes"),
        ({"minutes": 60}, 1, "hours"),
        ({"minutes": 1440}, 1, "days"),
        ({"amount": 24, "unit": "hours"}, 24, "hours"),
    ],
)
def test_a_wait_may_be_written_short(given, amount, unit):
    value = steps_field().to_python(stream(("wait", given)))[0].value
    assert (value["amount"], value["unit"]) == (amount, unit)
    scenario = m.Scenario(steps=[("wait", given)])
    assert scenario.steps[0].value == {"amount": amount, "unit": unit}


def test_offers_are_read_when_the_form_is_shown():
    block = dict(blocks.start_blocks())["order_unpaid"].child_blocks["offers"]
    offer = make_offer(title="Brand new")
    assert (str(offer.pk), "Brand new") in [(str(pk), title) for pk, title in block.field.choices]
    assert block.clean([str(offer.pk)]) == [offer.pk]


def test_hours_are_asked_for_where_they_are_the_end(story):
    field = steps_field()
    value = field.to_python(stream(("add_to_list", {"list": story.list.pk, "until": "hours", "hours": None})))
    with pytest.raises(StreamBlockValidationError):
        field.stream_block.clean(value)
    value = field.to_python(stream(("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 5})))
    assert field.stream_block.clean(value)[0].block.coded(value[0].value)["hours"] == 5


def test_every_condition_becomes_a_step(story):
    asked = [
        {"type": "on_list", "value": {"list": story.list.pk, "expected": "no"}},
        {"type": "bought_before", "value": {"expected": "yes"}},
        {"type": "order_total", "value": {"amount": "99.50", "currency": "EUR"}},
    ]
    conditions = [("continue_if", {"condition": [one]}) for one in asked]
    version = versions.publish(write(story, ("wait", {"minutes": 30}), *conditions))
    assert [step["condition"] for step in version.definition["steps"][1:]] == [
        {"kind": "on_list", "list_id": story.list.pk, "expected": False},
        {"kind": "bought_before", "expected": True},
        {"kind": "order_total", "amount": "99.50", "currency": "EUR"},
    ]


@pytest.mark.parametrize(("currency", "typed"), [("JPY", "120.50"), ("EUR", "1.234"), ("EUR", "12,5")])
def test_a_total_that_no_order_can_have_is_refused(currency, typed):
    block = OrderTotalBlock()
    field = block.child_blocks["amount"].field
    with pytest.raises((ValidationError, StructBlockValidationError)):
        block.clean(block.to_python({"amount": field.clean(typed), "currency": currency}))


def test_the_total_of_a_condition_is_typed_as_its_reader_writes_it():
    amount = OrderTotalBlock().child_blocks["amount"]
    with translation.override("de"):
        assert amount.field.clean("1.234,50") == Decimal("1234.50")
        assert amount.get_form_state(Decimal("1234.50")) == "1234,5"


# --- a site's own step ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GivePoints(Intent):
    kind: ClassVar[str] = "give_points"
    given: ClassVar[list] = []

    points: int

    @classmethod
    def apply_all(cls, intents, *, now):
        cls.given.append([(one.run_id, one.points) for one in intents])


class PointsBlock(StepBlock):
    points = IntegerBlock()

    class Meta:
        icon = "pick"


@dataclass(frozen=True)
class Points(Step):
    kind: ClassVar[str] = "points"
    block: ClassVar[str] = "tests.automations.editing.test_blocks.PointsBlock"

    points: int

    def decide(self, run, facts, now):
        return StepResult("acted", "given", (GivePoints(run.run.id, self.points + facts.extra["points"]),))

    @classmethod
    def load(cls, runs, now):
        return {run.id: 100 for run in runs}


@pytest.fixture
def points():
    field = steps_field()
    with hooks.register_temporarily("register_kwiga_steps", lambda: [Points]):
        field.__dict__.pop("stream_block", None)
        GivePoints.given.clear()
        yield
    field.__dict__.pop("stream_block", None)


def test_a_sites_own_step_loads_decides_and_is_applied_for_all_at_once(points, story):
    versions.publish(write(story, ("wait", {"minutes": 30}), ("points", {"points": 5})))
    runs = [story.run_of(story.place(make_contact())) for _ in range(3)]
    assert engine.run_due(after(minutes=30)).completed == 3
    assert GivePoints.given == [[(run.pk, 105) for run in runs]]
    assert told(runs[0])[-1] == ("points", "acted", "given")


def test_a_sites_step_without_words_of_its_own_is_called_by_its_form(points, story):
    version = versions.publish(write(story, ("wait", {"minutes": 30}), ("points", {"points": 5})))
    definition = Definition.from_json(version.definition, registry.kinds())
    assert descriptions.sentence(definition).endswith("unless paid: “Points”")
    run = story.run_of(story.place(make_contact()))
    engine.run_due(after(minutes=30))
    told = Retelling([run], list(run.records.all()))
    assert [told.step_of(record, run.version_id) for record in run.records.all()] == ["Wait 30 minutes", "“Points”"]


def test_what_a_sites_step_breaks_pauses_and_undoes(points, story, monkeypatch):
    bad: list[int] = []

    def apply_all(intents, *, now):
        for one in intents:
            m.TimelineEntry.objects.create(subject=story.offer, code="site.points", at=START)
            if one.run_id in bad:
                m.TimelineEntry.objects.create(subject=story.offer, code="site.points", at=None)

    monkeypatch.setattr(GivePoints, "apply_all", apply_all)
    versions.publish(write(story, ("wait", {"minutes": 30}), ("points", {"points": 5})))
    runs = [story.run_of(story.place(make_contact())) for _ in range(4)]
    bad.append(runs[1].pk)
    summary = engine.run_due(after(minutes=30))
    assert (summary.completed, summary.paused) == (3, 1)
    assert m.TimelineEntry.objects.filter(code="site.points").count() == 3
