"""A payment provider of a site's own: Harbour, a bank page that is opened by a signed form and sends signed webhooks."""

import hashlib
import hmac
import json
from urllib.error import HTTPError
from urllib.request import urlopen

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.exceptions import BadSignature, ProviderUnavailable
from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.payments.provider import CONFIRMED, FAILED, PENDING, Form, Provider, ReportedEvent, WebhookRequest
from wagtail_kwiga.pricing.money import Money

#: Harbour's words → ours.
WORDS = {"paid": CONFIRMED, "waiting": PENDING, "declined": FAILED}


class HarbourProvider(Provider):
    """Options: ``shop`` (our number there), ``secret``, ``address`` (of Harbour), ``test``, ``label``."""

    label = _("Card (Harbour)")
    currencies = frozenset({"EUR", "PLN"})
    kept_headers = ("Content-Type", "Harbour-Signature")

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
            told = json.loads(request.body)
            return ReportedEvent(
                event_id=told["event"],
                attempt_token=told["payment"],
                reference=told["receipt"],
                outcome=WORDS[told["state"]],
                amount=from_minor(told["amount"], told["currency"]) if told["state"] == "paid" else None,
                live=told["mode"] == "live",
                raw=told,
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise BadSignature("The webhook cannot be read.") from fault

    def fetch(self, attempt, now):
        """Webhooks get lost. Harbour answers with the very webhook it would have sent, so ``verify`` reads it as well."""
        try:
            with urlopen(f"{self.options['address']}/payments/{attempt.token}", timeout=10) as answer:
                return WebhookRequest("POST", answer.read(), dict(answer.headers), at=now)
        except HTTPError as fault:
            if fault.code == 404:  # nobody has opened the form yet
                return None
            raise ProviderUnavailable(_("Harbour does not answer.")) from fault
        except OSError as fault:
            raise ProviderUnavailable(_("Harbour does not answer.")) from fault

    def sign(self, message: bytes) -> str:
        return hmac.new(self.options["secret"].encode(), message, hashlib.sha256).hexdigest()
