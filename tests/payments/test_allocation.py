"""What the movements of an order's money mean: a table of cases, and what holds for all of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wagtail_kwiga.orders.statuses import CLOSED_UNPAID, TRANSITIONS, Status
from wagtail_kwiga.orders.totals import OrderTotals, judge
from wagtail_kwiga.payments.allocation import Movement, Part, allocate
from wagtail_kwiga.payments.statuses import PaymentState, TransactionKind

D = Decimal
SHORT = {
    "charge": TransactionKind.CHARGE,
    "refund": TransactionKind.REFUND,
    "back": TransactionKind.CHARGEBACK,
    "won": TransactionKind.CHARGEBACK_REVERSED,
    "fix": TransactionKind.ADJUSTMENT,
}


def moves(*told):
    """``("charge", 100)``, ``("charge", 100, part)``, ``("fix", -20, None, corrected)`` → movements keyed 1, 2, 3 …"""
    return [Movement(key, SHORT[kind], D(amount), *rest) for key, (kind, amount, *rest) in enumerate(told, start=1)]


def parts(*amounts):
    return [Part(key, D(amount)) for key, amount in enumerate(amounts, start=1)]


THREE = parts(100, 100, 100)


# (parts, movements) → (what fills each, net, refunded, settled)
CASES = {
    "nothing yet": (THREE, [], ([0, 0, 0], 0, 0, 0)),
    "the first hundred": (THREE, [("charge", 100, 1)], ([100, 0, 0], 100, 0, 100)),
    "one row fills two parts": (THREE, [("charge", 150, 1)], ([100, 50, 0], 150, 0, 150)),
    "its own part first": (THREE, [("charge", 100, 3)], ([0, 0, 100], 100, 0, 100)),
    "its own, then by sequence": (THREE, [("charge", 150, 2)], ([50, 100, 0], 150, 0, 150)),
    "money of no part": (THREE, [("charge", 120)], ([100, 20, 0], 120, 0, 120)),
    "a part that is full already": (THREE, [("charge", 100, 1), ("charge", 50, 1)], ([100, 50, 0], 150, 0, 150)),
    "surplus": (parts(100), [("charge", 150, 1)], ([100], 150, 0, 100)),
    "a part given back is asked for no more": (
        THREE, [("charge", 300, 1), ("refund", -100, 1)], ([100, 100, 100], 200, 100, 300),
    ),
    "given back before all is paid": (THREE, [("charge", 100, 1), ("refund", -50, 1)], ([100, 0, 0], 50, 50, 100)),
    "all given back": (THREE, [("charge", 100, 1), ("refund", -100, 1)], ([100, 0, 0], 0, 100, 300)),
    "surplus goes back first": (
        parts(100), [("charge", 150, 1), ("refund", -50, 1), ("back", -100, 1)], ([0], 0, 50, 0),
    ),
    "a chargeback is owed again": (THREE, [("charge", 300, 1), ("back", -100, 1)], ([0, 100, 100], 200, 0, 200)),
    "a chargeback empties its own part, then from the last": (
        THREE, [("charge", 300, 1), ("back", -150, 1)], ([0, 100, 50], 150, 0, 150),
    ),
    "a chargeback of what was given back in part": (
        parts(100), [("charge", 100, 1), ("refund", -20, 1), ("back", -100, 1)], ([0], -20, 20, 0),
    ),
    "a chargeback reversed": (
        THREE, [("charge", 100, 1), ("back", -100, 1), ("won", 100, 1)], ([100, 0, 0], 100, 0, 100),
    ),
    "money after all went back begins anew": (
        THREE, [("charge", 200, 1), ("refund", -200, 1), ("charge", 100, 2)], ([0, 100, 0], 100, 200, 100),
    ),
    "an entry corrected down": (THREE, [("charge", 150, 1), ("fix", -50, 1, 1)], ([100, 0, 0], 100, 0, 100)),
    "an entry corrected away": (THREE, [("charge", 150, 1), ("fix", -150, 1, 1)], ([0, 0, 0], 0, 0, 0)),
    "an entry corrected twice": (
        THREE, [("charge", 10, 1), ("fix", 80, 1, 1), ("fix", 10, 1, 1)], ([100, 0, 0], 100, 0, 100),
    ),
    "a refund corrected away": (
        parts(100), [("charge", 100, 1), ("refund", -100, 1), ("fix", 100, 1, 2)], ([100], 100, 0, 100),
    ),
    "an order without parts": ([], [("charge", 40)], ([], 40, 0, 40)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_movements_mean(name):
    sums_due, told, (filled, net, refunded, settled) = CASES[name]
    total = sum((part.amount for part in sums_due), D(0)) or D(100)
    result = allocate(total, sums_due, moves(*told))
    assert [part.paid for part in result.parts] == filled
    totals = result.totals
    assert (totals.paid, totals.refunded, totals.settled) == (net, refunded, settled)


def test_the_movement_that_settles_a_part_says_so():
    so_far = moves(("charge", 100, 1))
    standing = allocate(D(300), THREE, so_far).parts
    result = allocate(D(300), standing, so_far, Movement(2, TransactionKind.CHARGE, D(150), 2))
    assert (result.settled_now, result.again) == ((2,), False)
    assert [part.state for part in result.parts] == ["paid", "paid", "due"]
    assert allocate(D(300), result.parts, [*so_far, Movement(2, TransactionKind.CHARGE, D(150), 2)]).settled_now == ()


def test_all_given_back_cancels_the_parts_and_new_money_settles_them_again():
    undone = moves(("charge", 100, 1), ("refund", -100, 1))
    standing = allocate(D(300), THREE, undone)
    assert {part.state for part in standing.parts} == {PaymentState.CANCELLED}
    result = allocate(D(300), standing.parts, undone, Movement(3, TransactionKind.CHARGE, D(100), 1))
    assert ([part.state for part in result.parts], result.settled_now, result.again) == (
        ["paid", "due", "due"],
        (1,),
        True,
    )


def test_a_waived_part_is_neither_filled_nor_asked_for():
    given_up = [Part(1, D(100)), Part(2, D(100), D(0), PaymentState.WAIVED), Part(3, D(100))]
    result = allocate(D(300), given_up, moves(("charge", 150, 1)))
    assert [(part.paid, part.state) for part in result.parts] == [(100, "paid"), (0, "waived"), (50, "due")]
    assert result.totals.settled == 250


def test_a_correction_of_what_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="not there"):
        allocate(D(100), parts(100), moves(("fix", 5, 1, 7)))


def test_which_way_the_money_went():
    charged = moves(("charge", 100, 1), ("refund", -20, 1))
    for new, came, went in (
        (("charge", 5), True, False),
        (("refund", -5), False, True),
        (("back", -5), False, True),
        (("won", 5), True, False),
        (("fix", 5, 1, 1), True, False),
        (("fix", -5, 1, 1), False, True),
        (("fix", 5, 1, 2), False, False),
    ):
        totals = allocate(D(100), parts(100), charged, Movement(9, SHORT[new[0]], D(new[1]), *new[2:])).totals
        assert (totals.money_came, totals.money_went) == (came, went), new


# --- what it means for the order

# (status, was paid before, total, paid, settled, came, given back) → status
VERDICTS = [
    ("open", False, 100, 100, 100, True, False, "paid"),
    ("open", False, 100, 30, 30, True, False, "partly_paid"),
    ("open", False, 0, 0, 0, False, False, "paid"),
    ("partly_paid", False, 100, 100, 100, True, False, "paid"),
    ("partly_paid", False, 100, 0, 100, False, True, "refunded"),
    ("partly_paid", False, 100, 20, 30, False, True, "partly_paid"),
    ("partly_paid", False, 100, 80, 100, True, True, "paid"),  # a part given back is not asked for again
    ("paid", True, 100, 80, 100, False, True, "paid"),
    ("paid", True, 100, 0, 100, False, True, "refunded"),
    ("paid", True, 100, 70, 70, False, True, "partly_paid"),  # a part charged back
    ("paid", True, 100, 0, 0, False, True, "refunded"),  # all charged back
    ("paid", True, 100, 0, 0, False, False, "refunded"),  # an entry corrected away: access ends with it
    ("partly_paid", False, 100, 0, 0, False, False, "open"),
    ("refunded", False, 100, 0, 0, False, False, "open"),
    ("refunded", False, 100, 30, 30, False, True, "partly_paid"),  # a refund corrected away
    ("open", False, 100, 0, 0, False, True, "refunded"),
    ("partly_paid", True, 100, 100, 100, True, True, "paid"),
    ("refunded", True, 100, 30, 30, True, True, "refunded"),
    ("refunded", True, 100, 100, 100, True, True, "paid"),
    ("refunded", False, 100, 30, 30, True, True, "partly_paid"),
    ("cancelled", False, 100, 30, 30, True, False, "partly_paid"),
    ("cancelled", False, 100, 20, 30, False, True, "cancelled"),
    ("expired", False, 100, 100, 100, True, False, "paid"),
]


@pytest.mark.parametrize(("status", "was_paid", "total", "paid", "settled", "came", "back", "new"), VERDICTS)
def test_what_money_makes_of_an_order(status, was_paid, total, paid, settled, came, back, new):
    totals = OrderTotals(D(paid), D(0), D(settled), money_came=came, money_went=not came, was_given_back=back)
    verdict = judge(Status(status), D(total), totals, was_paid=was_paid)
    assert verdict.status == new
    assert verdict.becomes_paid == (new == "paid" and not was_paid)
    assert verdict.again == (new == "paid" and was_paid and status == "refunded")
    assert verdict.is_late == (came and (status in CLOSED_UNPAID or status == "refunded"))
    assert new == status or Status(new) in TRANSITIONS[Status(status)]


@pytest.mark.parametrize(("paid", "came", "much"), [(100, True, False), (101, True, True), (101, False, False)])
def test_too_much_is_said_when_it_comes(paid, came, much):
    totals = OrderTotals(D(paid), D(0), D(100), money_came=came)
    assert judge(Status.PAID, D(100), totals, was_paid=True).is_too_much is much


# --- what holds for whatever comes

CENTS = st.integers(1, 30_000).map(lambda cents: D(cents) / 100)


@st.composite
def histories(draw):
    sums_due = [Part(key, draw(CENTS)) for key in range(1, draw(st.integers(1, 5)) + 1)]
    told: list[Movement] = []
    for key in range(1, draw(st.integers(0, 12)) + 1):
        kind = draw(st.sampled_from(list(SHORT)))
        part = draw(st.sampled_from([None, *range(1, len(sums_due) + 1)]))
        by_hand = [each for each in told if each.kind in (TransactionKind.CHARGE, TransactionKind.REFUND)]
        if kind == "fix" and not by_hand:
            kind = "charge"
        if kind == "fix":
            corrected = draw(st.sampled_from(by_hand))
            now_is = corrected.amount + sum(each.amount for each in told if each.corrects == corrected.key)
            right = draw(CENTS | st.just(D(0))) * (1 if corrected.amount > 0 else -1)
            if right != now_is:
                told.append(Movement(key, SHORT["fix"], right - now_is, corrected.part, corrected.key))
            continue
        told.append(Movement(key, SHORT[kind], draw(CENTS) * (-1 if kind in ("refund", "back") else 1), part))
    return sums_due, told


@given(histories())
def test_the_books_balance_whatever_comes(history):
    sums_due, told = history
    total = sum((part.amount for part in sums_due), D(0))
    standing, so_far, settled = sums_due, [], D(0)
    for movement in told:
        result = allocate(total, standing, so_far, movement)
        so_far = [*so_far, movement]
        assert result.totals == _looked_up(result, allocate(total, result.parts, so_far).totals), (
            "the past decides alone"
        )
        assert result.totals.paid == sum(each.amount for each in so_far)
        assert all(0 <= part.paid <= part.amount for part in result.parts)
        assert 0 <= result.totals.settled <= total
        filled = sum((part.paid for part in result.parts), D(0))
        is_undone = any(part.state == PaymentState.CANCELLED for part in result.parts)
        assert filled == result.totals.settled or (is_undone and result.totals.settled == total)
        if movement.kind == TransactionKind.REFUND:
            assert result.totals.settled >= settled, "money given back is never asked for again"
        if movement.kind == TransactionKind.CHARGEBACK and not is_undone:
            assert result.totals.settled <= settled
        if not is_undone:
            assert all((part.paid == part.amount) == (part.state == PaymentState.PAID) for part in result.parts)
        now_paid = {part.key for part in result.parts if part.state == PaymentState.PAID}
        assert set(result.settled_now) == now_paid - {part.key for part in standing if part.state == PaymentState.PAID}
        standing, settled = list(result.parts), result.totals.settled


def _looked_up(result, totals):
    """What the last movement said of itself is told when it comes only."""
    return OrderTotals(
        totals.paid, totals.refunded, totals.settled, result.totals.money_came, result.totals.money_went,
        totals.was_given_back, result.totals.again,
    )  # fmt: skip
