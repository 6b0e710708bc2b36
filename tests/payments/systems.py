"""Payment providers that a site might bring: each shows one trait of the interface, on real signed bytes."""

from __future__ import annotations

import dataclasses

from wagtail_kwiga.exceptions import ProviderUnavailable
from wagtail_kwiga.payments.provider import Acknowledgement, Form, Provider, ReportedEvent
from wagtail_kwiga.payments.providers.sandbox import SandboxProvider
from wagtail_kwiga.pricing.money import Money


class Posting(SandboxProvider):
    """Takes the buyer by a form, only złoty, and wants TRUE for an answer."""

    label = "Posting"
    currencies = frozenset({"PLN"})

    def start(self, attempt, urls, now):
        return Form("https://pay.example.com/", {"token": attempt.token, "back": urls.return_url}, reference="P-1")

    def acknowledge(self, events, now):
        return Acknowledgement("TRUE")


class Live(SandboxProvider):
    """Says that real money moves; its webhooks still say otherwise."""

    live = True


class Away(Provider):
    label = "Away"
    can_fetch = True

    def start(self, attempt, urls, now):
        raise ProviderUnavailable("down for maintenance")

    def fetch(self, attempt, now):
        raise ProviderUnavailable("down for maintenance")


class Broken(Provider):
    label = "Broken"
    can_fetch = True

    def start(self, attempt, urls, now):
        raise OSError("connection reset")

    def fetch(self, attempt, now):
        raise OSError("connection reset")


class Nameless(SandboxProvider):
    """Sends no ids of events and no references."""

    def verify(self, request):
        return [dataclasses.replace(event, event_id="", reference="") for event in super().verify(request)]


class Mute(Provider):
    """A gateway that cannot be asked."""

    label = "Mute"

    def start(self, attempt, urls, now):
        return Form("https://pay.example.com/", {"token": attempt.token})

    def fetch(self, attempt, now):
        raise AssertionError("it does not claim to answer")


class Polled(Provider):
    """Sends nothing; it is asked, and answers what its options say."""

    label = "Polled"
    can_fetch = True

    def start(self, attempt, urls, now):
        return Form("https://pay.example.com/", {})

    def fetch(self, attempt, now):
        outcome = self.options.get("outcome")
        if outcome is None:
            return None
        amount = Money(attempt.amount, attempt.currency) if outcome == "confirmed" else None
        return ReportedEvent(f"{attempt.token}:{outcome}", attempt.token, f"Q-{attempt.pk}", outcome, amount, True)
