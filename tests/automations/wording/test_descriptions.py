"""Scenarios and reasons in words."""

from __future__ import annotations

import ast
import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import translation

from tests.automations.tables import COUPON, LIST, OFFER, STORY, TEMPLATE
from wagtail_kwiga import automations
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.conditions import BoughtBefore, OnList, OrderTotal
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList, ContinueIf, RemoveFromList, SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import OrderPaid, OrderUnpaid
from wagtail_kwiga.automations.wording import descriptions, reasons
from wagtail_kwiga.automations.wording.naming import Discount, Names
from wagtail_kwiga.coupons.rules import Reason

OTHER, GIFT = 8, 16
FIFTEEN = Discount("15%", lists=frozenset({LIST}))
KNOWN = Names(
    {LIST: "Come back", OTHER: "News"},
    {COUPON: "COMEBACK15", GIFT: "GIFT"},
    {TEMPLATE: "Your place"},
    {OFFER: "Watercolour", 3: "Ink"},
    {COUPON: FIFTEEN, GIFT: Discount("€20.00")},
)
UNPAID, PAID = OrderUnpaid(), OrderPaid()
HALF, DAY, MONTH = Wait("half", 30), Wait("day", 1440), Wait("month", 30 * 1440)
ADD, OFF, MAIL = AddToList("add", LIST), RemoveFromList("off", LIST), SendEmail("mail", TEMPLATE, COUPON)
PLAIN = SendEmail("plain", TEMPLATE)


def test_the_story_in_one_sentence():
    assert descriptions.sentence(STORY, KNOWN) == (
        "30 minutes after an unpaid order for Watercolour, unless paid: 15% for 24 hours, one e-mail"
    )


@pytest.mark.parametrize(
    ("event", "steps", "words"),
    [
        (PAID, [SendEmail("a", 9)], "After any paid order: one e-mail"),
        (OrderPaid((OFFER, 3)), [DAY, PLAIN], "24 hours after a paid order for Watercolour or Ink: one e-mail"),
        (OrderPaid((1, 2, 3, 4)), [DAY, PLAIN], "24 hours after a paid order for 4 offers: one e-mail"),
        (OrderUnpaid((OFFER,)), [PLAIN], "After an unpaid order for Watercolour, unless paid: one e-mail"),
        (
            OrderUnpaid(payment_kinds=("online", "transfer"), origins=("staff", "web"), include_free=True), [PLAIN],
            "After any unpaid order, unless paid: one e-mail (Paying: online, bank transfer; Made by: the buyer, on the web,"
            " staff, by hand; Orders with nothing to pay, too)",
        ),
        # waits are added up where nothing happens in between, and a removal that was told already is nothing
        (UNPAID, [Wait("a", 90), Wait("b", 1), PLAIN], "91 minutes after any unpaid order, unless paid: one e-mail"),
        (UNPAID, [HALF, PLAIN, DAY, ADD, Wait("x", 60), OFF, Wait("y", 1440), MAIL],
         "30 minutes after any unpaid order, unless paid: one e-mail; 24 hours later: 15% for 1 hour; "
         "25 hours later: one e-mail"),
        (UNPAID, [HALF, AddToList("a", LIST, "hours", 36), MAIL, PLAIN],
         "30 minutes after any unpaid order, unless paid: 15% for 36 hours, 2 e-mails"),
        (UNPAID, [HALF], "30 minutes after any unpaid order, unless paid: nothing"),
        # without an end; a list of its own; a removal that this scenario has not told of
        (UNPAID, [HALF, ADD, MAIL], "30 minutes after any unpaid order, unless paid: 15% without an end, one e-mail"),
        (PAID, [AddToList("a", OTHER), MONTH, RemoveFromList("b", OTHER)],
         "After any paid order: on the list “News” for 30 days"),
        (PAID, [AddToList("a", OTHER, "none"), OFF],
         "After any paid order: on the list “News” without an end, off the list “Come back”"),
        # a coupon that needs no list, one whose list is asked for, one that is gone
        (PAID, [SendEmail("a", TEMPLATE, GIFT)], "After any paid order: €20.00 without an end, one e-mail"),
        (PAID, [ContinueIf("a", OnList(LIST)), MAIL],
         "After any paid order: only who is on the list “Come back”, 15%, one e-mail"),
        (PAID, [SendEmail("a", TEMPLATE, 99)], "After any paid order: #99, one e-mail"),
        (
            PAID,
            [
                ContinueIf("b", OnList(LIST, expected=False)), ContinueIf("c", BoughtBefore()),
                ContinueIf("d", BoughtBefore(expected=False)), ContinueIf("e", OrderTotal("50", "EUR")),
            ],
            "After any paid order: only who is not on the list “Come back”, only who has bought before, only who has "
            "never bought, only orders of at least €50.00",
        ),
    ],
)  # fmt: skip
def test_sentences(event, steps, words):
    assert descriptions.sentence(Definition(event, tuple(steps)), KNOWN) == words


def test_a_coupon_that_ends_says_so():
    ends = dt.datetime(2027, 5, 1, 10, tzinfo=dt.UTC)
    known = replace(KNOWN, discounts={COUPON: replace(FIFTEEN, until=ends)})
    told = descriptions.sentence(STORY, known)
    assert "15% for 24 hours, until May 1, 2027, noon\xa0CEST at the latest" in told
    forever = Definition(PAID, (ADD, MAIL))
    assert "15% until May 1, 2027, noon\xa0CEST, one e-mail" in descriptions.sentence(forever, known)


def test_of_several_coupons_of_a_list_those_count_that_a_mail_speaks_of():
    both = replace(KNOWN, discounts={COUPON: FIFTEEN, GIFT: Discount("€20.00", lists=frozenset({LIST}))})
    assert "15% for 24 hours, one" in descriptions.sentence(STORY, both)
    silent = Definition(PAID, (ADD, DAY, OFF))
    assert descriptions.sentence(silent, both) == "After any paid order: 15% or €20.00 for 24 hours"


def test_step_by_step():
    assert [descriptions.step_text(STORY, index, KNOWN) for index in range(5)] == [
        "Wait 30 minutes",
        "On the list “Come back” for 24 hours",
        "E-mail “Your place” with the coupon COMEBACK15 (15%)",
        "Wait 24 hours",
        "Off the list “Come back”",
    ]
    assert descriptions.step_text(Definition(PAID, (PLAIN,)), 0, KNOWN) == "E-mail “Your place”"


@pytest.mark.parametrize("language", ["de", "es", "pl", "uk"])
def test_in_other_languages_it_is_a_sentence_too(language):
    with translation.override(language):
        told = descriptions.sentence(STORY, KNOWN)
    assert "%(" not in told and "Watercolour" in told and "30" in told and "24" in told


@pytest.mark.django_db
def test_names_and_sizes_come_from_the_database(story, django_assert_max_num_queries):
    definition = Definition.from_json(story.scenario.version.definition)
    with django_assert_max_num_queries(5):
        words = descriptions.sentence(definition)
    assert words == (
        "30 minutes after an unpaid order for Watercolour for beginners, unless paid: 15% for 24 hours, one e-mail"
    )
    known = descriptions.names(definition)
    assert (
        descriptions.step_text(definition, 2, known) == "E-mail “Your place is free” with the coupon COMEBACK15 (15%)"
    )


def test_an_unknown_reason_is_spelled_out():
    assert descriptions.reason_text("given_by_hand") == "Given by hand"


def test_every_reason_of_the_core_has_words():
    """Every literal handed over as a reason anywhere in the room is known to ``reason_text``."""
    found = {}
    for source in Path(automations.__file__).parent.rglob("*.py"):
        found |= dict.fromkeys(_reasons(ast.parse(source.read_text())), source.name)
    assert {"due", "wait_over", "payment_in_flight", "through", "starts_afresh", "stopped", "error", "cooling"} <= set(
        found
    )
    assert {code: where for code, where in found.items() if code not in reasons._WORDS} == {}


def test_reasons_made_up_of_two_words_have_words_too():
    closed = {f"order_{word}" for word in ("cancelled", "expired", "superseded", "refunded")}
    no_mail = {
        *m.Suppression.Reason.values,
        "placeholder",
        "unsubscribed",
        "no_consent",
    }  # why the outbox refuses a mail
    assert closed | no_mail <= set(reasons._WORDS)


def test_every_verdict_about_a_coupon_has_words():
    """But for the one that is told to somebody without an address: a run always knows whom it is about."""
    told = {f"coupon_{reason}" for reason in set(Reason) - {Reason.OK, Reason.NEEDS_ADDRESS}}
    assert told == {code for code in reasons._WORDS if code.startswith("coupon_")}


def test_every_outcome_has_words():
    outcomes = {"acted", "waited", "skipped", "missed", "left", "paused"}
    assert all(descriptions.outcome_text(word) != word for word in outcomes - {"waited", "missed"})
    assert set(reasons._OUTCOMES) == outcomes


#: Which argument of these calls is a reason.
_WHERE = {
    "StepResult": 1, "leave": 0, "stay": 0, "Move": 0, "Record": 3, "_result": 1, "_note_newer": 0, "moved": 2, "paused": 2,
    "_pause": 2, "end": 2, "mark": 2,
}  # fmt: skip


def _reasons(tree):
    """Literals handed over as reasons, and what functions return that say why not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            index = _WHERE.get(name)
            if index is not None and len(node.args) > index and isinstance(node.args[index], ast.Constant):
                yield node.args[index].value
            yield from (one.value.value for one in node.keywords if one.arg == "reason" and _is_literal(one.value))
        if isinstance(node, ast.FunctionDef) and node.name in ("leaves", "refusal"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    constants = [one.value for one in ast.walk(inner.value) if isinstance(one, ast.Constant)]
                    words = [one for one in constants if isinstance(one, str)]
                    yield from (word for word in words if re.fullmatch(r"[a-z]+(_[a-z]+)*", word))
        if isinstance(node, ast.FunctionDef):
            yield from _defaults(node)


def _is_literal(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _defaults(node):
    """Defaults of parameters called ``because``."""
    named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
    for one, value in zip(named, node.args.defaults, strict=True):
        if one.arg == "reason" and _is_literal(value):
            yield value.value
