"""From when a renewal counts, among all that its buyer holds; and moments that nobody names."""

from __future__ import annotations

import pytest

from tests.access.test_grants import make_order
from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.access import adjustments, grants
from wagtail_kwiga.catalogue.access_rules import Length, Lessons
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db

MONTH = AccessTerms(length=Length.days(30))
RENEWAL = AccessTerms(length=Length.days(30, extends=True))
TRIAL = AccessTerms(lessons=Lessons.first(1), length=Length.days(90))


def six_days_later():
    return after(days=6)


@pytest.fixture
def ada():
    return make_contact()


@pytest.fixture
def course():
    return make_product()


def pay(contact, product, terms: AccessTerms, day: float) -> m.AccessGrant:
    at = after(days=day)
    order = make_order(terms, contact=contact, paid_at=at, products=[product])
    with locking.atomic_write():
        return grants.grant_for_order(order, now=at)[0]


def test_what_does_not_hold_all_lessons_does_not_hide_what_does(ada, course):
    pay(ada, course, TRIAL, 0)
    pay(ada, course, MONTH, 1)
    pay(ada, course, TRIAL, 2)
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=31)


def test_what_never_opened_does_not_hide_what_does(ada, course):
    grants.revoke(pay(ada, course, MONTH, 0), now=START)
    pay(ada, course, MONTH, 1)
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=31)


def test_the_one_that_ends_last_is_extended_whichever_was_given_last(ada, course):
    pay(ada, course, AccessTerms(length=Length.days(60)), 0)
    pay(ada, course, MONTH, 1)
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=60)


def test_where_one_has_no_end_there_is_nothing_to_wait_for(ada, course):
    pay(ada, course, MONTH, 0)
    pay(ada, course, AccessTerms(), 1)
    pay(ada, course, MONTH, 2)
    assert pay(ada, course, RENEWAL, 20).starts_at == after(days=20)


def test_what_ended_and_was_opened_again_counts_to_its_last_end(ada, course):
    first = pay(ada, course, MONTH, 0)
    adjustments.extend(first, days=10, now=after(days=40))
    assert pay(ada, course, RENEWAL, 45).starts_at == after(days=50)
    assert pay(ada, make_product(), RENEWAL, 45).starts_at == after(days=45)


def test_a_line_that_does_not_extend_is_extended_by_the_next(ada, course):
    order = make_order(MONTH, RENEWAL, contact=ada, products=[course, course])
    with locking.atomic_write():
        first, second = grants.grant_for_order(order, now=START)
    assert (first.starts_at, first.ends_at) == (START, after(days=30))
    assert (second.starts_at, second.ends_at) == (after(days=30), after(days=60))


def test_money_that_comes_again_where_none_was_taken_away_is_the_first_reason(ada):
    """A part had come and gone before anything was given: the grant is the line's first, and is called so."""
    order = make_order(contact=ada)
    (grant,) = grants.grant_for_order(order, again=True, now=START)
    assert grant.source == grants.line_source(order.lines.get().pk) == f"line:{order.lines.get().pk}"
    assert (grant.reason, grant.revoked_at) == ("order", None)


def test_money_again_tells_of_all_lines(ada):
    order = make_order(AccessTerms(), AccessTerms(), contact=ada)
    grants.grant_for_order(order, now=START)
    grants.end_for_order(order.pk, now=after(days=1))
    grants.grant_for_order(order, again=True, now=after(days=2))
    last = writing.timeline(order).last()
    assert (last.at, writing.sentence(last)) == (after(days=2), "Access was given: Course 1, Course 2.")


def test_where_no_moment_is_given_the_clock_is_asked(ada, course, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.six_days_later"}
    taken, refunded = make_order(contact=ada, paid_at=None), make_order(contact=ada)
    (one,), (two,) = grants.grant_for_order(taken), grants.grant_for_order(refunded)
    assert (one.granted_at, one.starts_at, two.starts_at) == (after(days=6), after(days=6), START)
    assert grants.revoke(one)
    assert grants.end_for_order(refunded.pk) == 1
    two.refresh_from_db()
    assert one.revoked_at == two.revoked_at == after(days=6)


def test_what_was_taken_away_is_called_as_it_was_sold(ada):
    order = make_order(contact=ada)
    order.lines.update(title="Watercolour in spring")
    (grant,) = grants.grant_for_order(order, now=START)
    grants.revoke(grant, now=after(days=1))
    assert writing.sentence(writing.timeline(order).last()) == "Access was taken away: Watercolour in spring."
