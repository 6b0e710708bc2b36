"""Starting to pay: what is refused, what is written, how long the coupon is held, and when the provider is asked."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection

from tests.orders.shop import books_receive, order_for
from tests.payments.shop import bank_data, codes, new_attempt, new_order, tell
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import ConfigurationFault, CouponRefused, PaymentRefused, ProviderUnavailable
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.payments import attempts, references
from wagtail_kwiga.payments.provider import Form, Instructions, Redirect
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db


def refused(order: m.Order, *, method: str = "sandbox", now: dt.datetime = START) -> str:
    with pytest.raises(PaymentRefused) as refusal:
        attempts.start(order, method=method, now=now)
    assert str(refusal.value.message)
    return refusal.value.code


def test_the_first_attempt_makes_the_sum_asked_for():
    order = new_order(amount="120.00")
    started = attempts.start(order, method="sandbox", now=START)
    attempt, payment = started.attempt, started.attempt.payment
    assert (payment.order_id, payment.amount, payment.currency) == (order.pk, Decimal(120), "EUR")
    assert payment.due_at == order.expires_at
    assert (attempt.method, attempt.state, attempt.amount) == ("sandbox", "started", Decimal(120))
    assert attempt.next_poll_at == after(minutes=5)
    assert (order.payment_method, order.payment_kind) == ("sandbox", "online")
    assert isinstance(started.next_action, Redirect)
    assert started.next_action.url.endswith(f"/shop/sandbox-gateway/{attempt.token}/")
    attempt.refresh_from_db()
    assert attempt.reference.startswith("SBX-")
    assert codes(order)[-1] == "payments.started"


def test_the_provider_is_told_where_to_send_buyers_and_webhooks(providers):
    providers(
        post={"class": "tests.payments.systems.Posting", "enabled": True, "secret": "s"},
    )
    order = new_order(currency="PLN")
    started = attempts.start(order, method="post", now=START)
    assert isinstance(started.next_action, Form)
    token = started.next_action.fields["back"].rstrip("/").rsplit("/", 1)[1]
    told, payload = links.order_of(Purpose.RETURN, token, START)
    assert (told, payload["order"], payload["attempt"]) == (order, order.token, started.attempt.token)
    started.attempt.refresh_from_db()
    assert started.attempt.reference == "P-1"


def test_a_second_attempt_asks_for_the_same_sum():
    order = new_order()
    first, second = new_attempt(order), new_attempt(order, now=after(minutes=3))
    assert first.payment_id == second.payment_id
    assert first.token != second.token
    assert m.Payment.objects.filter(order=order).count() == 1


def test_what_is_left_is_asked_for():
    order = new_order(amount="120.00")
    books_receive(order, "50.00", now=START)
    attempt = new_attempt(order, now=after(days=30))
    assert attempt.amount == Decimal("70.00")


def test_a_transfer_is_announced_once():
    bank_data()
    order = new_order()
    first = attempts.start(order, method="transfer", now=START)
    again = attempts.start(order, method="transfer", now=after(hours=2))
    assert isinstance(again.next_action, Instructions)
    assert first.attempt == again.attempt
    assert first.attempt.next_poll_at is None
    assert order.payment_kind == "transfer"
    assert codes(order).count("payments.started") == 1


def test_references_are_short_and_without_look_alikes():
    found = {references.new_reference() for _ in range(500)}
    assert len(found) == 500
    for reference in found:
        assert len(reference) == 9
        assert reference[4] == "-"
        assert not set("0O1IL5S8BUZ") & set(reference)


# --- refusals


@pytest.mark.parametrize("method", ["", "cash", "transfer"])
def test_ways_to_pay_that_are_not_there(method):
    code = "method_not_offered" if method == "transfer" else "unknown_method"
    order = new_order()
    assert refused(order, method=method) == code
    assert not m.Payment.objects.exists()


def test_the_offer_names_its_ways_to_pay():
    bank_data()
    order = new_order(offer=make_offer(payment_methods=["transfer"]))
    assert refused(order, method="sandbox") == "method_not_offered"
    new_attempt(order, method="transfer")


def test_a_paid_order_is_not_paid_again():
    order = new_order()
    books_receive(order, "120.00", now=START)
    assert refused(order) == "already_paid"


def test_a_stale_copy_of_an_order_is_no_way_round():
    order = new_order()
    stale = m.Order.objects.get(pk=order.pk)
    books_receive(order, "120.00", now=START)
    assert stale.status == "open"
    assert refused(stale) == "already_paid"


def test_closed_orders_say_why():
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer, now=START)
    order_for(contact, offer, now=after(minutes=1))
    assert refused(old, now=after(minutes=2)) == "superseded"
    cancelled = transitions.cancel(new_order(), now=START)
    assert refused(cancelled) == "cancelled"
    expired = transitions.expire(new_order(), now=START)
    assert refused(expired) == "expired"


def test_terms_end_by_the_clock():
    order = new_order()
    assert refused(order, now=order.price_holds_until) == "price_over"
    assert refused(order, now=order.expires_at) == "expired"
    new_attempt(order, now=order.price_holds_until - dt.timedelta(seconds=1))


def test_who_has_paid_a_part_may_always_pay_the_rest():
    order = new_order()
    books_receive(order, "100.00", now=START)
    assert attempts.why_not_payable(order, order.expires_at + dt.timedelta(days=400)) is None


def test_a_free_order_has_nothing_to_pay():
    assert refused(new_order(amount="0.00")) == "nothing_to_pay"


# --- the coupon


def test_each_attempt_holds_the_coupon_for_an_hour():
    order = new_order(coupon=make_coupon())
    new_attempt(order, now=after(minutes=50))
    use = m.CouponUse.objects.get(pk=order.coupon_use_id)
    assert use.reserved_until == after(minutes=110)


def test_a_transfer_holds_it_until_the_order_expires():
    bank_data()
    order = new_order(coupon=make_coupon())
    new_attempt(order, method="transfer", now=after(minutes=5))
    assert m.CouponUse.objects.get(pk=order.coupon_use_id).reserved_until == order.expires_at
    new_attempt(order, method="sandbox", now=after(minutes=6))
    assert m.CouponUse.objects.get(pk=order.coupon_use_id).reserved_until == order.expires_at


def test_a_use_that_somebody_else_took_meanwhile_is_refused_and_nothing_is_written():
    coupon = make_coupon(limit_total=1)
    order = new_order(coupon=coupon)
    new_order(coupon=coupon, now=after(hours=2))
    with pytest.raises(CouponRefused) as refusal:
        attempts.start(order, method="sandbox", now=after(hours=2, minutes=30))
    assert refusal.value.code == "used_up"
    assert not m.PaymentAttempt.objects.filter(payment__order=order).exists()


def test_a_reclaimed_use_is_taken_anew_while_there_is_a_place():
    coupon = make_coupon(limit_total=1)
    order = new_order(coupon=coupon)
    uses.reclaim(coupon, now=after(hours=2))
    new_attempt(order, now=after(hours=3))
    use = m.CouponUse.objects.get(pk=order.coupon_use_id)
    assert (use.state, use.reserved_until) == ("reserved", after(hours=4))


# --- the provider


@pytest.mark.parametrize("name", ["Away", "Broken"])
def test_a_provider_that_does_not_answer_leaves_a_failed_attempt(providers, name, caplog):
    providers(far={"class": f"tests.payments.systems.{name}"})
    order = new_order()
    with pytest.raises(ProviderUnavailable):
        attempts.start(order, method="far", now=START)
    attempt = m.PaymentAttempt.objects.get()
    assert (attempt.state, attempt.next_poll_at) == ("failed", None)
    assert "payments.unavailable" in codes(order)
    assert ("could not start" in caplog.text) == (name == "Broken")


def test_a_provider_that_answers_nonsense_is_the_builders_fault(providers, monkeypatch):
    from tests.payments.systems import Polled

    providers(odd={"class": "tests.payments.systems.Polled"})
    monkeypatch.setattr(Polled, "start", lambda *args: "https://example.com/")
    with pytest.raises(ConfigurationFault):
        attempts.start(new_order(), method="odd", now=START)


@pytest.mark.django_db(transaction=True)
def test_the_provider_is_asked_after_commit(providers, monkeypatch):
    from tests.payments import systems
    from tests.payments.shop import lay_ground

    lay_ground()
    seen = []

    def start(self, attempt, urls, now):
        seen.append((connection.in_atomic_block, m.PaymentAttempt.objects.filter(pk=attempt.pk).exists()))
        return Redirect("https://pay.example.com/")

    monkeypatch.setattr(systems.Polled, "start", start)
    providers(polled={"class": "tests.payments.systems.Polled"})
    attempts.start(new_order(), method="polled", now=START)
    assert seen == [(False, True)]


def test_a_webhook_quicker_than_the_answer_of_start_keeps_what_it_wrote():
    attempt = new_attempt()
    tell(attempt)
    attempts.remember(attempt, reference="LATE-1", data={"return_url": "https://other.example.com/"})
    attempt.refresh_from_db()
    assert attempt.reference.startswith("SBX-")
    assert attempt.data["return_url"].startswith("http://localhost/")


def test_one_reference_for_two_attempts_is_noticed(caplog):
    first, second = new_attempt(), new_attempt()
    m.PaymentAttempt.objects.filter(pk=second.pk).update(reference="")
    attempts.remember(second, reference=first.reference)
    second.refresh_from_db()
    assert second.reference == ""
    assert "two attempts" in caplog.text


def test_starting_costs_the_same_for_the_tenth_attempt(django_assert_max_num_queries):
    order = new_order(coupon=make_coupon())
    for minute in range(9):
        new_attempt(order, now=after(minutes=minute))
    order = m.Order.objects.select_related("offer", "site").get(pk=order.pk)
    with django_assert_max_num_queries(25):
        attempts.start(order, method="sandbox", now=after(minutes=10))


@pytest.mark.django_db(transaction=True)
def test_the_answer_of_start_is_kept_by_one_statement(django_assert_num_queries):
    attempt, quicker = new_attempt(), new_attempt()
    m.PaymentAttempt.objects.filter(pk=attempt.pk).update(reference="", data={})
    with django_assert_num_queries(1):
        attempts.remember(attempt, reference="MINE-1", data={"a": 1})
    m.PaymentAttempt.objects.filter(pk=quicker.pk).update(reference="", data={"a": "from the webhook"})
    attempts.remember(quicker, reference="MINE-2", data={"a": 1, "b": 2})
    attempt.refresh_from_db()
    quicker.refresh_from_db()
    assert (attempt.reference, attempt.data) == ("MINE-1", {"a": 1})
    assert (quicker.reference, quicker.data) == ("MINE-2", {"a": "from the webhook", "b": 2})
    attempts.remember(attempt, reference="MINE-3", data={"a": 3})
    attempt.refresh_from_db()
    assert (attempt.reference, attempt.data) == ("MINE-1", {"a": 1})
