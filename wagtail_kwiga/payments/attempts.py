"""Starting to pay: one attempt, the coupon reserved for as long as it needs, and the hand-over to the provider."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, locking, signing
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import ConfigurationFault, KwigaError, PaymentRefused, ProviderUnavailable
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import links, transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import UNSETTLED, PaymentKind, Status
from wagtail_kwiga.payments import provider_text, references, registry
from wagtail_kwiga.payments.models import Payment, PaymentAttempt
from wagtail_kwiga.payments.provider import Form, Instructions, NextAction, Provider, Redirect, Urls
from wagtail_kwiga.pricing.money import Money

logger = logging.getLogger("wagtail_kwiga.payments")

State = PaymentAttempt.State

#: When a provider is asked by ourselves, counted from the attempt's last change: webhooks get lost.
POLL_AFTER = (dt.timedelta(minutes=5), dt.timedelta(minutes=30), dt.timedelta(hours=3), dt.timedelta(hours=24))

_REFUSALS = {
    Status.PAID: ("already_paid", _("This order is paid already.")),
    Status.SUPERSEDED: ("superseded", _("A newer order has taken the place of this one.")),
    Status.CANCELLED: ("cancelled", _("This order was cancelled.")),
    Status.EXPIRED: ("expired", _("The time to pay this order is over.")),
    Status.REFUNDED: ("refunded", _("This order was paid back.")),
}


@dataclass(frozen=True)
class StartedAttempt:
    """An attempt under way and what the buyer does next (``next_action``): a ``Redirect``, a ``Form`` or ``Instructions``."""

    attempt: PaymentAttempt
    next_action: NextAction
    order: Order


def start(
    due: Payment | Order, *, method: str, now: dt.datetime | None = None, payer_is_known: bool = True
) -> StartedAttempt:
    """Begin to pay ``due`` by ``method`` (an alias of ``PAYMENT_PROVIDERS``): the rest of one sum due, or of an order's next one.

    One transaction writes the attempt, the choice of method and the longer reservation of the coupon; after its commit the
    provider is asked, so call this outside a transaction. ``payer_is_known`` is False for somebody who need not be the one
    who ordered (see ``PaymentAttempt.payer_is_known``).

    Raises ``PaymentRefused``: ``unknown_method``, ``method_not_offered``, ``nothing_to_pay`` for a part that is not due any
    more, or why the order takes no payment (see ``why_not_payable``); ``CouponRefused`` where the coupon's use was given to somebody else meanwhile; and
    ``ProviderUnavailable`` where trying again later is right (the attempt then stands as failed).
    """
    now = now or conf.now()
    order = due.order if isinstance(due, Payment) else due
    provider = _offered(order, method)
    with locking.atomic_write():
        fresh = transitions.lock(order)
        refusal = why_not_payable(fresh, now)
        if refusal is not None:
            raise refusal
        attempt = _attempt(fresh, _part(fresh, due), provider, now, payer_is_known)
        if (fresh.payment_method, fresh.payment_kind) != (method, provider.kind):
            fresh.payment_method, fresh.payment_kind = method, provider.kind
            fresh.save(update_fields=["payment_method", "payment_kind"])
        _renew_reservation(fresh, provider, now)
    order.payment_method, order.payment_kind = fresh.payment_method, fresh.payment_kind
    order.coupon_use_id = fresh.coupon_use_id
    return StartedAttempt(attempt, _request_payment(provider, attempt, fresh, now), fresh)


def prepare(order: Order, provider: Provider, *, now: dt.datetime) -> PaymentAttempt:
    """The first half of ``start`` for an order that this very transaction has placed, with its coupon reserved for as long as
    ``reserve_until`` says. After the commit ``request_payment`` asks the provider. Three statements."""
    payment = references.first_payment(order)
    return _new_attempt(order, payment, provider, now, origin=PaymentAttempt.Origin.CHECKOUT)


def reserve_until(provider: Provider, now: dt.datetime) -> Callable[[Order], dt.datetime]:
    """Until when a coupon must stay reserved for an order paid by ``provider``."""

    def until(order: Order) -> dt.datetime:
        span = provider.reserve_for(order)
        return order.expires_at if span is None else now + span

    return until


def request_payment(order: Order, provider: Provider, attempt: PaymentAttempt, *, now: dt.datetime) -> StartedAttempt:
    """The second half of ``start``: ask the provider, outside any transaction. Raises what ``start`` raises for it."""
    return StartedAttempt(attempt, _request_payment(provider, attempt, order, now), order)


def why_not_payable(order: Order, now: dt.datetime | None = None) -> PaymentRefused | None:
    """Why ``order`` takes no payment, as the refusal to raise; ``None`` when it does. No query.

    Codes: ``already_paid``, ``superseded``, ``cancelled``, ``expired`` (by the clock, whether or not a worker has said so),
    ``refunded``, ``price_over`` (the agreed price no longer binds; promise 3), ``nothing_to_pay``. An order that is paid in
    part is past both terms: its buyer is led to pay the rest.
    """
    now = now or conf.now()
    refused = _REFUSALS.get(Status(order.status))
    if order.status == Status.REFUNDED and is_owed_again(order):
        refused = None
    if refused is None and order.status in UNSETTLED and order.expires_at <= now:
        refused = _REFUSALS[Status.EXPIRED]
    if refused is None and order.status in UNSETTLED and order.price_holds_until <= now:
        refused = ("price_over", _("The price of this order no longer holds."))
    if refused is None and not order.outstanding:
        refused = ("nothing_to_pay", _("There is nothing left to pay."))
    if refused is None:
        return None
    code, message = refused
    return PaymentRefused(message, code=code, order=order.pk)


def is_owed_again(order: Order) -> bool:
    """Whether the money of a refunded order was not given back by the seller: its buyer's bank took it, or it never came."""
    return bool(order.outstanding) and order.paid_amount <= 0


def next_poll(changed_at: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """The next moment to ask a provider about an attempt that last changed at ``changed_at``; ``None`` after the last."""
    return next((changed_at + span for span in POLL_AFTER if changed_at + span > now), None)


def _offered(order: Order, method: str) -> Provider:
    provider = registry.get(method)
    offered = registry.available(order.offer, currency=order.currency, site=order.site)
    if provider.alias not in {each.alias for each in offered}:
        raise PaymentRefused(_("This order cannot be paid in that way."), code="method_not_offered", method=method)
    return provider


def _part(order: Order, due: Payment | Order) -> Payment:
    """The sum that is to be paid, as it stands now. The order is locked."""
    payment = (
        Payment.objects.get(pk=due.pk, order=order.pk) if isinstance(due, Payment) else references.payment_of(order)
    )
    payment.order = order
    if not payment.rest:
        raise PaymentRefused(_("There is nothing left to pay."), code="nothing_to_pay", order=order.pk)
    return payment


def _attempt(
    order: Order, payment: Payment, provider: Provider, now: dt.datetime, payer_is_known: bool
) -> PaymentAttempt:
    if provider.kind == PaymentKind.TRANSFER:
        announced = _announced(payment, provider.alias, payment.rest)
        if announced is not None:
            announced.payment = payment
            if announced.payer_is_known and not payer_is_known:
                announced.payer_is_known = False
                announced.save(update_fields=["payer_is_known"])
            return announced
    return _new_attempt(order, payment, provider, now, payer_is_known=payer_is_known)


def _new_attempt(
    order: Order,
    payment: Payment,
    provider: Provider,
    now: dt.datetime,
    *,
    origin: PaymentAttempt.Origin = PaymentAttempt.Origin.PAY_PAGE,
    payer_is_known: bool = True,
) -> PaymentAttempt:
    asked = payment.rest
    attempt = PaymentAttempt.objects.create(
        payment=payment,
        method=provider.alias,
        token=signing.random_token(),
        amount=asked.amount,
        currency=asked.currency,
        started_at=now,
        changed_at=now,
        next_poll_at=next_poll(now, now) if provider.is_polled else None,
        origin=origin,
        is_live=provider.live,
        payer_is_known=payer_is_known,
    )
    writing.write(order, "payments.started", now=now, amount=asked, method=provider.alias)
    return attempt


def _announced(payment: Payment, method: str, asked: Money) -> PaymentAttempt | None:
    """A transfer is announced once, however often its page is opened."""
    return payment.attempts.filter(
        method=method, state=State.STARTED, amount=asked.amount, currency=asked.currency
    ).first()


def _renew_reservation(order: Order, provider: Provider, now: dt.datetime) -> None:
    """Last in the transaction: it may lock the coupon's row."""
    if order.coupon_use_id is None:
        return
    use = uses.renew(order.coupon_use, until=reserve_until(provider, now)(order), now=now)
    if use is not None and use.pk != order.coupon_use_id:
        order.coupon_use = use
        order.save(update_fields=["coupon_use"])


def _request_payment(provider: Provider, attempt: PaymentAttempt, order: Order, now: dt.datetime) -> NextAction:
    urls = Urls(
        return_url=links.return_url(order, now, attempt=signing.handle_of(attempt)),
        notify_url=links.absolute(
            "notify", provider.alias, site_id=order.site_id, language=django_settings.LANGUAGE_CODE
        ),
    )
    try:
        handover = provider.start(attempt, urls, now)
    except ConfigurationFault:
        raise
    except KwigaError:
        _mark_unstarted(attempt, order, now)
        raise
    except Exception as fault:
        logger.exception("Provider %s could not start attempt %s", provider.alias, attempt.pk)
        _mark_unstarted(attempt, order, now)
        raise ProviderUnavailable(_("This way to pay does not answer at the moment. Please try again.")) from fault
    if isinstance(handover, Redirect | Form):
        remember(attempt, reference=handover.reference, data=provider_text.cleaned(dict(handover.data or {})))
    elif not isinstance(handover, Instructions):
        raise ConfigurationFault(f"{type(provider).__name__}.start must return a Redirect, a Form or Instructions.")
    return handover


def _mark_unstarted(attempt: PaymentAttempt, order: Order, now: dt.datetime) -> None:
    with locking.atomic_write():
        still = PaymentAttempt.objects.filter(pk=attempt.pk, state=State.STARTED)
        if still.update(state=State.FAILED, changed_at=now, next_poll_at=None):
            writing.write(order, "payments.unavailable", now=now, method=attempt.method)


def _keep_first(attempt: PaymentAttempt, reference: str, data: Any) -> bool:
    """Write it where nothing was told before, which is nearly always so. One statement, and a transaction by itself."""
    untold = PaymentAttempt.objects.filter(pk=attempt.pk, reference="", data={})
    if transaction.get_connection(untold.db).in_atomic_block:
        return False
    if not untold.update(reference=reference, data=data):
        return False
    attempt.reference, attempt.data = reference, data
    return True


def remember(attempt: PaymentAttempt, *, reference: str = "", data: Any = None) -> None:
    """Keep what a provider told at the start. A webhook may have been quicker: what it wrote stays."""
    if not reference and not data:
        return
    try:
        if _keep_first(attempt, reference, data or {}):
            return
        with locking.atomic_write():
            row = locking.locked(PaymentAttempt.objects.filter(pk=attempt.pk)).get()
            row.reference = row.reference or reference
            row.data = {**(data or {}), **row.data}
            row.save(update_fields=["reference", "data"])
    except IntegrityError:
        logger.error(
            "Provider %s gave reference %r to two attempts; %s goes without", attempt.method, reference, attempt.pk
        )
        return
    attempt.reference, attempt.data = row.reference, row.data
