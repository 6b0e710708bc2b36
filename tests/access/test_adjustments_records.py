"""What each change of a grant's time leaves behind: its row, its line on the timeline, its event; and to the very instant."""

from __future__ import annotations

import pytest

from tests.access.test_grants import make_order
from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.access import adjustments, grants, policy
from wagtail_kwiga.access.events import AccessAdjusted
from wagtail_kwiga.catalogue.access_rules import Length
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db


def ten_days_later():
    return after(days=10)


@pytest.fixture
def month() -> m.AccessGrant:
    """Thirty days of a course that was sold under another name."""
    order = make_order(AccessTerms(length=Length.days(30)))
    order.lines.update(title="Watercolour in spring")
    with locking.atomic_write():
        return grants.grant_for_order(order, now=START)[0]


@pytest.fixture
def gift() -> m.AccessGrant:
    """Given by staff, without an order."""
    return m.AccessGrant.objects.create(
        contact=make_contact(), product=make_product("Oil"), source="staff:1", reason="staff",
        terms=AccessTerms().to_json(), granted_at=START, starts_at=START, ends_at=after(days=30),
    )  # fmt: skip


def change(grant: m.AccessGrant, verb: str, **given) -> m.AccessAdjustment:
    if verb == "unfreeze":
        adjustments.freeze(grant, now=after(days=1))
    return getattr(adjustments, verb)(grant, **given)


SPANS = [
    ("extend", {"days": 10}),
    ("extend", {"until": after(days=50)}),
    ("freeze", {"days": 10}),
    ("freeze", {"until": after(days=50)}),
    ("freeze", {}),
    ("unfreeze", {}),
    ("end", {}),
]


@pytest.mark.parametrize(("verb", "span"), SPANS)
def test_each_is_a_row_with_who_when_and_why(month, admin_user, verb, span):
    made = change(month, verb, by=admin_user, note="sorry", now=after(days=5), **span)
    made.refresh_from_db()
    assert (made.grant, made.kind, made.at, made.by, made.note) == (month, verb, after(days=5), admin_user, "sorry")
    assert (made.days, made.until) == (span.get("days"), span.get("until"))


@pytest.mark.parametrize(("verb", "span"), SPANS)
def test_each_is_told_on_the_timeline_of_the_order(month, admin_user, verb, span):
    change(month, verb, by=admin_user, note="sorry", now=after(days=5), **span)
    last = writing.timeline(month.line.order).last()
    assert (last.code, last.at, last.by) == (f"access.{verb}", after(days=5), admin_user)
    told = {name: fact for name, fact in last.facts.items() if name in ("what", "days", "until", "note")}
    until = {"until": {"instant": after(days=50).isoformat()}} if "until" in span else {}
    assert told == {"what": "Watercolour in spring", "note": "sorry", **span, **until}


@pytest.mark.parametrize(
    ("verb", "span", "sentence"),
    [
        ("extend", {"days": 10}, "Access was extended: Oil."),
        ("freeze", {}, "Access was frozen: Oil."),
        ("unfreeze", {}, "Access was unfrozen: Oil."),
        ("end", {}, "Access was ended: Oil."),
    ],
)
def test_without_an_order_it_is_told_of_the_contact_and_names_the_product(gift, heard, verb, span, sentence):
    made = change(gift, verb, now=after(days=5), **span)
    assert (made.note, made.by) == ("", None)
    last = writing.timeline(gift.contact).last()
    assert writing.sentence(last) == sentence
    assert "note" not in last.facts
    assert heard[-1] == AccessAdjusted(gift.pk, verb, gift.contact_id, None, after(days=5))


@pytest.mark.parametrize(("verb", "span"), SPANS)
def test_where_no_moment_is_given_the_clock_is_asked(month, settings, verb, span):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.ten_days_later"}
    assert change(month, verb, **span).at == after(days=10)


# --- to the instant ---------------------------------------------------------------------------------------------------


def refusal(deed) -> str:
    with pytest.raises(KwigaError) as refused:
        deed()
    return refused.value.code


def test_what_is_taken_away_at_this_very_instant_is_taken_away(month):
    grants.revoke(month, now=after(days=5))
    assert refusal(lambda: adjustments.end(month, now=after(days=5))) == "revoked"
    assert adjustments.end(month, now=after(days=5, microseconds=-1)).kind == "end"


def test_a_freeze_is_ended_from_its_first_instant_up_to_its_last(month):
    adjustments.freeze(month, days=7, now=after(days=5))
    assert refusal(lambda: adjustments.unfreeze(month, now=after(days=12))) == "not_frozen"
    assert refusal(lambda: adjustments.unfreeze(month, now=after(days=5, microseconds=-1))) == "not_frozen"
    adjustments.unfreeze(month, now=after(days=5))
    assert policy.may_open(month.contact, month.product, at=after(days=5)).until == after(days=30)


def test_a_day_is_the_least_and_the_instant_after_now_the_earliest(month):
    now = after(days=5)
    for verb in (adjustments.extend, adjustments.freeze):
        assert refusal(lambda verb=verb: verb(month, days=0, now=now)) == "bad_span"
        assert refusal(lambda verb=verb: verb(month, until=now, now=now)) == "bad_span"
    adjustments.extend(month, days=1, now=now)
    adjustments.freeze(month, until=after(days=5, microseconds=1), now=now)
    until = policy.may_open(month.contact, month.product, at=after(days=6)).until
    assert until == after(days=31, microseconds=1)


def test_a_freeze_and_an_end_are_refused_from_the_end_on(month):
    assert refusal(lambda: adjustments.freeze(month, now=after(days=30))) == "over"
    assert refusal(lambda: adjustments.end(month, now=after(days=30))) == "over"
    assert adjustments.end(month, now=after(days=30, microseconds=-1)).kind == "end"


def test_only_the_grant_that_is_meant_is_looked_at(month, gift):
    """Another one, of anybody, that was taken away or is frozen changes nothing for it."""
    adjustments.freeze(gift, now=after(days=1))
    assert refusal(lambda: adjustments.unfreeze(month, now=after(days=2))) == "not_frozen"
    grants.revoke(gift, now=after(days=2))
    assert adjustments.end(month, now=after(days=3)).kind == "end"
