"""The only way an order becomes paid or refunded, and that the books always balance."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.orders.shop import books_receive, order_for
from tests.payments.shop import bank_data, codes, flagged, new_attempt, new_order
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import MoneyMismatch, PaymentRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.events import OrderPaid, OrderRefunded
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


def eur(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def receive(order, amount="120.00", **given):
    given.setdefault("method", "transfer")
    given.setdefault("now", after(hours=1))
    return ledger.record_payment(order=order, amount=eur(amount), **given)


def test_money_by_hand_pays_the_order_and_the_callers_copy_knows(order):
    receipt = receive(order, reference="bank-1")
    assert (receipt.new, receipt.attempt.state, receipt.attempt.confirmed_amount) == (True, "confirmed", Decimal(120))
    assert receipt.order is order
    assert (order.status, order.paid_amount, order.paid_at) == ("paid", Decimal(120), after(hours=1))
    assert "payments.received" in codes(order)


@pytest.mark.parametrize(("currency", "amount"), [("EUR", "119.999"), ("EUR", "0.001"), ("JPY", "120.50")])
def test_a_bare_decimal_of_more_digits_than_the_currency_has_is_never_rounded(currency, amount):
    order = new_order(amount="120.00", currency=currency)
    for book in (
        lambda: ledger.record_payment(order=order, amount=Decimal(amount), method="cash", now=START),
        lambda: ledger.record_refund(order=order, amount=Decimal(amount), now=START),
    ):
        with pytest.raises(PaymentRefused) as refusal:
            book()
        assert refusal.value.code == "smaller_parts"
    assert order.received.amount == 0


def test_a_bare_decimal_is_in_the_orders_currency(order):
    ledger.record_payment(order=order, amount=Decimal("120"), method="cash", now=START)
    assert order.received == eur("120")


@pytest.mark.parametrize("nothing", ["0", "-5", "0.000"])
def test_nothing_is_not_booked(order, nothing):
    with pytest.raises(PaymentRefused) as refusal:
        ledger.record_payment(order=order, amount=Decimal(nothing), method="cash", now=START)
    assert refusal.value.code == "no_money"
    with pytest.raises(PaymentRefused):
        ledger.record_refund(order=order, amount=Decimal(nothing), now=START)


def test_another_currency_is_not_booked(order):
    with pytest.raises(MoneyMismatch):
        ledger.record_payment(order=order, amount=Money(Decimal(120), "PLN"), method="cash", now=START)
    with pytest.raises(MoneyMismatch):
        ledger.record_refund(order=order, amount=Money(Decimal(1), "PLN"), now=START)
    assert not m.PaymentAttempt.objects.exists()


def test_the_same_reference_is_the_same_money(order):
    first = receive(order, reference="bank-1")
    again = receive(order, reference="bank-1", now=after(hours=2))
    assert (again.new, again.attempt) == (False, first.attempt)
    assert order.received == eur("120")
    assert codes(order).count("payments.received") == 1


def test_without_a_reference_every_call_is_new_money(order):
    receive(order, "60")
    receive(order, "60")
    assert order.status == "paid"
    assert m.PaymentAttempt.objects.count() == 2


def test_a_reference_never_swallows_other_money(order):
    receive(order, "60", reference="bank-1")
    with pytest.raises(PaymentRefused) as refusal:
        receive(order, "59", reference="bank-1")
    assert refusal.value.code == "reference_used"
    with pytest.raises(PaymentRefused) as refusal:
        receive(new_order(), "60", reference="bank-1")
    assert refusal.value.code == "reference_used"
    receive(new_order(), "60", reference="bank-1", method="cash")
    theirs = new_attempt()
    with pytest.raises(PaymentRefused):
        receive(order, "60", reference=theirs.reference, method="sandbox")


def test_a_transfer_confirms_the_attempt_that_announced_it(order):
    bank_data()
    attempt = new_attempt(order, method="transfer")
    receipt = receive(order, reference="bank-1")
    assert receipt.attempt == attempt
    assert m.PaymentAttempt.objects.count() == 1


def test_a_second_transfer_gets_its_own_row(order):
    bank_data()
    new_attempt(order, method="transfer")
    receive(order, "100", reference="bank-1")
    receive(order, "20", reference="bank-2")
    assert order.status == "paid"
    assert [row.confirmed_amount for row in m.PaymentAttempt.objects.order_by("pk")] == [Decimal(100), Decimal(20)]
    assert m.Payment.objects.count() == 1


def test_money_without_a_reference_goes_by_that_of_its_attempt_and_is_booked_once(order):
    attempt = new_attempt(order)
    receipt = receive(order, method="sandbox", attempt=attempt)
    assert (receipt.attempt, m.Transaction.objects.get().reference) == (attempt, attempt.reference)
    again = receive(order, method="sandbox", attempt=attempt, now=after(hours=2))
    assert (again.new, again.attempt, order.received) == (False, attempt, eur("120"))
    assert m.Transaction.objects.count() == 1


def test_a_transfer_does_not_confirm_what_was_announced_for_another_order(order):
    bank_data()
    theirs, own = new_attempt(method="transfer"), new_attempt(order, method="transfer")
    assert receive(order, "100", reference="bank-1").attempt == own
    assert receive(order, "20", reference="bank-2").attempt not in (own, theirs)
    theirs.refresh_from_db()
    assert (theirs.state, order.status) == ("started", "paid")


def test_money_by_hand_does_not_take_over_a_gateways_attempt(order):
    attempt = new_attempt(order)
    receive(order, reference="bank-1")
    attempt.refresh_from_db()
    assert attempt.state == "started"


@pytest.mark.parametrize("move", [transitions.cancel, transitions.expire])
def test_money_for_a_closed_order_is_taken_and_seen(order, move):
    move(order, now=START)
    receive(order)
    assert order.status == "paid"
    assert flagged(order) == ["order.late_money"]


def test_orderpaid_is_told_once(order, monkeypatch):
    heard = []
    monkeypatch.setitem(events._handlers, OrderPaid, [heard.append])
    receive(order, "60", reference="1")
    receive(order, "60", reference="2")
    receive(order, "60", reference="3")
    ledger.record_refund(order=order, amount=eur("180"), now=after(hours=2))
    assert [event.first for event in heard] == [True]


# --- nothing to pay


def test_a_free_order_settles_itself(monkeypatch):
    heard = []
    monkeypatch.setitem(events._handlers, OrderPaid, [heard.append])
    order = new_order(amount="0.00")
    assert ledger.complete_free(order, START).new
    assert (order.status, order.paid_at) == ("paid", START)
    assert not ledger.complete_free(order, after(hours=1)).new
    assert order.paid_at == START
    assert len(heard) == 1
    assert not m.PaymentAttempt.objects.exists()


def test_an_order_with_a_price_does_not_settle_itself(order):
    with pytest.raises(PaymentRefused) as refusal:
        ledger.complete_free(order, START)
    assert refusal.value.code == "not_free"
    assert order.status == "open"


def test_a_closed_free_order_stays_closed():
    order = transitions.cancel(new_order(amount="0.00"), now=START)
    with pytest.raises(PaymentRefused) as refusal:
        ledger.complete_free(order, START)
    assert refusal.value.code == "closed"


# --- giving back


def test_a_part_given_back_leaves_the_order_paid(order, monkeypatch):
    heard = []
    monkeypatch.setitem(events._handlers, OrderRefunded, [heard.append])
    attempt = receive(order).attempt
    repayment = ledger.record_refund(
        attempt=attempt, amount=eur("20"), reference="r-1", reason="kindness", now=after(hours=2)
    )
    assert [row.amount for row in repayment.refunds] == [Decimal(20)]
    shown = repayment.order
    assert (shown.status, shown.paid_amount, shown.refunded_amount) == ("paid", Decimal(100), Decimal(20))
    assert [event.whole for event in heard] == [False]
    attempt.refresh_from_db()
    assert attempt.confirmed_amount == Decimal(120)


def test_all_given_back_refunds_the_order(order):
    receive(order)
    ledger.record_refund(order=order, amount=eur("120"), now=after(hours=2))
    assert (order.status, order.paid_amount) == ("refunded", Decimal(0))
    assert order.paid_at == after(hours=1)


def test_a_refund_of_the_order_comes_out_of_the_latest_attempts_first(order):
    first = receive(order, "70", reference="1", now=after(hours=1)).attempt
    second = receive(order, "50", reference="2", now=after(hours=2)).attempt
    repayment = ledger.record_refund(order=order, amount=eur("60"), reference="r", now=after(hours=3))
    assert [(row.attempt, row.amount) for row in repayment.refunds] == [(second, Decimal(50)), (first, Decimal(10))]


def test_the_same_refund_is_booked_once(order):
    attempt = receive(order).attempt
    first, again = (
        ledger.record_refund(attempt=attempt, amount=eur("20"), reference="r-1", now=after(hours=2)) for _ in range(2)
    )
    assert (first.new, again.new, again.refunds) == (True, False, first.refunds)
    assert m.Refund.objects.count() == 1
    with pytest.raises(PaymentRefused) as refusal:
        ledger.record_refund(order=order, amount=eur("21"), reference="r-1", now=after(hours=2))
    assert refusal.value.code == "reference_used"


def test_no_more_is_given_back_than_there_is(order):
    attempt = receive(order, "50").attempt
    ledger.record_refund(attempt=attempt, amount=eur("30"), now=after(hours=2))
    for source in ({"attempt": attempt}, {"order": order}):
        with pytest.raises(PaymentRefused) as refusal:
            ledger.record_refund(**source, amount=eur("20.01"), now=after(hours=3))
        assert refusal.value.code == "too_much"
    assert m.Refund.objects.count() == 1
    started = new_attempt(order, now=after(hours=4))
    with pytest.raises(PaymentRefused):
        ledger.record_refund(attempt=started, amount=eur("1"), now=after(hours=4))


def test_the_last_cent_can_be_given_back(order):
    """SQLite adds decimals as floats: 8.36 less 8.35 is less than a cent there."""
    receive(order, "8.36", reference="1")
    ledger.record_refund(order=order, amount=eur("8.35"), now=after(hours=2))
    ledger.record_refund(order=order, amount=eur("0.01"), now=after(hours=3))
    assert ledger.totals(order) == (Decimal("8.36"), Decimal("8.36"))
    assert order.status == "refunded"


def test_a_refund_needs_somewhere_to_come_from():
    with pytest.raises(TypeError):
        ledger.record_refund(amount=Decimal(1), now=START)


def test_money_after_a_refund_is_taken_and_seen(order):
    receive(order)
    ledger.record_refund(order=order, amount=eur("120"), now=after(hours=2))
    books_receive(order, "120.00", now=after(hours=3))
    assert order.status == "paid"
    assert "order.late_money" in flagged(order)


def test_booking_costs_the_same_however_much_was_booked_before(order, django_assert_max_num_queries):
    for number in range(8):
        receive(order, "1", reference=f"bank-{number}")
    with django_assert_max_num_queries(16):
        receive(order, "1", reference="bank-9")


def test_a_part_that_went_back_frees_the_coupon():
    """The order ends unpaid, so its place belongs to somebody else at once, not when the hold runs out (promise 4)."""
    coupon = make_coupon(limit_total=1)
    offer = make_offer(coupon_mode="any")
    order = order_for(make_contact(), offer, coupon=coupon, method="transfer")
    books_receive(order, "7", now=after(minutes=1))
    ledger.record_refund(order=order, amount=Decimal(7), now=after(minutes=2))
    assert (order.status, m.CouponUse.objects.get().state) == ("refunded", "released")
    assert order_for(make_contact(), offer, coupon=coupon, now=after(minutes=3)).coupon_use.state == "reserved"
    books_receive(order, str(order.total_amount), now=after(minutes=4))  # money is honoured all the same
    order.refresh_from_db()
    assert (order.status, order.coupon_use.over_limit) == ("paid", True)


def test_money_back_and_forth_at_one_instant(order):
    """Nothing is told apart by the clock alone: paid, given back and paid again twice over, all at the same moment."""
    for _ in range(3):
        books_receive(order, "120.00", now=START)
        assert m.AccessGrant.objects.filter(line__order=order, revoked_at=None).count() == order.lines.count() == 1
        ledger.record_refund(order=order, amount=eur("120"), now=START)
    assert not m.AccessGrant.objects.filter(revoked_at=None).exists()
