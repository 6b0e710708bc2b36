"""Money given back through a provider: written down, called for, settled; and what a provider tells by itself."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.payments import bank
from tests.payments.shop import codes, flagged, new_order
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import ConfigurationFault, MoneyMismatch, PaymentRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import ledger, polling, refunds
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db

HOUR = after(hours=1)


@pytest.fixture
def order():
    return new_order()


@pytest.fixture
def at(providers, tmp_path, order):
    """``at(kind)``: the order is paid at a bank of that kind, 120 in one payment; its books."""

    def put(kind, *amounts):
        options = {"class": f"tests.payments.bank.{kind.__name__}", "folder": str(tmp_path)}
        providers(bank=options, transfer={"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"})
        for number, amount in enumerate(amounts or ("120",), start=1):
            ledger.record_payment(
                order=order, amount=Decimal(amount), method="bank", reference=f"ch_{number}", now=after(minutes=number)
            )
        return kind("bank", options)

    return put


def happens(gateway, when, what):
    (gateway.folder / when).write_text(what)


def standing(order):
    order.refresh_from_db()
    return order.status, order.paid_amount, order.refunded_amount, str(order.outstanding)


def state(refund):
    refund.refresh_from_db()
    return refund.state


def later(**more):
    return HOUR + dt.timedelta(**more)


def opened(order):
    return m.AccessGrant.objects.filter(line__order=order, revoked_at=None).count()


# --- ours


def test_written_down_then_called_then_booked(at, order, django_user_model):
    gateway, clerk = at(bank.Bank), django_user_model.objects.create_user("clerk")
    refund = refunds.request(order=order, amount=Decimal(50), reason="kindness", by=clerk, now=HOUR)
    assert (refund.state, refund.amount, refund.by, refund.order, refund.requested_at) == (
        "requested", 50, clerk, order, HOUR,
    )  # fmt: skip
    assert standing(order) == ("paid", 120, 0, "0.00 EUR")
    assert gateway.books() == []
    sent = refunds.send(refund, HOUR)
    assert (sent.pk, sent.state, sent.reference, sent.next_try_at) == (refund.pk, "done", "re_1", None)
    assert standing(order) == ("paid", 70, 50, "0.00 EUR")
    (row,) = m.Transaction.objects.filter(kind="refund")
    assert (row.amount, row.reference, row.method, row.refund, row.attempt) == (
        -50, refund.token, "bank", refund, refund.attempt,
    )  # fmt: skip
    assert [row["token"] for row in gateway.books()] == [refund.token]
    assert codes(order)[-2:] == ["payments.refund_requested", "payments.refunded"]


def test_sending_twice_is_sending_once(at, order):
    gateway = at(bank.Bank)
    refund = refunds.request(order=order, amount=Decimal(50), now=HOUR)
    stale = m.Refund.objects.get(pk=refund.pk)
    refunds.send(refund, HOUR)
    assert refunds.send(stale, HOUR).state == "done"
    assert len(gateway.books()) == 1
    assert standing(order)[2] == 50


def test_access_ends_with_the_money_and_not_before(at, order):
    gateway = at(bank.Slow)
    refund = refunds.request(order=order, amount=Decimal(120), now=HOUR)
    assert refunds.send(refund, HOUR).state == "pending"
    assert (standing(order), opened(order)) == (("paid", 120, 0, "0.00 EUR"), 1)
    assert refunds.sweep(later(minutes=4)).tried == 0
    assert refunds.sweep(later(minutes=5)).tried == 1
    assert (state(refund), opened(order)) == ("pending", 1)
    happens(gateway, "made", "")
    summary = polling.poll_due(later(hours=1)).refunds
    assert (summary.tried, summary.changed) == (1, 1)
    assert (standing(order), opened(order)) == (("refunded", 0, 120, "0.00 EUR"), 0)
    assert len(gateway.books()) == 1
    assert flagged(order) == []


def test_what_is_under_way_counts_against_what_is_there(at, order):
    at(bank.Slow)
    refunds.send(refunds.request(order=order, amount=Decimal(70), now=HOUR), HOUR)
    refunds.request(order=order, amount=Decimal(30), now=HOUR)
    for ask in (refunds.request, ledger.record_refund):
        with pytest.raises(PaymentRefused) as refusal:
            ask(order=order, amount=Decimal("20.01"), now=HOUR)
        assert refusal.value.code == "too_much"
    refunds.request(order=order, amount=Decimal(20), now=HOUR)


def test_what_failed_may_be_asked_for_again(at, order):
    gateway = at(bank.Bank)
    happens(gateway, "after", "refused")
    refund = refunds.send(refunds.request(order=order, amount=Decimal(120), now=HOUR), HOUR)
    assert (refund.state, refund.failure_code, refund.failure_message) == (
        "failed", "declined", "the account is closed",
    )  # fmt: skip
    assert (standing(order)[0], flagged(order)) == ("paid", ["payments.refund_failed"])
    sentence = writing.sentence(writing.timeline(order).get(code="payments.refund_failed"))
    assert sentence.endswith("failed: declined. the account is closed")
    assert refunds.send(refunds.request(order=order, amount=Decimal(120), now=HOUR), HOUR).state == "done"


def test_money_of_several_payments(at, order):
    at(bank.Bank, "70", "50")
    with pytest.raises(PaymentRefused) as refusal:
        refunds.request(order=order, amount=Decimal(60), now=HOUR)
    assert refusal.value.code == "several_attempts"
    assert not m.Refund.objects.exists()
    made = refunds.request_each(order=order, amount=Decimal(60), now=HOUR)
    assert [(refund.attempt.reference, refund.amount) for refund in made] == [("ch_2", 50), ("ch_1", 10)]
    for refund in made:
        refunds.send(refund, HOUR)
    assert standing(order) == ("paid", 60, 60, "0.00 EUR")
    first = m.PaymentAttempt.objects.get(reference="ch_1")
    assert refunds.request(attempt=first, amount=Decimal(60), now=HOUR).attempt == first


def test_what_cannot_be_requested(at, order):
    at(bank.Bank)
    for amount, code in (("0", "no_money"), ("-1", "no_money"), ("120.01", "too_much")):
        with pytest.raises(PaymentRefused) as refusal:
            refunds.request(order=order, amount=Decimal(amount), now=HOUR)
        assert refusal.value.code == code
    with pytest.raises(MoneyMismatch):
        refunds.request(order=order, amount=Money(Decimal(1), "PLN"), now=HOUR)
    with pytest.raises(TypeError):
        refunds.request(amount=Decimal(1), now=HOUR)
    ledger.record_payment(order=order, amount=Decimal(5), method="transfer", reference="b", now=HOUR)
    with pytest.raises(PaymentRefused) as refusal:
        refunds.request(order=order, amount=Decimal(5), now=HOUR)
    assert refusal.value.code == "refund_by_hand"
    assert not m.Refund.objects.exists()


# --- lost answers


@pytest.mark.parametrize("what", ["away", "broken"])
@pytest.mark.parametrize(("kind", "end", "made", "flags"), [
    (bank.Idempotent, "done", 1, []),
    (bank.Askable, "done", 1, []),
    (bank.Bank, "unknown", 1, ["payments.refund_unknown"]),
])  # fmt: skip
def test_an_answer_that_is_lost(at, order, kind, end, made, flags, what):
    gateway = at(kind)
    happens(gateway, "after", what)
    refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    assert refund.state == "unknown"
    for hours in range(60):
        refunds.sweep(later(hours=hours))
    assert (state(refund), len(gateway.books()), flagged(order)) == (end, made, flags)
    assert standing(order)[2] == (50 if end == "done" else 0)


def test_a_gateway_that_never_answers_is_given_up_after_a_day(at, order):
    gateway = at(bank.Idempotent)
    happens(gateway, "before", "away")
    refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    for hours in range(30):
        happens(gateway, "before", "away")
        refunds.sweep(later(hours=hours))
    assert (state(refund), refund.next_try_at, gateway.books()) == ("unknown", None, [])
    assert flagged(order) == ["payments.refund_unknown"]


def test_a_gateway_that_was_taken_out_of_the_settings(at, order, providers):
    at(bank.Idempotent)
    refund = refunds.request(order=order, amount=Decimal(50), now=HOUR)
    m.Refund.objects.update(tries=1)
    providers()
    refunds.sweep(later(minutes=5))
    assert (state(refund), flagged(order)) == ("unknown", ["payments.refund_unknown"])


def test_a_gateway_that_is_set_up_wrongly(at, order, providers, tmp_path):
    at(bank.Bank)
    refund = refunds.request(order=order, amount=Decimal(50), now=HOUR)
    providers(bank={"class": "tests.payments.test_refunds.Unfinished", "folder": str(tmp_path)})
    with pytest.raises(ConfigurationFault):
        refunds.send(refund, HOUR)
    assert (state(refund), refund.failure_code, standing(order)[0]) == ("failed", "technical", "paid")


class Unfinished(bank.Bank):
    def refund(self, refund, now):
        raise ConfigurationFault("no key")


def test_one_that_only_webhooks_tell_of_waits_ten_days_for_them(at, order):
    gateway = at(bank.Silent)
    refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    for day in range(8):
        refunds.sweep(later(days=day, hours=1))
    assert (state(refund), flagged(order)) == ("pending", [])
    for day in range(8, 16):
        refunds.sweep(later(days=day, hours=1))
    assert (state(refund), refund.next_try_at, flagged(order)) == ("pending", None, ["payments.refund_pending_long"])
    told = refunds.reported(
        attempt=refund.attempt,
        amount=Decimal(50),
        reference="re_1",
        token=refund.token,
        outcome="done",
        now=later(days=20),
    )
    assert (told.new, state(refund), standing(order)[2], len(gateway.books())) == (True, "done", 50, 1)


def test_a_person_who_has_looked_there_decides(at, order):
    gateway = at(bank.Bank)
    for is_done, paid in ((False, 120), (True, 70)):
        happens(gateway, "after", "away")
        refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
        refunds.decide(refund, is_done=is_done, now=later(days=2))
        assert (state(refund), standing(order)[1]) == ("done" if is_done else "failed", paid)
        with pytest.raises(PaymentRefused) as refusal:
            refunds.decide(refund, is_done=True, now=later(days=3))
        assert refusal.value.code == "settled"


# --- what a provider tells by itself


def tell(order, outcome="done", *, amount="50", reference="re_9", token="", now=HOUR):
    attempt = m.PaymentAttempt.objects.filter(payment__order=order).order_by("pk").first()
    return refunds.reported(
        attempt=attempt, amount=Decimal(amount), reference=reference, token=token, outcome=outcome, now=now
    )


def test_a_refund_made_in_the_panel_is_booked_once(at, order):
    at(bank.Bank)
    told = tell(order)
    assert (told.new, told.refund.state, told.refund.reference, told.refund.by) == (True, "done", "re_9", None)
    assert standing(order) == ("paid", 70, 50, "0.00 EUR")
    again = tell(order, now=later(hours=1))
    assert (again.new, again.refund) == (False, told.refund)
    assert standing(order)[2] == 50
    tell(order, amount="70", reference="re_10")
    assert standing(order) == ("refunded", 0, 120, "0.00 EUR")
    assert flagged(order) == []


@pytest.mark.parametrize("way", [["pending", "done", "pending"], ["pending", "pending", "done"], ["done", "pending"]])
def test_told_in_whatever_order_it_ends_once(at, order, way):
    at(bank.Bank)
    for outcome in way:
        tell(order, outcome)
    assert (m.Refund.objects.get().state, standing(order)[2]) == ("done", 50)
    assert m.Transaction.objects.filter(kind="refund").count() == 1


def test_told_that_it_came_to_nothing(at, order):
    at(bank.Bank)
    tell(order, "pending")
    assert tell(order, "failed").new
    assert not tell(order, "failed").new
    assert (m.Refund.objects.get().state, standing(order)[2]) == ("failed", 0)
    assert flagged(order) == ["payments.refund_failed"]
    tell(order, "pending")
    assert m.Refund.objects.get().state == "failed"
    tell(order, "done")  # money has moved after all
    assert (m.Refund.objects.get().state, m.Refund.objects.get().failure_message, standing(order)[2]) == (
        "done",
        "",
        50,
    )


def test_told_that_what_is_done_has_failed(at, order):
    at(bank.Bank)
    tell(order)
    assert not tell(order, "failed").new
    assert (m.Refund.objects.get().state, standing(order)[2]) == ("done", 50)
    assert flagged(order) == ["payments.refund_says_failed"]


def test_told_of_ours_by_its_token_before_the_call_has_answered(at, order):
    gateway = at(bank.Askable)
    happens(gateway, "after", "away")
    refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    assert tell(order, token=refund.token, reference="re_1").refund == refund
    assert (state(refund), refund.reference, standing(order)[2]) == ("done", "re_1", 50)
    refunds.sweep(later(hours=1))
    assert (m.Refund.objects.count(), standing(order)[2], flagged(order)) == (1, 50, [])


@pytest.mark.parametrize("kind", [bank.Askable, bank.Idempotent])
def test_told_of_ours_without_its_token_before_its_handle_was_known_counts_once(at, order, kind):
    gateway = at(kind)
    happens(gateway, "after", "away")
    ours = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    theirs = tell(order, reference="re_1").refund
    assert theirs != ours
    refunds.sweep(later(hours=1))
    assert (state(ours), state(theirs), standing(order)[2]) == ("failed", "done", 50)
    assert ours.failure_message == "It was booked as another refund."
    assert (len(gateway.books()), flagged(order)) == (1, [])
    assert "payments.refund_known_already" in codes(order)
    tell(order, reference="re_1", token=ours.token)  # and told once more, now with the token
    assert (state(ours), standing(order)[2]) == ("failed", 50)


def test_another_sum_than_was_asked_for_is_booked_and_seen(at, order):
    at(bank.Silent)
    refund = refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    tell(order, amount="40", token=refund.token, reference="re_1")
    assert (state(refund), refund.amount, standing(order)[2]) == ("done", 40, 40)
    assert flagged(order) == ["payments.refund_other_amount"]


def test_more_than_there_was_is_booked_and_seen(at, order):
    at(bank.Bank)
    tell(order, amount="200")
    assert standing(order) == ("refunded", -80, 200, "0.00 EUR")
    assert flagged(order) == ["payments.refund_too_much"]


def test_told_in_another_currency_or_of_nothing(at, order):
    at(bank.Bank)
    attempt = m.PaymentAttempt.objects.get()
    given = {"attempt": attempt, "reference": "re_9", "outcome": "done", "now": HOUR}
    with pytest.raises(MoneyMismatch):
        refunds.reported(amount=Money(Decimal(1), "PLN"), **given)
    with pytest.raises(PaymentRefused):
        refunds.reported(amount=Decimal(0), **given)


# --- the sweep


def test_a_request_that_nobody_came_to_send_is_sent(at, order):
    gateway = at(bank.Bank)
    refund = refunds.request(order=order, amount=Decimal(50), now=HOUR)
    assert refunds.sweep(later(seconds=119)).tried == 0
    refunds.sweep(later(seconds=120))
    assert (state(refund), len(gateway.books())) == ("done", 1)


def test_an_idle_sweep_is_one_query(at, order, django_assert_num_queries):
    at(bank.Bank)
    refunds.send(refunds.request(order=order, amount=Decimal(50), now=HOUR), HOUR)
    with django_assert_num_queries(1):
        assert refunds.sweep(later(days=1)).tried == 0


def test_a_sweep_takes_no_more_than_its_batch_and_survives_a_crash_in_one(at, order, monkeypatch):
    gateway = at(bank.Askable)
    for _number in range(3):
        happens(gateway, "after", "away")
        refunds.send(refunds.request(order=order, amount=Decimal(10), now=HOUR), HOUR)
    happens(gateway, "asked", "broken")
    summary = refunds.sweep(later(hours=1), batch=2)
    assert (summary.tried, summary.changed, summary.failed) == (2, 1, 1)
    assert sorted(m.Refund.objects.values_list("state", flat=True)) == ["done", "unknown", "unknown"]
    refunds.sweep(later(hours=2))
    assert set(m.Refund.objects.values_list("state", flat=True)) == {"done"}
    assert standing(order)[2] == 30


def test_a_sweep_begins_no_more_when_its_time_is_over_and_keeps_nothing(at, order):
    """A gateway that is slow: payments are asked about all the same, and no claim outlives the worker that made it."""
    gateway = at(bank.Bank)
    made = [refunds.request(order=order, amount=Decimal(10), now=HOUR) for _number in range(3)]
    sweep = later(hours=1)
    summary = refunds.sweep(sweep, seconds=0)
    assert (summary.tried, len(gateway.books()), state(made[0])) == (1, 1, "done")
    for row in made[1:]:
        row.refresh_from_db()
        assert (row.state, row.tries, row.next_try_at) == ("requested", 0, sweep)
    assert refunds.sweep(sweep).tried == 2
    assert [state(row) for row in made] == ["done"] * 3
    assert len(gateway.books()) == 3
