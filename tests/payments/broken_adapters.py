"""Adapters with a fault each, under the contract that must find it. Run by ``test_contract_finds``, not with the others."""

from __future__ import annotations

import dataclasses
import json
import logging
import secrets
import socket

import pytest
from django.contrib.contenttypes.models import ContentType

from tests.payments.test_confirm import TestVerifying as Verifying
from tests.payments.test_provider_contract import TestSandbox as Sandbox
from tests.payments.verification import Gateway, VerifyingProvider
from wagtail_kwiga.payments.provider import Confirmed, NotYet, RefundDone, Rejected
from wagtail_kwiga.payments.providers import sandbox
from wagtail_kwiga.payments.providers.sandbox import SandboxProvider
from wagtail_kwiga.pricing.money import Money

for _inherited in (Sandbox, Verifying):
    _inherited.__test__ = False


@pytest.fixture
def gateway():
    with Gateway() as running:
        yield running


def events(change):
    """A ``verify`` whose events are changed by ``change``."""

    def verify(self, request):
        return [dataclasses.replace(event, **change(event)) for event in SandboxProvider.verify(self, request)]

    return verify


def broken(provider: type, **faults):
    """The contract's class for ``provider`` with ``faults`` in place of what it does well."""
    base = Sandbox if issubclass(provider, SandboxProvider) else Verifying
    name = f"Broken{len(globals())}"
    adapter = type(name, (provider,), {**faults, "__module__": __name__})
    globals()[name] = adapter
    return type("Test", (base,), {"provider_class": adapter, "__test__": True, "__module__": __name__})


class Unsigned(SandboxProvider):
    def verify(self, request):
        return [sandbox._event(told) for told in (lambda body: body.get("events", [body]))(json.loads(request.body))]


class Forgetful(SandboxProvider):
    """Looks only at the beginning of a signature."""

    def _sign(self, stamp, body):
        return super()._sign(stamp, body[:20])


def asks_the_database(self, request):
    ContentType.objects.first()
    return SandboxProvider.verify(self, request)


def asks_the_network(self, request):
    socket.create_connection(("127.0.0.1", 9), timeout=1)
    return SandboxProvider.verify(self, request)


def takes_back(self, refund, now):
    return RefundDone(secrets.token_hex(4))


def knows_every_refund(self, refund, now):
    return RefundDone("R-1")


def talks(self, attempt, urls, now):
    logging.getLogger(__name__).warning("starting with %s", self.options)
    return SandboxProvider.start(self, attempt, urls, now)


def rejects_what_is_verified(self, event, attempt, now):
    answer = VerifyingProvider.ask(self, "/verify", json.dumps(dict(event.raw)).encode())
    return Confirmed() if answer[0] == 200 and answer[1]["status"] == "success" else Rejected("no")


def believes_anything(self, event, attempt, now):
    VerifyingProvider.confirm(self, event, attempt, now)
    return Confirmed()


def asks_at_once(self, request):
    self.ask("/payments/x")
    return VerifyingProvider.verify(self, request)


def never_ready(self, event, attempt, now):
    return NotYet()


TestNoSignature = broken(Unsigned)
TestHalfASignature = broken(Forgetful)
TestNoAge = broken(
    SandboxProvider, verify=lambda self, r: SandboxProvider.verify(self, dataclasses.replace(r, at=None))
)
TestDatabase = broken(SandboxProvider, verify=asks_the_database)
TestNetwork = broken(SandboxProvider, verify=asks_the_network)
TestOneId = broken(SandboxProvider, verify=events(lambda event: {"event_id": event.attempt_token}))
TestNoMode = broken(SandboxProvider, verify=events(lambda event: {"live": False}))
TestSumAsked = broken(
    SandboxProvider, verify=events(lambda event: {"amount": event.amount and Money(100, "EUR")})
)  # fmt: skip
TestOtherReference = broken(SandboxProvider, verify=events(lambda event: {"reference": secrets.token_hex(4)}))
TestNoRefundReference = broken(
    SandboxProvider,
    verify=events(lambda event: {"refund_reference": event.refund_reference and secrets.token_hex(4)}),
)
TestFirstOnly = broken(SandboxProvider, verify=lambda self, request: SandboxProvider.verify(self, request)[:1])
TestNoFailure = broken(
    SandboxProvider, verify=events(lambda event: {"outcome": "confirmed"} if event.outcome == "failed" else {})
)
TestClaims = broken(SandboxProvider, can_fetch=False)
TestTwice = broken(SandboxProvider, refund=takes_back)
TestNeverAsked = broken(SandboxProvider, fetch_refund=knows_every_refund)
TestTalks = broken(SandboxProvider, start=talks)
TestShows = broken(SandboxProvider, __repr__=lambda self: f"{self.options}")
TestSameToken = broken(
    SandboxProvider, continue_url=lambda self, attempt: "https://pay.example.com/"
)  # fmt: skip
TestAlreadyIsNo = broken(VerifyingProvider, confirm=rejects_what_is_verified)
TestCredulous = broken(VerifyingProvider, confirm=believes_anything)
TestAsksAtOnce = broken(VerifyingProvider, verify=asks_at_once)
TestNeverReady = broken(VerifyingProvider, confirm=never_ready)
