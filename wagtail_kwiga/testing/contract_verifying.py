"""The contract: what a provider claims, and how it tells a true webhook from a forged one."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.views.debug import SafeExceptionReporterFilter

from wagtail_kwiga.exceptions import BadSignature
from wagtail_kwiga.models import PaymentAttempt
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.payments import event_store
from wagtail_kwiga.payments.provider import (
    CONFIRMED,
    Form,
    Instructions,
    NextAction,
    Provider,
    Redirect,
    ReportedEvent,
    WebhookRequest,
)
from wagtail_kwiga.payments.serialization import to_json
from wagtail_kwiga.testing.contract_base import ContractBase, needs
from wagtail_kwiga.testing.gateways import offline


class VerifyingContract(ContractBase):
    """Claims, the hand-over, and ``verify``."""

    def test_what_it_can_do_is_what_it_has_written(self) -> None:
        """A capability without its method does nothing, a method without its capability is never called."""
        kind = self.provider_class
        pairs = {
            "can_fetch": "fetch",
            "needs_confirm": "confirm",
            "can_refund": "refund",
            "can_fetch_refund": "fetch_refund",
        }
        said = {flag: bool(getattr(kind, flag)) for flag in pairs}
        assert said == {flag: getattr(kind, name) is not getattr(Provider, name) for flag, name in pairs.items()}
        assert kind.can_refund or not (kind.refund_is_idempotent or kind.can_fetch_refund)
        listens = kind.verify is not Provider.verify
        assert listens or not kind.needs_confirm
        assert listens or kind.can_fetch or kind.kind != PaymentKind.ONLINE, "nobody would ever hear of the money"

    def test_a_buyer_is_sent_to_a_web_page_or_told_what_to_do(self, provider: Provider, now: dt.datetime) -> None:
        action = self.started(provider, now).next_action
        assert isinstance(action, Redirect | Form | Instructions)
        if isinstance(action, Form):
            assert all(isinstance(value, str) for value in action.fields.values())

    def test_every_start_is_told_by_another_token(self, provider: Provider, now: dt.datetime) -> None:
        first, second = (self.started(provider, now) for _ in range(2))
        assert _destination(first.next_action) != _destination(second.next_action)
        assert not first.attempt.reference or first.attempt.reference != second.attempt.reference

    def test_it_hides_its_secrets(self, provider: Provider, now: dt.datetime, caplog: pytest.LogCaptureFixture) -> None:
        """Neither what is printed of it nor what is logged on the way has a secret option in it."""
        hidden = SafeExceptionReporterFilter.hidden_settings
        secrets = [str(value) for key, value in provider.options.items() if hidden.search(key) and value]
        with caplog.at_level(logging.DEBUG):
            started = self.started(provider, now)
            told = [repr(provider), repr(started)]
            if self.provider_class.verify is not Provider.verify:
                message = self.message(provider, started.attempt)
                request = self.webhook(provider, [message], now)
                told += [repr(request), repr(provider.verify(request))]
                secrets += [request.header(name) for name in self.signature_headers]
                self.tell(provider, message, now=now)
        told.append(caplog.text)
        assert [secret for secret in secrets if any(secret in text for text in told)] == []

    @needs("webhooks")
    def test_a_webhook_is_read(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        message = self.message(provider, attempt)
        (event,) = provider.verify(self.webhook(provider, [message], now))
        assert event.attempt_token == attempt.token or event.reference == message.reference
        assert event.outcome == CONFIRMED or provider.needs_confirm
        assert event.amount == message.amount or provider.needs_confirm

    @needs("webhooks")
    def test_a_signature_holds_for_every_byte(
        self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime
    ) -> None:
        """Whatever is changed is refused, or changes nothing of what is said (a space between the words, say)."""
        good = self.webhook(provider, [self.message(provider, attempt)], now)
        meant = _meant(provider.verify(good))
        forged = [replace(good, body=body) for body in _altered(good.body)] + [replace(good, body=b"")]
        for name in self.signature_headers:
            forged += [
                _with_header(good, name, text.decode("latin-1")) for text in _altered(good.header(name).encode())
            ]
            forged += [_with_header(good, name, None), _with_header(good, name, "")]
        for request in forged:
            try:
                assert _meant(provider.verify(request)) == meant, request.body
            except BadSignature:
                continue
        without = [replace(good, body=b"")] + [_with_header(good, name, None) for name in self.signature_headers]
        for request in without:
            with pytest.raises(BadSignature):
                provider.verify(request)

    @needs("a signed time")
    def test_a_signature_grows_old(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        good = self.webhook(provider, [self.message(provider, attempt)], now)
        assert self.tolerance is not None
        for at in (now + self.tolerance + dt.timedelta(seconds=1), now - self.tolerance - dt.timedelta(seconds=1)):
            with pytest.raises(BadSignature):
                provider.verify(replace(good, at=at))

    @needs("webhooks")
    def test_verifying_asks_nobody(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        """Not the database, not the network; and what is said is the same each time."""
        request = self.webhook(provider, [self.message(provider, attempt)], now)
        with CaptureQueriesContext(connection) as asked, offline():
            first, second = (provider.verify(request) for _ in range(2))
        assert len(asked) == 0, asked.captured_queries
        assert _meant(first) == _meant(second)

    @needs("webhooks")
    def test_events_are_told_apart(self, provider: Provider, attempt: PaymentAttempt, now: dt.datetime) -> None:
        """Two outcomes of one payment are two events; the same body is the same event."""
        told = [self.message(provider, attempt, outcome=outcome) for outcome in sorted(self.outcomes)]
        bodies = [self.webhook(provider, [message], now) for message in told]
        keys = [event_store.event_keys(provider.verify(request), request.body) for request in bodies]
        assert keys == [event_store.event_keys(provider.verify(request), request.body) for request in bodies]
        assert len({key for found in keys for key in found}) == len(told)


def _destination(action: NextAction) -> object:
    """Where a buyer goes, without what is only remembered."""
    if isinstance(action, Redirect):
        return action.url
    return (action.action, action.fields) if isinstance(action, Form) else action


def _meant(events: Sequence[ReportedEvent]) -> list[dict[str, Any]]:
    """What is said, without the provider's own words for it."""
    return [{**to_json(event), "raw": {}} for event in events]


def _altered(text: bytes) -> Iterator[bytes]:
    """``text`` with one byte changed, one left out at either end, and one added."""
    for place, byte in enumerate(text):
        yield text[:place] + bytes([byte ^ 1]) + text[place + 1 :]
    yield from (text[1:], text[:-1], text + b"0")


def _with_header(request: WebhookRequest, name: str, value: str | None) -> WebhookRequest:
    others = {key: given for key, given in request.headers.items() if key.lower() != name.lower()}
    return replace(request, headers=others if value is None else {**others, name: value})
