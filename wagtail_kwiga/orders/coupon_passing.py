"""Which held coupon passes from the orders that are superseded to the one that takes their place (promises 2 and 4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from wagtail_kwiga.coupons import discounts, eligibility, uses
from wagtail_kwiga.coupons.models import CouponUse
from wagtail_kwiga.exceptions import MoneyMismatch
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.pricing.quotes import Quote, make_quote

if TYPE_CHECKING:
    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.contacts.models import Contact


@dataclass(frozen=True)
class Passing:
    """What becomes of the coupons held by the orders that a new one replaces, and the price that comes of it."""

    quote: Quote
    #: The order whose use the new one takes over, and that use.
    donor: Order | None = None
    use: CouponUse | None = None
    #: Whether that use may be held longer than it is.
    may_renew: bool = False
    #: Uses that are given back.
    returned: tuple[CouponUse, ...] = ()
    #: Whether the new order may name the code.
    tells_code: bool = True


def choose(
    standing: Sequence[Order],
    quote: Quote,
    offer: Offer | None,
    contact: Contact,
    vouch: Callable[[Order], bool] | None,
    now: dt.datetime,
) -> Passing:
    """Decide it for ``standing``, newest first.

    A use of the very coupon that ``quote`` brings passes on, so that coming back does not need a second use. Where it brings
    none, the one passes on that makes the order cheapest of those that apply to ``offer``, and never one that makes it dearer:
    whoever comes back without typing the code again keeps the discount while it is theirs, or while the hold lasts that
    was taken when it was. The others are given back, except those of orders that ``vouch`` does not stand up for: a
    stranger who types somebody's address takes nothing away, so they stay held for their buyer. A discount that is handed
    on to nobody knows whom lowers the price, but its code is not told. Two queries for each coupon that is tried.
    """
    donors = [one for one in standing if one.coupon_use and one.coupon_use.state == CouponUse.State.RESERVED]
    donor, may_renew, passed = _donor(donors, quote, offer, contact, now)
    returned = tuple(
        one.coupon_use for one in donors if one is not donor and one.coupon_use and (vouch is None or vouch(one))
    )
    return Passing(
        quote=passed,
        donor=donor,
        use=donor.coupon_use if donor else None,
        may_renew=may_renew,
        returned=returned,
        tells_code=quote.coupon_id is not None or donor is None or vouch is None or vouch(donor),
    )


def _donor(
    donors: Sequence[Any], quote: Quote, offer: Offer | None, contact: Contact, now: dt.datetime
) -> tuple[Order | None, bool, Quote]:
    if quote.coupon_id is not None:
        same = next((one for one in donors if one.coupon_use.coupon_id == quote.coupon_id), None)
        return same, same is not None, quote
    if offer is None:
        return None, False, quote
    for donor, discounted in _cheapest_first(donors, quote):
        held = eligibility.check_held(cast(CouponUse, donor.coupon_use), offer=offer, contact=contact, now=now)
        if held.passes:
            return donor, held.may_renew, discounted
    return None, False, quote


def _cheapest_first(donors: Sequence[Any], quote: Quote) -> list[tuple[Order, Quote]]:
    """The donors whose coupon would not make it dearer than ``quote``, each with what it would cost then."""
    found = []
    for donor in donors:
        coupon = donor.coupon_use.coupon
        try:
            discount = discounts.discount_of(coupon)
            discounted = make_quote(quote.list_price, discount, coupon_id=coupon.pk, coupon_code=coupon.code)
        except MoneyMismatch:
            continue
        if discounted.total <= quote.total:  # never dearer than what was shown
            found.append((donor, discounted))
    return sorted(found, key=lambda one: one[1].total.amount)


def settle(passing: Passing, begun: uses.Reservation | None, until: dt.datetime, now: dt.datetime) -> None:
    """Write it, last of all, so that a hot coupon's row is locked as briefly as can be.

    Where one coupon is given back for another, their counters are taken in the order of their keys: two buyers who swap
    the same two coupons crosswise must not wait for one another. A use that was handed on is renewed; one of a discount
    that has ended meanwhile keeps its hold, and gets no longer one.
    """
    moves: list[tuple[int, Callable[[], Any]]] = []
    if begun is not None:
        moves.append((begun.use.coupon_id, begun.finish))
    if passing.use is not None and passing.may_renew:
        renewed = passing.use
        moves.append((renewed.coupon_id, lambda: uses.renew(renewed, until=until, now=now)))
    for use in passing.returned:
        moves.append((use.coupon_id, lambda use=use: uses.release(use, now=now)))  # type: ignore[misc]  # a default in a lambda
    for _coupon_id, move in sorted(moves, key=lambda move: move[0]):
        move()
