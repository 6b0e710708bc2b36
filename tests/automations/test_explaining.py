"""Scenarios and reasons in words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.automations.tables import COUPON, LIST, OFFER, STORY, TEMPLATE
from wagtail_kwiga import automations
from wagtail_kwiga.automations import explaining
from wagtail_kwiga.automations.conditions import BoughtBefore, OnList, OrderTotal
from wagtail_kwiga.automations.definitions import Definition
from wagtail_kwiga.automations.explaining import Names
from wagtail_kwiga.automations.steps import AddToList, ContinueIf, RemoveFromList, SendEmail, Wait
from wagtail_kwiga.automations.triggers import OrderPaid, OrderUnpaid

KNOWN = Names({LIST: "Come back"}, {COUPON: "COMEBACK15"}, {TEMPLATE: "Your place"}, {OFFER: "Watercolour"})


def test_the_story_in_one_sentence():
    assert explaining.sentence(STORY, KNOWN) == (
        "30 minutes after an unpaid order for Watercolour, unless paid: on the list Come back, e-mail “Your place” with "
        "the coupon COMEBACK15; after 24 hours off the list Come back"
    )


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (Definition(OrderPaid(), (SendEmail("a", 9),)), "Any paid order: e-mail “#9”"),
        (
            Definition(OrderPaid((OFFER,)), (Wait("w", 3 * 1440), RemoveFromList("r", LIST))),
            "3 days after a paid order for Watercolour: off the list Come back",
        ),
        (
            Definition(OrderUnpaid(), (Wait("w", 90), Wait("v", 1), AddToList("a", LIST, "hours", 5), Wait("x", 1))),
            "91 minutes after any unpaid order, unless paid: on the list Come back for 5 hours; after 1 minute",
        ),
        (
            Definition(
                OrderPaid(),
                (
                    ContinueIf("a", OnList(LIST)),
                    ContinueIf("b", OnList(LIST, expected=False)),
                    ContinueIf("c", BoughtBefore()),
                    ContinueIf("d", BoughtBefore(expected=False)),
                    ContinueIf("e", OrderTotal("50", "EUR")),
                ),
            ),
            "Any paid order: only who is on the list Come back, only who is not on the list Come back, only who has "
            "bought before, only who has never bought, only orders of at least 50.00 EUR",
        ),
    ],
)
def test_sentences(definition, words):
    assert explaining.sentence(definition, KNOWN) == words


@pytest.mark.django_db
def test_names_come_from_the_database(story, django_assert_max_num_queries):
    definition = Definition.from_json(story.scenario.version.definition)
    with django_assert_max_num_queries(4):
        words = explaining.sentence(definition)
    assert "Come back" in words and "COMEBACK15" in words and "Your place is free" in words


def test_an_unknown_reason_is_spelled_out():
    assert explaining.because_text("given_by_hand") == "Given by hand"


def test_every_reason_of_the_core_has_words():
    """Every literal handed over as a reason anywhere in the room is known to ``because_text``."""
    missing = set()
    for source in Path(automations.__file__).parent.glob("*.py"):
        for code in _reasons(ast.parse(source.read_text())):
            if code not in explaining._WORDS:
                missing.add(f"{source.name}: {code}")
    assert not missing


def _reasons(tree):
    """Second argument of ``Told``, first of ``leave`` and ``stay``, and what ``leaves``/refusals return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            index = {"Told": 1, "leave": 0, "stay": 0, "Move": 0}.get(name)
            if index is not None and len(node.args) > index and isinstance(node.args[index], ast.Constant):
                yield node.args[index].value
        if isinstance(node, ast.FunctionDef) and node.name in ("leaves", "refusal", "mail_refusal", "coupon_refusal"):
            prefix = "coupon_" if node.name == "coupon_refusal" else ""
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    constants = [one.value for one in ast.walk(inner.value) if isinstance(one, ast.Constant)]
                    words = [one for one in constants if isinstance(one, str)]
                    yield from (prefix + word for word in words if re.fullmatch(r"[a-z]+(_[a-z]+)*", word))
