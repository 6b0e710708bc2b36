"""Placing an order: the one way an order comes into being."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, events, hooks, locking
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.catalogue.terms import OfferTerms
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts, eligibility, uses
from wagtail_kwiga.coupons.models import CouponUse
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, OrderRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import families, numbers
from wagtail_kwiga.orders.events import OrderPlaced, PlaceOrder
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import UNSETTLED, Origin, PaymentKind, Status
from wagtail_kwiga.orders.transitions import close_superseded
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote, make_quote


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
    hold_until: dt.datetime | None = None,
    by: Any = None,
    now: dt.datetime | None = None,
) -> Order:
    """Place an order at ``quote`` and return it.

    In one transaction: the contact is locked; an older open order of the pair is superseded and its held coupon handed
    on where ``quote`` brings none (promise 2); the order, its lines and its timeline are written; ``OrderPlaced`` is told;
    the coupon is held last. ``hold_until`` says how long the payment method needs the coupon (DESIGN 6): by default the
    gateway's hour, for a transfer until the order expires. ``title`` is what the buyer's page calls the offer, in the
    buyer's language; by default the offer's own.

    Raises ``OrderRefused`` (not for sale, or a site's veto), ``AlreadyPartlyPaid`` (``facts["order"]`` is to be finished),
    ``CouponRefused`` (the coupon of the quote has no use left); then nothing was written.
    """
    now = now or conf.now()
    with locking.atomic_write():
        contact = directory.lock(contact.pk)
        hooks.ask("before_kwiga_place_order", PlaceOrder(contact, offer, quote, site, origin))
        if origin == Origin.WEB and (why := selling.why_not_for_sale(offer, now)):
            raise OrderRefused(selling.message(why, offer), code=why)
        standing = list(locking.locked(families.standing(contact.pk, offer.pk).select_related("coupon_use")))
        older = _older_open(standing)
        inherited, may_renew, quote = _inherit_coupon(older, quote, offer, contact, now)
        returned = older.coupon_use if older and not inherited else None
        if older:
            close_superseded(older, hand_on=inherited is not None, now=now, by=by)
        order = Order.objects.create(
            number=numbers.new_number(),
            token=numbers.new_token(),
            family=families.for_new_order(standing),
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
            coupon_code=quote.coupon_code,
            coupon_use=inherited,
            site=site,
            language=language or contact.language or translation.get_language() or "en",
            buyer_name=name or contact.name,
            buyer_phone=phone or contact.phone,
            placed_at=now,
            price_holds_until=now + dt.timedelta(days=conf.settings.PRICE_HOLDS_DAYS),
            expires_at=now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS),
            agreed_terms_at=now if agreed_terms else None,
        )
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
        events.publish(OrderPlaced(order.pk, contact.pk, offer.pk, order.family, (older.pk,) if older else (), now))
        _move_uses(order, returned, inherited, may_renew, hold_until or default_hold(order, now), now)
    return order


def default_hold(order: Order, now: dt.datetime) -> dt.datetime:
    """Until when a coupon is held for an order whose payment method says nothing else."""
    if order.payment_kind == PaymentKind.TRANSFER:
        return order.expires_at
    return now + dt.timedelta(minutes=conf.settings.GATEWAY_HOLD_MINUTES)


def _older_open(standing: list[Order]) -> Order | None:
    for order in standing:
        if order.status == Status.PARTLY_PAID:
            raise AlreadyPartlyPaid(
                _("A part of your earlier order %(number)s is paid already. Please pay the rest of it instead.")
                % {"number": order.number},
                order=order.pk,
            )
    return next((order for order in standing if order.status in UNSETTLED), None)


def _inherit_coupon(
    older: Order | None, quote: Quote, offer: Offer, contact: Contact, now: dt.datetime
) -> tuple[CouponUse | None, bool, Quote]:
    """The held use that passes from ``older`` to the new order, whether it may be held longer, and the quote with it.

    Whoever comes back without typing the code again keeps the discount while it is theirs, or while the hold lasts that
    was taken when it was; so a stranger who types somebody's address takes nothing away. A use of the very coupon that ``quote`` brings passes on too, so that coming
    back does not need a second use.
    """
    use = older.coupon_use if older else None
    if use is None or use.state != CouponUse.State.HELD:
        return None, False, quote
    if quote.coupon_id is not None:
        return (use, True, quote) if use.coupon_id == quote.coupon_id else (None, False, quote)
    verdict = eligibility.check_coupon(use.coupon, offer=offer, contact=contact, now=now, holding=use)
    if not verdict.ok and use.held_until <= now:
        return None, False, quote
    discount = discounts.discount_of(use.coupon)
    inherited = make_quote(quote.list_price, discount, coupon_id=use.coupon_id, coupon_code=use.coupon.code)
    if inherited.total > quote.total:  # never dearer than what was shown
        return None, False, quote
    return use, verdict.ok, inherited


def _write_lines(order: Order, offer: Offer, total: Money) -> None:
    products = OfferTerms.from_json(offer.terms).products
    if not products:
        return
    shares = total.split([1] * len(products))
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product_id=sold.product_id,
            title=sold.title,
            amount=share.amount,
            access_terms=sold.access.to_json(),
        )
        for sold, share in zip(products, shares, strict=True)
    )


def _move_uses(
    order: Order,
    returned: CouponUse | None,
    inherited: CouponUse | None,
    may_renew: bool,
    until: dt.datetime,
    now: dt.datetime,
) -> None:
    """Last of all, so that a hot coupon's row is locked as briefly as can be.

    Where one coupon is given back for another, their counters are taken in the order of their keys: two buyers who swap
    the same two coupons crosswise must not wait for one another.
    """
    moves = (
        [(order.coupon_id, lambda: _hold_coupon(order, inherited, may_renew, until, now))] if order.coupon_id else []
    )
    if returned is not None:
        moves.append((returned.coupon_id, lambda: uses.give_back(returned, now=now)))
    for _coupon_id, move in sorted(moves, key=lambda move: move[0]):
        move()


def _hold_coupon(
    order: Order, inherited: CouponUse | None, may_renew: bool, until: dt.datetime, now: dt.datetime
) -> None:
    """Hold anew, or renew what was handed on. A discount that has ended meanwhile keeps its hold, and gets no longer one."""
    use = uses.renew(inherited, until=until, now=now) if inherited and may_renew else None
    if use is None:
        use = inherited or uses.hold(order.coupon, order.contact, until=until, now=now)
    if order.coupon_use_id != use.pk:
        order.coupon_use = use
        Order.objects.filter(pk=order.pk).update(coupon_use=use)
