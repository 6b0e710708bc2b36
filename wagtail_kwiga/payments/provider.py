"""What a payment provider is: one class, one entry in ``PAYMENT_PROVIDERS``, no fork.

A provider translates between a payment system and a few verbs of ours: *start* an attempt, *verify* what a webhook says,
*confirm* it where the provider wants to be asked before it books, *fetch* when no webhook comes, *refund*, and the
*instructions* of methods that need the buyer's own hands. It never touches orders and never decides whether something is
paid: ``payments.applying`` compares, ``payments.ledger`` books.

To add one: subclass ``Provider``, write ``start`` and ``verify``, say in the class attributes what else it can do and write
the methods that belong to them, name the class in the settings, and let its test inherit ``wagtail_kwiga.testing``.
"""

from __future__ import annotations

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, web_addresses
from wagtail_kwiga.exceptions import BadSignature, PaymentRefused
from wagtail_kwiga.orders.statuses import PaymentKind
from wagtail_kwiga.payments import provider_text
from wagtail_kwiga.payments.statuses import EventKind as EventKind  # adapters import the words from here
from wagtail_kwiga.payments.statuses import FailureCode as FailureCode
from wagtail_kwiga.payments.statuses import Outcome as Outcome
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from wagtail_kwiga.orders.models import Order
    from wagtail_kwiga.payments.models import Payment, PaymentAttempt, Refund

#: It has happened: money has arrived, has gone back, was taken (see ``Outcome``).
CONFIRMED = Outcome.CONFIRMED
#: It is under way.
PENDING = Outcome.PENDING
#: It came to nothing.
FAILED = Outcome.FAILED
_CURRENCY = re.compile(r"[A-Z]{3}")
_HANDLES = (
    "event_id",
    "attempt_token",
    "reference",
    "refund_token",
    "refund_reference",
    "dispute_reference",
    "channel",
)


@dataclass(frozen=True)
class Urls:
    """Absolute addresses for the provider: where the buyer comes back to, and where webhooks go."""

    return_url: str
    notify_url: str


@dataclass(frozen=True)
class WebhookRequest:
    """A webhook as it came in: nothing of it is believed before ``Provider.verify``. ``at`` is when it came."""

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
    """One thing that a provider says, in our words. A body may hold several.

    ``event_id`` is the provider's own id of this message; it must be another one when the outcome is another one. Where it is
    empty, a hash of the body and the position in it are taken. ``attempt_token`` is the token we gave at the start, where the
    provider hands it back; else ``reference``, its own handle of the payment, finds the attempt.

    ``amount`` is what was really paid, given back or taken, in the currency in which it was; it must be there when money has
    moved (a payment that is *confirmed*, a refund, a dispute). ``live`` is False for test payments.

    ``refund_token`` is the ``Refund.token`` we gave, ``refund_reference`` the provider's handle of the refund (one of them at
    least, for refunds; refunds made in the provider's panel have no token); ``dispute_reference`` the handle of the dispute.

    ``failure_code`` is one of ours, ``failure_message`` the provider's own words for staff. ``channel`` is how it was paid at
    the provider (``card``, ``blik`` …). ``external_ids`` are further ids by which people find it at the provider. ``raw`` is
    kept for people. None of these is shown to buyers.
    """

    event_id: str
    attempt_token: str
    reference: str
    outcome: Outcome
    amount: Money | None
    live: bool
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    kind: EventKind = EventKind.PAYMENT
    failure_code: FailureCode | None = None
    failure_message: str = ""
    refund_token: str = ""
    refund_reference: str = ""
    dispute_reference: str = ""
    channel: str = ""
    external_ids: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for what is none of our words, and for handles that are no texts."""
        object.__setattr__(self, "kind", EventKind(self.kind))
        object.__setattr__(self, "outcome", Outcome(self.outcome))
        if self.failure_code is not None:
            object.__setattr__(self, "failure_code", FailureCode(self.failure_code))
        for name in _HANDLES:
            handle = getattr(self, name)
            if handle is None:  # how a gateway's JSON says that it has none
                object.__setattr__(self, name, "")
            elif not isinstance(handle, str):
                raise ValueError(f"{name} of an event is a text")
            else:  # money is never refused; ``payments.event_store`` minds the length of ids of its own
                longest = None if name == "event_id" else provider_text.LONGEST_HANDLE
                handle = provider_text.cleaned(handle) if name == "channel" else handle  # a word for people
                object.__setattr__(self, name, provider_text.handle(handle, longest=longest))
        if self.amount is not None and not _CURRENCY.fullmatch(self.amount.currency):
            raise ValueError("a currency is three capital letters")


# --- what a provider answers to ``confirm``


@dataclass(frozen=True)
class Confirmed:
    """It is so: book it. *Already confirmed* is a yes too. ``event`` replaces what the webhook said, where asking told more."""

    event: ReportedEvent | None = None


@dataclass(frozen=True)
class NotYet:
    """Ask again, after ``retry_after`` or when the sweep thinks best; after a day it becomes a person's business."""

    retry_after: dt.timedelta | None = None


@dataclass(frozen=True)
class Rejected:
    """The provider says that it is not so. Nothing is booked, and a person looks. ``message`` is for staff."""

    message: str


Confirmation = Confirmed | NotYet | Rejected


# --- what a provider answers to ``refund`` and ``fetch_refund``


@dataclass(frozen=True)
class RefundSent:
    """The provider has taken the refund on; a webhook or ``fetch_refund`` tells how it ends. ``reference`` is its handle."""

    reference: str

    def __post_init__(self) -> None:
        _keep_handle(self)


@dataclass(frozen=True)
class RefundDone:
    """The money has gone back. ``reference`` is the provider's handle of the refund."""

    reference: str

    def __post_init__(self) -> None:
        _keep_handle(self)


@dataclass(frozen=True)
class RefundFailed:
    """The provider has refused, and no money moves. ``message`` is its own words, for staff."""

    code: FailureCode
    message: str = ""


RefundAnswer = RefundSent | RefundDone | RefundFailed


# --- what a buyer does next


@dataclass(frozen=True)
class Redirect:
    """Send the buyer to ``url``. ``reference`` and ``data`` are remembered on the attempt."""

    url: str
    reference: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be_web_page(self.url)
        _keep_handle(self)


@dataclass(frozen=True)
class Form:
    """Have the buyer's browser post ``fields`` to ``action``; shown as a page with one button, so no script is needed."""

    action: str
    fields: Mapping[str, str]
    reference: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be_web_page(self.action)
        _keep_handle(self)


@dataclass(frozen=True)
class Instructions:
    """Tell the buyer what to do: ``template`` is rendered with ``context`` on the order page."""

    template: str
    context: Mapping[str, Any]


@dataclass(frozen=True)
class TransferDetails:
    """Where a buyer sends money to, and what they write on it: told on pages and in mails. ``iban`` is in groups of four.

    ``until``: by when it has to arrive; ``due``: when the part that is asked for is due, where it is one of several.
    """

    holder: str
    iban: str
    bic: str
    bank: str
    amount: Money
    reference: str
    until: dt.datetime
    due: dt.datetime | None = None


NextAction = Redirect | Form | Instructions


def _must_be_web_page(address: str) -> None:
    """A provider's answer is input like any other: a buyer is sent to a web page, never to a script or a bare host name."""
    if not web_addresses.is_web_page(address):
        raise ValueError(f"a buyer can only be sent on to a web address, not to {address[:80]!r}")


def _keep_handle(answer: RefundSent | RefundDone | Redirect | Form) -> None:
    """The answer's ``reference`` as the database keeps it, the same as an event will name it. ``None`` is how a gateway's JSON
    says that there is none."""
    object.__setattr__(answer, "reference", provider_text.handle(str(answer.reference or "")))


@dataclass(frozen=True)
class Acknowledgement:
    """What a provider wants to read when its webhook was remembered."""

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
    #: Names of headers worth keeping with a webhook (its signature, say). No other header is stored.
    kept_headers: ClassVar[tuple[str, ...]] = ("Content-Type",)

    # What it can do. Each goes with the methods of its name; ``wagtail_kwiga.testing`` finds the two apart.
    #: ``fetch`` answers how a payment stands, because webhooks get lost.
    can_fetch: ClassVar[bool] = False
    #: A webhook is believed only after ``confirm``, which may ask the provider.
    needs_confirm: ClassVar[bool] = False
    #: ``refund`` moves money. Without it refunds are made by hand, at the provider's own site.
    can_refund: ClassVar[bool] = False
    #: The same ``Refund.token`` again is the same refund at the provider, so a lost answer may be asked for by repeating.
    refund_is_idempotent: ClassVar[bool] = False
    #: ``fetch_refund`` answers how a refund stands.
    can_fetch_refund: ClassVar[bool] = False
    #: A mandate can be charged without the buyer. Reserved for subscriptions.
    can_charge: ClassVar[bool] = False

    def __init__(self, alias: str, options: Mapping[str, Any] | None = None) -> None:
        self.alias = alias
        self.options: dict[str, Any] = dict(options or {})
        if self.options.get("label"):
            self.label = self.options["label"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"  # options hold secrets

    @classmethod
    def is_dangerous(cls, options: Mapping[str, Any]) -> bool:
        """Whether these options give goods away for no money; a system check forbids that without DEBUG."""
        return False

    @property
    def enabled(self) -> bool:
        """A provider that is not enabled exists for nobody: not on pages, not for webhooks."""
        return True

    @property
    def is_polled(self) -> bool:
        """Whether an attempt has moments at which it is asked about, and after the last of which it is abandoned or, where it is
        under way still, a person's business. For a gateway that cannot be asked they only count the time."""
        return self.can_fetch or self.kind == PaymentKind.ONLINE

    @property
    def live(self) -> bool:
        """Whether real money moves. An event that says otherwise needs review and is never booked."""
        return not self.options.get("test", False)

    def takes(self, currency: str) -> bool:
        """Whether it can be paid with in ``currency``."""
        return self.currencies is None or currency in self.currencies

    def is_ready(self, site: Any) -> bool:
        """Whether an editor has filled in what it needs on this Wagtail site (``None``: the default one)."""
        return True

    def reserve_for(self, order: Order) -> dt.timedelta | None:
        """How long from now a coupon stays reserved for one attempt; ``None``: until the order expires."""
        return dt.timedelta(minutes=conf.settings.GATEWAY_RESERVATION_MINUTES)

    @abstractmethod
    def start(self, attempt: PaymentAttempt, urls: Urls, now: dt.datetime) -> NextAction:
        """Begin one attempt and say what the buyer does next.

        Called after the attempt is committed and outside any transaction, so it may talk to the network; a webhook may
        arrive before it returns. ``attempt.token`` is the idempotency key to give to the provider; the amount to ask for is
        ``attempt.amount`` in ``attempt.currency``. Raises ``ProviderUnavailable`` where trying again later is right and
        ``PaymentRefused`` where it is not.
        """

    def verify(self, request: WebhookRequest) -> Sequence[ReportedEvent]:
        """Make sure that ``request`` comes from the provider and say what it means: pure, no writing, waiting or network.

        Empty for what is genuine and no business of ours. Raises ``BadSignature`` for everything that is not beyond doubt,
        be it malformed or too old. What only the provider itself can vouch for is vouched for in ``confirm``.
        """
        raise BadSignature("This provider sends no webhooks.")

    def confirm(self, event: ReportedEvent, attempt: PaymentAttempt, now: dt.datetime) -> Confirmation:
        """Ask the provider, where ``needs_confirm``, whether ``event`` is so, and have it book what it waits to book.

        Called after the event was remembered, outside any transaction and lock, by one worker at a time, so it may talk to
        the network, with a time limit. It may be called again for the same event after a crash or a lost answer: what the
        provider calls *already verified* is a ``Confirmed``. An event that needs no asking is ``Confirmed()`` straight away.
        Raises ``ProviderUnavailable`` where the provider does not answer; that is asked again, like ``NotYet``.
        """
        return Confirmed()

    def fetch(
        self, attempt: PaymentAttempt, now: dt.datetime
    ) -> ReportedEvent | Sequence[ReportedEvent] | WebhookRequest | None:
        """Ask the provider how an attempt stands, where ``can_fetch``; ``None``: nothing new, or it does not know.

        Called outside any transaction. An answer that the provider signs like a webhook may be handed back as a
        ``WebhookRequest``: it then goes through ``verify`` like any other. A ``ReportedEvent`` must have an ``event_id`` that stays the
        same while the answer does. Raises ``ProviderUnavailable``.
        """
        return None

    def refund(self, refund: Refund, now: dt.datetime) -> RefundAnswer:
        """Give ``refund.amount`` in ``refund.currency`` of the confirmed ``refund.attempt`` back, where ``can_refund``.

        The row was committed before this call, which is outside any transaction; whoever called books the answer.
        ``refund.token`` is the idempotency key to give to the provider, ``refund.reason`` is for people. Raises
        ``ProviderUnavailable`` where nothing is known about what became of it; where ``refund_is_idempotent`` it is then
        called again with the same token.
        """
        raise PaymentRefused(_("This payment method cannot pay back by itself."), code="refund_by_hand")

    def fetch_refund(self, refund: Refund, now: dt.datetime) -> RefundAnswer | None:
        """Ask, where ``can_fetch_refund``, what became of a refund (by ``token`` or ``reference``); ``None``: it is not known
        there, so no money moves. Outside any transaction. Raises ``ProviderUnavailable``."""
        return None

    def instructions(self, attempt: PaymentAttempt) -> Instructions | None:
        """What the order page tells a buyer whose started attempt needs their own hands (a transfer). Reads only."""
        return None

    def transfer_details(self, payment: Payment) -> TransferDetails | None:
        """The account for a sum due, where buyers pay by sending money to one: what the mail about an order tells. Reads only."""
        return None

    def continue_url(self, attempt: PaymentAttempt) -> str:
        """Where the buyer may go on with an attempt under way; empty where there is no such place. Reads only."""
        return ""

    def acknowledge(self, events: Sequence[ReportedEvent], now: dt.datetime) -> Acknowledgement:
        """The answer to a webhook whose ``events`` were remembered. It never depends on what becomes of them."""
        return Acknowledgement()
