"""D. A coupon of 100 places that 400 people want at once. PostgreSQL only: SQLite has one writer at a time anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection, connections, transaction
from django.db.models import F

from benchmarks import checkout
from benchmarks.measuring import Cost, Pair, cost_of, pair_of, timed
from benchmarks.scale import Scale
from benchmarks.shop import Shop, clock, new_email
from tests.coupons.buyers import buy
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import CouponRefused

TITLE = "D. A hot coupon: many buyers at once, in threads"
FLOOR = "Floor: lock the contact, insert the use, and a conditional UPDATE of the counter last; for an order, section B's by hand."
AIM = "always exact, which stops the benchmark if it is not; at least 0.5 of the floor"


def hold_by_hand(coupon_id: int, contact_id: int) -> bool:
    """The floor: no limit per person, no expired holds to reclaim."""
    now = clock()
    try:
        with transaction.atomic():
            contact = m.Contact.objects.select_for_update().get(pk=contact_id)
            m.CouponUse.objects.create(coupon_id=coupon_id, contact=contact, reserved_at=now, reserved_until=now)
            free = m.Coupon.objects.filter(pk=coupon_id, used_count__lt=F("limit_total"))
            if not free.update(used_count=F("used_count") + 1):
                raise checkout.Refused
    except checkout.Refused:
        return False
    return True


def hold(coupon_id: int, contact_id: int) -> bool:
    return buy(coupon_id, contact_id, clock()) == "reserved"


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    coupon, contacts = _coupon(100), _contacts(2)
    yield "hold, by hand", cost_of(lambda: hold_by_hand(coupon.pk, contacts[0]))
    yield "hold (coupons.uses)", cost_of(lambda: hold(coupon.pk, contacts[1]))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair]]:
    """Milliseconds for each attempt, all threads together."""
    if connection.vendor != "postgresql":
        return

    def order_by_hand(coupon: m.Coupon) -> Callable[[int], bool]:
        def attempt(_contact_id: int) -> bool:
            try:
                checkout.by_hand(shop.offer.pk, new_email(), coupon.code)
            except checkout.Refused:
                return False
            return True

        return attempt

    def order(coupon: m.Coupon) -> Callable[[int], bool]:
        def attempt(_contact_id: int) -> bool:
            try:
                checkout.by_verbs(shop, new_email(), coupon=coupon)
            except CouponRefused:
                return False
            return True

        return attempt

    said = f"{scale.attempts} attempts, {scale.threads} threads, {scale.places} places"
    yield (
        f"hold: {said}",
        _raced(
            scale,
            lambda coupon: lambda contact: hold_by_hand(coupon.pk, contact),
            lambda coupon: lambda contact: hold(coupon.pk, contact),
        ),
    )
    yield f"whole order: {said}", _raced(scale, order_by_hand, order)


def _raced(scale: Scale, floor, ours) -> Pair:
    below, above = [], []
    for _ in range(scale.races + 1):
        below.append(_race(scale, floor))
        above.append(_race(scale, ours))
    return pair_of(below[1:], above[1:])


def _race(scale: Scale, make: Callable[[m.Coupon], Callable[[int], bool]]) -> tuple[float, float]:
    coupon, contacts = _coupon(scale.places), _contacts(scale.attempts)
    attempt = make(coupon)
    start = Barrier(scale.threads + 1)

    def run(share: list[int]) -> int:
        connection.ensure_connection()
        try:
            start.wait(timeout=60)
            return sum(attempt(contact) for contact in share)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(scale.threads) as pool:
        shares = [pool.submit(run, contacts[first :: scale.threads]) for first in range(scale.threads)]
        start.wait(timeout=60)
        given: list[int] = []
        wall, cpu = timed(lambda: given.extend(share.result() for share in shares))
    coupon.refresh_from_db()
    if (sum(given), coupon.used_count) != (scale.places, scale.places):
        raise RuntimeError(f"{sum(given)} of {scale.places} places were given, and {coupon.used_count} counted")
    return wall / scale.attempts, cpu / scale.attempts


def _coupon(places: int) -> m.Coupon:
    return m.Coupon.objects.create(code=new_email().partition("@")[0], kind="percent", percent=15, limit_total=places)


def _contacts(number: int) -> list[int]:
    rows = m.Contact.objects.bulk_create(m.Contact(email=new_email(), created_at=clock()) for _ in range(number))
    return [row.pk for row in rows]
