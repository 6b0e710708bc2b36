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

from wagtail_kwiga.access import grant_times
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.access.spans import GrantView, Span
from wagtail_kwiga.catalogue.access_rules import Lesson, later
from wagtail_kwiga.catalogue.calendar_days import begin_of
from wagtail_kwiga.catalogue.models import OfferProduct
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError

logger = logging.getLogger("wagtail_kwiga.access")

_FOR_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)
#: A lesson, or a module, that nobody has named: what the terms say of it, they say of any other.
_UNNAMED = "\N{NULL}"

#: What can come with the lessons. It must be held for as long and for the same lessons as it would be sold.
_EXTRAS: tuple[Callable[[AccessTerms], object], ...] = (
    lambda terms: terms.certificate,
    lambda terms: terms.comments,
    lambda terms: terms.practice != "none",
    lambda terms: terms.practice == "by_instructor",
    lambda terms: terms.instructors,
    lambda terms: not terms.checkpoints,
)
#: Ways of opening lessons that depend on what only the site knows.
_UNKNOWN_RELEASES = ("course", "after_previous")


def adds(held: Sequence[GrantView], sold: AccessTerms, *, at: dt.datetime, repeatable: bool = False) -> bool:
    """Whether buying ``sold`` at ``at`` would add anything to ``held``, the grants one contact has to the same product.

    Something is added by any lesson more, a later end, an earlier opening, terms that extend what there is, and by a certificate, comments, practice
    review, somebody to look after the buyer or freedom from checkpoints that the grants do not give for the very same
    lessons and time. A ``repeatable`` product always adds. So does everything for somebody who has nothing that is or
    will be open. One more grant in ``held`` never turns *nothing added* into *something added*.
    """
    live = [grant for grant in held if grant.times.lasts(at)]
    if repeatable or sold.length.extends or not live:
        return True
    wanted = GrantView(sold, starts := sold.starts_at(at), sold.ends_at(starts))
    lessons = [
        Lesson(key, position, module)
        for key, module, position in product(
            _telling_keys([wanted, *live]), _telling_modules([wanted, *live]), _telling_positions([wanted, *live], at)
        )
    ]
    for extra in (None, *_EXTRAS):
        if extra is not None and not extra(sold):
            continue
        giving = live if extra is None else [grant for grant in live if extra(grant.terms)]
        if not all(_covered(lesson, wanted, giving, at) for lesson in lessons):
            return True
    return False


def includes_all(held: AccessTerms, sold: AccessTerms) -> bool:
    """Whether every lesson of ``sold`` is one of ``held``, whenever either may open it."""
    pair = [GrantView(held, _FOR_EVER), GrantView(sold, _FOR_EVER)]
    places = {place for terms in (held, sold) for place in (terms.lessons.n - 1, terms.lessons.n) if place >= 0}
    return all(
        held.includes(lesson) or not sold.includes(lesson)
        for lesson in (
            Lesson(key, position, module)
            for key, module, position in product(
                _telling_keys(pair), _telling_modules(pair), {0, *places, max(places) + 1}
            )
        )
    )


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
    rows = AccessGrant.objects.filter(
        contact_id__in={contact for contact, _product in wanted},
        product_id__in={product for _contact, product in wanted},
    )
    held: dict[tuple[int, int], list[GrantView]] = defaultdict(list)
    for grant in grant_times.with_times(rows):
        held[grant.contact_id, grant.product_id].append(grant.view)
    return held


# --- one lesson -------------------------------------------------------------------------------------------------------


def _open(grant: GrantView, lesson: Lesson, at: dt.datetime) -> list[Span]:
    """When ``grant`` opens ``lesson`` from ``at`` on. Lessons that open as only the site knows count from the start."""
    times, release = grant.times, grant.terms.release
    opens = times.shifted(later(grant.starts_at, release.delay(lesson)))
    if opens is None or not grant.terms.includes(lesson):
        return []
    opens = max(opens, at, release.not_before(lesson, grant.terms.zone) or at)
    spans = ((max(begin, opens), end) for begin, end in times.open)
    return [(begin, end) for begin, end in spans if end is None or begin < end]


def _covered(lesson: Lesson, wanted: GrantView, giving: Sequence[GrantView], at: dt.datetime) -> bool:
    """Whether ``giving`` opens ``lesson`` whenever ``wanted`` would."""
    spans = _open(wanted, lesson, at)
    if not spans:
        return True
    release = wanted.terms.release.kind
    together: list[Span] = []
    for grant in giving:
        if grant.terms.release.kind not in _UNKNOWN_RELEASES:
            together += _open(grant, lesson, at)
        elif grant.terms.release.kind == release and _opens_no_later(grant, wanted):
            # One calendar, begun no later: whatever the site says, it has said it here before. But this grant alone.
            alone = _open(grant, lesson, at)
            if all(_without_gap(span, alone) for span in spans):
                return True
    return all(_without_gap(span, together) for span in spans)


def _opens_no_later(grant: GrantView, wanted: GrantView) -> bool:
    """Of two grants with one calendar that only the site knows: whether time has run for ``grant`` as long at least."""
    if wanted.terms.release.kind == "after_previous":
        return True
    return not grant.times.frozen and grant.starts_at <= wanted.starts_at


def _without_gap(span: Span, by: Iterable[Span]) -> bool:
    """Whether the spans in ``by`` together leave no gap in ``span``."""
    reached, end = span[0], span[1] or _FOR_EVER
    for opens, closes in sorted(by, key=lambda each: each[0]):
        if opens > reached:
            return False
        reached = max(reached, closes or _FOR_EVER)
        if reached >= end:
            return True
    return False


# --- which lessons to ask about -----------------------------------------------------------------------------------------


def _telling_keys(grants: Sequence[GrantView]) -> list[str]:
    """One key of each group of lessons that none of the terms tells apart; the unnamed ones among them."""
    dates = [dict(grant.terms.release.dates) for grant in grants]
    lessons = [grant.terms.lessons for grant in grants]
    named = {key for rule in lessons for key in (*rule.keys, *rule.known)} | {key for days in dates for key in days}
    groups = {
        tuple(
            (key in rule.keys, key in rule.known, days.get(key)) for rule, days in zip(lessons, dates, strict=True)
        ): key
        for key in sorted(named | {_UNNAMED})
    }
    return list(groups.values())


def _telling_modules(grants: Sequence[GrantView]) -> list[str]:
    """The same for modules."""
    lessons = [grant.terms.lessons for grant in grants]
    named = {module for rule in lessons for module in (*rule.modules, *rule.new_in)}
    groups = {
        tuple((module in rule.modules, module in rule.new_in) for rule in lessons): module
        for module in sorted(named | {_UNNAMED})
    }
    return list(groups.values())


def _telling_positions(grants: Sequence[GrantView], at: dt.datetime) -> list[int]:
    """Places in the product at which the answer can change, and one beyond them all.

    Each opening runs straight (``n`` days a place, moved on by each freeze) and everything else stands still; between two
    places at which such lines cross nothing changes, so asking beside each crossing asks everywhere.
    """
    lines: set[tuple[dt.datetime, int]] = {(at, 0)}
    places = {0, 1}
    for grant in grants:
        lessons, release, times = grant.terms.lessons, grant.terms.release, grant.times
        step, moved = release.n if release.kind == "every" else 0, grant.starts_at
        lines.add((moved, step))
        for begin, end in times.frozen:
            moved = later(moved, (end or begin) - begin)
            lines |= {(begin, 0), (moved, step)}
        lines |= {(instant, 0) for span in times.open for instant in span if instant is not None}
        lines |= {(begin_of(day, grant.terms.zone), 0) for _key, day in release.dates}
        if lessons.kind == "first":
            places |= {lessons.n - 1, lessons.n}
    day = dt.timedelta(days=1)
    for (one, step), (other, stride) in product(lines, lines):
        if step > stride:
            place = (other - one) // ((step - stride) * day)
            places.update(range(place - 1, place + 3))
    return [place for place in {*places, max(places) + 1} if place >= 0]
