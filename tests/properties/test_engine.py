"""Any interleaving of visits, payments, waiting and sweeps: the promises hold. On the pure core, with a world of values."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.automations.tables import COUPON, LIST, OFFER, RULES, TEMPLATE
from tests.properties.playing import a_few, play, play_shard
from tests.support import START
from wagtail_kwiga.automations.core import entry_rules
from wagtail_kwiga.automations.core.decisions import decide
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.intents import mail_key
from wagtail_kwiga.automations.core.snapshots import (
    ContactSnapshot,
    CouponSnapshot,
    Facts,
    GrantSnapshot,
    OfferSnapshot,
    OrderSnapshot,
    RunSnapshot,
    TemplateSnapshot,
)
from wagtail_kwiga.automations.core.steps import AddToList, RemoveFromList, SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.pricing.money import Money

QUIET = dt.timedelta(minutes=30)
UNSETTLED = ("open", "processing")

#: The story with a second mail between, and one whose coupon nobody takes back before its own hours are over.
WAYS = (
    Definition(
        OrderUnpaid(),
        (
            Wait("wait", 30),
            AddToList("add", LIST),
            SendEmail("mail", TEMPLATE, COUPON),
            Wait("half", 12 * 60),
            SendEmail("again", TEMPLATE, COUPON),
            Wait("rest", 12 * 60),
            RemoveFromList("remove", LIST),
        ),
    ),
    Definition(
        OrderUnpaid(),
        (Wait("wait", 30), AddToList("add", LIST, until="hours", hours=5), SendEmail("mail", TEMPLATE, COUPON)),
    ),
)


class Recovery(RuleBasedStateMachine):
    """One person, one offer, one scenario; time only goes forward."""

    @initialize(way=st.sampled_from(WAYS), cooling=st.sampled_from([0, 30]))
    def open_shop(self, way, cooling):
        self.way, self.now, self.cooling = way, START, dt.timedelta(days=cooling)
        self.purchase_id, self.serial = 0, 0
        self.orders: list[OrderSnapshot] = []
        self.runs: dict[int, tuple[str, RunSnapshot]] = {}
        self.history: dict[int, tuple] = {}
        self.grants: tuple[GrantSnapshot, ...] = ()
        self.mails: dict[str, tuple[dt.datetime, dt.datetime, int]] = {}
        self.in_flight, self.unsubscribed = False, False
        self.last_visit = START

    # --- what people do ---------------------------------------------------------------------------------------------

    def _siblings(self):
        return [order for order in self.orders if order.purchase_id == self.purchase_id]

    @property
    def is_paid(self):
        return any(order.paid_at for order in self._siblings())

    @rule(kind=st.sampled_from(["online", "online", "online", "transfer"]), heard=st.booleans())
    def visit(self, kind, heard=True):
        """Somebody sends the form: a new order, which supersedes the open one (orders.placing).

        Not ``heard``: enrolment failed in its savepoint, so the sweep has to find out by itself.
        """
        if any(order.status == "partly_paid" for order in self._siblings()):
            return
        if self.is_paid:
            self.purchase_id += 1
        self.orders = [
            replace(order, status="superseded")
            if order.purchase_id == self.purchase_id and order.status in UNSETTLED
            else order
            for order in self.orders
        ]
        self.serial += 1
        new = OrderSnapshot(
            self.serial, "open", self.now, Money(120, "EUR"), OFFER, purchase_id=self.purchase_id, payment_kind=kind
        )
        self.orders.append(new)
        self.last_visit = self.now
        if heard:
            self._enrol(new)

    def _enrol(self, new):
        inside = [(pk, run) for pk, (state, run) in self.runs.items() if state == "live"]
        for pk, run in inside:
            moved = entry_rules.move(self.way, run.first_message_at, new)
            if moved.ends:
                self.runs[pk] = ("left", run)
            elif moved.position:
                self.runs[pk] = ("live", replace(
                    run, order_id=new.id, position=moved.position, due_at=moved.due_at, stepped_at=self.now,
                    in_flight_since=None,
                ))  # fmt: skip
                assert not run.first_message_at, "after the first message nobody starts afresh"
            else:
                self.runs[pk] = ("live", replace(run, order_id=new.id))
        if inside or not self.way.event.matches(new):
            return
        last = max((at for at, _, _ in self.mails.values()), default=None)
        if entry_rules.refusal(entry_rules.Newcomer(new, last_message_at=last), self.now, self.cooling):
            return
        position, due_at = self.way.opening(self.now)
        pk = len(self.runs) + 1
        self.runs[pk] = ("live", RunSnapshot(pk, 5, position, due_at, self.now, new.id, self.purchase_id))

    @precondition(lambda self: self.orders and not self.is_paid)
    @rule(which=st.integers(0, 50), in_time=st.booleans())
    def pay(self, which, in_time):
        """Money arrives for any order of the purchase, old or new. ``in_time``: enrolment hears of it at once."""
        siblings = self._siblings()
        chosen = siblings[which % len(siblings)]
        self.orders = [
            replace(order, status="paid", paid_at=order.paid_at or self.now) if order.id == chosen.id
            else replace(order, status="cancelled") if order.purchase_id == self.purchase_id and order.status in UNSETTLED
            else order
            for order in self.orders
        ]  # fmt: skip
        self.in_flight = False
        if in_time:  # else the sweep has to find out by itself
            self.runs = {pk: ("left" if state == "live" else state, run) for pk, (state, run) in self.runs.items()}
            self.grants = tuple(grant for grant in self.grants if not grant.source.startswith("run:"))

    @rule(under_way=st.sampled_from([True, False, False, False]))
    def payment_news(self, under_way):
        self.in_flight = under_way and bool(self.orders) and not self.is_paid

    @precondition(lambda self: len(self.mails) > 1)
    @rule(status=st.sampled_from(["cancelled", "expired"]))
    def close(self, status):
        self.orders = [
            replace(order, status=status)
            if order.purchase_id == self.purchase_id and order.status in UNSETTLED
            else order
            for order in self.orders
        ]

    @precondition(lambda self: self.mails)
    @rule()
    def unsubscribe(self):
        self.unsubscribed = True

    @rule(minutes=st.sampled_from([1, 9, 20, 29, 30, 60, 300, 361, 719, 44000]), swept=st.booleans())
    def time_passes(self, minutes, swept):
        self.now += dt.timedelta(minutes=minutes)
        if swept:
            self.sweep()

    @precondition(lambda self: self.live)
    @rule(late=st.sampled_from([-1, 0, 0, 0, 1, 30, 359, 361]))
    def somebody_is_due(self, late):
        """The moment that matters: when a run falls due, and the minutes around it."""
        due = max(run.due_at for run in self.live)
        self.now = max(self.now, due + dt.timedelta(minutes=late))
        self.sweep()

    @precondition(lambda self: self.live)
    @rule()
    def somebody_is_due_and_served(self):
        self.now = max(self.now, *(run.due_at for run in self.live), START)
        self.sweep()

    @precondition(lambda self: not self.live)
    @rule()
    def somebody_comes(self):
        self.visit("online")

    @property
    def live(self):
        return [run for state, run in self.runs.values() if state == "live"]

    @precondition(lambda self: not self.mails)
    @rule(visits=st.integers(2, 4))
    def come_back_every_29_minutes(self, visits):
        for _ in range(visits):
            self.visit("online")
            self.now += dt.timedelta(minutes=29)
            self.sweep()

    # --- the engine ---------------------------------------------------------------------------------------------------

    def facts(self, pk=0) -> Facts:
        return Facts(
            contact=ContactSnapshot(5, unsubscribed=self.unsubscribed),
            orders=tuple(self._siblings()),
            offers={OFFER: OfferSnapshot(OFFER, "EUR", "any")},
            in_flight=self.in_flight,
            grants=self.grants,
            coupons={COUPON: CouponSnapshot(COUPON, list_ids=frozenset({LIST}))},
            templates={TEMPLATE: TemplateSnapshot(TEMPLATE, tells_end=True)},
            history=self.history.get(pk, ()),
            mailed=frozenset(step.id for step in self.way.steps if mail_key(pk, step.id) in self.mails),
        )

    @rule()
    def sweep(self):
        for pk, (state, run) in list(self.runs.items()):
            for _ in range(20):
                if state != "live" or run.due_at > self.now:
                    break
                state, run = self._decide(pk, run)
            else:
                raise AssertionError("a run must not be due for ever")

    def _decide(self, pk, run):
        facts = self.facts(pk)
        done = decide(self.way, run, facts, self.now, RULES)
        assert done.state in ("live", "done", "left"), done.error
        for intent in done.intents:
            facts = intent.fold(facts)
        self.grants = facts.grants
        past = [record for record in done.records if record.kind != "run"]
        self.history[pk] = (*self.history.get(pk, ()), *past)
        for mail in done.mails:
            assert not self.is_paid, "paid means silent"
            assert not self.unsubscribed
            assert mail.key not in self.mails, "never two mails at one step"
            assert mail.coupon_until is not None and self.now < mail.not_after < mail.coupon_until
            if run.first_message_at is None:
                assert self.now - self.last_visit >= QUIET, "thirty quiet minutes before the first mail"
            self.mails[mail.key] = (self.now, mail.coupon_until, self.purchase_id)
        if run.first_message_at and done.state == "live":
            assert self.way.index(done.position) >= self.way.index(run.position), "nobody starts afresh after a message"
        first = run.first_message_at or (self.now if done.mails else None)
        run = replace(
            run, position=done.position, due_at=done.due_at, stepped_at=done.stepped_at, order_id=done.order_id,
            in_flight_since=done.in_flight_since, first_message_at=first,
        )  # fmt: skip
        self.runs[pk] = (done.state, run)
        return done.state, run

    # --- what must hold at any moment -----------------------------------------------------------------------------------

    @invariant()
    def the_deadline_told_is_the_deadline_enforced(self):
        for key, (_, until, purchase_id) in self.mails.items():
            if purchase_id != self.purchase_id or self.is_paid:
                continue
            facts = self.facts()
            honoured = facts.coupon_refusal(COUPON, facts.offers[OFFER], self.now) == ""
            assert honoured or self.now >= until, f"{key} told of a time that the checkout does not honour"

    @invariant()
    def a_dead_worker_prolongs_nothing(self):
        for grant in self.grants:
            assert grant.until is not None and grant.until <= self.now + dt.timedelta(hours=24)

    @invariant()
    def at_most_one_run_is_inside(self):
        assert len(self.live) <= 1
        assert all(run.position and run.due_at for run in self.live)

    histories: ClassVar[int] = 0

    def teardown(self):
        type(self).histories += 1


def test_any_interleaving_keeps_the_promises(record_property):
    number = play(Recovery, histories=a_few(2000), steps=20)
    record_property("histories", number)
    assert number >= a_few(2000)


@pytest.mark.long
@pytest.mark.parametrize("shard", range(24))
def test_sixty_thousand_interleavings_keep_the_promises(shard, record_property):
    play_shard(Recovery, histories=2500, steps=24, record=record_property)
