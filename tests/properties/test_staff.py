"""The same with editors and staff, who change lists, coupons, scenarios, mails and settings in the middle of it."""

from __future__ import annotations

import pytest

from tests.properties.playing import StaffMachine, a_few, opened_shop, play, play_shard

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_any_history_keeps_the_promises(record_property):
    with opened_shop():
        number = play(StaffMachine, histories=a_few(120), steps=12)
    record_property("histories", number)
    assert number >= a_few(120)


@pytest.mark.long
@pytest.mark.parametrize("shard", range(20))
def test_twenty_thousand_histories_keep_the_promises(shard, record_property):
    with opened_shop():
        play_shard(StaffMachine, histories=1000, steps=12, record=record_property)
