"""Definitions as JSON: what is written is read again, and what is not known is refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.automations.tables import LIST, STORY
from wagtail_kwiga.automations import core
from wagtail_kwiga.automations.core.conditions import OnList, OrderTotal
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList, ContinueIf, SendEmail, Uses, Wait
from wagtail_kwiga.automations.core.triggers import OrderPaid, OrderUnpaid
from wagtail_kwiga.exceptions import ScenarioFault

CONDITIONAL = Definition(
    OrderPaid(offers=(1, 2)),
    (ContinueIf("if", OnList(LIST, expected=False)), ContinueIf("sum", OrderTotal("5", "EUR"))),
)


@pytest.mark.parametrize("definition", [STORY, CONDITIONAL])
def test_there_and_back(definition):
    assert Definition.from_json(definition.to_json()) == definition


def test_the_words_are_stable():
    assert STORY.to_json() == {
        "schema": 1,
        "event": {
            "kind": "order_unpaid",
            "filters": {"offers": [2], "payment_kinds": ["online"], "origins": ["web"], "include_free": False},
        },
        "steps": [
            {"kind": "wait", "id": "wait", "minutes": 30},
            {"kind": "add_to_list", "id": "add", "list_id": 7, "until": "scenario", "hours": None},
            {"kind": "send_email", "id": "mail", "template_id": 4, "coupon_id": 15, "offer_id": None},
            {"kind": "wait", "id": "day", "minutes": 1440},
            {"kind": "remove_from_list", "id": "remove", "list_id": 7},
        ],
    }


def changed(**changes):
    return STORY.to_json() | changes


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        changed(schema=2),
        changed(event=None),
        changed(event={"kind": "full_moon", "filters": {}}),
        changed(event={"kind": "order_unpaid", "filters": {"weather": "fine"}}),
        changed(steps=None),
        changed(steps=[]),
        changed(steps=[{"kind": "teleport", "id": "a"}]),
        changed(steps=[{"kind": "wait", "id": "a"}]),
        changed(steps=[{"kind": "wait", "id": "a", "minutes": "30"}]),
        changed(steps=[{"kind": "wait", "id": "a", "minutes": -1}]),
        changed(steps=[{"kind": "wait", "id": "a", "minutes": 1, "hours": 2}]),
        changed(steps=[{"kind": "wait", "id": "", "minutes": 1}]),
        changed(steps=[{"kind": "wait", "id": "a", "minutes": 1}] * 2),
        changed(steps=[{"kind": "add_to_list", "id": "a", "list_id": 0}]),
        changed(steps=[{"kind": "add_to_list", "id": "a", "list_id": 1, "until": "doomsday"}]),
        changed(steps=[{"kind": "add_to_list", "id": "a", "list_id": 1, "until": "hours"}]),
        changed(steps=[{"kind": "continue_if", "id": "a", "condition": {"kind": "is_nice"}}]),
        changed(steps=[{"kind": "continue_if", "id": "a", "condition": {"kind": "order_total", "amount": "x", "currency": "EUR"}}]),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(data):
    with pytest.raises(ScenarioFault):
        Definition.from_json(data)


def test_uses():
    assert STORY.uses() == Uses(frozenset({7}), frozenset({15}), frozenset({4}), frozenset({2}))
    assert CONDITIONAL.uses().lists == {LIST}


def test_opening():
    from tests.support import START, after

    assert STORY.opening(START) == ("wait", after(minutes=30))
    assert Definition(OrderUnpaid(), (SendEmail("m", 1), Wait("w", 5))).opening(START) == ("m", START)


def test_removal_delay_is_about_lists_only():
    assert STORY.removal_delay(1).total_seconds() == 24 * 3600
    with pytest.raises(ScenarioFault):
        STORY.removal_delay(0)
    assert Definition(OrderUnpaid(), (AddToList("a", 1),)).removal_delay(0) is None


CORE = Path(core.__file__).parent


@pytest.mark.parametrize("source", sorted(CORE.glob("*.py")), ids=lambda source: source.stem)
def test_the_core_knows_neither_django_nor_wagtail(source):
    """Only other pure modules are imported (the import contracts say the same of the chains)."""
    allowed = (
        "wagtail_kwiga.automations.core",
        "wagtail_kwiga.coupons.rules",
        "wagtail_kwiga.exceptions",
        "wagtail_kwiga.mailing.permission",
        "wagtail_kwiga.orders.events",
        "wagtail_kwiga.orders.statuses",
        "wagtail_kwiga.pricing.money",
    )
    for node in ast.walk(ast.parse(source.read_text())):
        names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for imported in names:
            assert imported.startswith(allowed) or not imported.startswith(("django", "wagtail")), imported
