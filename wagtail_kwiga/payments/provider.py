"""What a payment provider is: one class, one entry in ``PAYMENT_PROVIDERS``, no fork.

A provider translates between a payment system and five words of ours: *start* an attempt, *verify* what comes back,
*fetch* when nothing comes back, *refund*, and the *instructions* of methods that need the buyer's own hands. It never
touches orders and never decides whether something is paid: ``payments.provider_events`` compares, ``payments.ledger`` books.

To add one: subclass ``Provider``, write ``start`` and ``verify`` (and ``fetch``, because notices get lost), name the class
in the settings. Everything else has a default that is right for an online gateway.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, web_addresses
from wagtail_kwiga.exceptions import BadSignature, PaymentRefused
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from wagtail_kwiga.orders.models import Order
    from wagtail_kwiga.payments.models import PaymentAttempt

#: The words for what a provider says about an attempt.
CONFIRMED, PENDING, FAILED = "confirmed", "pending", "failed"
OUTCOMES = frozenset({CONFIRMED, PENDING, FAILED})
#: Letters of a provider's handle of a payment that the database holds.
LONGEST_REFERENCE = 200
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Urls:
    """Absolute addresses for the provider: where the buyer comes back to, and where notices go."""

    return_url: str
    notify_url: str


@dataclass(frozen=True)
class WebhookRequest:
    """A notice as it came in: nothing of it is believed before ``Provider.verify``. ``at`` is when it came."""

    method: str
    # Not in ``repr``, and so not in error reports: signatures, and what the provider knows about the buyer.
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    at: dt.datetime | None = None

    def header(self, name: str) -> str:
        """A header by name, whatever its capitals; empty where it is missing."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True)
class ReportedEvent:
    """What a provider says, in our words.

    ``event_id`` is the provider's own id of this message (empty: a hash of the body is taken). ``attempt_token`` is the
    token we gave at the start, where the provider hands it back; else ``reference``, its own handle of the payment, finds
    the attempt. ``amount`` is what was really paid and must be there when ``outcome`` is *confirmed*. ``live`` is False
    for test payments. ``raw`` is kept for people and never shown to buyers.
    """

    event_id: str
    attempt_token: str
    reference: str
    outcome: str
    amount: Money | None
    live: bool
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"a notice is one of {sorted(OUTCOMES)}, not {self.outcome!r}")
        names = (self.event_id, self.attempt_token, self.reference)
        if not all(name is None or (isinstance(name, str) and "\x00" not in name) for name in names):
            raise ValueError("the event, the token and the reference of a notice are texts")
        if self.amount is not None and not _CURRENCY.fullmatch(self.amount.currency):
            raise ValueError("a currency is three capital letters")
        if self.reference and len(self.reference) > LONGEST_REFERENCE:  # kept as its hash; money is never refused
            object.__setattr__(self, "reference", hashlib.sha256(self.reference.encode()).hexdigest())


@dataclass(frozen=True)
class Redirect:
    """Send the buyer to ``url``. ``reference`` and ``data`` are remembered on the attempt."""

    url: str
    reference: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be_web_page(self.url)


@dataclass(frozen=True)
class Form:
    """Have the buyer's browser post ``fields`` to ``action``; shown as a page with one button, so no script is needed."""

    action: str
    fields: Mapping[str, str]
    reference: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be_web_page(self.action)


@dataclass(frozen=True)
class Instructions:
    """Tell the buyer what to do: ``template`` is rendered with ``context`` on the order page."""

    template: str
    context: Mapping[str, Any]


NextAction = Redirect | Form | Instructions


def _must_be_web_page(address: str) -> None:
    """A provider's answer is input like any other: a buyer is sent to a web page, never to a script or a bare host name."""
    if not web_addresses.is_web_page(address):
        raise ValueError(f"a buyer can only be sent on to a web address, not to {address[:80]!r}")


@dataclass(frozen=True)
class Acknowledgement:
    """What a provider wants to read when its notice was taken in."""

    body: str = "OK"
    content_type: str = "text/plain; charset=utf-8"


class Provider(ABC):
    """A way to pay, set up under an alias. Instances are cheap, hold no connection and are made anew for each use."""

    #: What buyers read; the option ``label`` replaces it.
    label: Any = ""
    #: How it settles. Scenarios about unpaid orders filter by it.
    kind: ClassVar[PaymentKind] = PaymentKind.ONLINE
    #: Currencies it takes; ``None`` means any.
    currencies: ClassVar[frozenset[str] | None] = None
    #: Whether ``fetch`` answers. Attempts of a provider that cannot be asked are left to notices and people.
    supports_polling: ClassVar[bool] = True
    #: Names of headers worth keeping with a notice (its signature, say). No other header is stored.
    notice_headers: ClassVar[tuple[str, ...]] = ("Content-Type",)

    def __init__(self, alias: str, options: Mapping[str, Any] | None = None) -> None:
        self.alias = alias
        self.options: dict[str, Any] = dict(options or {})
        if self.options.get("label"):
            self.label = self.options["label"]

    @classmethod
    def is_dangerous(cls, options: Mapping[str, Any]) -> bool:
        """Whether these options give goods away for no money; a system check forbids that without DEBUG."""
        return False

    @property
    def enabled(self) -> bool:
        """A provider that is not enabled exists for nobody: not on pages, not for notices."""
        return True

    @property
    def live(self) -> bool:
        """Whether real money moves. A notice that says otherwise is held for review, never booked."""
        return not self.options.get("test", False)

    def takes(self, currency: str) -> bool:
        """Whether it can be paid with in ``currency``."""
        return self.currencies is None or currency in self.currencies

    def is_ready(self, site: Any) -> bool:
        """Whether an editor has filled in what it needs on this Wagtail site (``None``: the default one)."""
        return True

    def hold(self, order: Order) -> dt.timedelta | None:
        """How long from now a coupon must be held for one attempt; ``None``: until the order expires."""
        return dt.timedelta(minutes=conf.settings.GATEWAY_HOLD_MINUTES)

    @abstractmethod
    def start(self, attempt: PaymentAttempt, urls: Urls, now: dt.datetime) -> NextAction:
        """Begin one attempt and say what the buyer does next.

        Called after the attempt is committed and outside any transaction, so it may talk to the network; a notice may
        arrive before it returns. ``attempt.token`` is the idempotency key to give to the provider; the amount to ask for is
        ``attempt.amount`` in ``attempt.currency``. Raises ``ProviderUnavailable`` where trying again later is right and
        ``PaymentRefused`` where it is not.
        """

    def verify(self, request: WebhookRequest) -> ReportedEvent:
        """Make sure that ``request`` comes from the provider and say what it means. No writing, no waiting.

        Raises ``BadSignature`` for everything that is not beyond doubt, be it malformed or too old.
        """
        raise BadSignature("This provider sends no notices.")

    def fetch(self, attempt: PaymentAttempt, now: dt.datetime) -> ReportedEvent | WebhookRequest | None:
        """Ask the provider how an attempt stands; ``None``: nothing new, or it does not know.

        Called outside any transaction. An answer that the provider signs like a notice may be handed back as a
        ``WebhookRequest``: it then goes through ``verify`` like any other. A ``ReportedEvent`` must have an ``event_id`` that stays the
        same while the answer does.
        """
        return None

    def refund(self, attempt: PaymentAttempt, amount: Money, *, reason: str, now: dt.datetime) -> str:
        """Give ``amount`` of a confirmed attempt back; returns the provider's handle of the refund.

        Outside any transaction; the caller books it with ``payments.ledger.record_refund`` afterwards. The default refuses, which
        leaves it to a person at the provider's own site.
        """
        raise PaymentRefused(_("This payment method cannot pay back by itself."), code="refund_by_hand")

    def instructions(self, attempt: PaymentAttempt) -> Instructions | None:
        """What the order page tells a buyer whose started attempt needs their own hands (a transfer). Reads only."""
        return None

    def continue_url(self, attempt: PaymentAttempt) -> str:
        """Where the buyer may go on with an attempt under way; empty where there is no such place. Reads only."""
        return ""

    def acknowledge(self, result: str) -> Acknowledgement:
        """The answer to a notice that was taken in, whatever became of it (``result`` is a ``ProviderEvent.Result``)."""
        return Acknowledgement()
