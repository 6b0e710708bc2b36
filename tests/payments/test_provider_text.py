"""Texts of a provider that no database takes as they are: the character zero, halves of a character, too many letters."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.payments import bank
from tests.payments.shop import new_attempt, new_order, standing, tell
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import attempts, event_store, ledger, provider_events, provider_text, refunds
from wagtail_kwiga.payments.provider import (
    Form,
    Redirect,
    RefundDone,
    RefundFailed,
    RefundSent,
    Rejected,
    ReportedEvent,
)
from wagtail_kwiga.payments.statuses import FailureCode, Outcome

pytestmark = pytest.mark.django_db

HALF, ZERO = "\ud83d", "\x00"
ODD = pytest.mark.parametrize("odd", [HALF, ZERO, "r" * 300], ids=["half", "zero", "long"])


def storable(text: str) -> bool:
    return ZERO not in text and text.encode() == text.encode("utf-8", "surrogatepass") and len(text) <= 200


@pytest.fixture
def order():
    return new_order()


@pytest.fixture
def attempt(order):
    return new_attempt(order)


@ODD
@pytest.mark.parametrize("name", ["id", "payment", "channel"])
def test_money_is_booked_whatever_the_characters_of_a_handle(order, attempt, name, odd):
    for _time in range(2):
        outcome = tell(attempt, **{name: f"a{odd}b"})
    assert (standing(order)[0], outcome.repeated, m.ProviderEvent.objects.count()) == ("paid", True, 1)
    attempt.refresh_from_db()
    stored = m.ProviderEvent.objects.get()
    assert all(storable(text) for text in (stored.event_id, attempt.reference, attempt.channel))


def test_two_handles_stay_two(order, attempt):
    """Cleaned, each of them would be the same words: an event would be taken for one that was told before."""
    handles = [f"evt_{odd}" for odd in ("", ZERO, ZERO * 2, HALF, HALF * 2, "\ud83c", "\ufffd")]
    for handle in handles:
        assert not tell(attempt, "pending", id=handle).repeated
    assert m.ProviderEvent.objects.count() == len(handles)


def test_the_characters_alone_do_not_make_a_handle_another_one():
    for handle in ("", "evt_1", "straße 😀", "r" * 200):
        assert provider_text.handle(handle) == handle
    event = ReportedEvent(f"e{HALF}", "", f"r{ZERO}", Outcome.PENDING, None, True, channel=f"bl{ZERO}ik{HALF}")
    again = ReportedEvent(event.event_id, "", event.reference, Outcome.PENDING, None, True, channel=event.channel)
    assert again == event  # as it is read back from its row
    assert event.channel == "blik\ufffd"
    assert event_store.event_keys([event], b"") == [event.event_id]


@ODD
@pytest.mark.parametrize("kind", [RefundSent, RefundDone])
def test_an_answer_names_a_refund_as_its_event_will(kind, odd):
    event = ReportedEvent("e", "", "r", Outcome.CONFIRMED, None, True, kind="refund", refund_reference=f"re{odd}")
    assert kind(f"re{odd}").reference == event.refund_reference
    assert storable(event.refund_reference)


@ODD
def test_an_answer_names_a_payment_as_its_event_will(odd):
    event = ReportedEvent("e", "", f"pay{odd}", Outcome.CONFIRMED, None, True)
    assert Redirect("https://pay.example/", reference=f"pay{odd}").reference == event.reference
    assert Form("https://pay.example/", {}, reference=f"pay{odd}").reference == event.reference
    assert (Redirect("https://pay.example/", reference=None).reference, RefundDone(7).reference) == ("", "7")


class Odd(bank.Bank):
    """Answers with texts that were cut in two."""

    def start(self, attempt, urls, now):
        return Redirect("https://pay.example/", reference=f"pay{ZERO}{HALF}", data={"name": [f"Ada{ZERO}", HALF]})

    def refund(self, refund, now):
        if refund.reason == "no":
            return RefundFailed(FailureCode.DECLINED, f"no{ZERO}{HALF}")
        return RefundDone(f"re{ZERO}{HALF}")


@pytest.fixture
def odd_bank(providers, tmp_path):
    providers(bank={"class": f"{__name__}.Odd", "folder": str(tmp_path)})


def test_an_attempt_begins_and_is_given_back(odd_bank, order):
    started = attempts.start(order, method="bank", now=START).attempt
    started.refresh_from_db()
    assert (storable(started.reference), started.data) == (True, {"name": ["Ada", "\ufffd"]})
    ledger.record_payment(order=order, amount=order.total, method="bank", reference="r", attempt=started, now=START)
    failed = refunds.send(refunds.request(order=order, amount=20, reason="no", now=after(hours=1)), after(hours=1))
    assert (failed.state, failed.failure_message) == ("failed", "no\ufffd")
    done = refunds.send(refunds.request(order=order, amount=20, now=after(hours=2)), after(hours=2))
    assert (done.state, storable(done.reference)) == ("done", True)


def test_why_an_event_was_not_confirmed_or_not_processed(order, attempt, monkeypatch):
    provider = provider_events.registry.get("sandbox")
    row = m.ProviderEvent.objects.create(
        method="sandbox",
        event_id="e",
        received_at=START,
        meaning=provider_events.to_json(ReportedEvent("e", attempt.token, "", Outcome.PENDING, None, False)),
    )

    def breaks(*args, **kwargs):
        raise RuntimeError(f"cut {HALF}{ZERO}")

    monkeypatch.setattr(provider_events.applying, "apply", breaks)
    with pytest.raises(RuntimeError):
        provider_events.process(provider, row, now=START)
    row.refresh_from_db()
    assert (row.result, row.detail) == ("failed", "RuntimeError: cut \ufffd")
    assert row.next_try_at is not None and row.next_try_at > START
    rejected = Rejected(f"no {HALF}{ZERO}")
    provider_events.process(provider, row, now=START + dt.timedelta(hours=1), rejected=rejected.message)
    row.refresh_from_db()
    assert (row.result, row.detail) == ("review", "Needs review: the provider did not confirm it: no \ufffd.")
