"""Does somebody already have all that an offer would add: every lesson, as long, on the same terms?

Whoever *owns* an offer in this sense is neither chased for an order left unpaid (promise 1) nor sold the same thing a
second time unawares. An upgrade, a renewal or a further consultation adds something, so it is sold and recovered like
anything else. Where the answer cannot be known (which lesson is the third one is the site's affair) something is said to
be added: a sale that needs one look more does less harm than a sale that is refused.

``adds`` is the rule: plain values in, an answer out. ``owned_offers`` and ``owns_all`` read the rows it needs.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import product

from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.access.policy import GrantView
from wagtail_kwiga.catalogue.models import OfferProduct
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError

logger = logging.getLogger("wagtail_kwiga.access")

#: When one lesson is open: half open, ``None`` means without end.
_Span = tuple[dt.datetime, dt.datetime | None]
_FOR_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)
#: A lesson that nobody has named: what the terms say of it, they say of any other.
_UNNAMED = "\N{NULL}"

#: What can come with the lessons. It must be held for as long and for the same lessons as it would be sold.
_EXTRAS: tuple[Callable[[AccessTerms], object], ...] = (
    lambda terms: terms.certificate,
    lambda terms: terms.comments,
    lambda terms: terms.practice != "none",
    lambda terms: terms.practice == "curator",
    lambda terms: terms.curators,
    lambda terms: not terms.checkpoints,
)


def adds(held: Sequence[GrantView], sold: AccessTerms, *, at: dt.datetime, repeatable: bool = False) -> bool:
    """Whether buying ``sold`` at ``at`` would add anything to ``held``, the grants one contact has to the same product.

    Something is added by any lesson more, a later end, an earlier opening, and by a certificate, comments, practice
    review, somebody to look after the buyer or freedom from checkpoints that the grants do not give for the very same
    lessons and time. A ``repeatable`` product always adds. So does everything for somebody who has nothing that is or
    will be open. One more grant in ``held`` never turns *nothing added* into *something added*.
    """
    live = [grant for grant in held if _ends(grant) is None or max(at, grant.starts_at) < _ends(grant)]
    if repeatable or not live:
        return True
    wanted = GrantView(sold, starts := sold.starts_at(at), sold.ends_at(starts))
    keys, positions = _telling_keys([wanted, *live]), _telling_positions([wanted, *live], at)
    for extra in (None, *_EXTRAS):
        if extra is not None and not extra(sold):
            continue
        giving = live if extra is None else [grant for grant in live if extra(grant.terms)]
        for key, position in product(keys, positions):
            span = _open(wanted, key, position, at)
            if span and not _covered(span, [_open(grant, key, position, at) for grant in giving]):
                return True
    return False


def owned_offers(pairs: Iterable[tuple[int, int]], at: dt.datetime) -> set[tuple[int, int]]:
    """Those of ``pairs`` (contact id, offer id) in which the contact has all that the offer would add at ``at``.

    An offer without products is never owned, nor is one whose terms cannot be read. Two queries, however many pairs.
    """
    pairs = set(pairs)
    if not pairs:
        return set()
    sold = _sold({offer for _contact, offer in pairs})
    wanted = {(contact, row[0]) for contact, offer in pairs for row in sold.get(offer, ())}
    held = _held(wanted)
    return {
        (contact, offer)
        for contact, offer in pairs
        if sold.get(offer)
        and not any(
            adds(held[contact, product_id], terms, at=at, repeatable=repeatable)
            for product_id, terms, repeatable in sold[offer]
        )
    }


def owns_all(contact_id: int, offer_id: int, at: dt.datetime) -> bool:
    """Whether the contact has all that the offer would add at ``at``. Two queries."""
    return bool(owned_offers([(contact_id, offer_id)], at))


# --- rows -------------------------------------------------------------------------------------------------------------


def _sold(offer_ids: set[int]) -> dict[int, list[tuple[int, AccessTerms, bool]]]:
    """What each offer sells: product, terms, whether it is bought again and again."""
    sold: dict[int, list[tuple[int, AccessTerms, bool]]] = defaultdict(list)
    unreadable = set()
    for row in OfferProduct.objects.filter(offer_id__in=offer_ids).select_related("product"):
        try:
            terms = AccessTerms.from_json(row.access_terms)
        except KwigaError:
            logger.exception("The terms of offer %s cannot be read", row.offer_id)
            unreadable.add(row.offer_id)
        else:
            sold[row.offer_id].append((row.product_id, terms, row.product.is_repeatable))
    return {offer: rows for offer, rows in sold.items() if offer not in unreadable}


def _held(wanted: set[tuple[int, int]]) -> dict[tuple[int, int], list[GrantView]]:
    """The grants of each (contact, product); one whose terms cannot be read gives nothing, as in ``policy``."""
    rows = AccessGrant.objects.filter(
        contact_id__in={contact for contact, _product in wanted},
        product_id__in={product for _contact, product in wanted},
    )
    held: dict[tuple[int, int], list[GrantView]] = defaultdict(list)
    for pk, contact, product_id, terms, *instants in rows.values_list(
        "pk", "contact_id", "product_id", "terms", "starts_at", "ends_at", "revoked_at"
    ):
        try:
            held[contact, product_id].append(GrantView(AccessTerms.from_json(terms), *instants))
        except KwigaError:
            logger.exception("The terms of access grant %s cannot be read", pk)
    return held


# --- one lesson -------------------------------------------------------------------------------------------------------


def _ends(grant: GrantView) -> dt.datetime | None:
    return min((end for end in (grant.ends_at, grant.revoked_at) if end is not None), default=None)


def _open(grant: GrantView, key: str, position: int, at: dt.datetime) -> _Span | None:
    """When ``grant`` opens that lesson from ``at`` on; ``None`` for never."""
    opens = grant.terms.lesson_opens_at(key, position, grant.starts_at)
    if opens is None:
        return None
    opens, closes = max(opens, at), _ends(grant)
    return (opens, closes) if closes is None or opens < closes else None


def _covered(span: _Span, by: Iterable[_Span | None]) -> bool:
    """Whether the spans in ``by`` together leave no gap in ``span``."""
    reached, end = span[0], span[1] or _FOR_EVER
    for opens, closes in sorted((each for each in by if each), key=lambda each: each[0]):
        if opens > reached:
            return False
        reached = max(reached, closes or _FOR_EVER)
        if reached >= end:
            return True
    return False


def _telling_keys(grants: Sequence[GrantView]) -> list[str]:
    """One key of each group of lessons that none of the terms tells apart; the unnamed ones among them."""
    named = {
        key
        for grant in grants
        for key in (*grant.terms.lessons.keys, *grant.terms.lessons.known, *dict(grant.terms.release.dates))
    }
    groups = {
        tuple(
            (
                key in grant.terms.lessons.keys,
                key in grant.terms.lessons.known,
                dict(grant.terms.release.dates).get(key),
            )
            for grant in grants
        ): key
        for key in sorted(named | {_UNNAMED})
    }
    return list(groups.values())


def _telling_positions(grants: Sequence[GrantView], at: dt.datetime) -> list[int]:
    """Places in the product at which the answer can change, and one beyond them all.

    Each opening runs straight (``n`` days a place) and each end stands still; between two places at which such lines
    cross nothing changes, so asking beside each crossing asks everywhere.
    """
    lines = {(at, 0)}
    places = {0, 1}
    for grant in grants:
        lessons, release = grant.terms.lessons, grant.terms.release
        lines.add((grant.starts_at, release.n if release.kind == "every" else 0))
        if end := _ends(grant):
            lines.add((end, 0))
        lines.update((grant.terms.release.opens_at(key, 0, grant.starts_at), 0) for key, _day in release.dates)
        if lessons.kind == "first":
            places.update((lessons.n - 1, lessons.n))
    day = dt.timedelta(days=1)
    for (one, step), (other, stride) in product(lines, lines):
        if step > stride:
            place = (other - one) // ((step - stride) * day)
            places.update(range(place - 1, place + 3))
    return [place for place in {*places, max(places) + 1} if place >= 0]
