"""What the pages of this room show, put together from an order. Reads only, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import signing, web_addresses
from wagtail_kwiga.catalogue import selling, terms_text
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError, PaymentRefused
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.orders import access_starts, links, purchases
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import CLOSED_UNPAID, PAYABLE, PaymentKind, Status
from wagtail_kwiga.payments import attempts, registry, schedule
from wagtail_kwiga.payments.labels import FAILURES_FOR_BUYERS
from wagtail_kwiga.payments.models import PaymentAttempt
from wagtail_kwiga.payments.provider import Instructions
from wagtail_kwiga.payments.statuses import FailureCode, PaymentState
from wagtail_kwiga.pricing.money import Money

State = PaymentAttempt.State


@dataclass(frozen=True)
class Bought:
    """One line of an order as the buyer sees it, with its access in words; ``way_in`` is an address, or empty, also where its
    access opens only at ``opens_at``."""

    title: str
    access: tuple[str, ...] = ()
    way_in: str = ""
    opens_at: dt.datetime | None = None


#: How an order stands: the heading and one sentence. Word for word what a worried buyer wants to know first.
_STANDS: dict[str, tuple[Promise, Promise]] = {
    Status.OPEN: (_("Waiting for your payment"), _("Your order is placed. It is yours as soon as it is paid.")),
    Status.PROCESSING: (
        _("Your payment is under way"),
        _("The bank has not confirmed it yet. You need not do anything; we will write to you when it has arrived."),
    ),
    Status.PARTLY_PAID: (_("A part is paid"), _("Thank you. The rest is still to be paid.")),
    Status.PAID: (_("Paid. Thank you!"), _("Everything is settled.")),
    Status.SUPERSEDED: (
        _("There is a newer order"),
        _("You ordered again later; that order has taken the place of this one."),
    ),
    Status.CANCELLED: (_("This order is closed"), _("Nothing is to be paid for it any more.")),
    Status.EXPIRED: (_("This order has expired"), _("The time to pay it is over. Nothing was charged.")),
    Status.REFUNDED: (
        _("Your money was sent back"),
        _("This order was paid back. It can take a few days to reach your account."),
    ),
}


#: What other rooms have to say on the order page: functions that get the order and return a sentence, or nothing.
_notes: list[Callable[[Order], str]] = []


def register_note(note: Callable[[Order], str]) -> None:
    """Have the order page show what ``note`` returns for its order, in the language of the page; an empty text shows nothing.
    Registering it again changes nothing."""
    if note not in _notes:
        _notes.append(note)


def asked(attempt: PaymentAttempt) -> Money:
    return Money(attempt.amount, attempt.currency)


def to_pay(order: Order, now: dt.datetime, *, instead_of: str | None = None) -> dict[str, Any]:
    """The pay page: what it costs, the ways to pay, and a payment that is under way already.

    ``instead_of`` is the handle of the earlier order whose link led here: what is not as that link promised is told before
    anything is agreed to.
    """
    methods = registry.available(order.offer, currency=order.currency, site=order.site)
    part = schedule.part_asked_for(order)
    chosen = order.payment_method if order.payment_method in {each.alias for each in methods} else ""
    return {
        "kwiga_title": gettext("Pay for “%(title)s”") % {"title": order.title},
        "order": order,
        "amount": part.rest if part is not None else order.outstanding,
        "due_at": part.due_at if part is not None else None,
        "changes": _changes_since(instead_of, order),
        "methods": methods,
        "chosen": chosen or (methods[0].alias if methods else ""),
        "continue_url": _continue_url(order) if order.status == Status.PROCESSING else "",
        "under_way": order.status == Status.PROCESSING,
        "price_holds_until": order.price_holds_until if part is None and order.status != Status.PARTLY_PAID else None,
    }


def on_to_pay(started: attempts.StartedAttempt) -> dict[str, Any]:
    """The page with a form that is sent to the provider."""
    return {
        "kwiga_title": gettext("On to pay"),
        "order": started.order,
        "form": started.next_action,
        "amount": asked(started.attempt),
    }


def not_payable(order: Order, refusal: KwigaError, now: dt.datetime) -> dict[str, Any]:
    """The page in place of the pay page where there is nothing to pay, or not at this price."""
    paid = order if refusal.code == "already_paid" else _paid_instead(order)
    today = "" if paid else today_url(order, now)
    return {
        "kwiga_title": order.title,
        "order": order,
        "message": refusal.message,
        "code": "already_paid" if paid else refusal.code,
        "order_url": links.order_url(paid or order, now),
        "today_url": today,
        "not_for_sale": not paid and not today,
    }


def today_url(order: Order, now: dt.datetime) -> str:
    """Back to the offer at today's price, where it is still for sale; else empty."""
    if order.offer is None or selling.why_not_for_sale(order.offer, now):
        return ""
    return links.resume_url(order, None, now)


def order(order: Order, now: dt.datetime) -> dict[str, Any]:
    """The order page."""
    status = _status_by_clock(order, now)
    heading, sentence = _STANDS[status]
    is_open = status in PAYABLE
    attempt = _latest(order) if is_open else None
    newer = purchases.newest(order.purchase_id) if status == Status.SUPERSEDED else None
    paid = _paid_instead(order) if status in CLOSED_UNPAID else None
    if paid is not None:
        heading, sentence = _("You have it"), _("This purchase was paid with another order of yours.")
    if status == Status.PAID and not order.total_amount:
        heading, sentence = _("It is yours"), _("There is nothing to pay.")
    if status == Status.REFUNDED and attempts.is_owed_again(order):
        heading = _("The payment was taken back")
        sentence = _("The bank has taken the money back, so nothing is paid any more. You can pay again.")
    instructions = _instructions(order, attempt)
    pay_url = _pay_url(order, now)
    price_is_over = status == Status.OPEN and not pay_url and instructions is None
    is_over = status in (Status.EXPIRED, Status.CANCELLED) or price_is_over
    return {
        "kwiga_title": gettext("Order %(number)s") % {"number": order.number},
        "order": order,
        "changes": (changes(order, newer) or None) if newer is not None and newer.pk != order.pk else None,
        "heading": heading,
        "sentence": sentence,
        "notes": [words for note in _notes if (words := note(order))],
        "is_paid": status == Status.PAID,
        "is_open": is_open,
        "bought": _bought(order, now, paid=status == Status.PAID),
        "instructions": instructions,
        "continue_url": _continue_url(order, attempt) if status == Status.PROCESSING else "",
        "pay_url": pay_url if instructions is None or _is_offered_another_method(order) else "",
        "newer_url": _other_url(order, paid or newer, now),
        "today_url": today_url(order, now) if is_over and paid is None else "",
        "discounted": bool(order.discount),
        "partly": status == Status.PARTLY_PAID,
    }


def come_back(order: Order, attempt: PaymentAttempt | None, now: dt.datetime) -> dict[str, Any]:
    """The page a provider sends the buyer back to: *paid*, *declined*, or *checking*."""
    confirmed = attempt is not None and attempt.state == State.CONFIRMED
    if order.status == Status.PAID or confirmed:
        outcome = "paid" if order.status == Status.PAID else "received"
    elif attempt is not None and attempt.state == State.FAILED:
        outcome = "declined"
    else:
        outcome = "checking"
    return {
        "kwiga_title": order.title,
        "order": order,
        "outcome": outcome,
        "under_way": attempt is not None and attempt.state == State.PENDING,
        "order_url": links.order_url(order, now),
        "pay_url": _pay_url(order, now),
        "bought": _bought(order, now, paid=outcome == "paid"),
        "failure": _failure(attempt),
    }


def _failure(attempt: PaymentAttempt | None) -> Promise | str:
    """Why the payment came to nothing, for its buyer; empty where nobody knows."""
    code = attempt.failure_code if attempt is not None else ""
    words: Promise | str = FAILURES_FOR_BUYERS[FailureCode(code)] if code else ""
    return words


def changes(earlier: Order, order: Order) -> list[str]:
    """What ``order`` does not agree with ``earlier`` in, sentence by sentence: price, discount, products, access. Two queries."""
    told = []
    if order.total != earlier.total:
        told.append(
            gettext("It costs %(now)s. In the earlier order it was %(before)s.")
            % {"now": money_for_reader(order.total), "before": money_for_reader(earlier.total)}
        )
    if earlier.coupon_code and earlier.coupon_id != order.coupon_id:
        told.append(gettext("The discount code %(code)s is no longer part of it.") % {"code": earlier.coupon_code})
    before = {line.product_id: line for line in earlier.lines.all()}
    after = {line.product_id: line for line in order.lines.all()}
    told += [
        gettext("“%(title)s” is no longer part of it.") % {"title": line.title}
        for key, line in before.items()
        if key not in after
    ]
    for key, line in after.items():
        if key not in before:
            told.append(gettext("“%(title)s” is part of it now.") % {"title": line.title})
        elif line.access_terms != before[key].access_terms:
            words = gettext("Your access to “%(title)s” is not the same: %(access)s.")
            told.append(words % {"title": line.title, "access": ", ".join(_access(line))})
    return told


def _changes_since(earlier_handle: str | None, order: Order) -> list[str] | None:
    """``changes`` since the order of an older link; ``None`` where the link is about ``order`` itself."""
    if earlier_handle == signing.handle_of(order):
        return None
    earlier = signing.with_handle(Order.objects.filter(purchase_id=order.purchase_id), earlier_handle).first()
    return changes(earlier, order) if earlier is not None else None


def _status_by_clock(order: Order, now: dt.datetime) -> Status:
    """An open order past its term has expired, whether or not a worker has written it down yet (promise 5)."""
    refusal = attempts.why_not_payable(order, now)
    return Status.EXPIRED if refusal is not None and refusal.code == "expired" else Status(order.status)


def _is_offered_another_method(order: Order) -> bool:
    """Whether there is a way to pay ``order`` beside the one that its buyer has chosen."""
    chosen = order.payment_method
    return bool(registry.available(order.offer, currency=order.currency, site=order.site, besides=chosen))


def _pay_url(order: Order, now: dt.datetime) -> str:
    """The pay page; empty where it would only say that nothing is paid there any more."""
    return links.pay_url(order, now) if attempts.why_not_payable(order, now) is None else ""


def _paid_instead(order: Order) -> Order | None:
    """The paid order of the same purchase, where it was not this one that was paid."""
    if order.paid_at is not None:
        return None
    return Order.objects.filter(purchase_id=order.purchase_id, paid_at__isnull=False, status=Status.PAID).first()


def _other_url(order: Order, other: Order | None, now: dt.datetime) -> str:
    return links.order_url(other, now) if other is not None and other.pk != order.pk else ""


def _bought(order: Order, now: dt.datetime, *, paid: bool) -> list[Bought]:
    root = links.site_root(order.site_id) if paid else ""
    bought = []
    for line in order.lines.select_related("product"):
        opens_at = access_starts.later(line, order.paid_at or now, now) if paid else None
        is_open = paid and opens_at is None
        way_in = web_addresses.destination(line.product.entry_url, site_root=root) if is_open else ""
        bought.append(Bought(line.title, _access(line), way_in, opens_at))
    return bought


def _access(line: OrderLine) -> tuple[str, ...]:
    """The access of a line in words; nothing where a newer version of the software wrote it."""
    try:
        return terms_text.access_in_words(AccessTerms.from_json(line.access_terms))
    except KwigaError:
        return ()


def _latest(order: Order) -> PaymentAttempt | None:
    """The attempt a buyer would go on with: the latest that has not come to an end, for a sum that is still to be paid."""
    waiting = PaymentAttempt.objects.filter(
        payment__order=order.pk, payment__state=PaymentState.DUE.value, state__in=[State.STARTED, State.PENDING]
    )
    return waiting.filter(method=order.payment_method).select_related("payment__order").first()


def _instructions(order: Order, attempt: PaymentAttempt | None) -> Instructions | None:
    if attempt is None or order.payment_kind != PaymentKind.TRANSFER:
        return None
    try:
        return registry.get(attempt.method).instructions(attempt)
    except PaymentRefused:
        return None


def _continue_url(order: Order, attempt: PaymentAttempt | None = None) -> str:
    """Where the buyer may finish a payment that is under way."""
    attempt = attempt or _latest(order)
    if attempt is None or attempt.state != State.PENDING:
        return ""
    try:
        return registry.get(attempt.method).continue_url(attempt)
    except PaymentRefused:
        return ""
