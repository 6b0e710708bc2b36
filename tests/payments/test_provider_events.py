"""Promise 8: verified, remembered once, whether early, late, repeated or out of order. Promise 7: money is never refused."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.orders.shop import books_receive, order_for
from tests.payments.shop import codes, flagged, new_attempt, new_order, signed, standing, tell
from tests.payments.test_providers import SANDBOX
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import BadSignature, PaymentRefused
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import ledger, provider_events, registry
from wagtail_kwiga.payments.events import PaymentFailed
from wagtail_kwiga.payments.provider import WebhookRequest
from wagtail_kwiga.payments.providers.sandbox import SIGNATURE
from wagtail_kwiga.payments.statuses import FailureCode
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


@pytest.fixture
def attempt(order):
    return new_attempt(order)


def test_a_confirmed_webhook_pays_the_order(order, attempt):
    outcome = tell(attempt, now=after(minutes=2))
    assert (outcome.result, outcome.repeated) == ("applied", False)
    assert standing(order) == ("paid", Decimal(120))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.confirmed_amount, attempt.next_poll_at) == ("confirmed", Decimal(120), None)
    stored = m.ProviderEvent.objects.get()
    assert (stored.attempt_id, stored.processed_at) == (attempt.pk, after(minutes=2))
    assert stored.headers[SIGNATURE].startswith("t=")
    assert set(stored.headers) == {"Content-Type", SIGNATURE}
    assert flagged(order) == []


def test_a_forged_webhook_leaves_nothing_behind(order, attempt):
    request = signed(attempt)
    forged = dataclasses.replace(request, body=request.body.replace(b"evt_", b"EVT_"))
    with pytest.raises(BadSignature):
        provider_events.receive("sandbox", forged, START)
    assert not m.ProviderEvent.objects.exists()
    assert standing(order) == ("open", Decimal(0))


def test_a_provider_that_is_not_there_takes_no_webhooks(attempt, providers):
    request = signed(attempt)
    for alias in ("nobody", "transfer"):
        with pytest.raises((PaymentRefused, BadSignature)):
            provider_events.receive(alias, request, START)
    providers(sandbox={**SANDBOX, "enabled": False})
    with pytest.raises(PaymentRefused):
        provider_events.receive("sandbox", request, START)


def test_repeated_webhooks_have_one_effect(order, attempt):
    outcomes = [tell(attempt, now=after(minutes=minute)) for minute in range(4)]
    assert [outcome.repeated for outcome in outcomes] == [False, True, True, True]
    assert {outcome.result for outcome in outcomes} == {"applied"}
    assert standing(order) == ("paid", Decimal(120))
    assert codes(order).count("payments.received") == 1
    assert m.ProviderEvent.objects.count() == 1


def test_the_same_money_under_another_event_is_the_same_money(order, attempt):
    tell(attempt)
    assert tell(attempt, id="evt_other").result == "ignored"
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == []


def test_a_provider_without_ids_is_remembered_by_the_body(providers):
    providers(plain={**SANDBOX, "class": "tests.payments.systems.Nameless"})
    attempt = new_attempt(method="plain")
    assert [tell(attempt).repeated for _ in range(2)] == [False, True]
    assert tell(attempt, reason="again").result == "ignored"
    assert standing(attempt.payment.order) == ("paid", Decimal(120))


def test_very_long_event_ids_are_kept_by_their_hash(attempt):
    for _ in range(2):
        tell(attempt, id="e" * 500)
    assert len(m.ProviderEvent.objects.get().event_id) == 64


# --- order of arrival


@pytest.mark.parametrize("arrival", list(itertools.permutations(["pending", "failed", "confirmed"])))
def test_money_wins_in_whatever_order_its_news_arrives(order, attempt, arrival):
    for outcome in arrival:
        tell(attempt, outcome)
    attempt.refresh_from_db()
    assert attempt.state == "confirmed"
    assert standing(order) == ("paid", Decimal(120))


def test_pending_puts_the_order_under_way_and_failed_takes_it_back(order, attempt):
    tell(attempt, "pending", now=after(minutes=1))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.next_poll_at) == ("pending", after(minutes=6))
    assert standing(order)[0] == "processing"
    tell(attempt, "failed", now=after(minutes=2), reason="no cover")
    attempt.refresh_from_db()
    assert (attempt.state, attempt.next_poll_at) == ("failed", None)
    assert standing(order)[0] == "open"
    tell(attempt, "pending", now=after(minutes=3), id="evt_again")
    assert standing(order)[0] == "processing"


def test_an_order_stays_under_way_while_another_payment_is(order, attempt):
    other = new_attempt(order)
    tell(attempt, "pending")
    tell(other, "pending")
    tell(attempt, "failed")
    assert standing(order)[0] == "processing"
    tell(other, "failed")
    assert standing(order)[0] == "open"


def test_news_of_money_does_not_revive_a_closed_order_but_money_does(order, attempt):
    transitions.cancel(order, now=after(hours=1))
    tell(attempt, "pending", now=after(hours=2))
    assert standing(order)[0] == "cancelled"
    tell(attempt, "confirmed", now=after(hours=3))
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == ["order.late_money"]


def test_failure_is_told_once_with_its_reason(order, attempt, monkeypatch):
    heard = []
    monkeypatch.setitem(events._handlers, PaymentFailed, [heard.append])
    for _ in range(2):
        tell(attempt, "failed", reason="no cover", failure="insufficient_funds")
    tell(attempt, "failed", id="evt_2", reason="no cover", failure="insufficient_funds")
    assert heard == [PaymentFailed(order.pk, attempt.pk, FailureCode.INSUFFICIENT_FUNDS, "no cover", START)]
    assert m.ProviderEvent.objects.filter(result="ignored").count() == 1


def test_failed_after_confirmed_changes_nothing(order, attempt):
    tell(attempt)
    assert tell(attempt, "failed").result == "ignored"
    assert tell(attempt, "pending").result == "ignored"
    assert standing(order) == ("paid", Decimal(120))


# --- what does not fit


def test_another_currency_is_held_for_review(order, attempt):
    assert tell(attempt, currency="PLN").result == "review"
    attempt.refresh_from_db()
    assert attempt.state == "review"
    assert standing(order) == ("open", Decimal(0))
    assert flagged(order) == ["payments.needs_review"]
    assert m.ProviderEvent.objects.get().processed_at == START


def test_money_in_order_takes_an_attempt_out_of_review(order, attempt):
    tell(attempt, currency="PLN")
    assert tell(attempt, "failed").result == "ignored"
    assert tell(attempt, id="evt_right").result == "applied"
    assert standing(order) == ("paid", Decimal(120))


def test_a_test_payment_is_no_money_at_a_live_provider(providers):
    providers(live={**SANDBOX, "class": "tests.payments.systems.Live"})
    attempt = new_attempt(method="live")
    order = attempt.payment.order
    assert tell(attempt, "pending").result == "ignored"
    assert tell(attempt).result == "review"
    assert standing(order) == ("open", Decimal(0))
    assert tell(attempt, id="evt_live", live=True).result == "applied"


def test_live_money_at_a_test_provider_is_for_a_person(order, attempt):
    assert tell(attempt, live=True).result == "review"
    assert flagged(order) == ["payments.needs_review"]


@pytest.mark.parametrize("amount", [None, 0, -100])
def test_confirmed_without_money_is_held(order, attempt, amount):
    assert tell(attempt, amount=amount).result == "review"
    assert standing(order) == ("open", Decimal(0))


def test_too_little_is_booked_and_flagged(order, attempt):
    """A correctly signed *paid* for a cent must not open a course of 120."""
    assert tell(attempt, amount=1).result == "applied"
    assert standing(order) == ("partly_paid", Decimal("0.01"))
    assert flagged(order) == ["payments.other_amount"]


def test_too_much_is_booked_and_flagged(order, attempt):
    tell(attempt, amount=12100)
    assert standing(order) == ("paid", Decimal(121))
    assert set(flagged(order)) == {"payments.other_amount", "order.too_much_money"}


def test_two_attempts_paid_are_both_booked(order, attempt):
    other = new_attempt(order)
    tell(attempt)
    tell(other, now=after(minutes=1))
    assert standing(order) == ("paid", Decimal(240))
    assert flagged(order) == ["order.too_much_money"]


def test_one_attempt_paid_twice_is_booked_twice(order, attempt):
    tell(attempt)
    assert tell(attempt, id="evt_2", payment="SBX-SECOND").result == "applied"
    assert standing(order) == ("paid", Decimal(240))
    assert set(flagged(order)) == {"payments.twice", "order.too_much_money"}
    assert tell(attempt, id="evt_3", payment="SBX-SECOND").result == "ignored"
    assert standing(order) == ("paid", Decimal(240))


def test_another_sum_for_money_that_is_booked_changes_nothing_and_is_seen(order, attempt):
    tell(attempt)
    assert tell(attempt, id="evt_2", amount=5000).result == "ignored"
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == ["payments.says_other_amount"]


def test_a_reference_of_somebody_elses_attempt_is_held(order, attempt):
    theirs = new_attempt()
    assert tell(attempt, payment=theirs.reference).result == "review"
    assert standing(order) == ("open", Decimal(0))
    tell(theirs)
    assert standing(theirs.payment.order) == ("paid", Decimal(120))


def test_money_that_staff_booked_already_is_not_booked_again(order, attempt):
    ledger.record_payment(
        order=order, amount=Decimal(120), method="sandbox", reference=attempt.reference, now=after(minutes=1)
    )
    assert tell(attempt, now=after(minutes=2)).result == "ignored"
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == []


def test_a_changed_reference_is_still_money(order, attempt):
    assert tell(attempt, payment="SBX-CHANGED").result == "applied"
    attempt.refresh_from_db()
    assert attempt.reference == "SBX-CHANGED"
    assert standing(order) == ("paid", Decimal(120))


def test_the_reference_finds_the_attempt_where_the_token_does_not_come_back(order, attempt):
    assert tell(attempt, token="").result == "applied"
    assert standing(order) == ("paid", Decimal(120))


# --- late for orders that ended


def test_late_money_for_a_superseded_order_is_honoured():
    contact, offer, coupon = make_contact(), make_offer(amount="100.00"), make_coupon()
    old = order_for(contact, offer, coupon=coupon)
    attempt = new_attempt(old)
    tell(attempt, "pending")
    new = order_for(contact, offer, now=after(minutes=10))
    tell(attempt, "confirmed", now=after(minutes=20))
    assert standing(old) == ("paid", Decimal(85))
    assert standing(new) == ("cancelled", Decimal(0))
    assert flagged(old) == ["order.late_money"]
    old.refresh_from_db()
    assert old.coupon_use.state == "redeemed"


def test_late_money_for_an_expired_order_is_honoured_at_the_old_price(order, attempt):
    transitions.expire(order, now=order.expires_at)
    tell(attempt, now=after(days=20))
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == ["order.late_money"]


def test_double_payment_over_two_orders_of_a_purchase_is_seen():
    contact, offer = make_contact(), make_offer()
    old = order_for(contact, offer)
    first = new_attempt(old)
    new = order_for(contact, offer, now=after(minutes=1))
    second = new_attempt(new, now=after(minutes=2))
    tell(second, now=after(minutes=3))
    tell(first, now=after(minutes=4))
    assert standing(new) == ("paid", Decimal(120))
    assert standing(old) == ("paid", Decimal(120))
    assert "order.paid_twice" in flagged(old)


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b'{"a":"\x00"}'])
def test_any_bytes_can_be_stored(attempt, body):
    provider = registry.get("sandbox")
    (told,) = provider.verify(signed(attempt, "failed"))
    odd = dataclasses.replace(told, raw={"odd": "a\x00b", "when": START})
    (outcome,) = provider_events.take(provider, [odd], body=body, now=START)
    outcome.event.refresh_from_db()
    assert outcome.event.body.startswith("base64:")
    assert outcome.event.meaning["raw"]["odd"] == "ab"


def test_an_instant_of_its_own_comes_with_the_request(attempt):
    request = signed(attempt, now=after(hours=1))
    timeless = WebhookRequest("POST", request.body, request.headers)
    with pytest.raises(BadSignature):
        provider_events.receive("sandbox", timeless, START)
    assert provider_events.receive("sandbox", request)[0].event.received_at == after(hours=1)
    assert provider_events.receive("sandbox", timeless, after(hours=1))[0].repeated, (
        "read whole, at the caller's instant"
    )


def test_what_is_asked_for_and_comes_without_id_or_body_is_told_apart_by_its_words(attempt):
    provider = registry.get("sandbox")
    (told,) = provider.verify(signed(attempt, "pending"))
    pending = dataclasses.replace(told, event_id="")
    paid = dataclasses.replace(pending, outcome="confirmed", amount=Money(attempt.amount, attempt.currency))
    outcomes = [provider_events.take(provider, [each], now=START)[0] for each in (pending, paid, paid)]
    assert [(each.result, each.repeated) for each in outcomes] == [
        ("applied", False), ("applied", False), ("applied", True),
    ]  # fmt: skip
    assert [each.event.body for each in outcomes] == ["", "", ""]
    assert {each.event.processed_at for each in outcomes} == {START}
    assert standing(attempt.payment.order) == ("paid", Decimal(120))


def test_a_webhook_costs_the_same_however_often_somebody_tried_to_pay(django_assert_num_queries):
    """The whole leg, up through the table of reactions and down again."""

    def attempt_after(tries: int) -> m.PaymentAttempt:
        order = new_order()
        return [new_attempt(order, now=after(seconds=number)) for number in range(tries)][-1]

    tell(attempt_after(1))  # whatever is compiled and cached once
    few, many = attempt_after(1), attempt_after(12)
    with CaptureQueriesContext(connection) as cost:
        tell(few)
    with django_assert_num_queries(len(cost)):
        tell(many)
    with django_assert_num_queries(3):  # a repetition: a savepoint, one look at the row, and the end of the savepoint
        tell(many)


def test_the_rooms_own_share_of_a_webhook(attempt, monkeypatch, django_assert_max_num_queries):
    """Two of them are the ledger's own: the movement of money, and the part that it fills."""
    monkeypatch.setattr(events, "_handlers", defaultdict(list))
    with django_assert_max_num_queries(34):
        tell(attempt)


def test_a_partial_payment_by_hand_and_the_rest_by_gateway(order):
    books_receive(order, "20.00", now=START, reference="bank-1")
    attempt = new_attempt(order, now=after(minutes=1))
    tell(attempt, now=after(minutes=2))
    assert standing(order) == ("paid", Decimal(120))
    assert flagged(order) == []
