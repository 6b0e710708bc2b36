"""Placing an order: the one way an order comes into being."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, events, hooks, locking, signing
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, OrderRefused
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.orders import answers as order_answers
from wagtail_kwiga.orders import binding, correcting, coupon_passing, numbers, purchases
from wagtail_kwiga.orders.drafts import Joining, OrderDraft, PricedLine, price_lines
from wagtail_kwiga.orders.events import OrderPlaced, PlaceOrder
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.purchases import Join
from wagtail_kwiga.orders.statuses import UNSETTLED, Origin, PaymentKind, Status
from wagtail_kwiga.orders.transitions import close_superseded

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.pricing.money import Money


class OrderUnderWay(OrderRefused):
    """Money is on its way to an earlier order, a part of it is there, or it stands at a better price, and nobody vouches that it
    is the same person who orders again. ``facts["order"]`` is the earlier order."""

    code = "under_way"


class CheaperOrderStands(OrderRefused):
    """An earlier order for the same offer can still be paid, at a better price than a new one would have: it is not superseded
    unasked (promise 3). ``facts["order"]`` is the earlier order."""

    code = "cheaper_order"


def place_order(
    draft: OrderDraft,
    *,
    by: AbstractBaseUser | None = None,
    vouch: Callable[[Order], bool] | None = None,
    beside: Callable[[Order], None] | None = None,
    corrects: Collection[int] = (),
    now: dt.datetime | None = None,
) -> Order:
    """Place the order that ``draft`` describes and return it.

    In one transaction: the contact is locked; the purchase is found that it joins (``purchases.which_to_join``), or several
    become one; their open orders are superseded, and the best coupon that they hold and that applies is handed on where
    the draft's quote brings none (promise 2); the order, its lines and its timeline are written; ``OrderPlaced`` is told; the
    coupon is held last.

    ``vouch`` is the web door's question, put under the contact's lock: whether whoever types this address has shown to be
    the buyer of a standing order. Without it nobody asks (staff, the site's own code); with it money on its way to such an
    order refuses the new one, and so does an order for the same offer whose better price still binds; a coupon that cannot
    be handed on stays held for its buyer, and the order carries name and phone as they were given, and nothing that is
    known of the contact. ``beside`` is called with the order where more is to
    be written in the same transaction, before a coupon's counter is locked.

    Raises ``OrderRefused`` (not for sale, a site's veto, or ``purchase_closed`` for a purchase named that takes no order),
    ``AlreadyPartlyPaid`` (``facts["order"]`` is to be finished), ``CheaperOrderStands``, ``OrderUnderWay`` (``vouch`` said no to
    one of the orders of which these speak), ``CouponRefused`` (the coupon of the quote has no use left); then nothing was
    written.
    """
    now = now or conf.now()
    kept = order_answers.as_json(draft.answers)
    with locking.atomic_write():
        contact, offer = directory.locked(draft.contact), draft.offer
        hooks.permit(
            "before_kwiga_place_order", PlaceOrder(contact, offer, draft.quote, draft.site, draft.origin, kept)
        )
        if (
            offer is not None
            and draft.origin == Origin.WEB
            and (why := selling.why_not_for_sale(offer, now) or selling.why_empty(offer, draft.lines))
        ):
            raise OrderRefused(selling.message(why, offer), code=why)
        slot, join, standing = _look_round(draft, contact, vouch, now)
        older = [order for order in standing if order.status in UNSETTLED]
        passing = coupon_passing.choose(standing, draft.quote, offer, contact, vouch, now)
        quote = passing.quote
        if vouch is not None:
            _mind_price(older, offer, quote.total, vouch, now)
        mistyped = correcting.lock_mistyped(corrects, draft)
        passing = dataclasses.replace(
            passing, returned=(*passing.returned, *(one.coupon_use for one in mistyped if one.coupon_use))
        )
        told = close_superseded(older, hand_on=passing.donor, now=now, by=by)
        into = join.into or purchases.begin(
            contact_id=contact.pk, offer_id=offer.pk if offer else None, slot=slot, now=now
        )
        _gather(join, older, into, contact, now)
        order = Order(
            number=numbers.new_number(),
            token=signing.random_token(),
            purchase_id=into,
            contact=contact,
            offer=offer,
            origin=draft.origin,
            kind=draft.kind,
            payment_method=draft.method.alias if draft.method else "",
            payment_kind=PaymentKind.NONE if quote.is_free else draft.payment_kind,
            title=draft.called,
            currency=quote.total.currency,
            list_amount=quote.list_price.amount,
            discount_amount=quote.discount.amount,
            total_amount=quote.total.amount,
            coupon_id=quote.coupon_id,
            coupon_code=quote.coupon_code if passing.tells_code else "",
            coupon_use=passing.use,
            site=draft.site,
            language=draft.language or contact.language or languages.active(),
            buyer_name=draft.name or ("" if vouch else contact.name),
            buyer_phone=draft.phone or ("" if vouch else contact.phone),
            placed_at=now,
            price_holds_until=now + dt.timedelta(days=conf.settings.PRICE_HOLDS_DAYS),
            expires_at=now + dt.timedelta(days=conf.settings.ORDER_EXPIRES_DAYS),
            agreed_terms_at=now if draft.agreed_terms else None,
            accepted_terms=draft.accepted_terms,
            page_revision=draft.page_revision,
            answers=kept,
        )
        hold = draft.reserve_until
        until = hold(order) if callable(hold) else hold or default_reservation(order, now)
        begun = None
        if order.coupon_id and passing.use is None:
            begun = uses.begin_reservation(order.coupon_id, contact.pk, until=until, now=now)
            order.coupon_use = begun.use
        order.save(force_insert=True)
        purchases.note_placed(order)
        _write_lines(order, price_lines(draft.lines, quote))
        if older:
            Order.objects.filter(pk__in=[each.pk for each in older]).update(superseded_by=order)
        told += _told_of(order, older, join, quote.coupon_code, by=by, now=now)
        told += correcting.close(mistyped, order, now)
        writing.write_many(told)
        replaced = tuple(each.pk for each in older)
        offer_id = offer.pk if offer else None
        if beside is not None:  # before it is told of: the mail about it says to which account to pay what
            beside(order)
        events.publish(OrderPlaced(order.pk, contact.pk, offer_id, order.purchase_id, replaced, now, kept))
        coupon_passing.settle(passing, begun, until, now)
    return order


def default_reservation(order: Order, now: dt.datetime) -> dt.datetime:
    """Until when a coupon is held for an order whose payment method says nothing else."""
    if order.payment_kind == PaymentKind.TRANSFER:
        return order.expires_at
    return now + dt.timedelta(minutes=conf.settings.GATEWAY_RESERVATION_MINUTES)


def _look_round(
    draft: OrderDraft, contact: Contact, vouch: Callable[[Order], bool] | None, now: dt.datetime
) -> tuple[str, Join, list[Order]]:
    """The slot and the purchases that the order joins, with the orders of those purchases that it must reckon with."""
    if draft.joins_purchase == Joining.OWN_SLOT:
        return draft.slot or purchases.new_slot(), Join(), []
    given = draft.joins_purchase if isinstance(draft.joins_purchase, int) else None
    slot = purchases.slot_of(given, contact.pk) if given is not None else draft.slot
    about: dict[str, Any] = {"offer_id": draft.offer.pk if draft.offer else None, "product_ids": draft.main_products}
    found = purchases.standing(contact.pk, slot, given=given, **about)
    for one in found.orders:
        one.contact = contact  # it is at hand, and ``vouch`` may ask
    overdue = {one.purchase_id for one in found.orders if one.status == Status.PARTLY_PAID and one.expires_at <= now}
    join = purchases.which_to_join((one for one in found.purchases if one.id not in overdue), given=given, **about)
    aside = purchases.which_to_join((one for one in found.purchases if one.id in overdue), **about)
    involved = {join.into, *join.emptied, aside.into, *aside.emptied}
    standing = [order for order in found.orders if order.purchase_id in involved]
    parts = [order for order in standing if order.status == Status.PARTLY_PAID]
    late = [order for order in parts if order.purchase_id in overdue and order.purchase_id != given]
    standing = [order for order in standing if order not in late]
    _mind_money(standing, vouch)
    if late:
        purchases.set_aside(late, now)
    return slot, join, standing


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


def _mind_price(
    older: Sequence[Order], offer: Offer | None, today: Money, vouch: Callable[[Order], bool], now: dt.datetime
) -> None:
    """Raise where an order that would be superseded is for the very same offer, and cheaper. Another offer is another choice."""
    for order in older:
        if offer is None or order.offer_id != offer.pk or not binding.binds(order, now):
            continue
        if binding.is_better(order.total, today):
            if not vouch(order):
                raise OrderUnderWay(_("An order for this address is under way."), order=order.pk)
            raise CheaperOrderStands(
                _("Your earlier order %(number)s still stands, at a better price.") % {"number": order.number},
                order=order.pk,
            )


def _gather(join: Join, older: list[Order], into: int, contact: Contact, now: dt.datetime) -> None:
    """Have the orders that the new one replaces in its purchase, whichever they were of."""
    purchases.merge(join, contact_id=contact.pk, now=now)
    if left := [order.pk for order in older if order.purchase_id not in {into, *join.emptied}]:
        # Of a purchase that stays with a person, because a part of another order of it was paid.
        Order.objects.filter(pk__in=left).update(purchase_id=into)


def _write_lines(order: Order, lines: Sequence[PricedLine]) -> None:
    if not lines:
        return
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product_id=line.draft.product_id,
            offer_id=line.draft.offer_id,
            position=position,
            is_main=line.draft.is_main,
            title=line.draft.title,
            list_amount=line.list_price.amount,
            discount_amount=line.discount.amount,
            amount=line.amount.amount,
            access_terms=line.draft.access.to_json(),
        )
        for position, line in enumerate(lines)
    )


def _told_of(
    order: Order, older: Sequence[Order], join: Join, coupon_code: str, *, by: AbstractBaseUser | None, now: dt.datetime
) -> list[TimelineEntry]:
    """What the timeline of the new order begins with."""
    numbers_of_older = [each.number for each in older]
    placed: dict[str, Any] = {"total": order.total, "coupon": coupon_code, "origin": str(order.origin)}
    entries = [writing.draft(order, "order.placed", now=now, by=by, supersedes=", ".join(numbers_of_older), **placed)]
    if join.emptied:
        entries.append(writing.draft(order, "order.purchases_joined", now=now, by=by, numbers=numbers_of_older))
    return entries
