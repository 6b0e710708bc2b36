"""Extend, freeze, unfreeze, end: a row each, and what was sold stays."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.access.test_grants import codes, make_order
from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.access import adjustments, grants, policy
from wagtail_kwiga.access.events import AccessAdjusted
from wagtail_kwiga.catalogue.access_rules import Length, Lessons
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError

pytestmark = pytest.mark.django_db


@pytest.fixture
def month() -> m.AccessGrant:
    with locking.atomic_write():
        return grants.grant_for_order(make_order(AccessTerms(length=Length.days(30))), now=START)[0]


def open_on(grant: m.AccessGrant, day: float) -> bool:
    return bool(policy.may_open(grant.contact, grant.product, at=after(days=day)))


def test_an_extension_moves_the_end_and_not_what_was_sold(month, heard, admin_user):
    made = adjustments.extend(month, days=10, by=admin_user, note="sorry", now=after(days=5))
    assert (open_on(month, 39), open_on(month, 40)) == (True, False)
    month.refresh_from_db()
    assert month.ends_at == after(days=30)
    assert (made.kind, made.days, made.until, made.at, made.by, made.note) == (
        "extend", 10, None, after(days=5), admin_user, "sorry",
    )  # fmt: skip
    order = month.line.order
    assert heard == [AccessAdjusted(month.pk, "extend", order.contact_id, order.pk, after(days=5))]
    assert codes(order)[-1] == "access.extend"


def test_a_freeze_for_some_days_and_one_until_somebody_ends_it(month):
    adjustments.freeze(month, days=7, now=after(days=5))
    assert [open_on(month, day) for day in (4, 5, 11, 12, 36, 37)] == [True, False, False, True, True, False]
    adjustments.unfreeze(month, now=after(days=6))
    assert [open_on(month, day) for day in (5, 6, 30, 31)] == [False, True, True, False]
    adjustments.freeze(month, now=after(days=8))
    assert not open_on(month, 900)
    adjustments.unfreeze(month, now=after(days=108))
    assert [open_on(month, day) for day in (107, 108, 130, 131)] == [False, True, True, False]


def test_an_end_that_staff_set_and_take_back(month):
    adjustments.end(month, now=after(days=5))
    assert not open_on(month, 6)
    adjustments.extend(month, until=after(days=9), now=after(days=7))
    assert [open_on(month, day) for day in (6, 7, 8, 9)] == [False, True, True, False]


def test_a_grant_without_an_order_tells_it_to_the_contact():
    ada = make_contact()
    given = m.AccessGrant.objects.create(
        contact=ada, product=make_product(), source="staff:1", reason="staff", terms=AccessTerms().to_json(),
        granted_at=START, starts_at=START,
    )  # fmt: skip
    adjustments.end(given, now=after(days=1))
    assert codes(ada) == ["access.end"]


@pytest.mark.parametrize(
    ("verb", "span", "code"),
    [
        ("extend", {}, "bad_span"),
        ("extend", {"days": 0}, "bad_span"),
        ("extend", {"days": 1, "until": after(days=90)}, "bad_span"),
        ("extend", {"until": after(days=5)}, "bad_span"),
        ("freeze", {"days": -1}, "bad_span"),
        ("freeze", {"days": 1, "until": after(days=90)}, "bad_span"),
        ("unfreeze", {}, "not_frozen"),
    ],
)
def test_what_would_change_nothing_is_refused(month, heard, verb, span, code):
    with pytest.raises(KwigaError) as refusal:
        getattr(adjustments, verb)(month, now=after(days=5), **span)
    assert refusal.value.code == code
    assert not month.adjustments.exists() and heard == []


def test_days_are_added_to_what_is_frozen_until_somebody_unfreezes_it(month):
    adjustments.freeze(month, now=after(days=5))
    adjustments.extend(month, days=10, now=after(days=6))
    adjustments.unfreeze(month, now=after(days=105))
    assert [open_on(month, day) for day in (104, 105, 139, 140)] == [False, True, True, False]


def test_no_date_is_promised_for_what_is_frozen_until_somebody_unfreezes_it(month):
    """It was written down, told as done, and the end was another one: as much later as the freeze was long."""
    adjustments.freeze(month, now=after(days=5))
    with pytest.raises(KwigaError) as refusal:
        adjustments.extend(month, until=after(days=60), now=after(days=6))
    assert (refusal.value.code, month.adjustments.count()) == ("frozen", 1)
    adjustments.unfreeze(month, now=after(days=7))
    adjustments.extend(month, until=after(days=60), now=after(days=7))
    assert [open_on(month, day) for day in (59, 60)] == [True, False]


def test_a_date_can_be_promised_for_what_is_frozen_up_to_a_day(month):
    adjustments.freeze(month, until=after(days=20), now=after(days=5))
    adjustments.extend(month, until=after(days=60), now=after(days=6))
    assert [open_on(month, day) for day in (19, 20, 59, 60)] == [False, True, True, False]


@pytest.mark.parametrize("frozen", [False, True])
def test_what_has_no_end_cannot_be_extended(heard, frozen):
    with locking.atomic_write():
        (endless,) = grants.grant_for_order(make_order(AccessTerms()), now=START)
    if frozen:
        adjustments.freeze(endless, now=after(days=1))
    for span in ({"days": 3}, {"until": after(days=30)}):
        with pytest.raises(KwigaError) as refusal:
            adjustments.extend(endless, **span, now=after(days=2))
        assert refusal.value.code == "no_end"
    assert (endless.adjustments.count(), len(heard)) == (frozen, frozen)
    adjustments.end(endless, now=after(days=3))
    adjustments.extend(endless, days=2, now=after(days=4))
    assert [open_on(endless, day) for day in (3.5, 4, 6)] == [False, True, False]


@pytest.mark.parametrize(("verb", "code"), [("freeze", "over"), ("end", "over"), ("unfreeze", "not_frozen")])
def test_what_has_ended_can_only_be_extended(month, verb, code):
    with pytest.raises(KwigaError) as refusal:
        getattr(adjustments, verb)(month, now=after(days=30))
    assert refusal.value.code == code
    adjustments.extend(month, days=1, now=after(days=30))
    assert open_on(month, 30.5)


def test_what_was_taken_away_stays_away(month):
    grants.revoke(month, now=after(days=1))
    for verb, span in (("extend", {"days": 3}), ("freeze", {}), ("end", {})):
        with pytest.raises(KwigaError) as refusal:
            getattr(adjustments, verb)(month, now=after(days=2), **span)
        assert refusal.value.code == "revoked"


def test_the_contact_is_locked_first(month, monkeypatch):
    taken = []
    lock = adjustments.directory.lock
    monkeypatch.setattr(adjustments.directory, "lock", lambda pk: taken.append(pk) or lock(pk))
    adjustments.extend(month, days=1, now=after(days=5))
    assert taken == [month.contact_id]


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "extend"},
        {"kind": "extend", "days": 0},
        {"kind": "freeze", "days": 3, "until": after(days=9)},
        {"kind": "shrink", "days": 3},
    ],
)
def test_the_database_keeps_rows_that_mean_nothing_out(month, row):
    with pytest.raises(IntegrityError), transaction.atomic():
        m.AccessAdjustment.objects.create(grant=month, at=START, **row)


def test_adjustments_cost_no_query_more(month, django_assert_num_queries):
    for days in range(1, 9):
        adjustments.extend(month, days=days, now=after(days=1))
    ada, course = month.contact, month.product
    with django_assert_num_queries(1):
        assert policy.may_open(ada, course, at=after(days=65)).until == after(days=30 + 36)


# --- terms that extend ------------------------------------------------------------------------------------------------

RENEWAL = AccessTerms(length=Length.days(30, extends=True))


def pay(contact, product, terms: AccessTerms, day: float) -> m.AccessGrant:
    at = after(days=day)
    order = make_order(terms, contact=contact, paid_at=at, products=[product])
    with locking.atomic_write():
        return grants.grant_for_order(order, now=at)[0]


def spans(contact) -> list[tuple[float, float | None]]:
    day = dt.timedelta(days=1)
    found = m.AccessGrant.objects.filter(contact=contact).order_by("pk")
    return [((one.starts_at - START) / day, one.ends_at and (one.ends_at - START) / day) for one in found]


@pytest.mark.parametrize(
    ("terms", "days", "held"),
    [
        ([RENEWAL, RENEWAL], [0, 20], [(0, 30), (30, 60)]),
        ([RENEWAL, RENEWAL, RENEWAL], [0, 20, 21], [(0, 30), (30, 60), (60, 90)]),
        ([RENEWAL, RENEWAL], [0, 40], [(0, 30), (40, 70)]),
        ([AccessTerms(length=Length.days(30)), RENEWAL], [0, 20], [(0, 30), (30, 60)]),
        ([AccessTerms(), RENEWAL], [0, 20], [(0, None), (20, 50)]),
        ([AccessTerms(length=Length.days(30))] * 2, [0, 20], [(0, 30), (20, 50)]),
    ],
)
def test_a_renewal_paid_early_loses_no_day(terms, days, held):
    ada, course = make_contact(), make_product()
    pay(make_contact(), course, AccessTerms(length=Length.days(900)), 0)
    pay(ada, make_product(), AccessTerms(length=Length.days(900)), 0)
    ada_only = m.AccessGrant.objects.filter(contact=ada, product=course)
    for each, day in zip(terms, days, strict=True):
        pay(ada, course, each, day)
    m.AccessGrant.objects.filter(contact=ada).exclude(pk__in=ada_only).delete()
    assert spans(ada) == held


def test_a_renewal_extends_what_staff_have_extended_and_not_what_they_took_away():
    ada, course = make_contact(), make_product()
    first = pay(ada, course, RENEWAL, 0)
    adjustments.extend(first, days=10, now=after(days=1))
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=40)
    for one in m.AccessGrant.objects.all():
        grants.revoke(one, now=after(days=21))
    assert pay(ada, course, RENEWAL, 22).starts_at == after(days=22)


def test_a_renewal_of_all_lessons_does_not_wait_for_a_trial_to_end():
    from_trial = AccessTerms(lessons=Lessons.first(1), length=Length.days(90))
    ada, course = make_contact(), make_product()
    pay(ada, course, from_trial, 0)
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=20)


def test_two_renewals_in_one_order_follow_each_other():
    ada, course = make_contact(), make_product()
    order = make_order(RENEWAL, RENEWAL, contact=ada, products=[course, course])
    with locking.atomic_write():
        grants.grant_for_order(order, now=START)
    assert spans(ada) == [(0, 30), (30, 60)]


def test_terms_that_extend_cost_one_query_more():
    course, contact = make_product(), make_contact()
    for _each in range(4):
        pay(contact, course, RENEWAL, 0)
    counts = []
    for terms in (AccessTerms(), RENEWAL):
        order = make_order(terms, contact=contact, products=[course])
        with locking.atomic_write(), CaptureQueriesContext(connection) as captured:
            grants.grant_for_order(order, now=START)
        counts.append(len(captured))
    assert counts[1] == counts[0] + 1


def test_a_grant_knows_its_reason(month):
    assert (month.reason, month.replaces, month.by) == ("order", None, None)
