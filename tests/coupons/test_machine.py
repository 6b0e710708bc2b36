"""All orders of holding, renewing, spending and giving back: the law of the counter, and a refusal only for its reason."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.support import START, make_contact, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import CouponRefused

State = m.CouponUse.State


class Uses(RuleBasedStateMachine):
    """One coupon, three people, a clock. What the rows say is compared with what each verb answered."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.now = START
        self.people = [make_contact() for _ in range(3)]
        self.coupon = make_coupon()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @initialize(total=st.one_of(st.none(), st.integers(0, 4)), each=st.one_of(st.none(), st.integers(0, 2)))
    def limits(self, total, each):
        self.coupon.limit_total, self.coupon.limit_per_contact = total, each
        self.coupon.save()

    def rows(self, **given):
        return m.CouponUse.objects.filter(coupon=self.coupon, **given)

    def expected(self, contact: m.Contact, besides: m.CouponUse | None = None) -> str:
        """What somebody who wants a place must hear, by the rules alone."""
        live = self.rows(state=State.RESERVED, reserved_until__gt=self.now)
        others = self.rows(contact=contact).exclude(pk=besides.pk if besides else None)
        own = others.filter(state=State.REDEEMED).count() + (others & live).count()
        if self.coupon.limit_per_contact is not None and own >= self.coupon.limit_per_contact:
            return "used_by_you"
        places = live.count() + self.rows(state=State.REDEEMED, over_limit=False).count()
        if self.coupon.limit_total is not None and places >= self.coupon.limit_total:
            return "used_up"
        return "reserved"

    @rule(target=known, who=st.integers(0, 2), minutes=st.integers(1, 90))
    def hold(self, who, minutes):
        expected = self.expected(self.people[who])
        try:
            use = uses.reserve(
                self.coupon, self.people[who], until=self.now + dt.timedelta(minutes=minutes), now=self.now
            )
        except CouponRefused as refusal:
            assert refusal.code == expected
            return multiple()
        assert expected == "reserved"
        return use

    @rule(use=known, minutes=st.integers(1, 90))
    def renew(self, use, minutes):
        use = m.CouponUse.objects.get(pk=use.pk)
        before, until = use.state, self.now + dt.timedelta(minutes=minutes)
        expected = self.expected(use.contact, besides=use)
        try:
            renewed = uses.renew(use, until=until, now=self.now)
        except CouponRefused as refusal:
            assert (before, refusal.code) == (State.RELEASED, expected)
            return
        if before == State.REDEEMED:
            assert renewed is None
        else:
            assert before == State.RESERVED or expected == "reserved"
            assert (renewed.pk, renewed.state) == (use.pk, State.RESERVED)
            assert renewed.reserved_until >= until

    @rule(use=known)
    def spend(self, use):
        before = m.CouponUse.objects.get(pk=use.pk).state
        assert uses.redeem(use, now=self.now) == (before != State.RELEASED)

    @rule(use=known)
    def spend_late(self, use):
        use = m.CouponUse.objects.get(pk=use.pk)
        before, was_over, expected = use.state, use.over_limit, self.expected(use.contact, besides=use)
        spent = uses.redeem_late(use, self.coupon, use.contact, now=self.now)
        assert spent.state == m.CouponUse.objects.get(pk=use.pk).state == State.REDEEMED
        assert spent.over_limit == (was_over if before != State.RELEASED else expected != "reserved")

    @rule(target=known, who=st.integers(0, 2))
    def spend_without_a_hold(self, who):
        expected = self.expected(self.people[who])
        spent = uses.redeem_late(None, self.coupon, self.people[who], now=self.now)
        assert spent.over_limit == (expected != "reserved")
        return spent

    @rule(use=known)
    def give_back(self, use):
        before = m.CouponUse.objects.get(pk=use.pk).state
        assert uses.release(use, now=self.now) == (before == State.RESERVED)

    @rule(some=st.lists(known, max_size=3))
    def give_back_many(self, some):
        held = self.rows(pk__in=[use.pk for use in some], state=State.RESERVED).count()
        assert uses.release_many([use.pk for use in some], now=self.now) == held

    @rule()
    def reclaim(self):
        expired = self.rows(state=State.RESERVED, reserved_until__lte=self.now).count()
        assert uses.reclaim(self.coupon, now=self.now) == expired

    @rule(minutes=st.integers(1, 120))
    def time_passes(self, minutes):
        self.now += dt.timedelta(minutes=minutes)

    @invariant()
    def the_law_of_the_counter(self):
        coupon = m.Coupon.objects.get(pk=self.coupon.pk)
        rows = list(self.rows().values_list("contact_id", "state", "over_limit"))
        places = [person for person, state, over in rows if state != State.RELEASED and not over]
        assert coupon.used_count == len(places)
        assert coupon.limit_total is None or coupon.used_count <= coupon.limit_total
        for person in self.people:
            assert coupon.limit_per_contact is None or places.count(person.pk) <= coupon.limit_per_contact
        assert not [row for row in rows if row[2] and row[1] != State.REDEEMED], (
            "over the limit is a word for spent ones"
        )


@pytest.mark.django_db
def test_the_law_of_the_counter_holds_in_every_order():
    run_state_machine_as_test(Uses, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
