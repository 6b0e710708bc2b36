"""Grants with their adjustments, read as the plain values that the rules work on. One query, however many."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.access.spans import Adjustment, Effective, GrantView
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError

logger = logging.getLogger("wagtail_kwiga.access")


@dataclass(frozen=True)
class GrantTimes:
    """One grant: whose, to what, and when it holds."""

    pk: int
    contact_id: int
    product_id: int
    view: GrantView


def times_of(grant: AccessGrant) -> Effective | None:
    """When ``grant`` holds, for screens. One query, none where its ``adjustments`` were prefetched. ``None`` where its terms
    cannot be read."""
    try:
        terms = AccessTerms.from_json(grant.terms)
    except KwigaError:
        return None
    changes = tuple(Adjustment(one.kind, one.at, one.days, one.until) for one in grant.adjustments.all())
    return GrantView(terms, grant.starts_at, grant.ends_at, grant.revoked_at, changes).times


def with_times(grants: QuerySet[AccessGrant]) -> Iterator[GrantTimes]:
    """Each of ``grants``. One whose terms this version cannot read is left out and logged: it gives nothing, and it takes
    nothing from the others."""
    rows = grants.order_by("pk").values_list(
        "pk", "contact_id", "product_id", "terms", "starts_at", "ends_at", "revoked_at",
        "adjustments__kind", "adjustments__at", "adjustments__days", "adjustments__until",
    )  # fmt: skip
    found: dict[int, GrantTimes | None] = {}
    for pk, contact_id, product_id, terms, starts_at, ends_at, revoked_at, kind, at, days, until in rows:
        if pk not in found:
            try:
                view = GrantView(AccessTerms.from_json(terms), starts_at, ends_at, revoked_at)
                found[pk] = GrantTimes(pk, contact_id, product_id, view)
            except KwigaError:
                logger.exception("The terms of access grant %s cannot be read", pk)
                found[pk] = None
        grant = found[pk]
        if grant is not None and kind is not None:
            changes = (*grant.view.adjustments, Adjustment(kind, at, days, until))
            found[pk] = replace(grant, view=replace(grant.view, adjustments=changes))
    return (grant for grant in found.values() if grant is not None)
