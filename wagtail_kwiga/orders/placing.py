"""Placing an order: the one way an order comes into being."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, events, hooks, locking, signing
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts, eligibility, uses
from wagtail_kwiga.coupons.models import CouponUse
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, OrderRefused
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import answers as order_answers
from wagtail_kwiga.orders import numbers, purchases
from wagtail_kwiga.orders.events import OrderPlaced, PlaceOrder
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import UNSETTLED, Origin, PaymentKind, Status
from wagtail_kwiga.orders.transitions import close_superseded
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote


class OrderUnderWay(OrderRefused):
    """Money is on its way to an earlier order, or a part of it is there, and nobody vouches that it is the same person
    who orders again. ``facts["order"]`` is the earlier order."""

    code = "under_way"


def place_order(
    *,
    contact: Contact,
    offer: Offer,
    quote: Quote,
    payment_method: str = "",
    payment_kind: str = PaymentKind.ONLINE,
    site: Any = None,
    language: str = "",
    title: str = "",
    origin: str = Origin.WEB,
    name: str = "",
    phone: str = "",
    agreed_terms: bool = False,
    answers: Mapping[str, Any] | None = None,
    hold_until: dt.datetime | Callable[[Order], dt.datetime] | None = None,
    by: Any = None,
    vouch: Callable[[Order], bool] | None = None,
    beside: Callable[[Order], None] | None = None,
    now: dt.datetime | None = None,
) -> Order:
    """Place an order at ``quote`` and return it.

    In one transaction: the contact is locked; an older open order of the pair is superseded and its held coupon handed
    on where ``quote`` brings none (promise 2); the order, its lines and its timeline are written; ``OrderPlaced`` is told;
    the coupon is held last. ``hold_until`` says until when the payment method needs the coupon, or answers it for the order
    about to be written: by default the gateway's hour, for a transfer until the order expires. ``title`` is what the
    buyer's page calls the offer, in the buyer's language; by default the offer's own.

    ``vouch`` is the web door's question, put under the contact's lock: whether whoever types this address has shown to be
    the buyer of a standing order that money is on its way to. Without it nobody asks (staff, the site's own code); with it
    the order carries name and phone as they were given, and nothing that is known of the contact. ``beside`` is called with
    the order where more is to be written in the same transaction, before a coupon's counter is locked.

    ``answers`` are the cleaned values of fields that the site has added to the order form; they are kept in ``Order.answers``.

    Raises ``OrderRefused`` (not for sale, or a site's veto), ``AlreadyPartlyPaid`` (``facts["order"]`` is to be finished),
    ``OrderUnderWay`` (``vouch`` said no),
    ``CouponRefused`` (the coupon of the quote has no use left); then nothing was written.
    """
    now = now or conf.now()
    kept = order_answers.as_json(answers or {})
    with locking.atomic_write():
        contact = directory.locked(contact)
        hooks.permit("before_kwiga_place_order", PlaceOrder(contact, offer, quote, site, origin, kept))
        if origin == Origin.WEB and (why := selling.why_not_for_sale(offer, now)):
            raise OrderRefused(selling.message(why, offer), code=why)
        standing = list(locking.locked(purchases.open_orders(contact.pk, offer.pk).select_related("coupon_use")))
        _mind_money(standing, vouch)
        older = next((order for order in standing if order.status in UNSETTLED), None)
        # A discount that is handed on to nobody knows whom lowers the price, but its code is not told.
        tells_code = quote.coupon_id is not None or vouch is None or older is None or vouch(older)
        inherited, may_renew, quote = _inherit_coupon(older, quote, offer, contact, now)
        returned = older.coupon_use if older and not inherited else None
        if older:
            close_superseded(older, hand_on=inherited is not None, now=now, by=by)
        order = Order(
            number=numbers.new_number(),
            token=signing.random_token(),
            purchase_id=purchases.for_new_order(standing, contact_id=contact.pk, offer_id=offer.pk, now=now),
            contact=contact,
            offer=offer,
            origin=origin,
            payment_method=payment_method,
            payment_kind=PaymentKind.NONE if quote.is_free else payment_kind,
            title=title or offer.title,
            currency=quote.total.currency,
            list_amount=quote.list_price.amount,
            discount_amount=quote.discount.amount,
            total_amount=quote.total.amount,
            coupon_id=quote.coupon_id,
            coupon_code=quote.coupon_code if tells_code else "",
            coupon_use=inherited,
            site=site,
            language=language or contact.language or languages.active(),
            buyer_name=name or ("" if vouch else contact.name),
            buyer_phone=phone or ("" if vouch else contact.phone),
            placed_at=now,
            price_holds_until=now + dt.timedelta(days=conf.settings.PRICE_HOLDS_DAYS),
            expires_at=now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS),
            agreed_terms_at=now if agreed_terms else None,
            answers=kept,
        )
        until = hold_until(order) if callable(hold_until) else hold_until or default_hold(order, now)
        begun = None
        if order.coupon_id and inherited is None:
            begun = uses.begin_reservation(order.coupon_id, contact.pk, until=until, now=now)
            order.coupon_use = begun.use
        order.save(force_insert=True)
        purchases.note_placed(order)
        _write_lines(order, offer, quote.total)
        if older:
            Order.objects.filter(pk=older.pk).update(superseded_by=order)
        writing.write(
            order,
            "order.placed",
            now=now,
            by=by,
            total=order.total,
            coupon=quote.coupon_code,
            origin=str(origin),
            supersedes=older.number if older else "",
        )
        replaced = (older.pk,) if older else ()
        events.publish(OrderPlaced(order.pk, contact.pk, offer.pk, order.purchase_id, replaced, now, kept))
        if beside is not None:
            beside(order)
        if begun or inherited or returned:
            _move_uses(order, returned, begun, inherited if may_renew else None, until, now)
    return order


def default_hold(order: Order, now: dt.datetime) -> dt.datetime:
    """Until when a coupon is held for an order whose payment method says nothing else."""
    if order.payment_kind == PaymentKind.TRANSFER:
        return order.expires_at
    return now + dt.timedelta(minutes=conf.settings.GATEWAY_HOLD_MINUTES)


def _mind_money(standing: list[Order], vouch: Callable[[Order], bool] | None) -> None:
    """Raise where money that is there, or on its way, stands against a new order."""
    for order in standing:
        if vouch is not None and order.status in (Status.PARTLY_PAID, Status.PROCESSING) and not vouch(order):
            raise OrderUnderWay(_("An order for this address is under way."), order=order.pk)
        if order.status == Status.PARTLY_PAID:
            raise AlreadyPartlyPaid(
                _("A part of your earlier order %(number)s is paid already. Please pay the rest of it instead.")
                % {"number": order.number},
                order=order.pk,
            )


def _inherit_coupon(
    older: Order | None, quote: Quote, offer: Offer, contact: Contact, now: dt.datetime
) -> tuple[CouponUse | None, bool, Quote]:
    """The held use that passes from ``older`` to the new order, whether it may be held longer, and the quote with it.

    Whoever comes back without typing the code again keeps the discount while it is theirs, or while the hold lasts that
    was taken when it was; so a stranger who types somebody's address takes nothing away. A use of the very coupon that ``quote`` brings passes on too, so that coming
    back does not need a second use.
    """
    use = older.coupon_use if older else None
    if use is None or use.state != CouponUse.State.RESERVED:
        return None, False, quote
    if quote.coupon_id is not None:
        return (use, True, quote) if use.coupon_id == quote.coupon_id else (None, False, quote)
    verdict = eligibility.check_coupon(use.coupon, offer=offer, contact=contact, now=now, holding=use)
    if not verdict.ok and use.reserved_until <= now:
        return None, False, quote
    discount = discounts.discount_of(use.coupon)
    inherited = make_quote(quote.list_price, discount, coupon_id=use.coupon_id, coupon_code=use.coupon.code)
    if inherited.total > quote.total:  # never dearer than what was shown
        return None, False, quote
    return use, verdict.ok, inherited


def _write_lines(order: Order, offer: Offer, total: Money) -> None:
    terms = selling.terms_of(offer)
    if not terms.products:
        return
    shares = total.split(terms.weights)
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product_id=sold.product_id,
            title=sold.title,
            amount=share.amount,
            access_terms=sold.access.to_json(),
        )
        for sold, share in zip(terms.products, shares, strict=True)
    )


def _move_uses(
    order: Order,
    returned: CouponUse | None,
    begun: uses.Reservation | None,
    renewed: CouponUse | None,
    until: dt.datetime,
    now: dt.datetime,
) -> None:
    """Last of all, so that a hot coupon's row is locked as briefly as can be.

    Where one coupon is given back for another, their counters are taken in the order of their keys: two buyers who swap
    the same two coupons crosswise must not wait for one another. A use that was handed on is renewed; one of a discount
    that has ended meanwhile keeps its hold, and gets no longer one.
    """
    moves: list[tuple[int, Callable[[], Any]]] = []
    if begun is not None:
        moves.append((begun.use.coupon_id, begun.finish))
    if renewed is not None:
        moves.append((renewed.coupon_id, lambda: _renew(order, renewed, until, now)))
    if returned is not None:
        moves.append((returned.coupon_id, lambda: uses.release(returned, now=now)))
    for _coupon_id, move in sorted(moves, key=lambda move: move[0]):
        move()


def _renew(order: Order, use: CouponUse, until: dt.datetime, now: dt.datetime) -> None:
    renewed = uses.renew(use, until=until, now=now)
    if renewed is not None and renewed.pk != order.coupon_use_id:
        order.coupon_use = renewed
        Order.objects.filter(pk=order.pk).update(coupon_use=renewed)
