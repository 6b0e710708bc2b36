"""What a provider tells beside payments: refunds, disputes, mandates; why a payment failed; several things in one body."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import translation

from tests import sessions
from tests.payments.shop import codes, flagged, new_attempt, new_order, standing, tell, told
from tests.payments.test_providers import SANDBOX
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import BadSignature
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments import attempts, event_store, ledger, provider_events, refunds, registry
from wagtail_kwiga.payments.labels import FAILURE_LABELS
from wagtail_kwiga.payments.provider import CONFIRMED, EventKind, FailureCode, Outcome, ReportedEvent
from wagtail_kwiga.payments.serialization import from_json, to_json
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return new_order(amount="120.00")


@pytest.fixture
def attempt(order):
    return new_attempt(order)


def tell_refund(attempt, outcome="confirmed", *, amount=12000, reference="SBR-1", now=after(minutes=5), **given):
    given.setdefault("id", f"evt_refund_{reference}_{outcome}")
    return tell(attempt, outcome, kind="refund", amount=amount, refund=reference, now=now, **given)


def tell_dispute(attempt, outcome="confirmed", *, amount=12000, now=after(minutes=5), **given):
    given.setdefault("id", f"evt_dispute_{outcome}")
    return tell(attempt, outcome, kind="dispute", amount=amount, dispute="DP-1", now=now, **given)


# --- refunds and disputes that speak of another sum -------------------------------------------------------------------


def test_another_sum_for_what_was_booked_is_told_and_changes_nothing(order, attempt):
    tell(attempt)
    for told_by, booked in ((tell_dispute, "charged_back"), (tell_refund, "")):
        told_by(attempt, amount=3000)
        before = (standing(order), flagged(order))
        told_by(attempt, amount=3000, id=f"evt_repeated_{booked}")
        assert (standing(order), flagged(order)) == before
        told_by(attempt, amount=5000, id=f"evt_other_{booked}")
        assert (standing(order), flagged(order)) == (before[0], [*before[1], "payments.says_other_amount"])
    assert sorted(m.Transaction.objects.values_list("amount", flat=True)) == [-30, -30, 120]


# --- refunds ----------------------------------------------------------------------------------------------------------


def test_a_refund_made_in_the_providers_panel_is_booked(order, attempt):
    tell(attempt)
    assert tell_refund(attempt).result == "applied"
    assert standing(order) == ("refunded", Decimal(0))
    refund = m.Refund.objects.get()
    assert (refund.state, refund.reference, refund.amount) == ("done", "SBR-1", Decimal(120))
    assert tell_refund(attempt, id="evt_again").result == "applied"  # told under another name: booked once
    assert m.Refund.objects.count() == 1
    assert m.ProviderEvent.objects.filter(kind="refund", attempt=attempt).count() == 2


def test_a_part_refund_and_its_ways(order, attempt):
    tell(attempt)
    tell_refund(attempt, "pending", amount=2000)
    assert standing(order) == ("paid", Decimal(120))
    tell_refund(attempt, amount=2000)
    assert standing(order) == ("paid", Decimal(100))
    assert m.Refund.objects.get().state == "done"


def test_a_refund_of_ours_is_found_by_its_token_and_may_fail_without_a_sum(order, attempt):
    tell(attempt)
    attempt.refresh_from_db()
    refund = refunds.request(order=order, attempt=attempt, amount=Decimal(20), now=after(minutes=2))
    outcome = tell_refund(attempt, "failed", amount=None, reference="SBR-2", refund_token=refund.token)
    assert outcome.result == "applied"
    refund.refresh_from_db()
    assert (refund.state, refund.reference) == ("failed", "SBR-2")
    assert standing(order) == ("paid", Decimal(120))


def test_news_of_a_refund_that_overtakes_the_payment_waits_for_it(order, attempt):
    early = tell_refund(attempt, now=START)
    assert (early.result, early.event.processed_at, early.event.next_try_at) == ("unknown", None, after(minutes=1))
    assert standing(order) == ("open", Decimal(0))
    tell(attempt, now=after(seconds=30))
    assert provider_events.settle_stored(after(minutes=1)) == 1
    assert standing(order) == ("refunded", Decimal(0))


def test_a_refund_of_a_payment_that_never_came_reaches_a_person(order, attempt):
    stored = tell_refund(attempt, now=START).event
    provider_events.settle_stored(after(minutes=61))
    stored.refresh_from_db()
    assert (stored.result, stored.attempt_id) == ("unknown", attempt.pk)
    assert flagged(stored) == ["payments.unknown_money"]
    assert standing(order) == ("open", Decimal(0))


@pytest.mark.parametrize("odd", [{"currency": "PLN"}, {"amount": 0}, {"amount": None}, {"live": True}], ids=str)
def test_a_refund_that_cannot_be_is_for_a_person(order, attempt, odd):
    tell(attempt)
    assert tell_refund(attempt, **odd).result == "review"
    assert flagged(order) == ["payments.needs_review"]
    attempt.refresh_from_db()
    assert (attempt.state, standing(order)) == ("confirmed", ("paid", Decimal(120)))


# --- disputes ---------------------------------------------------------------------------------------------------------


def test_a_dispute_is_told_then_takes_the_money_then_may_be_won(order, attempt):
    tell(attempt)
    assert tell_dispute(attempt, "pending").result == "applied"
    assert (standing(order), flagged(order)) == (("paid", Decimal(120)), ["payments.dispute_opened"])
    assert tell_dispute(attempt).result == "applied"
    assert standing(order)[1] == 0
    assert tell_dispute(attempt, id="evt_again").result == "applied"
    assert m.Transaction.objects.filter(kind="chargeback").count() == 1
    assert tell_dispute(attempt, "failed").result == "applied"
    assert standing(order) == ("paid", Decimal(120))
    assert m.Transaction.objects.get(kind="chargeback_reversed").reference == "DP-1"


@pytest.mark.parametrize("odd", [{"currency": "PLN"}, {"amount": 0}, {"amount": None}], ids=str)
def test_a_dispute_that_cannot_be_is_for_a_person(order, attempt, odd):
    tell(attempt)
    assert tell_dispute(attempt, **odd).result == "review"
    assert standing(order) == ("paid", Decimal(120))


def test_a_dispute_of_a_payment_that_has_not_come_waits(attempt):
    assert tell_dispute(attempt, now=START).result == "unknown"


# --- mandates ---------------------------------------------------------------------------------------------------------


def test_a_mandate_is_remembered_and_moves_nothing(order, attempt):
    outcome = tell(attempt, kind="mandate", amount=None)
    assert (outcome.result, outcome.event.kind, outcome.event.attempt_id) == ("ignored", "mandate", attempt.pk)
    assert "nothing acts on them" in outcome.event.detail
    attempt.refresh_from_db()
    assert (attempt.state, standing(order)) == ("started", ("open", Decimal(0)))


# --- what steers a decision is a column --------------------------------------------------------------------------------


def test_why_it_failed_is_kept_in_our_words_until_something_else_is_true(attempt):
    tell(attempt, "failed", failure="expired_card", reason="05 do not honour")
    attempt.refresh_from_db()
    assert (attempt.failure_code, attempt.failure_message) == ("expired_card", "05 do not honour")
    assert attempt.get_failure_code_display() == "the card has expired"
    tell(attempt, "pending", now=after(minutes=1))
    attempt.refresh_from_db()
    assert (attempt.state, attempt.failure_code, attempt.failure_message) == ("pending", "", "")
    tell(attempt, "failed", id="evt_2")
    attempt.refresh_from_db()
    assert attempt.failure_code == "unknown"
    tell(attempt)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.failure_code) == ("confirmed", "")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"failure": "insufficient_funds"}, "came to nothing: not enough money in the account. 51 no cover"),
        ({}, "came to nothing: reason not known. 51 no cover"),
    ],
)
def test_the_timeline_tells_in_words_why_it_failed(order, attempt, said, words):
    tell(attempt, "failed", reason="51 no cover", **said)
    (entry,) = writing.timeline(order).filter(code="payments.failed")
    assert writing.sentence(entry).endswith(words)


def test_the_timeline_tells_it_in_the_language_of_the_reader(order, attempt):
    tell(attempt, "failed", failure="expired_card")
    entry = writing.timeline(order).get(code="payments.failed")
    with translation.override("de"):
        assert str(FAILURE_LABELS[FailureCode.EXPIRED_CARD]) in writing.sentence(entry)
        assert "expired_card" not in writing.sentence(entry)


def test_the_channel_is_kept(attempt):
    tell(attempt, "pending", channel="card")
    attempt.refresh_from_db()
    assert attempt.channel == "card"
    tell(attempt, channel="blik")
    attempt.refresh_from_db()
    assert (attempt.state, attempt.channel) == ("confirmed", "blik")


def test_where_an_attempt_comes_from_and_whether_it_is_real(order, providers):
    sandbox = new_attempt(order)
    assert (sandbox.origin, sandbox.is_live, sandbox.payer_is_known) == ("pay_page", False, True)
    provider = registry.get("sandbox")
    assert attempts.prepare(new_order(), provider, now=START).origin == "checkout"
    by_hand = ledger.record_payment(order=new_order(), amount=Decimal(5), method="cash", now=START).attempt
    assert (by_hand.origin, by_hand.is_live) == ("recorded", True)
    assert not attempts.start(order, method="sandbox", now=START, payer_is_known=False).attempt.payer_is_known
    providers(live={**SANDBOX, "class": "tests.payments.systems.Live"})
    assert new_attempt(method="live").is_live


def test_a_provider_that_changes_its_mode_books_real_money_and_no_test_money(providers):
    """Whoever paid really is paid; whoever was asked for test money gets no course when the shop goes live."""
    live, test = {**SANDBOX, "class": "tests.payments.systems.Live"}, SANDBOX
    providers(card=live)
    real = new_attempt(method="card")
    providers(card=test)
    play = new_attempt(method="card")
    assert tell(real, live=True).result == "applied"
    providers(card=live)
    assert tell(play, live=False).result == "review"
    assert standing(real.payment.order)[0] == "paid"
    assert standing(play.payment.order)[0] == "open"


# --- several things in one body ----------------------------------------------------------------------------------------


def post_together(*events):
    return provider_events.receive("sandbox", registry.get("sandbox").signed({"events": list(events)}, START), START)


def test_events_of_one_body_are_remembered_and_applied_each(order, attempt):
    other = new_attempt()
    results = post_together(told(attempt), told(other), told(attempt, "pending"))
    assert [outcome.result for outcome in results] == ["applied", "applied", "ignored"]
    rows = m.ProviderEvent.objects.order_by("position")
    assert [row.position for row in rows] == [0, 1, 2]
    assert [bool(row.body) for row in rows] == [bool(row.headers) for row in rows] == [True, False, False]
    assert [outcome.repeated for outcome in post_together(told(attempt), told(other))] == [True, True]
    assert m.ProviderEvent.objects.count() == 3


def test_one_that_cannot_be_applied_holds_up_no_other(attempt, monkeypatch):
    other = new_attempt()
    real = transitions.apply_totals

    def fails_for_the_first(order, *given, **named):
        if order.pk == attempt.payment.order_id:
            raise RuntimeError("power cut")
        return real(order, *given, **named)

    monkeypatch.setattr("wagtail_kwiga.orders.transitions.apply_totals", fails_for_the_first)
    assert [outcome.result for outcome in post_together(told(attempt), told(other))] == ["failed", "applied"]


def test_events_that_bear_one_id_are_told_apart(attempt):
    other = new_attempt()
    post_together(told(attempt, id="same"), told(other, id="same"))
    assert set(m.ProviderEvent.objects.values_list("event_id", flat=True)) == {"same", "same#1"}
    assert standing(other.payment.order)[0] == "paid"


def test_a_long_body_is_not_applied_as_a_whole_in_one_request(attempt, monkeypatch):
    monkeypatch.setattr(provider_events, "AT_ONCE", 2)
    several = [new_attempt() for _ in range(3)]
    results = post_together(*[told(each) for each in several])
    assert [outcome.result for outcome in results] == ["applied", "applied", "received"]
    assert provider_events.settle_stored(after(minutes=1)) == 1
    assert {standing(each.payment.order)[0] for each in several} == {"paid"}


def test_a_body_that_says_nothing_of_ours_leaves_nothing(client, attempt):
    request = registry.get("sandbox").signed({"events": []}, START)
    assert provider_events.receive("sandbox", request, START) == ()
    assert not m.ProviderEvent.objects.exists()


def test_one_broken_event_refuses_the_whole_body(attempt):
    with pytest.raises(BadSignature):
        post_together(told(attempt), told(attempt, outcome="maybe"))
    assert not m.ProviderEvent.objects.exists()


# --- keys and words ---------------------------------------------------------------------------------------------------


def event(**given) -> ReportedEvent:
    return ReportedEvent(
        **{
            "event_id": "", "attempt_token": "t", "reference": "r", "outcome": CONFIRMED, "amount": Money(5, "EUR"),
            "live": True, **given,
        }
    )  # fmt: skip


def test_keys_without_ids_are_the_body_and_the_position():
    first, second, other = (
        event_store.event_keys([event()] * count, body) for count, body in ((1, b"a"), (3, b"a"), (1, b"b"))
    )
    assert second[0] == first[0] and second[1:] == [f"{first[0]}#1", f"{first[0]}#2"]
    assert other != first
    assert event_store.event_keys([event()], b"") != event_store.event_keys([event(outcome="failed")], b"")
    assert max(map(len, event_store.event_keys([event(event_id="e" * 500)] * 2, b""))) == 64


def test_an_event_survives_being_kept():
    whole = event(
        event_id="e", kind="refund", outcome="failed", failure_code="declined", failure_message="no", refund_token="x",
        refund_reference="y", dispute_reference="z", channel="card", external_ids={"a": "1"}, raw={"b": [2]},
    )  # fmt: skip
    assert from_json(to_json(whole)) == whole
    assert (whole.kind, whole.failure_code) == (EventKind.REFUND, FailureCode.DECLINED)
    assert from_json(to_json(event(amount=None, kind="mandate"))).amount is None


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("\x00Ada", "Ada"),
        (r"\u0000", r"\u0000"),  # a buyer has typed these six letters
        (r"C:\\u0000", r"C:\\u0000"),
        ("Ada \ud83d", "Ada \ufffd"),  # a gateway has cut an emoji in two
        ("Ada 😀", "Ada 😀"),
    ],
)
def test_no_text_of_a_buyer_keeps_an_event_from_being_kept(told, kept):
    """What cannot be kept is answered with an error each time it is repeated: money that is never booked."""
    whole = event(failure_message=told, raw={"name": [told], told: 1})
    row = m.ProviderEvent.objects.create(method="sandbox", event_id="e", received_at=START, meaning=to_json(whole))
    again = from_json(m.ProviderEvent.objects.get(pk=row.pk).meaning)
    assert (again.failure_message, again.raw) == (kept, {"name": [kept], kept: 1})


@pytest.mark.parametrize(
    "odd",
    [{"kind": "gift"}, {"outcome": "maybe"}, {"failure_code": "bad luck"}, {"refund_token": 7}, {"channel": 7}],
    ids=str,
)
def test_words_that_are_none_of_ours_are_refused(odd):
    with pytest.raises(ValueError):
        event(**odd)


def test_a_missing_handle_is_an_empty_one_and_a_long_one_its_hash():
    assert (event(refund_reference=None).refund_reference, event(reference=None).reference) == ("", "")
    assert len(event(refund_reference="r" * 300).refund_reference) == 64
    assert {str(outcome) for outcome in Outcome} == {"confirmed", "pending", "failed"}


# --- a webhook does not wait for long ---------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_webhook_for_a_locked_order_is_left_to_the_worker(attempt, monkeypatch):
    """Somebody works on the order: the provider is answered all the same, and nothing counts as a failure."""
    monkeypatch.setattr(provider_events, "PATIENCE", after(seconds=0.2) - START)
    enqueued = []
    monkeypatch.setattr("wagtail_kwiga.background.enqueue", lambda task, *ids: enqueued.append((task, *ids)))
    with sessions.meanwhile() as begin, transaction.atomic(), connection.cursor():
        transitions.lock(attempt.payment.order)
        outcome = begin(lambda: tell(attempt)).result(timeout=20)
    assert (outcome.result, m.ProviderEvent.objects.get().result) == ("received", "received")
    assert enqueued == [("settle_provider_event", outcome.event.pk)]
    assert codes(attempt.payment.order).count("payments.received") == 0
    assert provider_events.settle_stored(after(minutes=1)) == 1
    assert standing(attempt.payment.order)[0] == "paid"
