"""What a refund takes away, what new money gives again, and what each of them leaves on record."""

from __future__ import annotations

import pytest

from tests.access.test_grants import codes, make_order
from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.access import grants, policy
from wagtail_kwiga.access.events import AccessEnded, AccessGranted
from wagtail_kwiga.catalogue.terms import AccessTerms, Lessons
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(events, "_handlers", type(events._handlers)(list))
    told: list = []
    events.subscribe(AccessGranted, told.append)
    events.subscribe(AccessEnded, told.append)
    return told


def revoked(order) -> list:
    return list(m.AccessGrant.objects.filter(line__order=order).order_by("pk").values_list("revoked_at", flat=True))


def test_a_refund_ends_all_that_the_order_gave_and_nothing_else(told, django_user_model):
    boss = django_user_model.objects.create_user("boss")
    order, other = make_order(AccessTerms(), AccessTerms()), make_order()
    made = grants.grant_for_order(order, now=START)
    grants.grant_for_order(other, now=START)
    assert grants.end_for_order(order.pk, by=boss, now=after(days=2)) == 2
    assert (revoked(order), revoked(other)) == ([after(days=2)] * 2, [None])
    assert told[-1] == AccessEnded(tuple(grant.pk for grant in made), order.contact_id, order.pk, after(days=2))
    last = writing.timeline(order).last()
    assert (last.code, last.at, last.by) == ("access.ended", after(days=2), boss)
    assert writing.sentence(last) == "Access was taken away: Course 1, Course 2."
    assert codes(other) == ["access.granted"]


def test_a_second_refund_ends_nothing_and_says_nothing(told):
    order = make_order()
    grants.grant_for_order(order, now=START)
    assert grants.end_for_order(order.pk, now=after(days=1)) == 1
    assert grants.end_for_order(order.pk, now=after(days=2)) == 0
    assert revoked(order) == [after(days=1)]
    assert (len(told), codes(order)) == (2, ["access.granted", "access.ended"])


def test_a_refund_leaves_the_instant_of_what_staff_took_away_before(told):
    order = make_order(AccessTerms(), AccessTerms())
    first, second = grants.grant_for_order(order, now=START)
    grants.revoke(first, now=after(days=1))
    assert grants.end_for_order(order.pk, now=after(days=2)) == 1
    assert revoked(order) == [after(days=1), after(days=2)]
    assert told[-1].grant_ids == (second.pk,)


@pytest.mark.parametrize("many", [1, 8])
def test_a_refund_asks_a_fixed_number_of_queries(many, told, django_assert_num_queries):
    order = make_order(*[AccessTerms()] * many)
    grants.grant_for_order(order, now=START)
    with django_assert_num_queries(5):  # grants with their lines, update, timeline, and a savepoint
        grants.end_for_order(order.pk, now=after(days=1))


def test_money_that_comes_again_is_a_reason_of_its_own(told):
    order = make_order()
    (first,) = grants.grant_for_order(order, now=START)
    line = order.lines.get()
    for number in (1, 2):
        grants.end_for_order(order.pk, now=after(days=number))
        *_, new = grants.grant_for_order(order, again=True, now=after(days=number, hours=1))
        assert new.source == f"line:{line.pk}:{number}"
        assert policy.may_open(order.contact, first.product, None, after(days=number, hours=2))
    assert revoked(order) == [after(days=1), after(days=2), None]


def test_a_line_that_staff_added_before_the_money_came_again_counts_from_nothing(told):
    order = make_order(AccessTerms(), AccessTerms())
    one, two = order.lines.order_by("pk")
    grants.grant_for_order(order, now=START)
    m.AccessGrant.objects.filter(line=two).delete()
    *_, first, second = grants.grant_for_order(order, again=True, now=after(days=1))
    assert (first.source, second.source) == (f"line:{one.pk}:1", f"line:{two.pk}:0")


# --- on record --------------------------------------------------------------------------------------------------------


def test_giving_is_on_record_at_its_instant():
    order = make_order()
    grants.grant_for_order(order, now=after(hours=7))
    assert [entry.at for entry in writing.timeline(order)] == [after(hours=7)]


def test_what_was_sold_is_kept_with_the_grant():
    terms = AccessTerms(lessons=Lessons.first(2), auto_open_new=False)
    (grant,) = grants.grant_for_order(make_order(terms), now=START)
    grant.refresh_from_db()
    assert AccessTerms.from_json(grant.terms) == terms


def test_taking_away_answers_with_whether_it_did():
    order = make_order()
    (grant,) = grants.grant_for_order(order, now=START)
    assert grants.revoke(grant, now=after(days=1)) is True
    assert grant.revoked_at == after(days=1)
    assert grants.revoke(grant, now=after(days=2)) is False


def test_taking_away_from_a_contact_is_on_record_at_its_instant():
    ada = make_contact()
    grant = m.AccessGrant.objects.create(
        contact=ada, product=make_product("Gift"), source="staff:x", granted_at=START, starts_at=START
    )
    grants.revoke(grant, now=after(days=1))
    (entry,) = writing.timeline(ada)
    assert (entry.at, writing.sentence(entry)) == (after(days=1), "Access was taken away: Gift.")
