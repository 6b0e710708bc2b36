"""What the tests of the contract stand on: a provider that is set up, an attempt, and webhooks that are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from wagtail_kwiga import conf, hooks, signing
from wagtail_kwiga.models import Contact, Order, PaymentAttempt, Product, ProviderEvent
from wagtail_kwiga.orders import placing
from wagtail_kwiga.orders.drafts import LineDraft, OrderDraft
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import attempts, provider_events, registry
from wagtail_kwiga.payments.provider import FAILED, PENDING, Provider, WebhookRequest
from wagtail_kwiga.payments.statuses import EventKind, Outcome
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote
from wagtail_kwiga.testing.gateways import Answer, Message

#: The alias under which the contract sets the provider up.
ALIAS = "contract"
#: What is asked for in every attempt.
ASKED = Decimal(100)


def needs(*abilities: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Leave the test out for providers that do not claim all ``abilities`` (see ``ContractBase.__init_subclass__``)."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        test.needs = abilities  # type: ignore[attr-defined]  # our own mark
        return test

    return mark


@pytest.mark.django_db
class ContractBase:
    """What ``ProviderContract`` asks of an adapter's test, and what its own tests are made of."""

    provider_class: ClassVar[type[Provider]]
    #: Headers without which a webhook is not believed. Empty where the signature is a part of the body.
    signature_headers: ClassVar[tuple[str, ...]] = ()
    #: How old a signature may be; ``None`` where the gateway signs no time.
    tolerance: ClassVar[dt.timedelta | None] = None
    #: Kinds of events that the gateway tells of.
    kinds: ClassVar[frozenset[EventKind]] = frozenset({EventKind.PAYMENT})
    #: Outcomes of payments that it tells of; some gateways tell only of money that came.
    outcomes: ClassVar[frozenset[Outcome]] = frozenset(Outcome)
    #: Whether one body of it may hold several events.
    several_events: ClassVar[bool] = False
    #: Whether its words say that a payment was a test.
    tells_mode: ClassVar[bool] = True

    # --- what the adapter's test writes -----------------------------------------------------------------------------

    def webhook(self, provider: Provider, messages: Sequence[Message], now: dt.datetime) -> WebhookRequest:
        """``messages`` as the gateway would post them at ``now``, in one body, signed with the options of ``provider``."""
        raise NotImplementedError("webhook: say what your gateway would send")

    def gateway_answers(self, message: Message, answer: Answer) -> AbstractContextManager[Any]:
        """Have your gateway give ``answer`` to whoever asks it to confirm ``message``, as long as the context lasts."""
        raise NotImplementedError("gateway_answers: say what your gateway answers to confirm")

    def gateway_knows(self, message: Message) -> AbstractContextManager[Any]:
        """Have your gateway tell ``message`` to whoever fetches the payment, as long as the context lasts."""
        raise NotImplementedError("gateway_knows: say what your gateway answers to fetch")

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options of the settings, without ``class``."""
        return {}

    # --- what the tests are made of ---------------------------------------------------------------------------------

    def __init_subclass__(cls, **given: Any) -> None:
        """Leave out the tests of what the provider does not claim: pytest collects nothing that is ``None``."""
        super().__init_subclass__(**given)
        provider = getattr(cls, "provider_class", None)
        if provider is None:
            return
        listens = provider.verify is not Provider.verify
        claimed = {
            "webhooks": listens,
            "several events": listens and cls.several_events,
            "a signed time": listens and cls.tolerance is not None,
            "a mode": listens and cls.tells_mode,
            "failures": listens and FAILED in cls.outcomes,
            "pending": listens and PENDING in cls.outcomes,
            "confirm": listens and provider.needs_confirm,
            "fetch": provider.can_fetch,
            "refund": provider.can_refund,
            "idempotent refund": provider.can_refund and provider.refund_is_idempotent,
            "fetch refund": provider.can_fetch_refund,
            "told refunds": listens and EventKind.REFUND in cls.kinds,
            "told disputes": listens and EventKind.DISPUTE in cls.kinds,
        }
        for name in dir(cls):
            if not all(claimed[ability] for ability in getattr(getattr(cls, name), "needs", ())):
                setattr(cls, name, None)

    @pytest.fixture
    def now(self) -> dt.datetime:
        return conf.now().replace(microsecond=0)

    @pytest.fixture
    def provider(self, options: Mapping[str, Any]) -> Iterator[Provider]:
        """The provider, set up under ``ALIAS`` with nothing beside it."""
        path = f"{self.provider_class.__module__}.{self.provider_class.__qualname__}"
        given = {**django_settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {ALIAS: {"class": path, **options}}}
        with override_settings(WAGTAIL_KWIGA=given):
            yield registry.get(ALIAS)

    def started(self, provider: Provider, now: dt.datetime) -> attempts.StartedAttempt:
        """An attempt at 100 in a currency that the provider takes, handed over to it."""
        known = [each for each in ("EUR", "PLN", "USD") if provider.takes(each)] or sorted(provider.currencies or ())
        price = Money(ASKED, known[0])
        name = signing.random_token().lower()
        product = Product.objects.create(title="Ink", slug=name)
        contact = Contact.objects.create(email=f"{name}@example.com", created_at=now)
        line = LineDraft(product_id=product.pk, title=product.title, list_amount=price)
        draft = OrderDraft(contact=contact, quote=make_quote(price), lines=(line,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hooks, "permit", lambda name, event: None)  # the provider is tried, not the site's own rules
            order = placing.place_order(draft, now=now)
        return attempts.start(order, method=ALIAS, now=now)

    @pytest.fixture
    def attempt(self, provider: Provider, now: dt.datetime) -> PaymentAttempt:
        return self.started(provider, now).attempt

    def message(self, provider: Provider, attempt: PaymentAttempt, **given: Any) -> Message:
        """What the gateway says of ``attempt``: by default that what was asked for has come."""
        asked, reference = Money(attempt.amount, attempt.currency), attempt.reference or f"ref-{attempt.pk}"
        return replace(Message(token=attempt.token, reference=reference, amount=asked, live=provider.live), **given)

    def tell(
        self, provider: Provider, *messages: Message, now: dt.datetime, answer: Answer = Answer.YES
    ) -> list[ProviderEvent]:
        """Post ``messages`` to us and see them through; the rows in which they are remembered."""
        outcomes = provider_events.receive(ALIAS, self.webhook(provider, messages, now), now)
        self.sweep(provider, *messages, now=now, answer=answer)
        rows = ProviderEvent.objects.in_bulk([outcome.event.pk for outcome in outcomes])
        return [rows[outcome.event.pk] for outcome in outcomes]

    def sweep(self, provider: Provider, *messages: Message, now: dt.datetime, answer: Answer = Answer.YES) -> None:
        """One pass over what is stored and due, while the gateway gives ``answer`` where it is asked to confirm."""
        with ExitStack() as stack:
            for message in messages if provider.needs_confirm else ():
                stack.enter_context(self.gateway_answers(message, answer))
            provider_events.settle_stored(now)

    def assert_paid(self, attempt: PaymentAttempt) -> None:
        order = Order.objects.get(payments__attempts=attempt)
        assert (order.status, order.paid_amount) == (Status.PAID, ASKED)

    def assert_unpaid(self, attempt: PaymentAttempt) -> None:
        order = Order.objects.get(payments__attempts=attempt)
        assert (order.status in (Status.OPEN, Status.PROCESSING), order.paid_amount) == (True, Decimal(0))
