"""A worker dies, or its database fails, at each statement of each operation in turn; then the same is simply done again.

In the end nobody can tell: the rows say what they say where nothing went wrong, but for a mail whose hand-over was cut
short, which is unknown. The short run takes every 25th statement (each operation from another one), the long run all.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from tests.properties.playing import ShopMachine as Machine
from tests.properties.playing import opened_shop
from tests.properties.promises import EMAIL, ORDER, RUN, USE
from tests.properties.stage import Trouble
from wagtail_kwiga.mailing.sending import unsubscribe
from wagtail_kwiga.orders import transitions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

#: Operation → the beginning it happens in, and how it is done.
OPERATIONS: dict[str, tuple[str, Any]] = {
    "order": ("nobody came", lambda m, t: m.somebody_orders(0, 1, "OPEN20", "sandbox", t, True)),
    "order for nothing": ("nobody came", lambda m, t: m.somebody_orders(0, 1, "FREE100", "sandbox", t, True)),
    "order by transfer": ("nobody came", lambda m, t: m.somebody_orders(0, 1, "OPEN20", "transfer", t, True)),
    "come back": ("a mail was sent", lambda m, t: m.somebody_comes_back(0, True, "sandbox", t, True)),
    "come back, coupon held": ("two people, many mails", lambda m, t: m.somebody_comes_back(0, False, "sandbox", t, True)),
    "pay": ("a mail waits", lambda m, t: m.the_gateway_tells(0, "confirmed", "", t, True)),
    "pay with a coupon": ("two people, many mails", lambda m, t: m.the_gateway_tells(0, "confirmed", "", t, True)),
    "pending": ("an order", lambda m, t: m.the_gateway_tells(0, "pending", "", t, True)),
    "declined": ("an order", lambda m, t: m.the_gateway_tells(0, "failed", "", t, True)),
    "bank": ("a mail waits", lambda m, t: m.money_comes_by_bank(0, "all", 1, t, True)),
    "bank, a part": ("an order", lambda m, t: m.money_comes_by_bank(0, "part", 1, t, True)),
    "refund": ("paid", lambda m, t: m.money_goes_back(0, False, 0, t, True)),
    "cancel": ("two people, many mails", lambda m, t: _move(m, transitions.cancel, t)),
    "expire": ("two people, many mails", lambda m, t: _after(m, 15, lambda: m.orders_expire(False, 50, t, True))),
    "begin to pay": ("two people, many mails", lambda m, t: m.somebody_pays_by_an_old_link(0, "sandbox", t, True)),
    "unsubscribe": ("a mail waits", lambda m, t: _say_no(m, t)),
    "sweep": ("an order", lambda m, t: _after(m, 31 / 1440, lambda: m.the_engine_sweeps(50, t, True))),
    "sweep, take off": ("a mail was sent", lambda m, t: _after(m, 1, lambda: m.the_engine_sweeps(50, t, True))),
    "deliver": ("a mail waits", lambda m, t: m.mail_is_delivered(50, (), None, t, True)),
    "deliver the receipt": ("paid", lambda m, t: m.mail_is_delivered(50, (), None, t, True)),
}  # fmt: skip

_ATTENTION = "SELECT code FROM wagtail_kwiga_timelineentry WHERE needs_attention"


def _after(machine: Machine, days: float, do: Any) -> None:
    machine.later(dt.timedelta(days=days))
    do()


def _move(machine: Machine, verb: Any, trouble: Trouble | None) -> None:
    order = machine.order(0)
    machine.do(lambda: verb(order, now=machine.now), trouble, True)


def _say_no(machine: Machine, trouble: Trouble | None) -> None:
    contact = machine.order(0).contact
    machine.do(lambda: unsubscribe.unsubscribe(contact, now=machine.now), trouble, True)


def play(name: str, trouble: Trouble | None) -> tuple[Machine, int, bool]:
    """One operation with its trouble and all that comes after; how many statements it had, and whether trouble struck."""
    beginning, do = OPERATIONS[name]
    machine = Machine()
    machine.begin(Machine.beginnings[beginning])
    counted: list[tuple[int, bool]] = []
    whole = machine.stage.play

    def play_and_count(*given: Any) -> Any:
        try:
            return whole(*given)
        finally:
            counted.append((machine.stage.statements, machine.stage.struck))

    machine.stage.play = play_and_count  # type: ignore[method-assign]
    try:
        do(machine, trouble)
    finally:
        del machine.stage.play
    machine.the_promises_hold()
    machine.teardown()
    return machine, counted[0][0], counted[0][1]


def outcome(machine: Machine) -> dict[str, Counter[Any]]:
    """Where everything stands, without keys: an order placed twice by a crash has superseded the first."""
    rows = machine.stage.rows
    return {
        "orders": Counter(
            rows(f"SELECT status, total_amount, paid_amount, refunded_amount FROM {ORDER} WHERE status <> 'superseded'")
        ),
        "uses": Counter(rows(f"SELECT coupon_id, state FROM {USE} WHERE state <> 'released'")),
        "runs": Counter(rows(f"SELECT scenario_id, state, position FROM {RUN}")),
        "members": Counter(rows("SELECT list_id FROM wagtail_kwiga_listmembership WHERE removed_at IS NULL")),
        # The confirmation of such an order is called off.
        "mail": Counter(
            rows(
                f"SELECT purpose, mail.status FROM {EMAIL} mail LEFT JOIN {ORDER} about ON about.id = mail.order_id "
                "WHERE NOT (mail.purpose = 'order' AND about.status = 'superseded')"
            )
        ),
        "grants": Counter(rows("SELECT product_id FROM wagtail_kwiga_accessgrant WHERE revoked_at IS NULL")),
        "attempts": Counter(
            rows("SELECT confirmed_amount FROM wagtail_kwiga_paymentattempt WHERE state = 'confirmed'")
        ),
        "refunds": Counter(rows("SELECT amount, state FROM wagtail_kwiga_refund")),
        "transactions": Counter(rows("SELECT kind, amount FROM wagtail_kwiga_transaction")),
        "parts": Counter(rows("SELECT amount, paid_amount, state FROM wagtail_kwiga_payment WHERE paid_amount > 0")),
    }


def through(name: str, *, every: int) -> int:
    """The operation with trouble at every ``every``-th of its statements; how many times that was."""
    machine, statements, _ = play(name, None)
    wanted, times = outcome(machine), 0
    first = 1 + list(OPERATIONS).index(name) % every
    for kind in ("killed", "broken"):
        for at in range(first, statements + 1, every):
            machine, _, struck = play(name, Trouble(kind, at))
            assert struck, f"{kind} at {at} of {statements} did not happen"
            found = outcome(machine)
            if name.startswith("deliver") and found["mail"] != wanted["mail"]:
                doubt = found["mail"] - wanted["mail"]
                assert sum(doubt.values()) == 1 and {status for _, status in doubt} <= {"unknown", "sent"}, (
                    at,
                    doubt,
                )
                found["mail"] = wanted["mail"]
            # An order and money come before scenarios and receipts: what those could not do is on a person's list.
            told = {code for (code,) in machine.stage.rows(_ATTENTION)}
            if "automations.enrolment_failed" in told:
                # A run that could not be ended has not given back its places on lists either; they end by themselves.
                found["runs"], found["members"] = wanted["runs"], wanted["members"]
                # Nor has one that could not begin sent anything.
                if not found["mail"] - wanted["mail"] and {what for what, _ in wanted["mail"] - found["mail"]} <= {
                    "scenario"
                }:
                    found["mail"] = wanted["mail"]
            if told & {"order.no_receipt", "order.no_confirmation", "order.no_mail"}:
                found["mail"] = wanted["mail"]
            assert found == wanted, f"{kind} at statement {at} of {statements}"
            times += 1
    return times


def test_a_crash_now_and_then():
    with opened_shop():
        assert sum(through(name, every=25) for name in OPERATIONS) > 60


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_crash_at_every_statement(name):
    with opened_shop():
        assert through(name, every=1) > 10
