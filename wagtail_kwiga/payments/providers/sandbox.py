"""A payment gateway in a box, for demos and tests: its own small hosted page, its own signed webhooks, no real money.

What it tells is taken in like a real gateway's, by ``payments.provider_events.receive``, in process. It is off unless
the option ``enabled`` is True, because whoever reaches its page gets courses for nothing::

    "sandbox": {"class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider", "enabled": True, "secret": "…"}
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import locking
from wagtail_kwiga.exceptions import BadSignature, ConfigurationFault
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.payments.provider import (
    CONFIRMED,
    FAILED,
    PENDING,
    Outcome,
    Provider,
    Redirect,
    RefundAnswer,
    RefundDone,
    ReportedEvent,
    Urls,
    WebhookRequest,
)
from wagtail_kwiga.payments.statuses import FailureCode
from wagtail_kwiga.pricing.money import Money

#: A signature older or newer than this is refused, so that an overheard webhook cannot be sent again next week.
TOLERANCE = dt.timedelta(minutes=5)
#: How much later the gateway tells of a payment that was made with the button *late*: within the half hour that a recovery
#: waits, because such gateways are why it waits.
LATE_BY = dt.timedelta(minutes=12)
SIGNATURE = "Sandbox-Signature"

#: The page's buttons → what the gateway then says.
CHOICES: dict[str, Outcome] = {"success": CONFIRMED, "decline": FAILED, "pending": PENDING, "late": CONFIRMED}


class SandboxProvider(Provider):
    """Options: ``enabled`` (must be True), ``secret`` (signs webhooks), ``label``."""

    label = _("Card (test)")
    live = False
    kept_headers = ("Content-Type", SIGNATURE)
    can_fetch = True
    can_refund = True
    refund_is_idempotent = True
    can_fetch_refund = True

    @classmethod
    def is_dangerous(cls, options: Mapping[str, Any]) -> bool:
        return options.get("enabled") is True

    @property
    def enabled(self) -> bool:
        return self.options.get("enabled") is True

    def start(self, attempt: PaymentAttempt, urls: Urls, now: dt.datetime) -> Redirect:
        return Redirect(self.continue_url(attempt), reference=_reference(attempt), data={"return_url": urls.return_url})

    def continue_url(self, attempt: PaymentAttempt) -> str:
        order = attempt.payment.order
        return links.absolute("sandbox_gateway", attempt.token, site_id=order.site_id, language=order.language)

    def verify(self, request: WebhookRequest) -> Sequence[ReportedEvent]:
        stamp, given = _parts(request.header(SIGNATURE))
        if not hmac.compare_digest(self._sign(stamp, request.body).encode(), given.encode()):
            raise BadSignature("The signature does not fit.")
        if request.at is not None and abs(request.at.timestamp() - stamp) > TOLERANCE.total_seconds():
            raise BadSignature("The signature is too old.")
        try:
            told = json.loads(request.body)
            return [_event(each) for each in told.get("events", [told])]
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadSignature("The webhook cannot be read.") from fault

    def fetch(self, attempt: PaymentAttempt, now: dt.datetime) -> WebhookRequest | None:
        """What the gateway has to tell by now: the webhook about a *late* payment, or one that got lost on its way."""
        booked = attempt.data.get("gateway")
        if not booked or dt.datetime.fromisoformat(booked["tell_at"]) > now:
            return None
        return self.webhook_about(attempt, booked, now)

    def refund(self, refund: Refund, now: dt.datetime) -> RefundAnswer:
        """The gateway keeps what it gave back by the token of the refund, so that asking again gives nothing twice."""
        with locking.atomic_write():
            row = locking.locked(PaymentAttempt.objects.filter(pk=refund.attempt.pk)).get()
            given = dict(row.data.get("refunds") or {})
            if refund.token not in given:
                given[refund.token] = f"SBR-{secrets.token_hex(6).upper()}"
                row.data = {**row.data, "refunds": given}
                row.save(update_fields=["data"])
        return RefundDone(given[refund.token])

    def fetch_refund(self, refund: Refund, now: dt.datetime) -> RefundAnswer | None:
        row = PaymentAttempt.objects.get(pk=refund.attempt.pk)
        reference = (row.data.get("refunds") or {}).get(refund.token)
        return RefundDone(reference) if reference else None

    # --- the gateway's own side -----------------------------------------------------------------------------------------

    def choose(self, attempt: PaymentAttempt, choice: str, now: dt.datetime) -> dict[str, Any]:
        """Do at the gateway what the buyer pressed there, and return what the gateway has booked.

        *late* is told ``LATE_BY`` from now, by whoever asks then (``payments.polling``); all else at once, by the caller.
        """
        tell_at = now + LATE_BY if choice == "late" else now
        booked = {
            "choice": choice,
            "outcome": CHOICES[choice],
            "event": f"evt_{secrets.token_hex(12)}",
            "tell_at": tell_at.isoformat(),
        }
        with locking.atomic_write():
            row = locking.locked(PaymentAttempt.objects.filter(pk=attempt.pk)).get()
            row.data = {**row.data, "gateway": booked}
            if choice == "late":
                row.next_poll_at = tell_at
            row.save(update_fields=["data", "next_poll_at"])
        attempt.data = row.data
        return booked

    def webhook_about(self, attempt: PaymentAttempt, booked: Mapping[str, Any], now: dt.datetime) -> WebhookRequest:
        """The signed webhook that tells what the gateway has booked."""
        asked = Money(attempt.amount, attempt.currency)
        return self.signed(
            {
                "id": booked["event"],
                "token": attempt.token,
                "payment": _reference(attempt),
                "outcome": booked["outcome"],
                "amount": to_minor(asked) if booked["outcome"] == CONFIRMED else None,
                "currency": asked.currency,
                "live": False,
                **({"reason": "declined by the bank", "failure": "declined"} if booked["outcome"] == FAILED else {}),
            },
            now,
        )

    def signed(self, told: Mapping[str, Any], now: dt.datetime) -> WebhookRequest:
        """``told`` as the gateway would post it at ``now``."""
        body = json.dumps(told, separators=(",", ":")).encode()
        stamp = int(now.timestamp())
        headers = {"Content-Type": "application/json", SIGNATURE: f"t={stamp},v1={self._sign(stamp, body)}"}
        return WebhookRequest("POST", body, headers, at=now)

    def _sign(self, stamp: int, body: bytes) -> str:
        secret = self.options.get("secret")
        if not secret:
            raise ConfigurationFault(f"PAYMENT_PROVIDERS[{self.alias!r}] needs a 'secret' to sign webhooks with.")
        return hmac.new(str(secret).encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()


def _event(told: Mapping[str, Any]) -> ReportedEvent:
    amount = None if told["amount"] is None else from_minor(told["amount"], told["currency"])
    failed = told["outcome"] == FAILED
    return ReportedEvent(
        event_id=told["id"],
        attempt_token=told["token"],
        reference=told["payment"],
        outcome=told["outcome"],
        amount=amount,
        live=told["live"],
        raw=told,
        kind=told.get("kind", "payment"),
        failure_code=FailureCode(told.get("failure", "unknown")) if failed else None,
        failure_message=str(told.get("reason") or ""),
        refund_token=told.get("refund_token", ""),
        refund_reference=told.get("refund", ""),
        dispute_reference=told.get("dispute", ""),
        channel=told.get("channel", ""),
    )


def _reference(attempt: PaymentAttempt) -> str:
    """The gateway's own handle of a payment; the same for each look at it."""
    return "SBX-" + hashlib.sha256(attempt.token.encode()).hexdigest()[:12].upper()


def _parts(header: str) -> tuple[int, str]:
    """``t=1700000000,v1=ab12…`` as its two parts. Raises ``BadSignature``."""
    try:
        stamp, given = header.split(",", 1)
        if not (stamp.startswith("t=") and given.startswith("v1=")):
            raise ValueError(header)
        return int(stamp[2:]), given[3:]
    except ValueError as fault:
        raise BadSignature("There is no signature.") from fault
