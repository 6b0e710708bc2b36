"""The same with editors and staff, who change lists, coupons, scenarios, mails and settings in the middle of it."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.properties.playing import StaffMachine, a_few, opened_shop, play, play_shard

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_any_history_keeps_the_promises(record_property):
    with opened_shop():
        number = play(StaffMachine, histories=a_few(120), steps=12)
    record_property("histories", number)
    assert number >= a_few(120)


def test_the_clock_goes_on_beside_a_mail_in_doubt():
    """Its lease has a name and no end, so nothing is waited for there."""
    with opened_shop() as stage:
        machine = StaffMachine()
        machine.begin(StaffMachine.beginnings["a mail waits"])
        machine.mail_is_delivered(ways=["not taken, killed"])
        machine.later(dt.timedelta(minutes=5))
        machine.mail_is_delivered()
        mails = stage.rows("SELECT status, leased_until FROM wagtail_kwiga_outgoingemail")
        assert mails.count(("unknown", None)) == 1
        before = machine.now
        machine.the_moment_comes(0)
        assert machine.now > before


def test_a_worker_in_between_does_not_die_the_death_of_the_one_it_is_beside():
    with opened_shop() as stage:
        machine = StaffMachine()
        machine.begin(StaffMachine.beginnings["nobody came"])
        for who in (0, 1):
            machine.somebody_orders(who, 1, "", "sandbox")
        machine.mail_is_delivered(batch=1, ways=["taken, killed"], beside="deliver")
        machine.the_promises_hold()
        assert sorted(stage.rows("SELECT status FROM wagtail_kwiga_outgoingemail")) == [("sending",), ("sent",)]


@pytest.mark.long
@pytest.mark.parametrize("shard", range(20))
def test_twenty_thousand_histories_keep_the_promises(shard, record_property):
    with opened_shop():
        play_shard(StaffMachine, histories=1000, steps=12, record=record_property)
