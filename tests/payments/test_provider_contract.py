"""The shipped providers hold the contract that every site's own provider is tried by."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.payments.shop import bank_data
from wagtail_kwiga.payments.minor_units import to_minor
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.payments.provider import CONFIRMED, FAILED
from wagtail_kwiga.payments.providers.sandbox import SIGNATURE, TOLERANCE, SandboxProvider
from wagtail_kwiga.payments.providers.transfer import TransferProvider
from wagtail_kwiga.payments.statuses import EventKind
from wagtail_kwiga.testing import Message, ProviderContract


def said(message: Message) -> dict:
    """A message in the sandbox gateway's words."""
    money = message.kind != EventKind.PAYMENT or message.outcome == CONFIRMED
    return {
        "id": f"evt_{message.token}_{message.kind}_{message.outcome}_{message.number}",
        "token": message.token,
        "payment": message.reference,
        "kind": message.kind,
        "outcome": message.outcome,
        "amount": to_minor(message.amount) if money else None,
        "currency": message.amount.currency,
        "live": message.live,
        "failure": "declined" if message.outcome == FAILED else "unknown",
        "refund": message.refund_reference,
        "refund_token": message.refund_token,
        "dispute": message.dispute_reference,
    }


class TestSandbox(ProviderContract):
    provider_class = SandboxProvider
    signature_headers = (SIGNATURE,)
    tolerance = TOLERANCE
    several_events = True
    kinds = frozenset({EventKind.PAYMENT, EventKind.REFUND, EventKind.DISPUTE})

    @pytest.fixture
    def options(self):
        return {"enabled": True, "secret": "a-secret-of-the-sandbox"}

    def webhook(self, provider, messages, now):
        told = [said(message) for message in messages]
        return provider.signed(told[0] if len(told) == 1 else {"events": told}, now)

    @contextmanager
    def gateway_knows(self, message):
        attempt = PaymentAttempt.objects.get(token=message.token)
        provider = SandboxProvider("contract", {"enabled": True, "secret": "a-secret-of-the-sandbox"})
        provider.choose(attempt, "success", attempt.started_at)
        yield


class TestTransfer(ProviderContract):
    provider_class = TransferProvider

    @pytest.fixture(autouse=True)
    def _bank(self, db):
        bank_data()
