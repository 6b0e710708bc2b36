"""Making and taking away grants of access. A grant is one reason; ``policy`` adds the reasons up (promise 12)."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, cast

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, events, locking
from wagtail_kwiga.access import grant_times, ownership
from wagtail_kwiga.access.events import AccessEnded, AccessGranted
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.access.reasons import Reason
from wagtail_kwiga.access.spans import GrantView
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import Status

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

writing.register_sentences(
    {
        "access.granted": _("Access was given: %(what)s."),
        "access.ended": _("Access was taken away: %(what)s."),
    }
)


def line_source(line_id: int) -> str:
    """The ``source`` of the grant that an order line gives."""
    return f"line:{line_id}"


def grant_for_order(order: Order, *, now: dt.datetime | None = None, again: bool = False) -> list[AccessGrant]:
    """Make the grants that the lines of ``order`` give, one per line, and return all of them, old and new.

    Repeating it makes nothing anew and restores nothing: a grant that staff took away stays away. Access that starts
    at payment starts when the order was first paid (``order.paid_at``; ``now`` where that is not set). Terms that extend
    start when the access ends that the contact has to the same lessons, if that is later. What opens later, or without a
    receipt, is told when it has (``access.announcing``).

    The caller holds the contact's lock. Raises ``KwigaError`` where a line's terms cannot be read: the whole move is
    undone, so that the provider comes again, rather than giving wrong access.
    """
    now = now or conf.now()
    with locking.atomic_write():
        lines = list(OrderLine.objects.filter(order=order).order_by("pk"))
        grants = {g.source: g for g in AccessGrant.objects.filter(source__in=[line_source(line.pk) for line in lines])}
        missing = [line for line in lines if again or line_source(line.pk) not in grants]
        made = _of_lines(missing, order, now)
        for grant in made:
            grant.announce_at = _when_told(grant, order, again, now)
        if again:  # what the refund took stays taken; the new money is a reason of its own
            before: Counter[int | None] = Counter(
                AccessGrant.objects.filter(line__in=lines).values_list("line_id", flat=True)
            )
            for grant in made if before else ():
                grant.source += f":{before[grant.line_id]}"  # counted, so that two at one instant are two
        made = AccessGrant.objects.bulk_create(made)
        if made:
            writing.write(order, "access.granted", now=now, what=[line.title for line in missing])
            events.publish(AccessGranted(tuple(grant.pk for grant in made), order.contact_id, order.pk, now))
    return [*grants.values(), *made]


def _when_told(grant: AccessGrant, order: Order, again: bool, now: dt.datetime) -> dt.datetime | None:
    """When it is told that ``grant`` has opened. What opens as the order is paid is told by the receipt, which comes once: not
    for a part, and not when what was given back is paid once more."""
    if grant.starts_at > now:
        return grant.starts_at
    return None if order.status == Status.PAID and not again else now


def _of_lines(lines: list[OrderLine], order: Order, now: dt.datetime) -> list[AccessGrant]:
    """The grants of ``lines``, not saved. One query more where terms extend what there is."""
    sold = [(line, AccessTerms.from_json(line.access_terms)) for line in lines]
    extended = {line.product_id for line, terms in sold if terms.length.extends}
    held: dict[int, list[GrantView]] = defaultdict(list)
    if extended:
        for had in grant_times.with_times(
            AccessGrant.objects.filter(contact_id=order.contact_id, product_id__in=extended)
        ):
            held[had.product_id].append(had.view)
    made = []
    for line, terms in sold:
        paid_at = order.paid_at or now
        starts_at = terms.starts_at(paid_at, present_end=_present_end(held[line.product_id], terms, paid_at))
        grant = _of_line(line, order, terms, starts_at, now)
        held[line.product_id].append(GrantView(terms, starts_at, grant.ends_at))  # the next line extends this one
        made.append(grant)
    return made


def _present_end(held: list[GrantView], terms: AccessTerms, at: dt.datetime) -> dt.datetime | None:
    """When the last of the access ends that holds every lesson of ``terms``. ``None`` where there is none any more, and
    where it does not end: there is nothing to extend then."""
    ends = []
    for grant in held:
        if not ownership.includes_all(grant.terms, terms):
            continue
        times = grant.times
        if not times.open:
            continue
        end = times.open[-1][1]
        if end is None:
            return None
        if at < end:
            ends.append(end)
    return max(ends, default=None)


def _of_line(
    line: OrderLine, order: Order, terms: AccessTerms, starts_at: dt.datetime, now: dt.datetime
) -> AccessGrant:
    return AccessGrant(
        contact_id=order.contact_id,
        product_id=line.product_id,
        line=line,
        source=line_source(line.pk),
        reason=Reason.ORDER.value,
        terms=terms.to_json(),
        granted_at=now,
        starts_at=starts_at,
        ends_at=terms.ends_at(starts_at),
    )


def revoke(grant: AccessGrant, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> bool:
    """Take ``grant`` away from ``now`` on. True when this call did it; a second call changes nothing.

    ``by`` is the member of staff who did it. It is told on the timeline of the order, or of the contact where the grant
    has none.
    """
    now = now or conf.now()
    with locking.atomic_write():
        done = AccessGrant.objects.filter(pk=grant.pk, revoked_at__isnull=True).update(revoked_at=now)
        if not done:
            grant.refresh_from_db(fields=["revoked_at"])
            return False
        line = grant.line
        what = line.title if line else grant.product.title
        writing.write(line.order if line else grant.contact, "access.ended", now=now, by=by, what=what)
        events.publish(AccessEnded((grant.pk,), grant.contact_id, line.order_id if line else None, now))
    grant.revoked_at = now
    return True


def end_for_order(order_id: int, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None) -> int:
    """Take away what the lines of an order gave (its money went back); how many grants that ended. Other reasons stay."""
    now = now or conf.now()
    with locking.atomic_write():
        grants = list(
            AccessGrant.objects.filter(line__order=order_id, revoked_at__isnull=True).select_related("line__order")
        )
        if not grants:
            return 0
        AccessGrant.objects.filter(pk__in=[grant.pk for grant in grants]).update(revoked_at=now)
        lines = [cast(OrderLine, grant.line) for grant in grants]
        order = lines[0].order
        writing.write(order, "access.ended", now=now, by=by, what=[line.title for line in lines])
        events.publish(AccessEnded(tuple(grant.pk for grant in grants), order.contact_id, order.pk, now))
    return len(grants)
