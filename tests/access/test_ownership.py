"""Owning an offer: having already all that it would add."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import START, after, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access.ownership import adds, owned_offers, owns_all
from wagtail_kwiga.access.policy import decide
from wagtail_kwiga.access.spans import Adjustment, GrantView
from wagtail_kwiga.catalogue.access_rules import Length, Lesson, Lessons, Release, Start
from wagtail_kwiga.catalogue.terms import AccessTerms

NOW = after(days=5)


def bought(*adjustments: Adjustment, at: dt.datetime = START, revoked: dt.datetime | None = None, **terms) -> GrantView:
    """The grant that an order paid at ``at`` makes, and what staff did to it."""
    sold = AccessTerms(**{"release": Release.at_once()} | terms)
    starts = sold.starts_at(at)
    return GrantView(sold, starts, sold.ends_at(starts), revoked, adjustments)


def change(kind: str, day: int, days: int | None = None) -> Adjustment:
    return Adjustment(kind, after(days=day), days)


@pytest.mark.parametrize(
    ("held", "sold", "more"),
    [
        pytest.param([], {}, True, id="nothing held"),
        pytest.param([bought()], {}, False, id="the same once more"),
        pytest.param([bought(revoked=after(days=1))], {}, True, id="taken away"),
        pytest.param([bought(revoked=after(days=9))], {}, True, id="taken away before long"),
        pytest.param([bought(length=Length.days(5))], {"length": Length.days(1)}, True, id="ended this instant"),
        pytest.param([bought(length=Length.days(30))], {"length": Length.days(30)}, True, id="a later end"),
        pytest.param([bought(length=Length.days(35))], {"length": Length.days(30)}, False, id="the same end"),
        pytest.param([bought()], {"length": Length.days(30)}, False, id="an end where there is none"),
        pytest.param([bought(length=Length.days(900))], {}, True, id="no end any more"),
        pytest.param(
            [bought(length=Length.days(7)), bought(at=after(days=7), length=Length.days(30))],
            {"length": Length.days(30)}, False, id="two grants in a row",
        ),
        pytest.param(
            [bought(length=Length.days(7)), bought(at=after(days=8), length=Length.days(30))],
            {"length": Length.days(30)}, True, id="two grants with a gap",
        ),
        pytest.param([bought(start=Start.on("2027-04-01"))], {"start": Start.on("2027-04-01")}, False, id="the same stream"),
        pytest.param([bought(start=Start.on("2027-04-01"))], {}, True, id="an earlier opening"),
        pytest.param([bought()], {"start": Start.on("2027-04-01")}, False, id="a later opening"),
        pytest.param([bought(lessons=Lessons.first(3))], {"lessons": Lessons.first(3)}, False, id="as many lessons"),
        pytest.param([bought(lessons=Lessons.first(3))], {"lessons": Lessons.first(4)}, True, id="a lesson more"),
        pytest.param([bought(lessons=Lessons.first(3))], {}, True, id="the rest of the lessons"),
        pytest.param(
            [bought(lessons=Lessons.chosen(["a"])), bought(lessons=Lessons.chosen(["b"]))],
            {"lessons": Lessons.chosen(["a", "b"])}, False, id="lessons from two grants",
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(["a"]))], {"lessons": Lessons.chosen(["a", "b"])}, True, id="a chosen one more"
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(["a", "b"], known=["a", "b"]), auto_open_new=False)],
            {"lessons": Lessons.chosen(["a", "b"], known=["a", "b"])}, True, id="lessons to come",
        ),
        pytest.param([bought(release=Release.every(7))], {}, True, id="all at once"),
        pytest.param([bought()], {"release": Release.every(7)}, False, id="one by one, where all are open"),
        pytest.param([bought(release=Release.every(7))], {"release": Release.every(7)}, False, id="the same calendar"),
        pytest.param([bought(release=Release.every(7))], {"release": Release.every(6)}, True, id="a faster calendar"),
        pytest.param(
            [bought(change("freeze", 1, 1), release=Release.every(7))], {"release": Release.every(6)}, True,
            id="a faster calendar, and a pause",
        ),
        pytest.param([bought(lessons=Lessons.chosen(["a"]))], {"lessons": Lessons.first(1)}, True, id="the first lesson"),
        pytest.param(
            [bought(release=Release.every(7))],
            {"release": Release.every(6), "lessons": Lessons.first(6)}, False, id="faster, but not in five lessons",
        ),
        pytest.param(
            [bought(release=Release.dated({"a": "2027-06-01"}))], {"lessons": Lessons.chosen(["b"])}, False,
            id="another lesson has a date",
        ),
        pytest.param(
            [bought(release=Release.dated({"a": "2027-06-01"}))], {"lessons": Lessons.chosen(["a"])}, True,
            id="this lesson has a date",
        ),
        pytest.param(
            [bought(release=Release.dated({"a": "2027-06-01", "b": "2027-03-01"}))],
            {"lessons": Lessons.chosen(["a", "b"])}, True, id="one of two lessons has a date to come",
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(["a"], modules=["I"]))], {"lessons": Lessons.chosen(["a"])}, False,
            id="a lesson of what is held",
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(modules=["I"]))], {"lessons": Lessons.chosen(modules=["I", "II"])}, True,
            id="a module more",
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(modules=["I"]))], {"lessons": Lessons.chosen(["a"])}, True,
            id="who knows in which module the lesson is",
        ),
        pytest.param(
            [bought(lessons=Lessons.chosen(known=["a"], new_in=["I"]))],
            {"lessons": Lessons.chosen(known=["a"])}, True, id="lessons to come in every module",
        ),
        pytest.param([bought(release=Release())], {}, True, id="at once and not as the course says"),
        pytest.param([bought(release=Release())], {"release": Release()}, False, id="as the course says, once more"),
        pytest.param(
            [bought(at=after(days=9), release=Release())], {"release": Release()}, True,
            id="as the course says, but sooner",
        ),
        pytest.param([bought()], {"release": Release()}, False, id="as the course says, where all are open"),
        pytest.param(
            [bought(change("freeze", 1, 2), release=Release())], {"release": Release()}, True,
            id="as the course says, without the pause",
        ),
        pytest.param(
            [bought(change("freeze", 1, 2), release=Release.after_previous())], {"release": Release.after_previous()},
            False, id="one after the other, after a pause",
        ),
        pytest.param(
            [bought(lessons=Lessons.first(1))], {"length": Length.days(7), "release": Release.every(7)}, False,
            id="a lesson that would open as it ends",
        ),
        pytest.param(
            [bought(lessons=Lessons.first(1))], {"length": Length.days(8), "release": Release.every(7)}, True,
            id="a lesson that opens a day before it ends",
        ),
        pytest.param(
            [bought(release=Release.after_previous())], {"release": Release.after_previous()}, False,
            id="one after the other",
        ),
        pytest.param(
            [bought(release=Release.after_previous())], {"release": Release.every(900)}, True, id="not one after the other"
        ),
        pytest.param(
            [bought(length=Length.days(90))], {"length": Length.days(1, extends=True)}, True, id="an extension"
        ),
        pytest.param([bought()], {"length": Length.days(1, extends=True)}, True, id="an extension of what does not end"),
        pytest.param([bought()], {"start": Start.days_after(7)}, False, id="to start later"),
        pytest.param([bought(start=Start.days_after(7))], {}, True, id="to start sooner"),
        pytest.param(
            [bought(change("extend", 1, 5), length=Length.days(30))], {"length": Length.days(30)}, False, id="extended"
        ),
        pytest.param(
            [bought(change("freeze", 1, 5), length=Length.days(30))], {"length": Length.days(1)}, True, id="frozen now"
        ),
        pytest.param(
            [bought(change("freeze", 1, 4), length=Length.days(30))], {"length": Length.days(29)}, False,
            id="thawed, with a later end",
        ),
        pytest.param(
            [bought(change("freeze", 1, 4), length=Length.days(30))], {"length": Length.days(30)}, True,
            id="thawed, and not as late",
        ),
        pytest.param([bought(change("end", 5))], {}, True, id="ended by staff"),
        pytest.param([bought()], {"certificate": True}, True, id="a certificate"),
        pytest.param([bought(certificate=True)], {}, False, id="no certificate"),
        pytest.param(
            [bought(), bought(certificate=True, lessons=Lessons.first(3))], {"certificate": True}, True,
            id="a certificate for more lessons",
        ),
        pytest.param([bought(), bought(certificate=True)], {"certificate": True}, False, id="a certificate of another"),
        pytest.param([bought()], {"comments": True}, True, id="comments"),
        pytest.param([bought(practice="automatic")], {"practice": "automatic"}, False, id="the same review"),
        pytest.param([bought(practice="automatic")], {"practice": "by_instructor"}, True, id="review by a person"),
        pytest.param([bought(practice="by_instructor")], {"practice": "automatic"}, False, id="review by a machine"),
        pytest.param([bought()], {"instructors": ("7",)}, True, id="somebody to ask"),
        pytest.param([bought(instructors=("7",))], {"instructors": ("8",)}, False, id="somebody else to ask"),
        pytest.param([bought(checkpoints=True)], {}, True, id="no checkpoints any more"),
        pytest.param([bought()], {"checkpoints": True}, False, id="checkpoints"),
    ],
)  # fmt: skip
def test_what_buying_now_would_add(held, sold, more):
    assert adds(held, AccessTerms(**{"release": Release.at_once()} | sold), at=NOW) is more


def test_what_is_bought_again_and_again_always_adds():
    assert adds([bought()], AccessTerms(), at=NOW, repeatable=True)


# --- the laws ---------------------------------------------------------------------------------------------------------

KEYS, MODULES = ["a", "b", "c"], ["I", "II"]
days = st.integers(-10, 20).map(lambda n: after(days=n))
some_terms = st.builds(
    AccessTerms,
    start=st.one_of(
        st.just(Start()),
        days.map(lambda day: Start.on(day.date())),
        days.map(lambda day: Start.not_before(day.date())),
        st.integers(1, 9).map(Start.days_after),
    ),
    length=st.just(Length()) | st.integers(1, 25).map(Length.days) | days.map(lambda day: Length.until(day.date())),
    lessons=st.one_of(
        st.just(Lessons()),
        st.integers(1, 4).map(Lessons.first),
        st.builds(
            lambda chosen, modules, known, new_in: Lessons.chosen(chosen, modules=modules, known=known, new_in=new_in),
            st.lists(st.sampled_from(KEYS), max_size=3),
            st.lists(st.sampled_from(MODULES), max_size=2),
            st.just([]) | st.just(["a", "b"]),
            st.just([]) | st.just(["I"]),
        ),
    ),
    release=st.one_of(
        st.sampled_from([Release(), Release.at_once(), Release.after_previous()]),
        st.integers(1, 5).map(Release.every),
        st.dictionaries(st.sampled_from(KEYS), days.map(dt.datetime.date), max_size=3).map(Release.dated),
    ),
    auto_open_new=st.booleans(),
    certificate=st.booleans(),
    practice=st.sampled_from(AccessTerms.PRACTICES),
)
some_grant = st.builds(
    lambda terms, paid_at, revoked, changes: GrantView(
        terms, terms.starts_at(paid_at), terms.ends_at(terms.starts_at(paid_at)), revoked, tuple(changes)
    ),
    some_terms,
    days,
    st.none() | days,
    st.lists(
        st.builds(Adjustment, st.sampled_from(["extend", "freeze", "end"]), days, st.integers(1, 9))
        | st.builds(Adjustment, st.sampled_from(["freeze", "unfreeze"]), days),
        max_size=2,
    ),
)
some_grants = st.lists(some_grant, max_size=4)


@given(some_grants, some_grant, some_terms, days)
def test_one_grant_more_never_makes_owned_unowned(held, extra, sold, at):
    if not adds(held, sold, at=at):
        assert not adds([*held, extra], sold, at=at)


@given(some_grants, some_terms, days, st.randoms(use_true_random=False))
def test_the_order_of_grants_does_not_matter(held, sold, at, luck):
    shuffled = held[:]
    luck.shuffle(shuffled)
    assert adds(held, sold, at=at) == adds(shuffled, sold, at=at)


@given(some_grants, some_terms, days)
def test_whoever_has_just_bought_it_owns_it(held, sold, at):
    starts = sold.starts_at(at)
    grant = GrantView(sold, starts, sold.ends_at(starts))
    if grant.ends_at is None or max(at, starts) < grant.ends_at:
        assert not adds([*held, grant], sold, at=at)


@settings(max_examples=60)
@given(some_grants, some_terms, days, st.sampled_from([0, 3]), st.booleans())
def test_what_is_owned_opens_nothing_when_bought_again(held, sold, at, delay, done):
    """Asked lesson by lesson and half day by half day of the rule that opens lessons."""
    if adds(held, sold, at=at):
        return
    starts = sold.starts_at(at)
    new = GrantView(sold, starts, sold.ends_at(starts))
    moments = [at + dt.timedelta(hours=12 * half) for half in range(80)]
    givers = [held, [grant for grant in held if grant.terms.certificate]] if sold.certificate else [held]
    for key, place, module in product([*KEYS, "new"], [0, 1, 2, 3, 7], [*MODULES, ""]):
        lesson = Lesson(key, place, module, done, dt.timedelta(days=delay * place))
        for moment in moments:
            if decide([new], lesson, moment):
                assert all(decide(giving, lesson, moment) for giving in givers), (lesson, moment)


@settings(max_examples=60)
@given(some_grants, some_terms, days)
def test_what_is_not_owned_would_open_something(held, sold, at):
    """Where all is known of the lessons: they open at once, and every key may stand at every place in every module."""
    sold = replace(sold, release=Release.at_once(), certificate=False, practice="none", checkpoints=True)
    held = [grant for grant in held if grant.terms.release.kind in ("all", "dated")]
    if not adds(held, sold, at=at):
        return
    starts = sold.starts_at(at)
    new = GrantView(sold, starts, sold.ends_at(starts))
    moments = [at + dt.timedelta(hours=12 * half) for half in range(100)]
    far = [at + dt.timedelta(days=900)]
    nothing_to_come = not any(decide(held, None, moment) for moment in moments + far)
    assert nothing_to_come or any(
        decide([new], lesson, moment) and not decide(held, lesson, moment)
        for lesson in (Lesson(*one) for one in product([*KEYS, "new"], [0, 1, 2, 3, 7], [*MODULES, ""]))
        for moment in moments + far
    )


# --- the edge ---------------------------------------------------------------------------------------------------------


def given_to(contact, product, terms=None, source="", **instants) -> m.AccessGrant:
    return m.AccessGrant.objects.create(
        contact=contact,
        product=product,
        source=source or f"staff:{m.AccessGrant.objects.count()}",
        terms=(terms or AccessTerms()).to_json(),
        **{"granted_at": START, "starts_at": START} | instants,
    )


@pytest.mark.django_db
def test_all_products_of_an_offer_must_be_held():
    ada, course, wheel = make_contact(), make_product(), make_product()
    bundle, alone = make_offer(course, wheel), make_offer(course)
    given_to(ada, course)
    assert owned_offers([(ada.pk, bundle.pk), (ada.pk, alone.pk), (make_contact().pk, alone.pk)], NOW) == {
        (ada.pk, alone.pk)
    }
    assert owns_all(ada.pk, alone.pk, NOW) and not owns_all(ada.pk, bundle.pk, NOW)
    given_to(ada, wheel)
    assert owns_all(ada.pk, bundle.pk, NOW)


@pytest.mark.django_db
def test_ended_and_revoked_grants_own_nothing():
    ada, course = make_contact(), make_product()
    offer = make_offer(course)
    given_to(ada, course, ends_at=NOW)
    given_to(ada, course, revoked_at=NOW)
    assert not owns_all(ada.pk, offer.pk, NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "repeatable", "owned"),
    [
        ("course", None, True),
        ("consultation", None, False),
        ("consultation", False, True),
        ("course", True, False),
        ("membership", None, True),
    ],
)
def test_what_is_bought_again_follows_the_kind_unless_it_is_said(kind, repeatable, owned):
    ada, sold = make_contact(), make_product(kind=kind, repeatable=repeatable)
    given_to(ada, sold)
    assert owns_all(ada.pk, make_offer(sold).pk, NOW) is owned


@pytest.mark.django_db
def test_an_offer_without_products_or_with_unreadable_terms_is_never_owned(caplog):
    ada, course = make_contact(), make_product()
    given_to(ada, course)
    empty = m.Offer.objects.create(title="Nothing", amount=1, currency="EUR", state="on_sale")
    assert not owns_all(ada.pk, empty.pk, NOW)
    assert not owns_all(ada.pk, 10**6, NOW)
    m.AccessGrant.objects.update(terms={"schema": 99})
    assert not owns_all(ada.pk, make_offer(course).pk, NOW)
    assert "cannot be read" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("many", [1, 12])
def test_the_number_of_queries_does_not_grow(many, django_assert_num_queries):
    pairs = []
    for _each in range(many):
        contact, course = make_contact(), make_product()
        given_to(contact, course)
        pairs.append((contact.pk, make_offer(course).pk))
    with django_assert_num_queries(2):
        assert owned_offers(pairs, NOW) == set(pairs)
    with django_assert_num_queries(0):
        assert owned_offers([], NOW) == set()
