"""Values that are left out, and each instant of a stored grant in its own place."""

from __future__ import annotations

import pytest

from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access import policy
from wagtail_kwiga.access.policy import Answer, GrantView, Lesson, decide
from wagtail_kwiga.access.spans import Adjustment
from wagtail_kwiga.catalogue.access_rules import Release
from wagtail_kwiga.catalogue.terms import AccessTerms


def four_days_later():
    return after(days=4)


def test_a_grant_of_which_only_the_start_is_known_never_ends():
    answer = decide([GrantView(AccessTerms(), START)], None, after(days=9999))
    assert (answer.state, answer.until, answer.when) == ("yes", None, None)


def test_an_answer_without_an_end_has_none():
    assert Answer(policy.NO, None, "nothing", "").until is None


def test_a_lesson_that_waits_goes_on_waiting_after_a_freeze():
    """And its access ends when the last of it does, not when the freeze began."""
    freeze = Adjustment("freeze", after(days=5), 7)
    terms = AccessTerms(release=Release.after_previous())
    grant = GrantView(terms, START, after(days=30), None, (freeze,))
    told = [decide([grant], Lesson("b", 1), after(days=day)) for day in (4, 20, 36.9, 37)]
    assert [(answer.why, answer.when) for answer in told] == [
        ("after_previous", None), ("after_previous", None), ("after_previous", None), ("ended", after(days=37)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "revoked", "why"),
    [(3, 2, "revoked"), (3, 3, "revoked"), (3, 4, "not_included"), (None, 5, "revoked"), (3, None, "not_included")],
)
def test_what_was_taken_away_before_it_ever_opened(ends, revoked, why):
    """It would have begun on the fifth day. At its end and at the instant of taking away, taking away is said."""
    grant = GrantView(AccessTerms(), after(days=5), ends and after(days=ends), revoked and after(days=revoked))
    assert decide([grant], None, after(days=9)).why == why


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "when", "why"),
    [
        ({"ends_at": after(days=2)}, after(days=2), "ended"),
        ({"revoked_at": after(days=3)}, after(days=3), "revoked"),
        ({"ends_at": after(days=2), "revoked_at": after(days=3)}, after(days=2), "ended"),
        ({"ends_at": after(days=3), "revoked_at": after(days=2)}, after(days=2), "revoked"),
    ],
)
def test_the_end_and_the_taking_away_are_told_apart(stored, when, why):
    ada, product = make_contact(), make_product()
    m.AccessGrant.objects.create(
        contact=ada, product=product, source="staff", terms=AccessTerms().to_json(), granted_at=START, starts_at=START
    )
    m.AccessGrant.objects.update(**stored)
    before = policy.may_open(ada, product, None, START)
    assert (before.state, before.until) == ("yes", when)
    later = policy.may_open(ada, product, None, after(days=5))
    assert (later.state, later.why, later.when) == ("no", why, when)


@pytest.mark.django_db
def test_where_no_moment_is_given_the_clock_is_asked(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.four_days_later"}
    ada, product = make_contact(), make_product()
    m.AccessGrant.objects.create(
        contact=ada, product=product, source="staff", terms=AccessTerms().to_json(), granted_at=START,
        starts_at=START, ends_at=after(days=4),
    )  # fmt: skip
    assert policy.may_open(ada, product).why == "ended"
    assert policy.may_open(ada, product, None, after(days=3))
