"""The ledger itself: added to and never changed; chargebacks; entries that are set right."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from tests.payments.shop import codes, flagged, new_attempt, new_order, order_path, pay_path, tell, text
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import InvalidTransition, MoneyMismatch, PaymentRefused
from wagtail_kwiga.payments import attempts, ledger
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_user("clerk")


@pytest.fixture
def order():
    return new_order(amount="100.00")


@pytest.fixture
def paid(order):
    """The attempt that paid ``order``."""
    attempt = new_attempt(order)
    tell(attempt, now=START)
    order.refresh_from_db()
    return m.PaymentAttempt.objects.get(pk=attempt.pk)


def rows(order):
    return list(m.Transaction.objects.filter(order=order).values_list("kind", "amount"))


def standing(order):
    order.refresh_from_db()
    return order.status, order.paid_amount, str(order.outstanding)


def opened(order):
    return m.AccessGrant.objects.filter(line__order=order, revoked_at=None).count()


def test_what_a_charge_leaves(paid, order):
    (row,) = m.Transaction.objects.all()
    assert (row.kind, row.amount, row.currency, row.method) == ("charge", 100, "EUR", "sandbox")
    assert (row.order, row.attempt, row.reference, row.at, row.by) == (order, paid, paid.reference, START, None)


def test_a_row_is_never_changed_and_never_taken_away(paid):
    row = m.Transaction.objects.get()
    row.amount = Decimal(1)
    for change in (
        row.save,
        row.delete,
        lambda: m.Transaction.objects.update(amount=1),
        lambda: m.Transaction.objects.bulk_update([row], ["amount"]),
        lambda: m.Transaction.objects.filter(pk=row.pk).delete(),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()
    assert m.Transaction.objects.get().amount == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "charge", "amount": -1},
        {"kind": "charge", "amount": 0},
        {"kind": "refund", "amount": 1},
        {"kind": "chargeback", "amount": 1},
        {"kind": "chargeback_reversed", "amount": -1},
        {"kind": "adjustment", "amount": 1},
        {"kind": "present", "amount": 1},
        {"kind": "charge", "amount": 1, "corrects": True},
        {"kind": "adjustment", "amount": 0, "corrects": True},
        {"kind": "charge", "amount": 100, "reference": True},
    ],
)
def test_the_database_guards_the_rows(paid, order, wrong):
    row = m.Transaction.objects.get()
    given = {**wrong, "corrects": row if "corrects" in wrong else None}
    given["reference"] = row.reference if "reference" in wrong else ""
    with pytest.raises(IntegrityError), transaction.atomic():
        m.Transaction.objects.create(order=order, currency="EUR", method="sandbox", at=START, **given)


# --- refunds and chargebacks


@pytest.mark.parametrize(("amount", "status", "left"), [("100", "refunded", 0), ("30", "paid", 70)])
def test_what_was_given_back_is_not_asked_for_again(paid, order, amount, status, left):
    ledger.record_refund(attempt=paid, amount=Decimal(amount), now=after(hours=1))
    assert standing(order) == (status, left, "0.00 EUR")
    assert opened(order) == (status == "paid")
    refund = m.Refund.objects.get()
    assert (refund.state, refund.order) == ("done", order)
    booked = m.Transaction.objects.get(kind="refund")
    assert (booked.refund, booked.reference, booked.amount) == (refund, refund.token, -Decimal(amount))


def test_a_chargeback_of_all_ends_access_and_is_owed_again(paid, order):
    booked = ledger.record_chargeback(attempt=paid, amount=Decimal(100), reference="dp_1", now=after(days=3))
    assert booked.new
    assert (booked.transaction.kind, booked.transaction.amount, booked.transaction.reference) == (
        "chargeback", -100, "dp_1",
    )  # fmt: skip
    assert standing(order) == ("refunded", 0, "100.00 EUR")
    assert opened(order) == 0
    assert flagged(order) == ["payments.charged_back"]
    again = ledger.record_chargeback(attempt=paid, amount=Decimal(100), reference="dp_1", now=after(days=4))
    assert (again.new, again.transaction) == (False, booked.transaction)
    assert len(rows(order)) == 2
    won = ledger.record_chargeback(
        attempt=paid, amount=Decimal(100), reference="dp_1", reversed=True, now=after(days=5)
    )
    assert won.new
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert opened(order) == 1
    assert rows(order)[1:] == [("chargeback", -100), ("chargeback_reversed", 100)]


def test_a_part_charged_back_can_be_paid_again(paid, order):
    ledger.record_chargeback(attempt=paid, amount=Decimal(30), reference="dp_1", now=after(hours=1))
    assert standing(order) == ("partly_paid", 70, "30.00 EUR")
    assert opened(order) == 1
    attempt = attempts.start(order, method="sandbox", now=after(hours=2)).attempt
    assert attempt.amount == 30
    tell(attempt, now=after(hours=2))
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert opened(order) == 1


def test_a_dispute_in_which_nothing_was_taken_returns_nothing(paid, order):
    told = ledger.record_chargeback(attempt=paid, amount=Decimal(100), reference="dp_1", reversed=True, now=START)
    assert (told.new, told.transaction) == (False, None)
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert flagged(order) == ["payments.dispute_won"]


def test_a_chargeback_without_a_handle_is_one_for_its_payment(paid, order):
    for _again in range(2):
        ledger.record_chargeback(attempt=paid, amount=Decimal(100), reference="", now=START)
    assert rows(order) == [("charge", 100), ("chargeback", -100)]


def test_a_dispute_told_again_with_another_sum_is_for_a_person_and_changes_nothing(paid, order):
    first = ledger.record_chargeback(attempt=paid, amount=Decimal(30), reference="dp_1", now=after(hours=1))
    ledger.record_chargeback(attempt=paid, amount=Decimal(30), reference="dp_1", now=after(hours=2))
    assert flagged(order) == ["payments.charged_back"]
    again = ledger.record_chargeback(attempt=paid, amount=Decimal(50), reference="dp_1", now=after(hours=3))
    assert (again.new, again.transaction) == (False, first.transaction)
    assert rows(order) == [("charge", 100), ("chargeback", -30)]
    assert flagged(order) == ["payments.charged_back", "payments.says_other_amount"]


def test_two_orders_may_have_a_dispute_of_the_same_name(paid, order):
    """Each is booked for its own: nobody promises that a handle is unique beyond its payment."""
    other = new_order(amount="100.00")
    theirs = new_attempt(other)
    tell(theirs, now=START)
    for attempt in (theirs, m.PaymentAttempt.objects.get(pk=paid.pk)):
        assert ledger.record_chargeback(attempt=attempt, amount=Decimal(30), reference="dp_1", now=after(hours=1)).new
    assert rows(order) == rows(other) == [("charge", 100), ("chargeback", -30)]


def test_chargebacks_that_make_no_sense(paid):
    with pytest.raises(PaymentRefused) as refusal:
        ledger.record_chargeback(attempt=paid, amount=Decimal(0), reference="dp_1", now=START)
    assert refusal.value.code == "no_money"
    with pytest.raises(MoneyMismatch):
        ledger.record_chargeback(attempt=paid, amount=Money(Decimal(1), "PLN"), reference="dp_1", now=START)


def test_what_was_charged_back_cannot_be_given_back(paid, order):
    ledger.record_chargeback(attempt=paid, amount=Decimal(60), reference="dp_1", now=START)
    with pytest.raises(PaymentRefused) as refusal:
        ledger.record_refund(order=order, amount=Decimal(41), now=START)
    assert refusal.value.code == "too_much"
    ledger.record_refund(order=order, amount=Decimal(40), now=START)


# --- setting right


def by_hand(order, staff, amount="100"):
    ledger.record_payment(order=order, amount=Decimal(amount), method="cash", by=staff, now=START)
    return m.Transaction.objects.get(kind="charge", method="cash")


def test_a_slip_of_the_pen(order, staff):
    entry = by_hand(order, staff, "1000")
    assert flagged(order) == ["order.too_much_money"]
    row = ledger.correct(entry, to=Decimal(100), reason="a nought too many", by=staff, now=after(hours=1))
    assert (row.kind, row.amount, row.corrects, row.by) == ("adjustment", -900, entry, staff)
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert entry.attempt.__class__.objects.get(pk=entry.attempt_id).confirmed_amount == 100
    assert ledger.totals(order) == (100, 0)
    ledger.correct(entry, to=Decimal(60), by=staff, now=after(hours=2))
    assert standing(order) == ("partly_paid", 60, "40.00 EUR")
    assert rows(order) == [("charge", 1000), ("adjustment", -900), ("adjustment", -40)]
    assert codes(order).count("payments.corrected") == 2


def test_money_that_never_came_ends_access_and_is_owed(order, staff):
    entry = by_hand(order, staff)
    assert opened(order) == 1
    ledger.correct(entry, to=Decimal(0), by=staff, now=after(hours=1))
    assert standing(order) == ("refunded", 0, "100.00 EUR")
    assert opened(order) == 0
    tell(new_attempt(order, now=after(hours=2)), now=after(hours=2))
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert opened(order) == 1


def test_a_part_that_never_came_leaves_the_order_as_before(order, staff):
    entry = by_hand(order, staff, "40")
    ledger.correct(entry, to=Decimal(0), by=staff, now=after(hours=1))
    assert standing(order) == ("open", 0, "100.00 EUR")


def test_what_was_charged_back_can_be_paid_again(paid, order, client):
    ledger.record_chargeback(attempt=paid, amount=Decimal(100), reference="dp_1", now=after(hours=1))
    order.refresh_from_db()
    page = text(client.get(order_path(order)))
    assert "The payment was taken back" in page
    assert pay_path(order) in page
    assert "Pay €100.00" in text(client.get(pay_path(order)))
    tell(attempts.start(order, method="sandbox", now=after(hours=2)).attempt, now=after(hours=2))
    assert standing(order) == ("paid", 100, "0.00 EUR")
    assert opened(order) == 1


def test_an_order_is_not_opened_again_beside_another(order, staff):
    new_order(contact=order.contact, offer=order.offer, now=after(minutes=1))
    entry = by_hand(order, staff, "40")  # for the older one, which was replaced
    with pytest.raises(InvalidTransition) as refusal:
        ledger.correct(entry, to=Decimal(0), by=staff, now=after(hours=1))
    assert refusal.value.code == "other_open"
    assert standing(order) == ("partly_paid", 40, "60.00 EUR")


def test_a_refund_that_was_not_made(paid, order, staff):
    ledger.record_refund(order=order, amount=Decimal(100), by=staff, now=after(hours=1))
    assert standing(order) == ("refunded", 0, "0.00 EUR")
    entry = m.Transaction.objects.get(kind="refund")
    ledger.correct(entry, to=Decimal(20), by=staff, now=after(hours=2))
    assert standing(order) == ("paid", 80, "0.00 EUR")
    assert (m.Refund.objects.get().state, m.Refund.objects.get().amount, opened(order)) == ("done", 20, 1)
    ledger.correct(entry, to=Decimal(0), reason="it came back", by=staff, now=after(hours=3))
    assert (m.Refund.objects.get().state, m.Refund.objects.get().failure_message) == ("failed", "it came back")
    assert ledger.totals(order) == (100, 0)
    assert (standing(order), flagged(order)) == (("paid", 100, "0.00 EUR"), [])


def test_what_cannot_be_set_right(paid, order, staff):
    told = m.Transaction.objects.get()
    entry = by_hand(order, staff, "5")
    row = ledger.correct(entry, to=Decimal(4), by=staff, now=START)
    for wrong, to, code in (
        (told, 1, "not_by_hand"),
        (row, 1, "not_by_hand"),
        (entry, -1, "negative"),
        (entry, 4, "same_amount"),
    ):
        with pytest.raises(PaymentRefused) as refusal:
            ledger.correct(wrong, to=Decimal(to), by=staff, now=START)
        assert refusal.value.code == code
    with pytest.raises(MoneyMismatch):
        ledger.correct(entry, to=Money(Decimal(1), "PLN"), by=staff, now=START)
