"""Uses of coupons: reserved when an order is placed, redeemed when it is paid, released when it closes unpaid (promise 4).

The law of the counter
    ``coupon.used_count`` = uses in state *reserved* + uses in state *redeemed* that are not ``over_limit``; and ``used_count`` never
    rises above ``limit_total``. An ``over_limit`` use stands outside the counter: late money is honoured although its
    place was gone, without lying about the places. (Staff may lower ``limit_total`` below ``used_count``; then no place is
    given until enough have come back.)

An expired reservation still counts in ``used_count`` until somebody needs its place: the refused one reclaims it and tries again,
so no worker is needed for a limit to be right. Until then money may still redeem it.

Who locks what
    The caller holds the contact's lock (``contacts.directory.lock``): the limit per contact is counted under it. Each
    verb changes the use's row first, by a conditional UPDATE on its state, and the coupon's row last. Nobody who holds
    a coupon's row waits for a use's row (reclaiming skips locked ones), so the two cannot deadlock.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, Count, F, FilteredRelation, Q, Value, When
from django.db.models.functions import Greatest

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.coupons.reasons import message
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.exceptions import CouponRefused

State = CouponUse.State
#: A use as (key, state, reserved until).
_Row = tuple[int, str, dt.datetime]


def reserve(coupon: Coupon, contact: Contact, *, until: dt.datetime, now: dt.datetime | None = None) -> CouponUse:
    """Take one place of ``coupon`` for ``contact`` until ``until``. Call it last in the transaction.

    Raises ``CouponRefused`` with code ``used_by_you`` (the contact has as many uses as one person may) or ``used_up``
    (no place left); then nothing is changed, and the caller's transaction may go on.
    """
    with locking.atomic_write():
        begun = begin_reservation(coupon.pk, contact.pk, until=until, now=now)
        begun.finish()
    return begun.use


@dataclass(frozen=True)
class Reservation:
    """A use that is written but not yet counted. ``finish`` it last in the same transaction, or undo the transaction."""

    use: CouponUse
    freed: int
    now: dt.datetime

    def finish(self) -> None:
        """Take the place: the one write to the coupon's row. Raises ``CouponRefused`` (``used_up``)."""
        _take_or_refuse(self.use.coupon_id, self.now, self.freed)


def begin_reservation(
    coupon_id: int, contact_id: int, *, until: dt.datetime, now: dt.datetime | None = None
) -> Reservation:
    """The first half of ``reserve``, for a transaction that needs the use before it comes to its end. Two statements.

    Raises ``CouponRefused`` (``used_by_you``). Nothing of it may stay where ``finish`` refuses.
    """
    now = now or conf.now()
    limit, rows = _limit_and_own(coupon_id, contact_id)
    freed = _release_expired(limit, rows, now)
    if freed is None:
        raise CouponRefused(message(Reason.USED_BY_YOU), code=Reason.USED_BY_YOU, coupon=coupon_id)
    use = CouponUse.objects.create(
        coupon_id=coupon_id, contact_id=contact_id, state=State.RESERVED, reserved_at=now, reserved_until=until
    )
    return Reservation(use, freed, now)


def renew(use: CouponUse | None, *, until: dt.datetime, now: dt.datetime | None = None) -> CouponUse | None:
    """Keep ``use`` reserved until ``until`` at least; a reservation is never made shorter. Returns it.

    ``None`` comes back where there is nothing to reserve: no use, or one that is redeemed. A use released meanwhile is
    taken anew, as by ``reserve``: raises ``CouponRefused`` where no place is left.
    """
    now = now or conf.now()
    if use is None:
        return None
    with locking.atomic_write():
        rows = CouponUse.objects.filter(pk=use.pk)
        if not rows.filter(state=State.RESERVED).update(reserved_until=_at_least(until)):
            use.refresh_from_db()
            if use.state == State.REDEEMED:
                return None
            freed = _mind_contact(use.coupon, use.contact_id, now, besides=use.pk)
            if not rows.filter(state=State.RELEASED).update(
                state=State.RESERVED, reserved_at=now, reserved_until=until, released_at=None
            ):
                return renew(use, until=until, now=now)  # somebody else took it anew in between
            _take_or_refuse(use.coupon_id, now, freed)
    use.refresh_from_db()
    return use


def keep(use_id: int, *, until: dt.datetime) -> None:
    """Have a use that is still reserved stay so until ``until`` at least: a part of its order's money is here. One statement;
    a use that is not reserved stays as it is."""
    CouponUse.objects.filter(pk=use_id, state=State.RESERVED).update(reserved_until=_at_least(until))


def _at_least(until: dt.datetime) -> Greatest:
    return Greatest(F("reserved_until"), Value(until, output_field=CouponUse._meta.get_field("reserved_until")))


def redeem(use: CouponUse, *, now: dt.datetime | None = None) -> bool:
    """Make a reserved use a redeemed one; a reservation that has expired but was not reclaimed is as good as any.

    True when it is redeemed, now or before. False when it was released in between: then ``redeem_late`` is right.
    """
    now = now or conf.now()
    if CouponUse.objects.filter(pk=use.pk, state=State.RESERVED).update(state=State.REDEEMED, redeemed_at=now):
        use.state, use.redeemed_at = State.REDEEMED, now
        return True
    use.refresh_from_db()
    return use.state == State.REDEEMED


def redeem_late(
    use: CouponUse | None, coupon: Coupon, contact: Contact, *, now: dt.datetime | None = None
) -> CouponUse:
    """Redeem a use for money that came after its reservation was released; never refuses (promise 7).

    Takes a place if there is one for the coupon and the contact, else books the use as ``over_limit``: the caller puts
    that on a person's list. A use still reserved or redeemed already comes back as ``redeem`` leaves it; where ``use`` is
    ``None`` a new one is made.
    """
    now = now or conf.now()
    with locking.atomic_write():
        if use is not None and redeem(use, now=now):
            return use
        freed = _room_for(coupon, contact.pk, now, besides=use.pk if use else None)
        over_limit = freed is None
        fields = {"state": State.REDEEMED, "redeemed_at": now, "released_at": None, "over_limit": over_limit}
        if use is None:
            use = CouponUse.objects.create(
                coupon=coupon, contact=contact, reserved_at=now, reserved_until=now, **fields
            )
        elif not CouponUse.objects.filter(pk=use.pk, state=State.RELEASED).update(**fields):
            return redeem_late(use, coupon, contact, now=now)  # taken anew in between
        if freed is not None and not _take(coupon.pk, now, freed):
            over_limit = True
            CouponUse.objects.filter(pk=use.pk).update(over_limit=True)
            _put_back(coupon.pk, freed)
    for name, value in (fields | {"over_limit": over_limit}).items():
        setattr(use, name, value)
    return use


def release(use: CouponUse | None, *, now: dt.datetime | None = None) -> bool:
    """Release a reserved use. True when this call did it; a second call, a redeemed use or ``None`` change nothing."""
    now = now or conf.now()
    if use is None:
        return False
    with locking.atomic_write():
        done = CouponUse.objects.filter(pk=use.pk, state=State.RESERVED).update(state=State.RELEASED, released_at=now)
        if done:
            _put_back(use.coupon_id, 1)
    if done:
        use.state, use.released_at = State.RELEASED, now
    else:
        use.refresh_from_db()
    return bool(done)


def release_many(use_ids: Iterable[int], *, now: dt.datetime | None = None) -> int:
    """``release`` for a set of uses, of any coupons, in a fixed number of queries; how many places came back."""
    now = now or conf.now()
    ids = sorted(set(use_ids))
    if not ids:
        return 0
    with locking.atomic_write():
        held = CouponUse.objects.filter(pk__in=ids, state=State.RESERVED).order_by("pk")
        rows = list(locking.locked(held).values_list("pk", "coupon_id"))
        if not rows:
            return 0
        places = Counter(coupon_id for _, coupon_id in rows)
        CouponUse.objects.filter(pk__in=[pk for pk, _ in rows]).update(state=State.RELEASED, released_at=now)
        # In the order of their keys, so that two sets with coupons in common wait for one another, not deadlock.
        list(locking.locked(Coupon.objects.filter(pk__in=places).order_by("pk")).values_list("pk"))
        number = Case(*(When(pk=pk, then=Value(many)) for pk, many in places.items()), default=Value(0))
        Coupon.objects.filter(pk__in=places).update(used_count=F("used_count") - number)
    return len(rows)


def reclaim(coupon: Coupon, *, now: dt.datetime | None = None) -> int:
    """Release every expired reservation of ``coupon``; how many. ``reserve`` does it by itself when a place is short."""
    now = now or conf.now()
    with locking.atomic_write():
        return _reclaim(coupon.pk, now)


def counts(coupon_ids: Iterable[int], *, now: dt.datetime | None = None) -> dict[int, tuple[int, int]]:
    """Per coupon how many uses are reserved at ``now`` and how many are redeemed (those over the limit too). One query."""
    now = now or conf.now()
    ids = list(coupon_ids)
    rows = (
        CouponUse.objects.filter(coupon_id__in=ids)
        .order_by()
        .values("coupon_id")
        .annotate(
            reserved=Count("pk", filter=Q(state=State.RESERVED, reserved_until__gt=now)),
            redeemed=Count("pk", filter=Q(state=State.REDEEMED)),
        )
    )
    found = {row["coupon_id"]: (row["reserved"], row["redeemed"]) for row in rows}
    return {pk: found.get(pk, (0, 0)) for pk in ids}


def has_expired_reservation(coupon_id: int, now: dt.datetime) -> bool:
    """Whether a reservation has expired by ``now`` and still counts, so that its place is free for whoever asks. One query."""
    expired = CouponUse.objects.filter(coupon_id=coupon_id, state=State.RESERVED, reserved_until__lte=now)
    return expired.exists()


# --- the limit per contact, under the contact's lock ------------------------------------------------------------------


def _room_for(coupon: Coupon, contact_id: int, now: dt.datetime, besides: int | None = None) -> int | None:
    """``None``: the contact has as many uses as one person may. Else how many of their expired reservations were released.

    Expired reservations do not count. They are released here, because one left standing could be redeemed beside its successor
    and break the limit. The counter is still to be told, with the place that is taken next.
    """
    if coupon.limit_per_contact is None:
        return 0
    own = CouponUse.objects.filter(coupon=coupon, contact_id=contact_id).exclude(pk=besides)  # type: ignore[misc]  # nobody has the key None
    rows = list(own.exclude(state=State.RELEASED).values_list("pk", "state", "reserved_until"))
    return _release_expired(coupon.limit_per_contact, rows, now)


def _limit_and_own(coupon_id: int, contact_id: int) -> tuple[int | None, list[_Row]]:
    """How many uses of the coupon one person may have, and those that this one has. One query."""
    own = FilteredRelation("uses", condition=Q(uses__contact_id=contact_id) & ~Q(uses__state=State.RELEASED))
    rows = Coupon.objects.filter(pk=coupon_id).annotate(own=own).order_by()
    found = list(rows.values_list("limit_per_contact", "own__pk", "own__state", "own__reserved_until"))
    return found[0][0], [(pk, state, until) for _limit, pk, state, until in found if pk is not None]


def _release_expired(limit: int | None, rows: list[_Row], now: dt.datetime) -> int | None:
    if limit is None:
        return 0
    expired = [pk for pk, state, reserved_until in rows if state == State.RESERVED and reserved_until <= now]
    if len(rows) - len(expired) >= limit:
        return None
    if not expired:
        return 0
    return CouponUse.objects.filter(pk__in=expired, state=State.RESERVED).update(state=State.RELEASED, released_at=now)


def _mind_contact(coupon: Coupon, contact_id: int, now: dt.datetime, besides: int | None = None) -> int:
    freed = _room_for(coupon, contact_id, now, besides)
    if freed is None:
        raise CouponRefused(message(Reason.USED_BY_YOU), code=Reason.USED_BY_YOU, coupon=coupon.pk)
    return freed


# --- the counter: the last row that a transaction locks ---------------------------------------------------------------


def _take_or_refuse(coupon_id: int, now: dt.datetime, freed: int) -> None:
    if not _take(coupon_id, now, freed):
        raise CouponRefused(message(Reason.USED_UP), code=Reason.USED_UP, coupon=coupon_id)


def _take(coupon_id: int, now: dt.datetime, freed: int) -> bool:
    """One place more (and ``freed`` less), if there is one. Expired reservations are reclaimed before it says no."""
    if _count_up(coupon_id, freed):
        return True
    _reclaim(coupon_id, now)  # tried again even if that found nothing: somebody else may just have reclaimed
    return _count_up(coupon_id, freed)


def _count_up(coupon_id: int, freed: int) -> bool:
    room = Q(limit_total__isnull=True) | Q(used_count__lt=F("limit_total") + freed)
    return bool(Coupon.objects.filter(room, pk=coupon_id).update(used_count=F("used_count") + (1 - freed)))


def _put_back(coupon_id: int, number: int) -> None:
    if number:
        Coupon.objects.filter(pk=coupon_id).update(used_count=F("used_count") - number)


def _reclaim(coupon_id: int, now: dt.datetime) -> int:
    """Expired reservations released: one UPDATE, and one of the counter.

    The coupon's row is locked first, so that whoever is refused next waits for the places that are just coming back.
    Reservations that somebody else has locked are being redeemed or released already, and are left to them.
    """
    locking.locked(Coupon.objects.filter(pk=coupon_id)).values_list("pk").first()
    expired = CouponUse.objects.filter(coupon_id=coupon_id, state=State.RESERVED, reserved_until__lte=now).order_by()
    gone = CouponUse.objects.filter(pk__in=locking.locked(expired, skip=True).values("pk")).update(
        state=State.RELEASED, released_at=now
    )
    _put_back(coupon_id, gone)
    return gone
