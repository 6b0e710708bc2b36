"""Held, spent, given back: promise 4, one case at a time. The state machine next door tries all orders."""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.support import START, after, make_contact, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import CouponRefused

pytestmark = pytest.mark.django_db


def used_count(coupon: m.Coupon) -> int:
    return m.Coupon.objects.get(pk=coupon.pk).used_count


def hold(coupon, contact=None, *, until=after(hours=1), now=START):
    return uses.reserve(coupon, contact or make_contact(), until=until, now=now)


def test_a_hold_takes_a_place_and_giving_back_frees_it_once():
    coupon = make_coupon(limit_total=1)
    use = hold(coupon)
    assert (use.state, use.reserved_at, use.reserved_until, used_count(coupon)) == (
        "reserved",
        START,
        after(hours=1),
        1,
    )
    assert uses.release(use, now=after(minutes=5))
    assert (use.state, use.released_at, used_count(coupon)) == ("released", after(minutes=5), 0)
    assert not uses.release(use, now=after(minutes=6))
    assert not uses.release(m.CouponUse.objects.get(pk=use.pk), now=after(minutes=6))
    assert not uses.release(None, now=START)
    assert used_count(coupon) == 0


def test_a_stale_object_cannot_give_back_twice():
    coupon = make_coupon()
    use = hold(coupon)
    other = m.CouponUse.objects.get(pk=use.pk)
    assert uses.release(use, now=START)
    assert not uses.release(other, now=START)
    assert (other.state, used_count(coupon)) == ("released", 0)


def test_no_place_left_is_refused_and_nothing_stays():
    coupon = make_coupon(limit_total=1)
    hold(coupon)
    with pytest.raises(CouponRefused) as refusal:
        hold(coupon)
    assert refusal.value.code == "used_up"
    assert str(refusal.value) == "This code has been used as often as it may be."
    assert (m.CouponUse.objects.count(), used_count(coupon)) == (1, 1)


def test_a_refusal_leaves_the_callers_transaction_usable():
    coupon = make_coupon(limit_total=0)
    with transaction.atomic():
        with pytest.raises(CouponRefused):
            hold(coupon)
        ada = make_contact()
    assert m.Contact.objects.filter(pk=ada.pk).exists()


def test_an_expired_hold_makes_room_for_who_needs_it():
    coupon = make_coupon(limit_total=1)
    first = hold(coupon)
    with pytest.raises(CouponRefused):
        hold(coupon, now=after(minutes=59))
    second = hold(coupon, until=after(hours=2), now=after(hours=1))
    first.refresh_from_db()
    assert (first.state, second.state, used_count(coupon)) == ("released", "reserved", 1)


def test_the_limit_per_person():
    coupon, ada = make_coupon(limit_per_contact=1), make_contact()
    use = hold(coupon, ada)
    with pytest.raises(CouponRefused) as refusal:
        hold(coupon, ada)
    assert refusal.value.code == "used_by_you"
    assert hold(coupon, make_contact())
    uses.redeem(use, now=START)
    with pytest.raises(CouponRefused):
        hold(coupon, ada, now=after(days=9))


def test_no_limit_per_person():
    coupon, ada = make_coupon(limit_per_contact=None), make_contact()
    assert [hold(coupon, ada).state for _ in range(3)] == ["reserved"] * 3


def test_the_persons_own_expired_hold_is_given_back_when_they_hold_anew():
    """Else both could be spent in the end, and one person would have had two uses."""
    coupon, ada = make_coupon(limit_per_contact=1), make_contact()
    old = hold(coupon, ada)
    new = hold(coupon, ada, until=after(hours=3), now=after(hours=2))
    old.refresh_from_db()
    assert (old.state, used_count(coupon)) == ("released", 1)
    assert uses.redeem(new, now=after(hours=2))
    late = uses.redeem_late(old, coupon, ada, now=after(hours=2))
    assert (late.state, late.over_limit, used_count(coupon)) == ("redeemed", True, 1)


def test_the_persons_own_hold_ends_at_its_instant_and_its_place_is_theirs():
    """The last place of the coupon, held by the very person who comes back for it."""
    coupon, ada = make_coupon(limit_total=1, limit_per_contact=1), make_contact()
    old = hold(coupon, ada, until=after(hours=1))
    with pytest.raises(CouponRefused) as refusal:
        hold(coupon, ada, now=after(hours=1, microseconds=-1))
    assert refusal.value.code == "used_by_you"
    new = hold(coupon, ada, until=after(hours=2), now=after(hours=1))
    old.refresh_from_db()
    assert (old.state, old.released_at, new.state, used_count(coupon)) == ("released", after(hours=1), "reserved", 1)


def test_of_several_own_holds_only_as_many_count_as_have_not_expired():
    coupon, ada = make_coupon(limit_per_contact=2), make_contact()
    first, second = hold(coupon, ada, until=after(hours=1)), hold(coupon, ada, until=after(hours=2))
    third = hold(coupon, ada, until=after(hours=9), now=after(hours=1))
    first.refresh_from_db()
    assert (first.state, used_count(coupon)) == ("released", 2)
    with pytest.raises(CouponRefused):
        hold(coupon, ada, now=after(hours=1))
    uses.redeem(third, now=after(hours=1))
    with pytest.raises(CouponRefused):
        hold(coupon, ada, now=after(hours=1))
    second.refresh_from_db()
    assert (second.state, used_count(coupon)) == ("reserved", 2)


def test_the_expired_holds_of_one_person_are_no_other_persons_limit():
    coupon, ada, ben = make_coupon(limit_per_contact=1), make_contact(), make_contact()
    theirs = hold(coupon, ada, until=after(hours=1))
    hold(coupon, ben, until=after(hours=2), now=after(hours=1))
    theirs.refresh_from_db()
    assert (theirs.state, used_count(coupon)) == ("reserved", 2)


def test_spending():
    coupon = make_coupon(limit_total=1)
    use = hold(coupon)
    assert uses.redeem(use, now=after(minutes=9))
    assert (use.state, use.redeemed_at, used_count(coupon)) == ("redeemed", after(minutes=9), 1)
    assert uses.redeem(use, now=after(minutes=10)), "spending twice is one spending"
    use.refresh_from_db()
    assert use.redeemed_at == after(minutes=9)
    assert not uses.release(use, now=after(minutes=11)), "money holds what it bought"


def test_spending_a_hold_that_expired_but_was_not_needed():
    coupon = make_coupon(limit_total=1)
    use = hold(coupon)
    assert uses.redeem(use, now=after(days=3))
    assert used_count(coupon) == 1


def test_spending_one_given_back_says_so():
    use = hold(make_coupon())
    stale = m.CouponUse.objects.get(pk=use.pk)
    uses.release(use, now=START)
    assert not uses.redeem(stale, now=START)
    assert stale.state == "released"


def test_late_money_takes_a_place_where_there_is_one():
    coupon, ada = make_coupon(limit_total=1), make_contact()
    use = hold(coupon, ada)
    uses.release(use, now=START)
    late = uses.redeem_late(use, coupon, ada, now=after(days=1))
    assert (late.pk, late.state, late.over_limit, used_count(coupon)) == (use.pk, "redeemed", False, 1)
    late.refresh_from_db()
    assert (late.state, late.redeemed_at, late.released_at) == ("redeemed", after(days=1), None)


def test_late_money_reclaims_an_expired_hold_of_somebody_else():
    coupon, ada = make_coupon(limit_total=1), make_contact()
    use = hold(coupon, ada)
    uses.release(use, now=START)
    other = hold(coupon)
    late = uses.redeem_late(use, coupon, ada, now=after(days=1))
    other.refresh_from_db()
    assert (late.over_limit, other.state, used_count(coupon)) == (False, "released", 1)


def test_late_money_without_a_place_is_booked_over_the_limit():
    coupon, ada = make_coupon(limit_total=1), make_contact()
    use = hold(coupon, ada)
    uses.release(use, now=START)
    uses.redeem(hold(coupon), now=START)
    late = uses.redeem_late(use, coupon, ada, now=after(days=1))
    assert (late.state, late.over_limit, used_count(coupon)) == ("redeemed", True, 1)
    late.refresh_from_db()
    assert late.over_limit
    assert uses.redeem_late(late, coupon, ada, now=after(days=2)).redeemed_at == after(days=1), "once is enough"


def test_late_money_without_any_use():
    coupon, ada = make_coupon(limit_total=1), make_contact()
    first = uses.redeem_late(None, coupon, ada, now=START)
    second = uses.redeem_late(None, coupon, make_contact(), now=START)
    assert [(u.state, u.over_limit) for u in (first, second)] == [("redeemed", False), ("redeemed", True)]
    assert used_count(coupon) == 1


def test_spend_late_of_a_held_use_just_spends_it():
    coupon, ada = make_coupon(limit_total=1), make_contact()
    use = hold(coupon, ada)
    assert uses.redeem_late(use, coupon, ada, now=START).state == "redeemed"
    assert (use.over_limit, used_count(coupon)) == (False, 1)


def test_renewing_makes_a_hold_longer_never_shorter():
    use = hold(make_coupon())
    assert uses.renew(use, until=after(hours=2), now=START).reserved_until == after(hours=2)
    assert uses.renew(use, until=after(hours=1), now=START).reserved_until == after(hours=2)
    assert uses.renew(None, until=after(hours=1), now=START) is None
    uses.redeem(use, now=START)
    assert uses.renew(use, until=after(hours=9), now=START) is None


def test_renewing_one_that_was_reclaimed_takes_it_anew_or_refuses():
    coupon = make_coupon(limit_total=1)
    use = hold(coupon)
    assert uses.reclaim(coupon, now=after(hours=1)) == 1
    again = uses.renew(use, until=after(hours=3), now=after(hours=2))
    assert (again.pk, again.state, again.reserved_until, again.released_at) == (
        use.pk,
        "reserved",
        after(hours=3),
        None,
    )
    assert used_count(coupon) == 1
    uses.release(use, now=after(hours=2))
    hold(coupon, until=after(hours=9), now=after(hours=2))
    with pytest.raises(CouponRefused) as refusal:
        uses.renew(use, until=after(hours=4), now=after(hours=2))
    assert refusal.value.code == "used_up"
    use.refresh_from_db()
    assert (use.state, used_count(coupon)) == ("released", 1)


def test_giving_back_a_set_of_uses():
    one, two = make_coupon(), make_coupon()
    rows = [hold(one), hold(one), hold(two), hold(two)]
    uses.redeem(rows[3], now=START)
    left_alone = hold(two)
    assert uses.release_many([row.pk for row in rows], now=after(minutes=1)) == 3
    assert (used_count(one), used_count(two)) == (0, 2)
    for row in (*rows, left_alone):
        row.refresh_from_db()
    assert [(row.state, row.released_at) for row in rows[:3]] == [("released", after(minutes=1))] * 3
    assert (rows[3].state, left_alone.state) == ("redeemed", "reserved")
    assert uses.release_many([row.pk for row in rows], now=START) == 0
    assert uses.release_many([], now=START) == 0


def test_a_limit_lowered_by_staff_gives_no_place_until_enough_came_back():
    coupon = make_coupon(limit_total=3)
    rows = [hold(coupon) for _ in range(3)]
    m.Coupon.objects.filter(pk=coupon.pk).update(limit_total=1)
    uses.release(rows[0], now=START)
    uses.release(rows[1], now=START)
    with pytest.raises(CouponRefused):
        hold(coupon)
    uses.release(rows[2], now=START)
    assert hold(coupon)


def lower(coupon: m.Coupon, limit: int) -> None:
    m.Coupon.objects.filter(pk=coupon.pk).update(limit_total=limit)


def places(coupon: m.Coupon) -> int:
    """What the counter must say."""
    rows = m.CouponUse.objects.filter(coupon=coupon)
    return rows.filter(state="reserved").count() + rows.filter(state="redeemed", over_limit=False).count()


def test_late_money_under_a_lowered_limit_lets_go_of_the_persons_own_expired_hold():
    """It goes over the limit, and the hold that it gives back on the way leaves the counter all the same."""
    coupon, ada = make_coupon(limit_total=3), make_contact()
    for _ in range(2):
        uses.redeem(hold(coupon), now=START)
    late, expired = hold(coupon, ada, until=after(minutes=1)), None
    uses.release(late, now=START)
    expired = hold(coupon, ada, until=after(minutes=2))
    lower(coupon, 1)
    late = uses.redeem_late(late, coupon, ada, now=after(hours=1))
    expired.refresh_from_db()
    assert (late.state, late.over_limit, expired.state) == ("redeemed", True, "released")
    assert used_count(coupon) == places(coupon) == 2


def test_a_refusal_under_a_lowered_limit_leaves_the_persons_own_expired_hold_as_it_was():
    coupon, ada = make_coupon(limit_total=3), make_contact()
    for _ in range(2):
        uses.redeem(hold(coupon), now=START)
    expired = hold(coupon, ada, until=after(minutes=1))
    lower(coupon, 2)
    with pytest.raises(CouponRefused) as refusal:
        hold(coupon, ada, until=after(hours=2), now=after(hours=1))
    expired.refresh_from_db()
    assert (refusal.value.code, expired.state) == ("used_up", "reserved")
    assert used_count(coupon) == places(coupon) == 3


def test_expired_holds_come_back_under_a_lowered_limit_before_anybody_is_refused():
    coupon = make_coupon(limit_total=3)
    rows = [hold(coupon, until=after(minutes=minute)) for minute in (1, 1, 9)]
    lower(coupon, 2)
    assert hold(coupon, until=after(hours=1), now=after(minutes=1)).state == "reserved"
    assert [m.CouponUse.objects.get(pk=row.pk).state for row in rows] == ["released", "released", "reserved"]
    assert used_count(coupon) == places(coupon) == 2
    lower(coupon, 0)
    with pytest.raises(CouponRefused):
        hold(coupon, now=after(minutes=9))
    assert used_count(coupon) == places(coupon)


def test_keeping_makes_a_hold_longer_never_shorter_and_revives_none():
    coupon = make_coupon()
    use, other = hold(coupon), hold(coupon)
    uses.keep(use.pk, until=after(hours=3))
    uses.keep(use.pk, until=after(hours=2))
    use.refresh_from_db()
    other.refresh_from_db()
    assert (use.reserved_until, other.reserved_until) == (after(hours=3), after(hours=1))
    uses.release(use, now=START)
    uses.keep(use.pk, until=after(hours=9))
    use.refresh_from_db()
    assert (use.state, use.reserved_until, used_count(coupon)) == ("released", after(hours=3), 1)


def test_only_a_hold_that_has_expired_frees_its_place_for_whoever_asks():
    coupon = make_coupon()
    uses.redeem(hold(coupon, until=after(minutes=1)), now=START)
    uses.release(hold(coupon, until=after(minutes=1)), now=START)
    hold(make_coupon(), until=after(minutes=1))
    assert not uses.has_expired_reservation(coupon.pk, after(days=1))
    hold(coupon, until=after(hours=2))
    assert not uses.has_expired_reservation(coupon.pk, after(hours=2, microseconds=-1))
    assert uses.has_expired_reservation(coupon.pk, after(hours=2))


def test_counts():
    one, two = make_coupon(), make_coupon()
    hold(one)
    uses.redeem(hold(one), now=START)
    uses.release(hold(one), now=START)
    assert uses.counts([one.pk, two.pk], now=START) == {one.pk: (1, 1), two.pk: (0, 0)}
    assert uses.counts([one.pk], now=after(hours=1)) == {one.pk: (0, 1)}, "an expired hold is a free place"


def test_query_counts(django_assert_num_queries):
    """Savepoints counted: two of each number, where a transaction is needed."""
    coupon, ada = make_coupon(limit_total=5), make_contact()
    with django_assert_num_queries(5):  # own uses, insert, counter
        use = hold(coupon, ada)
    with django_assert_num_queries(4):
        uses.renew(use, until=after(hours=2), now=START)
    with django_assert_num_queries(1):
        uses.redeem(use, now=START)
    other = hold(coupon)
    with django_assert_num_queries(4):
        uses.release(other, now=START)
    with django_assert_num_queries(1):
        uses.counts([coupon.pk], now=START)


def test_giving_back_many_costs_the_same_for_one_and_for_fifty(django_assert_num_queries):
    coupons = [make_coupon() for _ in range(5)]
    for many in (1, 50):
        ids = [hold(coupons[number % 5]).pk for number in range(many)]
        with django_assert_num_queries(6):
            uses.release_many(ids, now=START)
