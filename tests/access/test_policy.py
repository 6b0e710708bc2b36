"""Access is a sum of reasons (promise 12): the rule alone, then the one query at its edge."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access import policy
from wagtail_kwiga.access.policy import Lesson, decide
from wagtail_kwiga.access.spans import Adjustment, GrantView
from wagtail_kwiga.catalogue.access_rules import Lessons, Release
from wagtail_kwiga.catalogue.terms import AccessTerms

FIRST, SECOND, THIRD = Lesson("colour", 0), Lesson("water", 1), Lesson("paper", 2)


def grant(*, starts: dt.datetime = START, ends=None, revoked=None, **terms) -> GrantView:
    return GrantView(AccessTerms(**terms), starts, ends, revoked)


def short(answer) -> tuple:
    return answer.state, answer.why, answer.when


def test_nothing_gives_nothing():
    assert short(decide([], None, START)) == ("no", "nothing", None)
    assert str(decide([], FIRST, START).message) == "You have no access here yet."


def test_one_grant_from_its_start_to_its_end():
    grants = [grant(starts=after(days=1), ends=after(days=3))]
    early = decide(grants, FIRST, START)
    assert short(early) == ("not_yet", "not_started", after(days=1))
    assert str(early.message) == "Your access begins on March 2, 2027, 1\xa0p.m.\xa0CET."
    inside = decide(grants, FIRST, after(days=1))
    assert inside and short(inside) == ("yes", "open", None)
    assert (inside.until, str(inside.message)) == (after(days=3), "")
    over = decide(grants, FIRST, after(days=3))
    assert short(over) == ("no", "ended", after(days=3)) and not over
    assert str(over.message) == "Your access ended on March 4, 2027, 1\xa0p.m.\xa0CET."


def test_a_revoked_grant():
    grants = [grant(revoked=after(days=1))]
    assert decide(grants, None, START).until == after(days=1)
    assert short(decide(grants, None, after(days=1))) == ("no", "revoked", after(days=1))
    assert short(decide([grant(starts=after(days=9), revoked=START)], None, START)) == ("no", "revoked", None)


def test_lessons_that_were_sold():
    first_two = [grant(lessons=Lessons.first(2))]
    chosen = [grant(lessons=Lessons.chosen(["paper"]))]
    for grants, opens in ((first_two, [True, True, False]), (chosen, [False, False, True])):
        assert [bool(decide(grants, lesson, START)) for lesson in (FIRST, SECOND, THIRD)] == opens
        assert decide(grants, None, START), "the product as a whole is open"
    assert short(decide(first_two, THIRD, START)) == ("no", "not_included", None)
    assert [bool(decide(first_two + chosen, lesson, START)) for lesson in (FIRST, SECOND, THIRD)] == [True] * 3


def test_a_lesson_every_week():
    grants = [grant(release=Release.every(7))]
    assert decide(grants, FIRST, START)
    third = decide(grants, THIRD, after(days=13))
    assert short(third) == ("not_yet", "not_released", after(days=14))
    assert str(third.message) == "This lesson opens for you on March 15, 2027, 1\xa0p.m.\xa0CET."
    assert decide(grants, THIRD, after(days=14))


def test_dated_lessons():
    grants = [grant(release=Release.dated({"water": "2027-03-10", "paper": "2027-01-01"}))]
    at = dt.datetime(2027, 3, 10, tzinfo=dt.UTC)
    assert short(decide(grants, SECOND, START)) == ("not_yet", "not_released", at)
    assert decide(grants, SECOND, at)
    assert decide(grants, FIRST, START), "without a date it opens with the rest"
    assert decide(grants, THIRD, START), "a date gone by holds nothing back"


def test_a_lesson_that_would_open_after_the_end_is_never_promised():
    grants = [grant(ends=after(days=10), release=Release.every(7))]
    assert decide(grants, THIRD, START).state == "no"
    later = grant(starts=after(days=30))
    assert short(decide([*grants, later], THIRD, START)) == ("not_yet", "not_started", after(days=30))


def test_the_sum_takes_the_soonest_opening_and_the_latest_end():
    grants = [grant(starts=after(days=2)), grant(starts=after(days=5))]
    assert decide(grants, None, START).when == after(days=2)
    grants = [grant(ends=after(days=2)), grant(ends=after(days=5))]
    assert decide(grants, None, START).until == after(days=5)
    assert short(decide(grants, None, after(days=6))) == ("no", "ended", after(days=5))
    assert decide([*grants, grant()], None, START).until is None


# --- the laws ---------------------------------------------------------------------------------------------------------

days = st.integers(-12, 12).map(lambda n: after(days=n))
access_terms = st.builds(
    AccessTerms,
    lessons=st.one_of(
        st.just(Lessons()),
        st.integers(1, 3).map(Lessons.first),
        st.lists(st.sampled_from(["colour", "water", "paper"]), max_size=2).map(Lessons.chosen),
    ),
    release=st.one_of(
        st.sampled_from([Release(), Release.at_once(), Release.after_previous()]),
        st.integers(1, 5).map(Release.every),
        st.dictionaries(st.sampled_from(["colour", "water", "paper"]), days.map(dt.datetime.date), max_size=3).map(
            Release.dated
        ),
    ),
    auto_open_new=st.booleans(),
)
changes = st.lists(
    st.builds(Adjustment, st.sampled_from(["extend", "freeze"]), days, st.integers(1, 9))
    | st.builds(Adjustment, st.sampled_from(["extend", "freeze"]), days, st.none(), days)
    | st.builds(Adjustment, st.sampled_from(["freeze", "unfreeze", "end"]), days),
    max_size=3,
).map(tuple)
some_grant = st.builds(GrantView, access_terms, days, st.none() | days, st.none() | days, st.just(()) | changes)
some_grants = st.lists(some_grant, max_size=5)
some_lesson = st.sampled_from([None, FIRST, SECOND, THIRD])


def rank(answer) -> tuple:
    """How good an answer is for the buyer; bigger is better."""
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    if answer.state == "yes":
        return 2, (answer.until or latest).timestamp()
    if answer.state == "not_yet":
        return 1, -(answer.when or latest).timestamp()
    return 0, 0


@given(some_grants, st.randoms(use_true_random=False), some_lesson, days)
def test_the_order_of_grants_does_not_matter(grants, luck, lesson, at):
    shuffled = grants[:]
    luck.shuffle(shuffled)
    one, other = decide(grants, lesson, at), decide(shuffled, lesson, at)
    assert (short(one), one.until, str(one.message)) == (short(other), other.until, str(other.message))


@given(some_grants, some_grant, some_lesson, days)
def test_one_reason_more_never_makes_it_worse(grants, extra, lesson, at):
    assert rank(decide([*grants, extra], lesson, at)) >= rank(decide(grants, lesson, at))


@given(some_grants.filter(bool), st.data(), some_lesson, days)
def test_taking_one_away_never_takes_what_another_gives(grants, data, lesson, at):
    gone = data.draw(st.integers(0, len(grants) - 1))
    left = grants[:gone] + grants[gone + 1 :]
    for other in left:
        assert rank(decide(left, lesson, at)) >= rank(decide([other], lesson, at))


@given(some_grants, some_lesson, days)
def test_the_sum_is_the_best_of_its_parts(grants, lesson, at):
    alone = [rank(decide([one], lesson, at)) for one in grants]
    assert rank(decide(grants, lesson, at)) == max(alone, default=(0, 0))


@given(some_grants, some_lesson, days)
def test_what_is_told_comes_true(grants, lesson, at):
    """*Not yet* opens at its instant and not before; *yes* holds up to its end."""
    answer = decide(grants, lesson, at)
    instant = dt.timedelta(microseconds=1)
    if answer.state == "not_yet" and answer.when is not None:
        assert at < answer.when
        assert decide(grants, lesson, answer.when)
        assert not decide(grants, lesson, answer.when - instant)
    elif answer.state == "yes" and answer.until is not None:
        assert at < answer.until
        assert decide(grants, lesson, answer.until - instant)
    elif answer.state == "no" and answer.when is not None:
        assert answer.when <= at
        before = decide(grants, lesson, answer.when - instant)
        assert before or before.why == "after_previous"


# --- the edge ---------------------------------------------------------------------------------------------------------


def saved(contact, product, source, terms=None, **given) -> m.AccessGrant:
    given = {"granted_at": START, "starts_at": START} | given
    terms = (terms or AccessTerms()).to_json() if not isinstance(terms, dict) else terms
    return m.AccessGrant.objects.create(contact=contact, product=product, source=source, terms=terms, **given)


@pytest.mark.django_db
def test_may_open_reads_the_grants_of_this_contact_and_product_in_one_query(django_assert_num_queries):
    ada, ben, product, other = make_contact(), make_contact(), make_product(), make_product()
    saved(ada, product, "line:1", AccessTerms(lessons=Lessons.first(1)))
    saved(ada, product, "staff:a", AccessTerms(lessons=Lessons.chosen(["paper"])))
    saved(ada, other, "line:2")
    saved(ben, product, "line:3")
    with django_assert_num_queries(1):
        answers = [bool(policy.may_open(ada, product, FIRST, START))]
    answers += [bool(policy.may_open(ada, product, lesson, START)) for lesson in (SECOND, THIRD, None)]
    assert answers == [True, False, True, True]
    assert policy.may_open(make_contact(), product, None, START).why == "nothing"


@pytest.mark.django_db
def test_one_unreadable_grant_takes_nothing_from_the_others(caplog):
    ada, product = make_contact(), make_product()
    bad = saved(ada, product, "line:1", {"schema": 999})
    assert policy.may_open(ada, product, None, START).why == "nothing"
    assert f"access grant {bad.pk}" in caplog.text
    saved(ada, product, "line:2")
    assert policy.may_open(ada, product, None, START)


def test_words_are_the_readers():
    answer = decide([grant(ends=after(days=3))], None, after(days=4))
    with translation.override("de"):
        assert "4. März 2027, 13:00\xa0Uhr\xa0MEZ" in str(answer.message)
