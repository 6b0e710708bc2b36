"""An order paid in parts: each part is asked for and settled by itself, and access opens with the part that opens it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.payments.parts import MONTH, hundred, in_three_parts, opened
from tests.payments.shop import bank_data, flagged, new_attempt, new_order, order_path, pay_path, tell, text
from tests.support import START, after
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import MoneyMismatch, PaymentRefused
from wagtail_kwiga.orders import expiry, transitions
from wagtail_kwiga.orders.events import OrderPaid
from wagtail_kwiga.payments import attempts, ledger, references, schedule
from wagtail_kwiga.payments.events import PaymentSettled
from wagtail_kwiga.payments.schedule import PartDraft
from wagtail_kwiga.payments.standing import DuePart, judge
from wagtail_kwiga.payments.statuses import DueKind, PaymentState
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.templatetags import kwiga_tags

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return in_three_parts()


@pytest.fixture
def heard(monkeypatch):
    told: list = []
    for kind in (PaymentSettled, OrderPaid):
        monkeypatch.setitem(events._handlers, kind, [*events._handlers[kind], told.append])
    return told


def moment(at):
    return str(kwiga_tags.instant(at)).replace("\xa0", " ")


def filled(order):
    return list(order.payments.order_by("sequence").values_list("paid_amount", "state"))


def test_three_parts_of_a_hundred(order, heard):
    first, second, third = order.payments.order_by("sequence")
    assert not schedule.standing(order, START).is_good
    attempt = new_attempt(order)
    assert (attempt.payment, attempt.amount) == (first, Decimal(100))
    tell(attempt, now=after(minutes=5))
    order.refresh_from_db()
    assert (order.status, str(order.outstanding), opened(order)) == ("partly_paid", "200.00 EUR", 1)
    assert filled(order) == [(100, "paid"), (0, "due"), (0, "due")]
    assert schedule.standing(order, after(minutes=6)).is_good
    assert not schedule.standing(order, START + MONTH).is_good
    attempt = new_attempt(order, now=START + MONTH)
    assert (attempt.payment, attempt.amount) == (second, Decimal(100))
    tell(attempt, now=START + MONTH)
    assert schedule.standing(order, START + MONTH).is_good
    order.refresh_from_db()
    assert order.status == "partly_paid"
    tell(new_attempt(order, now=START + 2 * MONTH), now=START + 2 * MONTH)
    order.refresh_from_db()
    assert (order.status, order.paid_amount, str(order.outstanding)) == ("paid", 300, "0.00 EUR")
    assert filled(order) == [(100, "paid")] * 3
    assert opened(order) == 1
    settled = [event for event in heard if isinstance(event, PaymentSettled)]
    assert [(e.payment_id, e.opens_access, e.at) for e in settled] == [
        (first.pk, True, after(minutes=5)),
        (second.pk, False, START + MONTH),
        (third.pk, False, START + 2 * MONTH),
    ]
    assert [type(event) for event in heard[-2:]] == [OrderPaid, PaymentSettled]
    assert flagged(order) == []


def test_one_transfer_for_a_part_and_a_half_is_one_row(order):
    ledger.record_payment(order=order, amount=Decimal(150), method="transfer", reference="bank-1", now=START)
    assert list(m.Transaction.objects.values_list("kind", "amount")) == [("charge", Decimal(150))]
    assert filled(order) == [(100, "paid"), (50, "due"), (0, "due")]
    assert new_attempt(order).amount == 50


def test_a_chosen_part_is_paid_out_of_turn(order):
    third = order.payments.get(sequence=3)
    attempt = attempts.start(third, method="sandbox", now=START).attempt
    tell(attempt, now=START)
    assert filled(order) == [(0, "due"), (0, "due"), (100, "paid")]
    assert opened(order) == 0
    with pytest.raises(PaymentRefused) as refusal:
        attempts.start(m.Payment.objects.get(pk=third.pk), method="sandbox", now=START)
    assert refusal.value.code == "nothing_to_pay"


def test_access_waits_for_the_part_that_opens_it():
    order = new_order(amount="300.00")
    schedule.plan_parts(order, [hundred(0), hundred(1, opens_access=True, amount="200")], START)
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=START)
    assert opened(order) == 0
    ledger.record_payment(order=order, amount=Decimal(200), method="cash", now=START)
    assert opened(order) == 1


def test_the_pay_page_asks_for_the_part(order, client):
    page = text(client.get(pay_path(order)))
    assert "€100.00" in page
    assert "Pay €300.00" not in page
    ledger.record_payment(order=order, amount=Decimal(130), method="cash", now=START)
    assert "Pay €70.00" in text(client.get(pay_path(order)))


def test_the_pay_page_tells_when_the_part_is_due_and_not_when_the_order_ends(order, client):
    """The price holds until the last part is due and a week more: whoever reads that thinks the first one has as long."""
    page = text(client.get(pay_path(order)))
    assert f"This part of the order is due on {moment(START)}" in page
    assert "This price holds until" not in page
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=START)
    assert f"is due on {moment(START + MONTH)}" in text(client.get(pay_path(order)))


def test_the_instructions_of_a_transfer_tell_the_part_its_rest_and_its_day(order, client):
    bank_data()
    new_attempt(order, method="transfer")
    page = text(client.get(order_path(order)))
    assert "€100.00" in page.split("Please transfer")[1][:120]
    assert f"This part of the order is due on {moment(START)}" in page
    assert "We keep your order until" not in page
    ledger.record_payment(order=order, amount=Decimal(30), method="cash", now=START)
    assert "€70.00" in text(client.get(order_path(order))).split("Please transfer")[1][:120]
    ledger.record_payment(order=order, amount=Decimal(70), method="cash", now=START)
    page = text(client.get(order_path(order)))
    assert "Please transfer" not in page, "that part is paid"
    assert "Pay the rest" in page
    second = new_attempt(order, method="transfer", now=after(days=2))
    page = text(client.get(order_path(order)))
    assert second.payment.reference in page
    assert f"is due on {moment(START + MONTH)}" in page


def test_a_transfer_of_an_order_that_is_paid_at_once_tells_as_before_how_long_it_stands(client):
    bank_data()
    order = new_order(amount="120.00")
    new_attempt(order, method="transfer")
    ledger.record_payment(order=order, amount=Decimal(20), method="cash", now=START)
    page = text(client.get(order_path(order)))
    assert "We keep your order until" in page
    assert "€100.00" in page.split("Please transfer")[1][:120]


def test_an_order_with_a_plan_stands_until_its_last_part_is_due_and_a_week_more(order):
    end = START + 2 * MONTH + dt.timedelta(days=7)
    assert (order.expires_at, order.price_holds_until, order.kind) == (end, end, "instalments")
    stored = m.Order.objects.get(pk=order.pk)
    assert (stored.expires_at, stored.price_holds_until) == (end, end)
    assert expiry.expire_due(end - dt.timedelta(seconds=1)) == 0
    assert attempts.why_not_payable(stored, end - dt.timedelta(seconds=1)) is None
    assert expiry.expire_due(end) == 1


def test_the_grace_is_a_setting(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_GRACE_DAYS": 30}
    order = new_order(amount="100.00")
    schedule.plan_parts(order, [hundred(1, opens_access=True)], START)
    assert order.expires_at == START + 2 * MONTH


def test_a_short_plan_takes_no_time_away():
    order = new_order(amount="100.00")
    before = (order.expires_at, order.price_holds_until)
    schedule.plan_parts(order, [PartDraft(Decimal(100), START, DueKind.PREPAYMENT, opens_access=True)], START)
    assert order.expires_at == before[0]
    assert order.price_holds_until == before[1]
    assert order.payments.get().kind == "prepayment"


@pytest.mark.parametrize(
    ("drafts", "why"),
    [
        ([], "not a plan"),
        ([hundred(0, opens_access=True), hundred(1)], "not a plan"),
        ([hundred(0, opens_access=True, amount="300"), hundred(1, amount="0")], "not a plan"),
        ([hundred(1, opens_access=True), hundred(0, amount="200")], "one after the other"),
        ([hundred(0), hundred(1, amount="200")], "opens access"),
    ],
)
def test_what_is_no_plan(drafts, why):
    order = new_order(amount="300.00")
    with pytest.raises(ValueError, match=why):
        schedule.plan_parts(order, drafts, START)
    assert not order.payments.exists()


def test_a_plan_in_another_currency_and_a_second_one(order):
    with pytest.raises(MoneyMismatch):
        schedule.plan_parts(new_order(amount="5.00"), [PartDraft(Money(Decimal(5), "PLN"), START)], START)
    with pytest.raises(ValueError, match="already"):
        schedule.plan_parts(order, [hundred(0, opens_access=True, amount="300")], START)


def test_an_attempt_begun_while_it_is_placed_is_for_the_first_part(order):
    assert references.first_payment(order) == order.payments.get(sequence=1)


def test_without_a_plan_there_is_one_payment_of_all():
    order = new_order(amount="300.00")
    payment = new_attempt(order).payment
    assert (payment.kind, payment.sequence, payment.amount, payment.opens_access) == ("full", 1, 300, True)
    assert order.kind == "one_time"
    ledger.record_payment(order=order, amount=Decimal(120), method="cash", now=START)
    assert filled(order) == [(120, "due")]
    assert new_attempt(order).payment == payment
    assert opened(order) == 0


def test_a_first_part_given_back_undoes_the_sale_and_paying_it_again_opens_access_again(order):
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=START)
    ledger.record_refund(order=order, amount=Decimal(100), now=after(hours=1))
    assert (order.status, str(order.outstanding), opened(order)) == ("refunded", "0.00 EUR", 0)
    assert {state for _paid, state in filled(order)} == {"cancelled"}
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=after(hours=2))
    assert (order.status, str(order.outstanding), opened(order)) == ("partly_paid", "200.00 EUR", 1)
    assert filled(order) == [(100, "paid"), (0, "due"), (0, "due")]
    assert flagged(order) == ["order.late_money"]


def test_a_paid_order_given_back_does_not_open_for_a_part(order):
    ledger.record_payment(order=order, amount=Decimal(300), method="cash", now=START)
    ledger.record_refund(order=order, amount=Decimal(300), now=after(hours=1))
    ledger.record_payment(order=order, amount=Decimal(100), method="cash", now=after(hours=2))
    assert (order.status, opened(order)) == ("refunded", 0)
    ledger.record_payment(order=order, amount=Decimal(200), method="cash", now=after(hours=3))
    assert (order.status, opened(order)) == ("paid", 1)


def test_a_closed_order_lets_no_part_be_paid(order):
    transitions.cancel(order, now=START)
    with pytest.raises(PaymentRefused) as refusal:
        attempts.start(order.payments.get(sequence=1), method="sandbox", now=START)
    assert refusal.value.code == "cancelled"


# --- the pure part

DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("days", "is_good", "overdue", "since", "following"),
    [
        (-1, True, 0, None, 0),
        (0, False, 60, 0, 10),
        (9, False, 60, 0, 10),
        (10, False, 160, 0, 20),
        (30, False, 260, 0, None),
    ],
)
def test_how_an_order_stands(days, is_good, overdue, since, following):
    sums_due = [
        DuePart(START + 20 * DAY, Decimal(100)),
        DuePart(START, Decimal(60)),
        DuePart(START + 10 * DAY, Decimal(100)),
        DuePart(START - 5 * DAY, Decimal(0), PaymentState.PAID),
        DuePart(START - 4 * DAY, Decimal(70), PaymentState.WAIVED),
    ]
    told = judge(sums_due, START + days * DAY)
    assert (told.is_good, told.overdue) == (is_good, overdue)
    assert told.overdue_since == (None if since is None else START + since * DAY)
    assert told.next_due_at == (None if following is None else START + following * DAY)
