"""Every error of the package, sorted by who must react. Knows neither Django nor Wagtail.

``KwigaError`` and its children are refusals: something asked for cannot be done, and ``message`` says why in words fit
for the person who asked. ``ConfigurationFault`` stands outside that root on purpose: no handler that swallows refusals
may swallow a site that is set up wrongly.
"""

from __future__ import annotations

from typing import Any


class KwigaError(Exception):
    """The root of all refusals. ``code`` is stable and meant for programs, ``message`` for people."""

    code = "refused"

    def __init__(self, message: Any = "", *, code: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return str(self.message) or self.code


class InvalidTransition(KwigaError):
    """An order cannot go from its present status to the one asked for."""

    code = "move_refused"


class OrderRefused(KwigaError):
    """An order cannot be placed: not for sale, a veto of the site, terms that changed in between."""

    code = "order_refused"


class AlreadyPartlyPaid(OrderRefused):
    """The buyer has paid a part of an earlier order; ``facts["order"]`` is the one to finish."""

    code = "partly_paid"


class CouponRefused(KwigaError):
    """A coupon does not apply; ``code`` is the reason of ``coupons.eligibility``."""

    code = "coupon_refused"


class MoneyMismatch(KwigaError):
    """Amounts of different currencies were put together."""

    code = "currency_mismatch"


class PaymentRefused(KwigaError):
    """An attempt to pay cannot be started: unknown method, nothing left to pay, wrong currency."""

    code = "payment_refused"


class ProviderUnavailable(KwigaError):
    """The payment provider did not answer; trying again later is right."""

    code = "provider_unavailable"


class BadSignature(KwigaError):
    """A webhook did not come from the provider it names. The view answers 400."""

    code = "bad_signature"


class BadToken(KwigaError):
    """A link's token is forged, of another purpose, or too old (``code`` is ``bad_token`` or ``expired_token``)."""

    code = "bad_token"


class TemplateFault(KwigaError):
    """An e-mail template cannot be compiled; ``facts["where"]`` names the place."""

    code = "template_fault"


class ScenarioFault(KwigaError):
    """A scenario cannot be published or run; ``facts["problems"]`` lists why."""

    code = "scenario_fault"


class NewerVersion(KwigaError):
    """What is stored was written by a newer release, and this process cannot read it: left to a newer one (``newer_release``)."""

    code = "newer_version"


class NewerScenario(NewerVersion, ScenarioFault):
    """A version of a scenario that a newer release has published, or that uses an extension which is not there."""

    code = "newer_version"


class TooManyAttempts(KwigaError):
    """A limit per address or IP is reached; ``facts["retry_after"]`` is in seconds, ``key`` says which limit."""

    code = "too_many_attempts"
    key = ""


class ConfigurationFault(Exception):
    """The site is set up wrongly. Not a ``KwigaError``: only the site's builder can mend it."""
