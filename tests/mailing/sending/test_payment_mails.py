"""What a buyer hears of a payment that is under way, or came to nothing."""

from __future__ import annotations

import pytest

from tests.mailing.making import settings_of_default_site
from tests.mailing.sending.test_order_mails import mail_about, parts, sent
from tests.payments.shop import new_attempt, new_order, tell
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.payments.labels import FAILURES_FOR_BUYERS
from wagtail_kwiga.payments.statuses import FailureCode

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


@pytest.fixture
def order():
    return new_order(language="en")


def failed(order, minutes=0.0, code="declined"):
    attempt = new_attempt(order, now=after(minutes=minutes))
    tell(attempt, "failed", now=after(minutes=minutes), failure=code)
    return attempt


def about_failures():
    return list(m.OutgoingEmail.objects.filter(key__startswith="payment_failed:").order_by("pk"))


def test_a_payment_under_way_is_told_when_it_has_not_come_in_two_minutes(smtp, order):
    tell(new_attempt(order), "pending")
    assert sent(smtp, after(seconds=119)) == []
    (message,) = sent(smtp, after(minutes=2))
    plain, _html = parts(message)
    assert "under way" in message["Subject"]
    assert "do not pay again" in plain
    assert message["List-Unsubscribe"] is None
    row = mail_about(order, "payment_waiting:")
    assert (row.purpose, row.kind) == ("order", "service")


def test_a_payment_that_came_in_a_moment_is_not_told_as_under_way(smtp, order):
    attempt = new_attempt(order)
    tell(attempt, "pending")
    tell(attempt, "confirmed", now=after(seconds=5))
    (message,) = sent(smtp, after(minutes=2))
    assert "receipt" in parts(message)[0]
    assert mail_about(order, "payment_waiting:").why == "paid"


def test_a_failed_payment_is_told_with_its_reason_and_the_way_to_pay_again(smtp, order):
    failed(order)
    (message,) = sent(smtp, after(minutes=2))
    plain, html = parts(message)
    for words in ("Your bank declined the payment.", "Pay again", order.title):
        assert words in plain
        assert words in html
    assert "/pay/" in plain


@pytest.mark.parametrize("code", list(FailureCode))
def test_every_reason_has_words_of_ours_or_none(code):
    assert code in FAILURES_FOR_BUYERS


def test_without_a_reason_the_mail_says_so(smtp, order):
    failed(order, code="unknown")
    (message,) = sent(smtp, after(minutes=2))
    assert "No reason was given." in parts(message)[0]


def test_several_failures_within_minutes_are_one_mail(smtp, order):
    for minutes in (0, 1, 14):
        failed(order, minutes)
    assert len(about_failures()) == 1
    sent(smtp, after(minutes=14))
    failed(order, 15.5)
    assert len(about_failures()) == 2


def test_the_same_failure_said_twice_is_one_mail(order):
    attempt = failed(order)
    tell(attempt, "failed", now=after(minutes=20), failure="declined", id="evt_again")
    assert len(about_failures()) == 1


def test_who_cancels_a_payment_is_not_told_so(order):
    failed(order, code="cancelled_by_buyer")
    assert m.PaymentAttempt.objects.get().failure_code == "cancelled_by_buyer"
    assert about_failures() == []


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (
            lambda order: tell(new_attempt(order, now=after(seconds=9)), "pending", now=after(seconds=9)),
            "payment_moved_on",
        ),
        (lambda order: tell(new_attempt(order, now=after(seconds=9)), "confirmed", now=after(seconds=9)), "paid"),
        (lambda order: transitions.cancel(order, now=after(seconds=9)), "order_over"),
    ],
    ids=["another under way", "paid after all", "cancelled"],
)
def test_a_failure_that_is_over_is_not_told(smtp, order, happens, why):
    failed(order)
    happens(order)
    delivery.deliver_due(after(minutes=2))
    (row,) = about_failures()
    assert (row.status, row.why) == ("cancelled", why)


def test_the_events_are_heard_though_their_mail_cannot_be_made(monkeypatch, order):
    from wagtail_kwiga.mailing.sending import order_mails

    def broken(*args, **kwargs):
        raise RuntimeError("no mail today")

    monkeypatch.setattr(order_mails, "payment_failed", broken)
    failed(order)
    assert m.PaymentAttempt.objects.get().state == "failed"
    assert m.TimelineEntry.objects.get(code="order.no_mail").needs_attention
