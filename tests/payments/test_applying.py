"""What is kept of an event besides what it does: the facts on the order's timeline, the line for people, what the attempt learns."""

from __future__ import annotations

import pytest

from tests.payments.shop import new_attempt, new_order, tell
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


@pytest.fixture
def attempt(order):
    return new_attempt(order)


def entry(order, code) -> m.TimelineEntry:
    return writing.timeline(order).get(code=code)


def test_a_payment_under_way_is_told_at_its_instant(order, attempt):
    tell(attempt, "pending", now=after(minutes=3))
    told = entry(order, "payments.pending")
    assert (told.at, told.facts["method"], told.needs_attention) == (after(minutes=3), "sandbox", False)
    attempt.refresh_from_db()
    assert attempt.changed_at == after(minutes=3)


def test_why_a_payment_failed_is_told(order, attempt):
    tell(attempt, "failed", now=after(minutes=3), failure="insufficient_funds", reason="no cover")
    told = entry(order, "payments.failed")
    assert (told.at, told.facts) == (
        after(minutes=3), {"method": "sandbox", "code": "insufficient_funds", "why": "no cover"},
    )  # fmt: skip


def test_another_sum_is_told_with_both_sums_and_whose_it_is(order, attempt):
    tell(attempt)
    again = tell(attempt, id="evt_2", amount=5000, now=after(minutes=3))
    assert again.event.detail == f"Reference {attempt.reference} was booked already, with 120.00 EUR."
    told = entry(order, "payments.says_other_amount")
    assert (told.at, told.facts["method"], told.facts["reference"]) == (
        after(minutes=3), "sandbox", attempt.reference,
    )  # fmt: skip
    assert (told.facts["amount"], told.facts["booked"]) == (
        {"money": "50.00", "currency": "EUR"}, {"money": "120.00", "currency": "EUR"},
    )  # fmt: skip


def test_money_twice_says_so_in_the_list_of_events(order, attempt):
    tell(attempt)
    twice = tell(attempt, id="evt_2", payment="SBX-SECOND", now=after(minutes=3))
    assert twice.event.detail == "Money twice for one attempt; booked."
    told = entry(order, "payments.twice")
    assert (told.at, told.facts["method"], told.facts["reference"]) == (after(minutes=3), "sandbox", "SBX-SECOND")


def test_another_sum_than_was_asked_for_says_so_in_the_list_of_events(attempt):
    assert tell(attempt, amount=11900).event.detail == "119.00 EUR instead of 120.00 EUR; booked."


def test_a_dispute_that_begins_is_told_with_its_handle(order, attempt):
    tell(attempt)
    tell(attempt, "pending", kind="dispute", dispute="DP-1", id="evt_dp", now=after(minutes=3))
    told = entry(order, "payments.dispute_opened")
    assert (told.at, told.facts, told.needs_attention) == (
        after(minutes=3), {"method": "sandbox", "reference": "DP-1"}, True,
    )  # fmt: skip


def test_a_dispute_without_a_handle_goes_by_that_of_its_payment(order, attempt):
    tell(attempt)
    tell(attempt, "pending", kind="dispute", id="evt_dp", now=after(minutes=3))
    assert entry(order, "payments.dispute_opened").facts["reference"] == attempt.reference


def test_what_was_learnt_stays_when_a_failure_is_over(attempt):
    """The failure goes, and what came with the news that ended it is kept."""
    tell(attempt, "failed", failure="expired_card")
    tell(attempt, "pending", channel="blik", now=after(minutes=1))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.failure_code, attempt.channel) == ("pending", "", "blik")
