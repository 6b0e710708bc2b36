"""What a paid line opens, once; and taking it away."""

from __future__ import annotations

import datetime as dt
from itertools import count

import pytest

from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import events, locking
from wagtail_kwiga import models as m
from wagtail_kwiga.access import grants, policy
from wagtail_kwiga.access.events import AccessEnded, AccessGranted
from wagtail_kwiga.catalogue.access_rules import Length, Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db

_serial = count(1)


def make_order(*terms: AccessTerms, contact=None, paid_at=START, products=()) -> m.Order:
    number, contact = f"A{next(_serial)}", contact or make_contact()
    order = m.Order.objects.create(
        number=number,
        token=number,
        contact=contact,
        purchase=m.Purchase.objects.create(contact=contact, opened_at=START, paid_at=paid_at),
        status="paid",
        title="Watercolour",
        currency="EUR",
        list_amount=120,
        total_amount=120,
        language="en",
        placed_at=START,
        price_holds_until=after(days=7),
        expires_at=after(days=14),
        paid_at=paid_at,
    )
    for place, access in enumerate(terms or [AccessTerms()]):
        product = products[place] if products else make_product(f"Course {place + 1}")
        m.OrderLine.objects.create(
            order=order,
            product=product,
            title=product.title,
            list_amount=120,
            amount=120,
            access_terms=access.to_json(),
        )
    return order


@pytest.fixture
def heard(monkeypatch):
    """The access events of the test, by a real subscription on an otherwise empty table."""
    monkeypatch.setattr(events, "_handlers", type(events._handlers)(list))
    told = []
    events.subscribe(AccessGranted, told.append)
    events.subscribe(AccessEnded, told.append)
    return told


def codes(subject) -> list[str]:
    return [entry.code for entry in writing.timeline(subject)]


def test_one_grant_a_line_with_its_own_span(heard):
    order = make_order(
        AccessTerms(length=Length.days(30)),
        AccessTerms(start=Start.on("2027-04-01"), length=Length.until("2027-06-30")),
        AccessTerms(length=Length.months(1)),
        paid_at=after(hours=1),
    )
    made = grants.grant_for_order(order, now=after(hours=1))
    april = dt.datetime(2027, 4, 1, tzinfo=dt.UTC)
    assert [(g.starts_at, g.ends_at) for g in made] == [
        (after(hours=1), after(days=30, hours=1)),
        (april, dt.datetime(2027, 7, 1, tzinfo=dt.UTC)),
        (after(hours=1), dt.datetime(2027, 4, 1, 13, tzinfo=dt.UTC)),
    ]
    lines = list(order.lines.all())
    assert [g.source for g in made] == [f"line:{line.pk}" for line in lines]
    assert [(g.product_id, g.contact_id, g.granted_at) for g in made] == [
        (line.product_id, order.contact_id, after(hours=1)) for line in lines
    ]
    assert heard == [AccessGranted(tuple(g.pk for g in made), order.contact_id, order.pk, after(hours=1))]
    assert codes(order) == ["access.granted"]
    assert writing.sentence(writing.timeline(order)[0]) == "Access was given: Course 1, Course 2, Course 3."


def test_repeating_it_makes_nothing_anew(heard):
    order = make_order(AccessTerms(), AccessTerms())
    first = grants.grant_for_order(order, now=START)
    again = grants.grant_for_order(order, now=after(days=3))
    assert {g.pk for g in again} == {g.pk for g in first}
    assert (m.AccessGrant.objects.count(), len(heard), codes(order)) == (2, 1, ["access.granted"])


def test_a_line_added_later_gets_its_own(heard):
    order = make_order()
    (first,) = grants.grant_for_order(order, now=START)
    product = make_product("Extra")
    m.OrderLine.objects.create(order=order, product=product, title="Extra", list_amount=0, amount=0)
    both = grants.grant_for_order(order, now=after(days=1))
    assert (both[0].pk, both[1].product) == (first.pk, product)
    assert heard[-1].grant_ids == (both[1].pk,)


def test_what_staff_took_away_stays_away(heard):
    order = make_order()
    (grant,) = grants.grant_for_order(order, now=START)
    assert grants.revoke(grant, now=after(days=1))
    grants.grant_for_order(order, now=after(days=2))
    grant.refresh_from_db()
    assert grant.revoked_at == after(days=1)
    assert not policy.may_open(order.contact, grant.product, None, after(days=2))
    assert len(heard) == 2


def test_a_late_repair_starts_when_it_was_paid():
    order = make_order(AccessTerms(length=Length.days(10)), paid_at=START)
    (grant,) = grants.grant_for_order(order, now=after(days=4))
    assert (grant.starts_at, grant.ends_at, grant.granted_at) == (START, after(days=10), after(days=4))
    (other,) = grants.grant_for_order(make_order(paid_at=None), now=after(days=4))
    assert other.starts_at == after(days=4)


def test_an_order_without_lines(heard):
    order = make_order()
    order.lines.all().delete()
    assert grants.grant_for_order(order, now=START) == []
    assert heard == [] and codes(order) == []


def test_terms_that_cannot_be_read_undo_the_whole_move(heard):
    order = make_order(AccessTerms(), AccessTerms())
    m.OrderLine.objects.filter(pk=order.lines.last().pk).update(access_terms={"schema": 999})
    with pytest.raises(KwigaError):
        grants.grant_for_order(order, now=START)
    assert (m.AccessGrant.objects.count(), heard) == (0, [])


def test_a_handler_that_raises_undoes_it(heard):
    def refuse(event):
        raise RuntimeError("not today")

    events.subscribe(AccessGranted, refuse)
    order = make_order()
    with pytest.raises(RuntimeError), locking.atomic_write():
        grants.grant_for_order(order, now=START)
    assert m.AccessGrant.objects.count() == 0


def test_revoking_once(heard, django_user_model):
    boss = django_user_model.objects.create_user("boss")
    order = make_order()
    (grant,) = grants.grant_for_order(order, now=START)
    stale = m.AccessGrant.objects.get(pk=grant.pk)
    assert grants.revoke(grant, by=boss, now=after(days=1))
    assert not grants.revoke(grant, now=after(days=2))
    assert not grants.revoke(stale, now=after(days=2))
    assert grant.revoked_at == stale.revoked_at == after(days=1)
    assert heard[-1] == AccessEnded((grant.pk,), order.contact_id, order.pk, after(days=1))
    last = writing.timeline(order).last()
    assert (codes(order), last.by) == (["access.granted", "access.ended"], boss)
    assert writing.sentence(last) == "Access was taken away: Course 1."


def test_a_grant_without_an_order_is_told_on_the_contact(heard):
    ada, product = make_contact(), make_product()
    grant = m.AccessGrant.objects.create(
        contact=ada, product=product, source="staff:x", granted_at=START, starts_at=START
    )
    assert policy.may_open(ada, product, None, START)
    grants.revoke(grant, now=after(days=1))
    assert codes(ada) == ["access.ended"]
    assert heard == [AccessEnded((grant.pk,), ada.pk, None, after(days=1))]


def test_revoking_one_leaves_what_another_order_gives():
    ada, product = make_contact(), make_product()
    one, two = (make_order(contact=ada, products=[product]) for _ in range(2))
    (grant,) = grants.grant_for_order(one, now=START)
    grants.grant_for_order(two, now=START)
    grants.revoke(grant, now=after(days=1))
    assert policy.may_open(ada, product, None, after(days=2))


@pytest.mark.parametrize("many", [1, 8])
def test_a_fixed_number_of_queries(many, heard, django_assert_num_queries):
    order = make_order(*[AccessTerms()] * many)
    grants.grant_for_order(make_order(), now=START)  # content types are cached by now
    with django_assert_num_queries(6):  # lines, grants, insert, timeline, and a savepoint
        grants.grant_for_order(order, now=START)
