"""Harbour's adapter holds the contract of a payment provider."""

import json
from contextlib import contextmanager

import pytest

from tests.example.harbour import SECRET, Harbour
from tests.example.paying import HarbourProvider
from wagtail_kwiga.payments.minor_units import to_minor
from wagtail_kwiga.payments.provider import EventKind, WebhookRequest
from wagtail_kwiga.testing import ProviderContract

STATES = {"confirmed": "paid", "pending": "waiting", "failed": "declined"}


class TestHarbour(ProviderContract):
    provider_class = HarbourProvider
    signature_headers = ("Harbour-Signature",)
    kinds = frozenset({EventKind.PAYMENT, EventKind.REFUND})
    several_events = True

    @pytest.fixture
    def harbour(self):
        """Harbour's side, as a small server on this machine."""
        with Harbour() as bank:
            yield bank

    @pytest.fixture
    def options(self, harbour):
        self.bank = harbour
        return {"shop": "77", "secret": SECRET, "address": harbour.address}

    def webhook(self, provider, messages, now):
        """What the contract wants to be told, in Harbour's words and under its signature."""
        body = json.dumps({"events": [self.told(message) for message in messages]}).encode()
        return WebhookRequest("POST", body, {"Harbour-Signature": provider.sign(body)}, at=now)

    def told(self, message):
        state = "returned" if message.kind == EventKind.REFUND else STATES[message.outcome]
        return {
            "event": f"ev-{message.token}-{state}-{message.number}",
            "payment": message.token,
            "receipt": message.reference,
            "refund": message.refund_reference,
            "state": state,
            "amount": to_minor(message.amount),
            "currency": message.amount.currency,
            "mode": "live" if message.live else "test",
        }

    @contextmanager
    def gateway_knows(self, message):
        body = json.dumps({"events": [self.told(message)]}).encode()
        self.bank.payments[message.token] = body
        yield
