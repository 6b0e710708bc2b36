"""Giving money back through a provider: written down first, then called for, then settled.

::

    requested ──▶ pending ──▶ done          done and failed are the ends
        │  ╲          ╲──▶ failed           access and status follow *done* only
        │   ╲──▶ unknown ──▶ …              the provider was called, and its answer was lost

``request`` commits the row, ``send`` calls the provider outside every lock and settles, ``reported`` takes what a provider
tells by itself, and ``sweep`` brings to its end what a crash or a lost answer left in between: it asks where the provider can
be asked, repeats the call with the same token where that is the same refund there, and else leaves it to a person. Nothing
is given back twice.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from django.db.models import Exists
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, installation, locking, signing
from wagtail_kwiga.exceptions import ConfigurationFault, KwigaError, PaymentRefused, ProviderUnavailable
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import transitions
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import booking, refund_states, registry
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.payments.provider import Provider, RefundAnswer, RefundDone, RefundFailed
from wagtail_kwiga.payments.statuses import OPEN_REFUNDS, FailureCode, RefundState
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("wagtail_kwiga.payments")

ReportedOutcome = Literal["done", "pending", "failed"]
_OUTCOMES: dict[str, RefundState] = {
    "done": RefundState.DONE,
    "pending": RefundState.PENDING,
    "failed": RefundState.FAILED,
}


@dataclass(frozen=True)
class ReportedRefund:
    """The refund that a report was about. ``new`` is False where the report changed nothing."""

    refund: Refund
    new: bool = True


@dataclass(frozen=True)
class RefundSummary:
    """One pass: refunds looked at, those that came to an end or moved, those whose provider could not be asked."""

    tried: int = 0
    changed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.tried} refunds looked at, {self.changed} changed, {self.failed} failed"


def request(
    *,
    order: Order | None = None,
    attempt: PaymentAttempt | None = None,
    amount: Money | Decimal,
    reason: str = "",
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
) -> Refund:
    """Write down that ``amount`` is to be given back out of ``attempt`` or, with ``order``, out of its latest one. No money
    moves before ``send``, which is to be called after the commit.

    Raises ``PaymentRefused``: ``no_money``, ``too_much`` (requested, under way, unknown and done together never exceed what
    was received), ``several_attempts`` (``request_each`` divides it), ``refund_by_hand`` (the provider cannot); and
    ``MoneyMismatch``.
    """
    if attempt is not None:
        order = order or Order.objects.get(payments__attempts=attempt)
    if order is None:
        raise TypeError("request() wants an attempt or an order")
    found = _request(order, attempt, amount, reason=reason, by=by, now=now or conf.now(), several=False)
    return found[0]


def request_each(
    *,
    order: Order,
    amount: Money | Decimal,
    reason: str = "",
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
) -> tuple[Refund, ...]:
    """``request`` for money that came in several attempts: one refund for each it comes out of, the latest first."""
    return _request(order, None, amount, reason=reason, by=by, now=now or conf.now(), several=True)


def send(refund: Refund, now: dt.datetime | None = None) -> Refund:
    """Call the provider about a refund that was requested, and settle what it answers. Call it outside a transaction.

    Returns the row as it is then; that the provider refuses or cannot be reached is told by its state. A refund that was
    sent before is left alone, and so is every one on a copy of the database (``installation``): there it stays *requested*.
    Raises ``ConfigurationFault`` only.
    """
    now = now or conf.now()
    if not installation.standing().may_act:
        return refund
    with locking.atomic_write():
        row = locking.locked(Refund.objects.filter(pk=refund.pk)).get()
        is_mine = row.state == RefundState.REQUESTED and not row.tries
        if is_mine:
            _take(row, now)
    return _call(row, now) if is_mine else row


def reported(
    *,
    attempt: PaymentAttempt,
    amount: Money | Decimal,
    reference: str,
    token: str = "",
    outcome: ReportedOutcome,
    now: dt.datetime | None = None,
) -> ReportedRefund:
    """Take what a provider tells of a refund, ours or one made in its own panel: booked once, however often it is told.

    It is found by ``token`` (ours), else by ``reference`` (the provider's), else it is a new one, made in the provider's
    panel. What is odd is put on a person's list, and money that has moved is always booked. Raises ``MoneyMismatch`` for
    another currency, and ``PaymentRefused`` (``no_money``) for nothing or less.
    """
    now = now or conf.now()
    state = _OUTCOMES[outcome]
    with locking.atomic_write():
        order = transitions.lock(booking.order_of(attempt))
        money = booking.in_currency_of(order, amount)
        if money.amount <= 0:
            raise PaymentRefused(_("Please say how much was given back."), code="no_money")
        row = refund_states.match(attempt, reference, token)
        if row is None:
            row = _new(order, attempt, money.amount, now=now, reference=reference)
            if state == RefundState.DONE and money.amount > _left(order, attempt, besides=row):
                refund_states.flag(order, row, "payments.refund_too_much", now)
        return ReportedRefund(row, refund_states.move(order, row, state, reference=reference, money=money, now=now))


def decide(
    refund: Refund, *, is_done: bool, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> Refund:
    """Say for the provider what became of a refund (a person has looked there). Raises ``PaymentRefused`` (``settled``)
    where it has come to its end already."""
    now = now or conf.now()
    with locking.atomic_write():
        order = transitions.lock(refund.order)
        row = locking.locked(Refund.objects.filter(pk=refund.pk)).select_related("attempt").get()
        if row.state not in OPEN_REFUNDS:
            raise PaymentRefused(_("This refund has come to its end already."), code="settled")
        refund_states.move(order, row, RefundState.DONE if is_done else RefundState.FAILED, now=now, by=by)
    return row


def sweep(now: dt.datetime | None = None, *, batch: int = 50, seconds: float | None = None) -> RefundSummary:
    """Bring refunds that are due for it to their end. Safe to run from several workers: each row is claimed first. Begins no
    more after ``seconds``."""
    now = now or conf.now()
    ends = time.monotonic() + (conf.settings.SWEEP_SECONDS if seconds is None else seconds)
    tried = changed = failed = 0
    claimed = _claim(now, batch)
    for place, (row, tries_before) in enumerate(claimed):
        if place and time.monotonic() >= ends:
            _release([row for row, _before in claimed[place:]], now)
            break
        tried += 1
        before = row.state
        try:
            after = _resume(row, tries_before, now)
        except ProviderUnavailable as fault:
            failed += 1
            logger.warning("%s does not answer about refund %s: %s", row.attempt.method, row.pk, fault)
        except Exception:
            failed += 1
            logger.exception("Refund %s of %s could not be brought to its end", row.pk, row.attempt.method)
        else:
            changed += after.state != before
    return RefundSummary(tried, changed, failed)


# --- writing down


def _request(
    order: Order,
    attempt: PaymentAttempt | None,
    amount: Money | Decimal,
    *,
    reason: str,
    by: AbstractBaseUser | None,
    now: dt.datetime,
    several: bool,
) -> tuple[Refund, ...]:
    money = booking.in_currency_of(order, amount)
    if money.amount <= 0:
        raise PaymentRefused(_("Please say how much is to be given back."), code="no_money")
    with locking.atomic_write():
        fresh = transitions.lock(order)
        parts = booking.shares(booking.refundable(fresh, attempt), money.amount)
        if len(parts) > 1 and not several:
            raise PaymentRefused(
                _("This money came in several payments. Please refund each of them."), code="several_attempts"
            )
        made = []
        for source, share in parts:
            if not _provider(source).can_refund:
                raise PaymentRefused(
                    _("This payment method cannot pay back by itself."), code="refund_by_hand", method=source.method
                )
            row = _new(fresh, source, share, now=now, reason=reason, by=by, next_try_at=_lease(now))
            writing.write(
                fresh,
                "payments.refund_requested",
                now=now,
                by=by,
                amount=row.money,
                method=source.method,
                reason=reason,
            )
            made.append(row)
    return tuple(made)


def _new(order: Order, attempt: PaymentAttempt, amount: Decimal, *, now: dt.datetime, **given: Any) -> Refund:
    return Refund.objects.create(
        token=signing.random_token(),
        order=order,
        attempt=attempt,
        amount=amount,
        currency=order.currency,
        requested_at=now,
        changed_at=now,
        **given,
    )


def _left(order: Order, attempt: PaymentAttempt, *, besides: Refund) -> Decimal:
    """What can be given back of ``attempt``, apart from what ``besides`` itself asks for."""
    return sum((left for _source, left in booking.refundable(order, attempt)), Decimal(0)) + besides.amount


# --- calling


def _call(row: Refund, now: dt.datetime) -> Refund:
    """Ask the provider to give the money back, outside every lock, and settle what it answers."""
    try:
        answer: RefundAnswer = _provider(row.attempt).refund(row, now)
    except ConfigurationFault as fault:
        _settle(row, RefundFailed(FailureCode.TECHNICAL, str(fault)), now)
        raise
    except ProviderUnavailable as fault:
        logger.warning("%s does not answer about refund %s: %s", row.attempt.method, row.pk, fault)
        return _in_doubt(row, now)
    except KwigaError as refusal:  # the provider's class refused before anything was sent
        answer = RefundFailed(FailureCode.UNKNOWN, str(refusal))
    except Exception:
        logger.exception("Refund %s by %s: the call broke off", row.pk, row.attempt.method)
        return _in_doubt(row, now)
    return _settle(row, answer, now)


def _resume(row: Refund, tries_before: int, now: dt.datetime) -> Refund:
    """Bring a claimed row nearer to its end. Raises what asking the provider raises, with the next look planned."""
    if row.state == RefundState.REQUESTED and not tries_before:
        return _call(row, now)  # whoever requested it never came to call
    try:
        provider = _provider(row.attempt)
    except PaymentRefused:  # taken out of the settings
        return _in_doubt(row, now, last=True)
    if provider.can_fetch_refund:
        try:
            answer = provider.fetch_refund(row, now)
        except Exception:
            _in_doubt(row, now)
            raise
        if answer is not None:
            return _settle(row, answer, now)
        if not provider.refund_is_idempotent:
            if row.state != RefundState.PENDING and row.tries >= refund_states.MOST_TRIES_IN_DOUBT:
                why = "The provider does not know of it, so no money was moved."
                return _settle(row, RefundFailed(FailureCode.UNKNOWN, why), now)
            return _in_doubt(row, now)
    if provider.refund_is_idempotent:
        return _call(row, now)
    return _in_doubt(row, now, last=row.state != RefundState.PENDING)  # a webhook may still tell of one under way


def _in_doubt(row: Refund, now: dt.datetime, *, last: bool = False) -> Refund:
    """Nothing is known about what became of it: look again later, or where that is no use have a person look."""
    with locking.atomic_write():
        order = transitions.lock(row.order_id)
        fresh = locking.locked(Refund.objects.filter(pk=row.pk)).select_related("attempt").get()
        if fresh.state not in OPEN_REFUNDS or fresh.tries != row.tries:
            return fresh  # told meanwhile, or taken by another worker
        is_pending = fresh.state == RefundState.PENDING
        last = last or fresh.tries >= (
            refund_states.MOST_TRIES_PENDING if is_pending else refund_states.MOST_TRIES_IN_DOUBT
        )
        last = last or not (is_pending or _can_find_out(fresh))
        if not is_pending:
            fresh.state = RefundState.UNKNOWN.value
        fresh.changed_at, fresh.next_try_at = now, None if last else refund_states.next_try(fresh, now)
        fresh.save(update_fields=["state", "changed_at", "next_try_at"])
        if last:
            refund_states.flag(
                order, fresh, "payments.refund_pending_long" if is_pending else "payments.refund_unknown", now
            )
    return fresh


def _settle(row: Refund, answer: RefundAnswer, now: dt.datetime) -> Refund:
    """Write what the provider answered to our call."""
    with locking.atomic_write():
        order = transitions.lock(row.order_id)
        fresh = locking.locked(Refund.objects.filter(pk=row.pk)).select_related("attempt").get()
        if isinstance(answer, RefundFailed):
            refund_states.move(order, fresh, RefundState.FAILED, now=now, code=answer.code, why=answer.message)
            return fresh
        state = RefundState.DONE if isinstance(answer, RefundDone) else RefundState.PENDING
        refund_states.move(order, fresh, state, reference=answer.reference, now=now)
    return fresh


# --- claims and times


def _provider(attempt: PaymentAttempt) -> Provider:
    return registry.get(attempt.method)


def _can_find_out(row: Refund) -> bool:
    try:
        provider = _provider(row.attempt)
    except PaymentRefused:
        return False
    return provider.can_fetch_refund or provider.refund_is_idempotent


def _lease(now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(seconds=conf.settings.LEASE_SECONDS)


def _take(row: Refund, now: dt.datetime) -> None:
    """Claim a locked row for one call: whoever dies in it is followed by the sweep when the lease is over."""
    row.tries, row.next_try_at = row.tries + 1, _lease(now)
    row.save(update_fields=["tries", "next_try_at"])


def _claim(now: dt.datetime, batch: int) -> list[tuple[Refund, int]]:
    """Due refunds for this worker alone, each with how often it had been tried before; none on a copy of the database, where no
    provider is to be called. Idle: one query."""
    due = Refund.objects.filter(next_try_at__lte=now).order_by("next_try_at", "pk")
    if not due.filter(~Exists(installation.holding())).exists():
        return []
    with locking.atomic_write():
        claimed = list(locking.locked(due.select_related("attempt__payment__order"), skip=True)[:batch])
        before = [row.tries for row in claimed]
        for row in claimed:
            row.tries, row.next_try_at = row.tries + 1, _lease(now)
        Refund.objects.bulk_update(claimed, ["tries", "next_try_at"])
    return list(zip(claimed, before, strict=True))


def _release(rows: list[Refund], now: dt.datetime) -> None:
    """Give back what was claimed and not begun: the next worker may take it at once, as if it had not been tried."""
    for row in rows:
        mine = Refund.objects.filter(pk=row.pk, tries=row.tries, next_try_at=row.next_try_at)
        mine.update(tries=row.tries - 1, next_try_at=now)
