"""Decisions as tables: one run, one moment, one answer. No database."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from tests.automations.tables import (
    COUPON,
    DAY,
    LIST,
    OFFER,
    RULES,
    STORY,
    TEMPLATE,
    facts,
    mine,
    order,
    outcomes,
    run,
    with_coupon,
)
from tests.support import START, after
from wagtail_kwiga.automations.core.conditions import BoughtBefore, OnList, OrderTotal
from wagtail_kwiga.automations.core.decisions import decide
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import EndMembership, GrantMembership, QueueEmail
from wagtail_kwiga.automations.core.snapshots import (
    ContactSnapshot,
    GrantSnapshot,
    MarketingCap,
    OfferSnapshot,
    Past,
    TemplateSnapshot,
)
from wagtail_kwiga.automations.core.steps import (
    AddToList,
    ContinueIf,
    RemoveFromList,
    SendEmail,
    Step,
    StepResult,
    Wait,
)
from wagtail_kwiga.automations.core.triggers import OrderPaid, OrderUnpaid


def ask(now, *, run=run(), facts=facts(), definition=STORY, rules=RULES):
    return decide(definition, run, facts, now, rules)


# --- the story ---------------------------------------------------------------------------------------------------------


def test_at_29_minutes_nothing():
    decision = ask(after(minutes=29))
    assert (decision.state, decision.outcome, decision.position) == ("active", "waited", "wait")
    assert (decision.intents, decision.records, decision.due_at) == ((), (), after(minutes=30))


def test_at_30_minutes_list_and_mail_in_one_pass_with_the_same_end():
    now = after(minutes=30)
    decision = ask(now)
    grant, mail = decision.intents
    assert grant == GrantMembership(11, LIST, 5, now + DAY)
    assert mail == QueueEmail(11, "mail", TEMPLATE, COUPON, now + DAY, now + DAY / 2)
    assert mail.key == "run:11:mail"
    assert outcomes(decision) == [("wait", "waited", "wait_over"), ("add", "acted", "due"), ("mail", "acted", "due")]
    assert (decision.state, decision.outcome, decision.position) == ("active", "acted", "day")
    assert (decision.stepped_at, decision.due_at) == (now, now + DAY)


def test_terms_count_from_the_moment_the_step_is_really_applied():
    now = after(hours=3)  # the worker was away for two and a half hours
    grant, mail = ask(now).intents
    assert grant.until == mail.coupon_until == now + DAY


def test_24_hours_later_off_the_list_and_through():
    due = after(hours=25)
    decision = ask(due, run=run("day", due, first_message_at=START), facts=facts(grants=(mine(due),)))
    assert decision.intents == (EndMembership(11, LIST, 5),)
    assert (decision.state, decision.position, decision.due_at) == ("completed", "", None)


# --- where it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([order(1, "paid", paid_at=after(minutes=29))], "purchase_paid"),
        ([order(1, "superseded"), order(2, "paid", paid_at=after(minutes=29))], "purchase_paid"),
        ([order(1, "paid", paid_at=START), order(2, "cancelled")], "purchase_paid"),
        ([order(1, "refunded", paid_at=START)], "purchase_paid"),
        ([order(1, "partly_paid")], "partly_paid"),
        ([order(1, "cancelled")], "order_cancelled"),
        ([order(1, "expired")], "order_expired"),
        ([order(1, "superseded")], "order_superseded"),
        ([order(2)], "order_gone"),
    ],
)
def test_leaves(orders, reason):
    decision = ask(after(minutes=30), facts=facts(*orders))
    assert (decision.state, decision.reason, decision.intents) == ("left", reason, ())
    assert decision.due_at is None
    assert outcomes(decision) == [("wait", "left", reason)]


def test_paying_ends_what_the_run_granted_and_nothing_else():
    paid = facts(order(1, "paid", paid_at=START), grants=(mine(after(days=1)), GrantSnapshot(LIST, "", None)))
    assert ask(after(hours=2), run=run("day"), facts=paid).intents == (EndMembership(11, LIST, 5),)


def test_a_cancelled_order_leaves_the_deadline_that_was_told():
    cancelled = facts(order(1, "cancelled"), grants=(mine(after(days=1)),))
    assert ask(after(hours=2), run=run("day"), facts=cancelled).intents == ()


def test_the_switch_off():
    assert ask(after(minutes=30), facts=facts(recovery_on=False)).reason == "recovery_off"


# --- a newer order -----------------------------------------------------------------------------------------------------


def test_before_the_first_message_the_wait_starts_afresh():
    newer = order(2, at=after(minutes=20))
    decision = ask(after(minutes=30), facts=facts(order(1, "superseded"), newer))
    assert (decision.state, decision.outcome, decision.order_id) == ("active", "waited", 2)
    assert (decision.position, decision.stepped_at, decision.due_at) == ("wait", after(minutes=20), after(minutes=50))
    assert outcomes(decision) == [("wait", "waited", "starts_afresh")]


def test_after_the_first_message_only_the_pointer_moves():
    newer = order(2, at=after(minutes=50))
    decision = ask(
        after(hours=25),
        run=run("day", after(hours=25), first_message_at=after(minutes=30)),
        facts=facts(order(1, "superseded"), newer),
    )
    assert (decision.order_id, decision.state) == (2, "completed")
    assert outcomes(decision)[0] == ("day", "waited", "follows_order")
    assert decision.mails == ()


def test_a_newer_order_that_the_scenario_is_not_about():
    by_transfer = order(2, at=after(minutes=20), payment_kind="transfer")
    assert ask(after(minutes=30), facts=facts(order(1, "superseded"), by_transfer)).reason == "other_kind_of_order"


# --- a payment under way -----------------------------------------------------------------------------------------------


def test_in_flight_is_asked_again_every_ten_minutes_and_noted_once():
    now = after(minutes=30)
    first = ask(now, facts=facts(in_flight=True))
    assert (first.outcome, first.intents, first.in_flight_since) == ("waited", (), now)
    assert (first.position, first.due_at) == ("add", now + dt.timedelta(minutes=10))
    assert outcomes(first) == [("wait", "waited", "wait_over"), ("add", "waited", "payment_in_flight")]
    stands = run("add", first.due_at, stepped_at=first.stepped_at, in_flight_since=now)
    second = ask(first.due_at, run=stands, facts=facts(in_flight=True))
    assert (second.records, second.due_at, second.in_flight_since) == ((), now + dt.timedelta(minutes=20), now)


def test_in_flight_for_a_day_then_goes_on_to_the_next_wait():
    now = after(hours=25)
    decision = ask(now, run=run("add", now, in_flight_since=after(hours=1)), facts=facts(in_flight=True))
    assert (decision.position, len(decision.mails), decision.in_flight_since) == ("day", 1, None)
    assert decision.intents[0].until == now + DAY


def test_in_flight_does_not_keep_anybody_on_a_list():
    due = after(hours=25)
    decision = ask(due, run=run("day", due, first_message_at=START), facts=facts(in_flight=True))
    assert (decision.state, decision.intents) == ("completed", (EndMembership(11, LIST, 5),))


def test_scenarios_about_paid_orders_do_not_mind_payments():
    thanks = Definition(OrderPaid(), (SendEmail("mail", TEMPLATE),))
    service = facts(order(1, "paid"), in_flight=True, templates={TEMPLATE: TemplateSnapshot(TEMPLATE, "service")})
    decision = ask(START, run=run("mail", START), facts=service, definition=thanks)
    assert (decision.state, len(decision.mails)) == ("completed", 1)
    assert decision.mails[0].not_after is None  # who has bought is told however late


def test_after_a_sale_nothing_is_missed_by_an_outage():
    thanks = Definition(OrderPaid(), (SendEmail("mail", TEMPLATE),))
    service = facts(order(1, "paid"), templates={TEMPLATE: TemplateSnapshot(TEMPLATE, "service")})
    late = START + 4 * RULES.too_late
    assert len(ask(late, run=run("mail", START), facts=service, definition=thanks).mails) == 1


@pytest.mark.parametrize(("limit", "today", "waits"), [(1, 0, False), (1, 1, True), (2, 1, False), (0, 9, False)])
def test_what_would_be_one_marketing_mail_too_many_waits_for_the_next_day(limit, today, waits):
    tomorrow = after(hours=12)
    capped = facts(marketing=MarketingCap(limit, today, tomorrow))
    decision = ask(after(minutes=30), facts=capped)
    assert (decision.due_at == tomorrow) is waits
    if waits:
        assert (decision.intents, decision.position) == ((), "add")
        assert [one.reason for one in decision.records] == ["wait_over", "marketing_cap"]


# --- too late ----------------------------------------------------------------------------------------------------------


def test_six_hours_late_acts_and_a_minute_more_is_missed():
    assert ask(after(hours=6, minutes=30)).outcome == "acted"
    decision = ask(after(hours=6, minutes=31))
    assert outcomes(decision)[1:] == [("add", "missed", "too_late"), ("mail", "missed", "too_late")]
    assert (decision.outcome, decision.intents) == ("missed", ())
    assert (decision.position, decision.due_at) == ("day", after(hours=6, minutes=31) + DAY)


def test_too_late_is_missed_at_once_whatever_is_in_flight():
    assert ask(after(hours=8), facts=facts(in_flight=True)).outcome == "missed"


def test_taking_off_a_list_is_never_missed():
    decision = ask(after(days=9), run=run("day", after(hours=25), first_message_at=START))
    assert decision.intents == (EndMembership(11, LIST, 5),)


def test_a_missed_list_makes_the_mail_missed_even_in_a_later_pass():
    steps = (Wait("w", 30), AddToList("add", LIST), Wait("pause", 60), SendEmail("mail", TEMPLATE, COUPON))
    definition = Definition(OrderUnpaid(), steps)
    missed = facts(history=(Past("add", "missed"),))
    decision = ask(after(hours=9), run=run("pause", after(hours=9)), facts=missed, definition=definition)
    assert outcomes(decision)[-1] == ("mail", "missed", "list_missed")
    later = replace(missed, history=(*missed.history, Past("add", "acted")), grants=(mine(after(days=2)),))
    assert len(ask(after(hours=9), run=run("pause", after(hours=9)), facts=later, definition=definition).mails) == 1


def test_a_mail_after_the_list_was_taken_back_does_not_depend_on_it():
    steps = (AddToList("add", LIST), RemoveFromList("off", LIST), SendEmail("mail", TEMPLATE))
    gone = facts(history=(Past("add", "missed"),), templates={TEMPLATE: TemplateSnapshot(TEMPLATE)})
    decision = ask(START, run=run("mail", START), facts=gone, definition=Definition(OrderUnpaid(), steps))
    assert len(decision.mails) == 1


# --- who gets no mail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contact": ContactSnapshot(5, is_placeholder=True)}, "placeholder"),
        ({"contact": ContactSnapshot(5, unsubscribed=True)}, "unsubscribed"),
        ({"contact": ContactSnapshot(5, promotion_suppressed="complained")}, "complained"),
        ({"contact": ContactSnapshot(5, suppressed="bounced")}, "bounced"),
        ({"promo_policy": "consented"}, "no_consent"),
        ({"mailed": frozenset({"mail"})}, "already_sent"),
        ({"offers": {OFFER: OfferSnapshot(OFFER, "EUR", "only", not_for_sale="withdrawn")}}, "coupon_not_for_sale"),
        ({"offers": {OFFER: OfferSnapshot(OFFER, "EUR", "none")}}, "coupon_offer_takes_none"),
        ({"coupons": {}}, "coupon_unknown"),
        ({"redeemed": {COUPON: 1}}, ""),
    ],
)
def test_a_mail_is_skipped_and_the_run_goes_on(changes, reason):
    decision = ask(after(minutes=30), facts=facts(**changes))
    expected = ("mail", "skipped", reason) if reason else ("mail", "acted", "due")
    assert outcomes(decision)[-1] == expected
    assert (decision.state, decision.position) == ("active", "day")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_active": False}, "coupon_inactive"),
        ({"valid_from": after(days=1)}, "coupon_not_yet"),
        ({"valid_until": after(minutes=30)}, "coupon_expired"),
        ({"named_by": frozenset()}, "coupon_offer_takes_others"),
        ({"offer_ids": frozenset({99})}, "coupon_wrong_offer"),
        ({"currency": "PLN"}, "coupon_other_currency"),
        ({"list_ids": frozenset({99})}, "coupon_other_address"),
        ({"limit_per_contact": 0}, "coupon_used_by_you"),
        ({"limit_total": 1, "used_count": 1}, "coupon_used_up"),
        ({"list_ids": frozenset()}, "no_end_to_tell"),
    ],
)
def test_a_mail_never_promises_what_the_checkout_would_refuse(changes, reason):
    decision = ask(after(minutes=30), facts=with_coupon(facts(), **changes))
    assert outcomes(decision)[-1] == ("mail", "skipped", reason)


def test_a_used_up_coupon_of_which_they_hold_a_use_still_works():
    held = with_coupon(facts(reserved=frozenset({COUPON})), limit_total=1, used_count=1)
    assert len(ask(after(minutes=30), facts=held).mails) == 1


def test_the_end_told_is_the_earlier_of_membership_and_coupon():
    now = after(minutes=30)
    assert ask(now, facts=with_coupon(facts(), valid_until=after(hours=5))).mails[0].coupon_until == after(hours=5)
    longer = facts(grants=(GrantSnapshot(LIST, "run:3", now + 2 * DAY),))
    assert ask(now, facts=longer).mails[0].coupon_until == now + 2 * DAY


def test_who_is_on_the_list_without_end_gets_no_mail_that_names_one():
    for_good = facts(grants=(GrantSnapshot(LIST, "", None),))
    assert outcomes(ask(after(minutes=30), facts=for_good))[-1] == ("mail", "skipped", "no_end_to_tell")
    silent = replace(for_good, templates={TEMPLATE: TemplateSnapshot(TEMPLATE)})
    assert ask(after(minutes=30), facts=silent).mails[0].coupon_until is None


# --- ends of memberships ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "rest", "length"),
    [
        (AddToList("a", LIST), (), None),
        (AddToList("a", LIST), (Wait("w", 60), RemoveFromList("r", LIST)), dt.timedelta(hours=1)),
        (AddToList("a", LIST), (Wait("w", 60), Wait("v", 30), RemoveFromList("r", LIST)), dt.timedelta(minutes=90)),
        (AddToList("a", LIST), (Wait("w", 60), RemoveFromList("r", 99)), None),
        (AddToList("a", LIST, until="hours", hours=2), (), dt.timedelta(hours=2)),
        (
            AddToList("a", LIST, until="hours", hours=2),
            (Wait("w", 60), RemoveFromList("r", LIST)),
            dt.timedelta(hours=1),
        ),
        (AddToList("a", LIST, until="none"), (Wait("w", 60), RemoveFromList("r", LIST)), None),
    ],
)
def test_until(add, rest, length):
    decision = ask(START, run=run("a", START), definition=Definition(OrderUnpaid(), (add, *rest)))
    assert decision.intents[0].until == (START + length if length else None)


# --- continue only if -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "changes", "goes_on"),
    [
        (OnList(LIST), {"grants": (mine(after(hours=1)),)}, True),
        (OnList(LIST), {"grants": (mine(START),)}, False),
        (OnList(LIST, expected=False), {}, True),
        (BoughtBefore(), {"bought": frozenset({9})}, True),
        (BoughtBefore(), {}, False),
        (BoughtBefore(expected=False), {}, True),
        (OrderTotal("120", "EUR"), {}, True),
        (OrderTotal("120.01", "EUR"), {}, False),
        (OrderTotal("1", "PLN"), {}, False),
    ],
)
def test_continue_only_if(condition, changes, goes_on):
    definition = Definition(OrderUnpaid(), (ContinueIf("if", condition), AddToList("a", LIST)))
    decision = ask(START, run=run("if", START), facts=facts(**changes), definition=definition)
    assert decision.state == ("completed" if goes_on else "left")
    assert decision.reason == ("through" if goes_on else "condition_fails")
    assert len(decision.intents) == goes_on


# --- what is wrong pauses that run ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breaks(Step):
    kind: ClassVar[str] = "breaks"

    def decide(self, run, facts, now) -> StepResult:
        raise RuntimeError("no such thing")


def test_an_exception_pauses_the_run_where_it_stood_and_does_nothing():
    definition = Definition(OrderUnpaid(), (AddToList("a", LIST), Breaks("b")))
    decision = ask(START, run=run("a", START), definition=definition)
    assert (decision.state, decision.position, decision.intents) == ("paused", "a", ())
    assert decision.error == "RuntimeError: no such thing"
    assert outcomes(decision) == [("a", "paused", "error")]


@pytest.mark.parametrize("templates", [{}, {TEMPLATE: TemplateSnapshot(TEMPLATE, fault="its body is empty")}])
def test_a_missing_template_pauses_before_anybody_is_on_a_list(templates):
    decision = ask(after(minutes=30), facts=facts(templates=templates))
    assert (decision.state, decision.reason, decision.position, decision.intents) == (
        "paused", "template_missing", "wait", (),
    )  # fmt: skip


def test_an_unknown_position_parks():
    assert ask(START, run=run("elsewhere", START)).state == "paused"


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"offer_id": 99}, False),
        ({"offer_id": None}, False),
        ({"payment_kind": "transfer"}, False),
        ({"origin": "staff"}, False),
        ({"origin": "import"}, False),
        ({"total": order().total - order().total, "payment_kind": "none"}, False),
    ],
)
def test_filters(changes, matches):
    assert STORY.event.matches(replace(order(), **changes)) is matches


def test_free_orders_only_where_asked_for():
    free = replace(order(), total=order().total - order().total, payment_kind="none")
    assert OrderUnpaid(include_free=True).matches(free)
