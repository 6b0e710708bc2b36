"""A payment provider of a site's own: Harbour, a bank page that is opened by a signed form and sends signed webhooks."""

import hashlib
import hmac
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.exceptions import BadSignature, ProviderUnavailable
from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.payments.provider import (
    CONFIRMED,
    FAILED,
    PENDING,
    EventKind,
    FailureCode,
    Form,
    Provider,
    RefundDone,
    RefundFailed,
    RefundSent,
    ReportedEvent,
    WebhookRequest,
)
from wagtail_kwiga.pricing.money import Money

#: Harbour's words → ours.
OUTCOMES = {"paid": CONFIRMED, "waiting": PENDING, "declined": FAILED, "returned": CONFIRMED}
REASONS = {"no_cover": FailureCode.INSUFFICIENT_FUNDS, "3ds": FailureCode.AUTHENTICATION_FAILED}


class HarbourProvider(Provider):
    """Options: ``shop`` (our number there), ``secret``, ``address`` (of Harbour), ``test``, ``label``."""

    label = _("Card (Harbour)")
    currencies = frozenset({"EUR", "PLN"})
    kept_headers = ("Content-Type", "Harbour-Signature")
    can_fetch = True
    can_refund = True
    refund_is_idempotent = True  # Harbour gives nothing back twice under one name

    def start(self, attempt, urls, now):
        """The buyer's browser posts this form to Harbour. The amount goes there in cents."""
        fields = {
            "shop": self.options["shop"],
            "payment": attempt.token,
            "amount": str(to_minor(Money(attempt.amount, attempt.currency))),
            "currency": attempt.currency,
            "language": attempt.payment.order.language,
            "back": urls.return_url,
            "notify": urls.notify_url,
        }
        fields["signature"] = self.sign("|".join(fields.values()).encode())
        return Form(f"{self.options['address']}/pay", fields)

    def verify(self, request):
        """First the signature, over the bytes as they came; only then is anything read."""
        if not hmac.compare_digest(self.sign(request.body).encode(), request.header("Harbour-Signature").encode()):
            raise BadSignature("The signature does not fit.")
        try:
            return [self.event(told) for told in json.loads(request.body)["events"]]
        except (ValueError, KeyError, TypeError) as fault:
            raise BadSignature("The webhook cannot be read.") from fault

    def event(self, told):
        """One of Harbour's events in our words. Its *returned* is a refund, whoever made it."""
        declined, returned = told["state"] == "declined", told["state"] == "returned"
        return ReportedEvent(
            event_id=told["event"],
            attempt_token=told["payment"],
            reference=told["receipt"],
            kind=EventKind.REFUND if returned else EventKind.PAYMENT,
            outcome=OUTCOMES[told["state"]],
            amount=from_minor(told["amount"], told["currency"]) if told["state"] in ("paid", "returned") else None,
            live=told["mode"] == "live",
            refund_reference=told.get("refund", ""),
            failure_code=REASONS.get(told.get("reason"), FailureCode.UNKNOWN) if declined else None,
            failure_message=told.get("reason", ""),
            channel=told.get("card", ""),
            raw=told,
        )

    def fetch(self, attempt, now):
        """Webhooks get lost. Harbour answers with the very webhook it would have sent, so ``verify`` reads it as well."""
        try:
            body, headers = self.ask(f"/payments/{attempt.token}")
        except HTTPError as fault:
            if fault.code == 404:  # nobody has opened the form yet
                return None
            raise ProviderUnavailable(_("Harbour does not answer.")) from fault
        return WebhookRequest("POST", body, headers, at=now)

    def refund(self, refund, now):
        """Our token is the name of the refund there: asked again, Harbour tells of the first one."""
        asked = {"refund": refund.token, "payment": refund.attempt.token, "amount": to_minor(refund.money)}
        try:
            told = json.loads(self.ask("/refunds", json.dumps(asked).encode())[0])
        except HTTPError as fault:
            if fault.code == 409:  # Harbour says no, and will say so again
                return RefundFailed(FailureCode.DECLINED, fault.reason)
            raise ProviderUnavailable(_("Harbour does not answer.")) from fault
        return RefundDone(told["number"]) if told["state"] == "returned" else RefundSent(told["number"])

    def ask(self, path, body=None):
        """Raises ``HTTPError`` for an answer that is none, ``ProviderUnavailable`` where there is no answer at all."""
        headers = {"Harbour-Signature": self.sign(body)} if body else {}
        try:
            with urlopen(Request(self.options["address"] + path, body, headers), timeout=10) as answer:
                return answer.read(), dict(answer.headers)
        except HTTPError:
            raise
        except OSError as fault:
            raise ProviderUnavailable(_("Harbour does not answer.")) from fault

    def sign(self, message: bytes) -> str:
        return hmac.new(self.options["secret"].encode(), message, hashlib.sha256).hexdigest()
