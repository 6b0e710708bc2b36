"""Uses that come late: the instant they are booked at, and the limit per person when one is taken anew."""

from __future__ import annotations

import pytest

from tests.support import START, after, make_contact, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import CouponRefused

pytestmark = pytest.mark.django_db


def test_late_money_for_a_hold_that_still_stands_is_booked_at_its_own_instant():
    coupon, ada = make_coupon(), make_contact()
    held = uses.reserve(coupon, ada, until=after(hours=1), now=START)
    uses.redeem_late(held, coupon, ada, now=after(hours=5))
    held.refresh_from_db()
    assert (held.state, held.redeemed_at, held.over_limit) == ("redeemed", after(hours=5), False)


def test_one_taken_anew_minds_what_its_own_person_has_beside_it():
    coupon, ada, ben = make_coupon(limit_per_contact=1), make_contact(), make_contact()
    first = uses.reserve(coupon, ada, until=after(hours=1), now=START)
    uses.release(first, now=START)
    uses.reserve(coupon, ben, until=after(hours=9), now=START)
    assert uses.renew(first, until=after(hours=2), now=START).state == "reserved", (
        "another person's use is no hindrance"
    )
    uses.release(first, now=START)
    uses.reserve(coupon, ada, until=after(hours=9), now=START)
    with pytest.raises(CouponRefused) as refusal:
        uses.renew(first, until=after(hours=2), now=START)
    assert (refusal.value.code, m.CouponUse.objects.get(pk=first.pk).state) == ("used_by_you", "released")
