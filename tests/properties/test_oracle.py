"""The oracle of promise 5 finds out what staff break without ending it, and has nothing against what is ended knowingly."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.properties.playing import StaffMachine, opened_shop
from tests.properties.shop import BEGIN
from wagtail_kwiga import models as m

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

#: In the beginning *a mail was sent*: 15 % off the first offer, with the first coupon, for a day.
COUPON = [
    {"percent": Decimal(5)}, {"is_active": False}, {"code": "RENAMED"}, {"valid_from": BEGIN + dt.timedelta(hours=5)},
    {"valid_until": BEGIN + dt.timedelta(hours=5)}, {"kind": "fixed", "percent": None, "amount": Decimal(5), "currency": "EUR"},
    {"kind": "fixed", "percent": None, "amount": Decimal(50), "currency": "PLN"},
]  # fmt: skip
OFFER = [
    {"amount": Decimal(200)}, {"currency": "PLN"}, {"coupon_mode": "none"}, {"state": "withdrawn"},
    {"sales_until": BEGIN + dt.timedelta(hours=5)},
]  # fmt: skip


def beginning() -> StaffMachine:
    machine = StaffMachine()
    machine.begin(StaffMachine.beginnings["a mail was sent"])
    machine.the_promises_hold()
    machine.promises.edited_at = machine.now
    return machine


def holds(machine: StaffMachine) -> bool:
    try:
        machine.the_promises_hold()
    except AssertionError as failure:
        assert "told" in str(failure)
        return False
    return True


def ended() -> list[dt.datetime | None]:
    """Of each mail but the confirmation of the order, which promises nothing."""
    return list(m.OutgoingEmail.objects.exclude(purpose="order").values_list("promise_ended_at", flat=True))


def test_what_staff_break_is_found_out():
    with opened_shop():
        for rows, changes in [("coupons", one) for one in COUPON] + [("offers", one) for one in OFFER]:
            machine = beginning()
            model = m.Coupon if rows == "coupons" else m.Offer
            model.objects.filter(pk=getattr(machine.shop, rows)[0]).update(**changes)
            assert not holds(machine), changes


def test_what_is_ended_knowingly_is_not():
    with opened_shop():
        for changes in [*COUPON, {"offers": [2]}]:
            machine = beginning()
            machine.shop.edit_coupon(0, dict(changes), machine.now)
            assert (holds(machine), ended()) == (True, [machine.now]), changes
        for changes in [*OFFER, {"coupon_mode": "only", "coupons": [1]}]:
            machine = beginning()
            machine.shop.edit_offer(0, dict(changes), machine.now)
            assert (holds(machine), ended()) == (True, [machine.now]), changes


def test_what_makes_nothing_worse_ends_nothing():
    with opened_shop():
        machine = beginning()
        machine.shop.edit_coupon(0, {"percent": Decimal(30), "valid_until": BEGIN + dt.timedelta(days=9)}, machine.now)
        machine.shop.edit_offer(0, {"amount": Decimal(100)}, machine.now)
        assert (holds(machine), ended()) == (True, [None])
