"""Uses of coupons: held when an order is placed, spent when it is paid, given back when it closes unpaid (promise 4).

The law of the counter
    ``coupon.taken`` = uses in state *held* + uses in state *spent* that are not ``over_limit``; and ``taken`` never
    rises above ``limit_total``. An ``over_limit`` use stands outside the counter: late money is honoured although its
    place was gone, without lying about the places. (Staff may lower ``limit_total`` below ``taken``; then no place is
    given until enough have come back.)

An expired hold still counts in ``taken`` until somebody needs its place: the refused one reclaims it and tries again,
so no worker is needed for a limit to be right. Until then money may still spend it.

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
from wagtail_kwiga.coupons.reasons import Reason, message
from wagtail_kwiga.exceptions import CouponRefused

State = CouponUse.State
#: A use as (key, state, held until).
_Row = tuple[int, str, dt.datetime]


def hold(coupon: Coupon, contact: Contact, *, until: dt.datetime, now: dt.datetime | None = None) -> CouponUse:
    """Take one place of ``coupon`` for ``contact`` until ``until``. Call it last in the transaction.

    Raises ``CouponRefused`` with code ``used_by_you`` (the contact has as many uses as one person may) or ``used_up``
    (no place left); then nothing is changed, and the caller's transaction may go on.
    """
    with locking.atomic_write():
        begun = begin(coupon.pk, contact.pk, until=until, now=now)
        begun.finish()
    return begun.use


@dataclass(frozen=True)
class Begun:
    """A use that is written but not yet counted. ``finish`` it last in the same transaction, or undo the transaction."""

    use: CouponUse
    freed: int
    now: dt.datetime

    def finish(self) -> None:
        """Take the place: the one write to the coupon's row. Raises ``CouponRefused`` (``used_up``)."""
        _take_or_refuse(self.use.coupon_id, self.now, self.freed)


def begin(coupon_id: int, contact_id: int, *, until: dt.datetime, now: dt.datetime | None = None) -> Begun:
    """The first half of ``hold``, for a transaction that needs the use before it comes to its end. Two statements.

    Raises ``CouponRefused`` (``used_by_you``). Nothing of it may stay where ``finish`` refuses.
    """
    now = now or conf.now()
    limit, rows = _limit_and_own(coupon_id, contact_id)
    freed = _give_back_expired(limit, rows, now)
    if freed is None:
        raise CouponRefused(message(Reason.USED_BY_YOU), code=Reason.USED_BY_YOU, coupon=coupon_id)
    use = CouponUse.objects.create(
        coupon_id=coupon_id, contact_id=contact_id, state=State.HELD, held_at=now, held_until=until
    )
    return Begun(use, freed, now)


def renew(use: CouponUse | None, *, until: dt.datetime, now: dt.datetime | None = None) -> CouponUse | None:
    """Hold ``use`` until ``until`` at least; a hold is never made shorter. Returns it.

    ``None`` comes back where there is nothing to hold: no use, or one that is spent. A use given back meanwhile is
    taken anew, as by ``hold``: raises ``CouponRefused`` where no place is left.
    """
    now = now or conf.now()
    if use is None:
        return None
    with locking.atomic_write():
        rows = CouponUse.objects.filter(pk=use.pk)
        longer = Greatest(F("held_until"), Value(until, output_field=CouponUse._meta.get_field("held_until")))
        if not rows.filter(state=State.HELD).update(held_until=longer):
            use.refresh_from_db()
            if use.state == State.SPENT:
                return None
            freed = _mind_contact(use.coupon, use.contact_id, now, besides=use.pk)
            if not rows.filter(state=State.GIVEN_BACK).update(
                state=State.HELD, held_at=now, held_until=until, given_back_at=None
            ):
                return renew(use, until=until, now=now)  # somebody else took it anew in between
            _take_or_refuse(use.coupon_id, now, freed)
    use.refresh_from_db()
    return use


def spend(use: CouponUse, *, now: dt.datetime | None = None) -> bool:
    """Make a held use a spent one; a hold that has expired but was not reclaimed is as good as any.

    True when it is spent, now or before. False when it was given back in between: then ``spend_late`` is right.
    """
    now = now or conf.now()
    if CouponUse.objects.filter(pk=use.pk, state=State.HELD).update(state=State.SPENT, spent_at=now):
        use.state, use.spent_at = State.SPENT, now
        return True
    use.refresh_from_db()
    return use.state == State.SPENT


def spend_late(use: CouponUse | None, coupon: Coupon, contact: Contact, *, now: dt.datetime | None = None) -> CouponUse:
    """Spend a use for money that came after its hold was given back; never refuses (promise 7).

    Takes a place if there is one for the coupon and the contact, else books the use as ``over_limit``: the caller puts
    that on a person's list. A use still held or spent already comes back as ``spend`` leaves it; where ``use`` is
    ``None`` a new one is made.
    """
    now = now or conf.now()
    with locking.atomic_write():
        if use is not None and spend(use, now=now):
            return use
        freed = _room_for(coupon, contact.pk, now, besides=use.pk if use else None)
        over_limit = freed is None
        fields = {"state": State.SPENT, "spent_at": now, "given_back_at": None, "over_limit": over_limit}
        if use is None:
            use = CouponUse.objects.create(coupon=coupon, contact=contact, held_at=now, held_until=now, **fields)
        elif not CouponUse.objects.filter(pk=use.pk, state=State.GIVEN_BACK).update(**fields):
            return spend_late(use, coupon, contact, now=now)  # taken anew in between
        if freed is not None and not _take(coupon.pk, now, freed):
            over_limit = True
            CouponUse.objects.filter(pk=use.pk).update(over_limit=True)
            _put_back(coupon.pk, freed)
    for name, value in (fields | {"over_limit": over_limit}).items():
        setattr(use, name, value)
    return use


def give_back(use: CouponUse | None, *, now: dt.datetime | None = None) -> bool:
    """Let go of a held use. True when this call did it; a second call, a spent use or ``None`` change nothing."""
    now = now or conf.now()
    if use is None:
        return False
    with locking.atomic_write():
        done = CouponUse.objects.filter(pk=use.pk, state=State.HELD).update(state=State.GIVEN_BACK, given_back_at=now)
        if done:
            _put_back(use.coupon_id, 1)
    if done:
        use.state, use.given_back_at = State.GIVEN_BACK, now
    else:
        use.refresh_from_db()
    return bool(done)


def give_back_many(use_ids: Iterable[int], *, now: dt.datetime | None = None) -> int:
    """``give_back`` for a set of uses, of any coupons, in a fixed number of queries; how many places came back."""
    now = now or conf.now()
    ids = sorted(set(use_ids))
    if not ids:
        return 0
    with locking.atomic_write():
        held = CouponUse.objects.filter(pk__in=ids, state=State.HELD).order_by("pk")
        rows = list(locking.locked(held).values_list("pk", "coupon_id"))
        if not rows:
            return 0
        places = Counter(coupon_id for _, coupon_id in rows)
        CouponUse.objects.filter(pk__in=[pk for pk, _ in rows]).update(state=State.GIVEN_BACK, given_back_at=now)
        # In the order of their keys, so that two sets with coupons in common wait for one another, not deadlock.
        list(locking.locked(Coupon.objects.filter(pk__in=places).order_by("pk")).values_list("pk"))
        number = Case(*(When(pk=pk, then=Value(many)) for pk, many in places.items()), default=Value(0))
        Coupon.objects.filter(pk__in=places).update(taken=F("taken") - number)
    return len(rows)


def reclaim(coupon: Coupon, *, now: dt.datetime | None = None) -> int:
    """Give back every expired hold of ``coupon``; how many. ``hold`` does it by itself when a place is short."""
    now = now or conf.now()
    with locking.atomic_write():
        return _reclaim(coupon.pk, now)


def counts(coupon_ids: Iterable[int], *, now: dt.datetime | None = None) -> dict[int, tuple[int, int]]:
    """Per coupon how many uses are held at ``now`` and how many are spent (those over the limit too). One query."""
    now = now or conf.now()
    ids = list(coupon_ids)
    rows = (
        CouponUse.objects.filter(coupon_id__in=ids)
        .order_by()
        .values("coupon_id")
        .annotate(
            held=Count("pk", filter=Q(state=State.HELD, held_until__gt=now)),
            spent=Count("pk", filter=Q(state=State.SPENT)),
        )
    )
    found = {row["coupon_id"]: (row["held"], row["spent"]) for row in rows}
    return {pk: found.get(pk, (0, 0)) for pk in ids}


# --- the limit per contact, under the contact's lock ------------------------------------------------------------------


def _room_for(coupon: Coupon, contact_id: int, now: dt.datetime, besides: int | None = None) -> int | None:
    """``None``: the contact has as many uses as one person may. Else how many of their expired holds were given back.

    Expired holds do not count. They are given back here, because one left standing could be spent beside its successor
    and break the limit. The counter is still to be told, with the place that is taken next.
    """
    if coupon.limit_per_contact is None:
        return 0
    own = CouponUse.objects.filter(coupon=coupon, contact_id=contact_id).exclude(pk=besides)
    rows = list(own.exclude(state=State.GIVEN_BACK).values_list("pk", "state", "held_until"))
    return _give_back_expired(coupon.limit_per_contact, rows, now)


def _limit_and_own(coupon_id: int, contact_id: int) -> tuple[int | None, list[_Row]]:
    """How many uses of the coupon one person may have, and those that this one has. One query."""
    own = FilteredRelation("uses", condition=Q(uses__contact_id=contact_id) & ~Q(uses__state=State.GIVEN_BACK))
    rows = Coupon.objects.filter(pk=coupon_id).annotate(own=own).order_by()
    found = list(rows.values_list("limit_per_contact", "own__pk", "own__state", "own__held_until"))
    return found[0][0], [(pk, state, until) for _limit, pk, state, until in found if pk is not None]


def _give_back_expired(limit: int | None, rows: list[_Row], now: dt.datetime) -> int | None:
    if limit is None:
        return 0
    expired = [pk for pk, state, held_until in rows if state == State.HELD and held_until <= now]
    if len(rows) - len(expired) >= limit:
        return None
    if not expired:
        return 0
    return CouponUse.objects.filter(pk__in=expired, state=State.HELD).update(state=State.GIVEN_BACK, given_back_at=now)


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
    """One place more (and ``freed`` less), if there is one. Expired holds are reclaimed before it says no."""
    if _count_up(coupon_id, freed):
        return True
    _reclaim(coupon_id, now)  # tried again even if that found nothing: somebody else may just have reclaimed
    return _count_up(coupon_id, freed)


def _count_up(coupon_id: int, freed: int) -> bool:
    room = Q(limit_total__isnull=True) | Q(taken__lt=F("limit_total") + freed)
    return bool(Coupon.objects.filter(room, pk=coupon_id).update(taken=F("taken") + (1 - freed)))


def _put_back(coupon_id: int, number: int) -> None:
    if number:
        Coupon.objects.filter(pk=coupon_id).update(taken=F("taken") - number)


def _reclaim(coupon_id: int, now: dt.datetime) -> int:
    """Expired holds given back: one UPDATE, and one of the counter.

    The coupon's row is locked first, so that whoever is refused next waits for the places that are just coming back.
    Holds that somebody else has locked are being spent or given back already, and are left to them.
    """
    locking.locked(Coupon.objects.filter(pk=coupon_id)).values_list("pk").first()
    expired = CouponUse.objects.filter(coupon_id=coupon_id, state=State.HELD, held_until__lte=now).order_by()
    gone = CouponUse.objects.filter(pk__in=locking.locked(expired, skip=True).values("pk")).update(
        state=State.GIVEN_BACK, given_back_at=now
    )
    _put_back(coupon_id, gone)
    return gone
