"""When a grant really holds: what was sold, and what staff have changed about it."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after
from wagtail_kwiga.access.policy import Lesson, decide
from wagtail_kwiga.access.spans import Adjustment, GrantView, effective
from wagtail_kwiga.catalogue.access_rules import Release
from wagtail_kwiga.catalogue.terms import AccessTerms


def day(n: float | None) -> dt.datetime | None:
    return None if n is None else after(days=n)


def change(words: str) -> Adjustment:
    """``3 freeze 5`` (for five days from day 3), ``3 freeze =5`` (up to day 5), ``3 end``."""
    at, kind, *span = words.split()
    until = span and span[0].startswith("=")
    return Adjustment(
        kind,
        after(days=float(at)),
        None if until or not span else int(span[0]),
        after(days=float(span[0][1:])) if until else None,
    )


def thirty(*changes: str, starts: int = 0, ends: int | None = 30, revoked: int | None = None, **terms) -> GrantView:
    return GrantView(AccessTerms(**terms), day(starts), day(ends), day(revoked), tuple(map(change, changes)))


def told(spans) -> list[tuple]:
    return [tuple(None if at is None else (at - START) / dt.timedelta(days=1) for at in span) for span in spans]


@pytest.mark.parametrize(
    ("grant", "held", "frozen"),
    [
        pytest.param(thirty(), [(0, 30)], [], id="as sold"),
        pytest.param(thirty("5 extend 10"), [(0, 40)], [], id="extended"),
        pytest.param(thirty("5 extend 10", "6 extend 10"), [(0, 50)], [], id="extended twice"),
        pytest.param(thirty("5 extend =20"), [(0, 30)], [], id="extended to an earlier end"),
        pytest.param(thirty("5 extend =35"), [(0, 35)], [], id="extended to a later end"),
        pytest.param(thirty("40 extend 10"), [(0, 30), (40, 50)], [], id="opened again"),
        pytest.param(thirty("40 extend =45"), [(0, 30), (40, 45)], [], id="opened again until"),
        pytest.param(thirty("30 extend 10"), [(0, 40)], [], id="extended as it ends"),
        pytest.param(thirty("5 extend 10", ends=None), [(0, None)], [], id="nothing to extend"),
        pytest.param(thirty("5 freeze 7"), [(0, 5), (12, 37)], [(5, 12)], id="frozen"),
        pytest.param(thirty("5 freeze =9"), [(0, 5), (9, 34)], [(5, 9)], id="frozen until"),
        pytest.param(thirty("5 freeze"), [(0, 5)], [(5, None)], id="frozen for the time being"),
        pytest.param(thirty("5 freeze", "9 unfreeze"), [(0, 5), (9, 34)], [(5, 9)], id="thawed"),
        pytest.param(thirty("5 freeze 7", "9 unfreeze"), [(0, 5), (9, 34)], [(5, 9)], id="thawed early"),
        pytest.param(thirty("5 freeze 7", "5 unfreeze"), [(0, 30)], [], id="thawed at once"),
        pytest.param(thirty("5 freeze 2", "9 unfreeze"), [(0, 5), (7, 32)], [(5, 7)], id="thawed long since"),
        pytest.param(thirty("9 unfreeze"), [(0, 30)], [], id="nothing to thaw"),
        pytest.param(thirty("5 freeze 7", "8 freeze 7"), [(0, 5), (15, 40)], [(5, 15)], id="frozen while frozen"),
        pytest.param(thirty("5 freeze 7", "8 freeze 1"), [(0, 5), (12, 37)], [(5, 12)], id="a shorter freeze inside"),
        pytest.param(thirty("5 freeze 7", "8 freeze"), [(0, 5)], [(5, None)], id="then for the time being"),
        pytest.param(thirty("5 freeze", "5 freeze =9"), [(0, 5)], [(5, None)], id="two freezes at one instant"),
        pytest.param(
            thirty("5 freeze 2", "10 freeze 3"), [(0, 5), (7, 10), (13, 35)], [(5, 7), (10, 13)], id="frozen twice"
        ),
        pytest.param(thirty("5 freeze 7", "8 extend 10"), [(0, 5), (12, 47)], [(5, 12)], id="extended while frozen"),
        pytest.param(thirty("5 freeze 7", "8 extend =40"), [(0, 5), (12, 40)], [(5, 12)], id="until, while frozen"),
        pytest.param(thirty("5 extend =40", "8 freeze 7"), [(0, 8), (15, 47)], [(8, 15)], id="frozen after until"),
        pytest.param(thirty("31 freeze 7"), [(0, 30)], [], id="frozen too late"),
        pytest.param(thirty("5 freeze 7", ends=None), [(0, 5), (12, None)], [(5, 12)], id="frozen without end"),
        pytest.param(thirty("2 freeze 7", starts=4), [(9, 35)], [(4, 9)], id="frozen before it starts"),
        pytest.param(thirty("2 freeze 1", starts=4), [(4, 30)], [], id="thawed before it starts"),
        pytest.param(thirty("2 freeze", "3 unfreeze", starts=4), [(4, 30)], [], id="unfrozen before it starts"),
        pytest.param(thirty("5 end"), [(0, 5)], [], id="ended"),
        pytest.param(thirty("5 end", ends=None), [(0, 5)], [], id="ended without end"),
        pytest.param(thirty("2 end", starts=4), [], [], id="ended before it starts"),
        pytest.param(thirty("5 end", "9 extend 3"), [(0, 5), (9, 12)], [], id="ended, opened again"),
        pytest.param(thirty("2 end", "3 extend 5", starts=4), [(4, 9)], [], id="opened again before it starts"),
        pytest.param(thirty("5 freeze", "9 end"), [(0, 5)], [(5, 9)], id="ended while frozen"),
        pytest.param(thirty("5 freeze 9", revoked=8), [(0, 5)], [(5, 8)], id="taken away while frozen"),
        pytest.param(thirty("5 extend 9", revoked=35), [(0, 35)], [], id="extended, taken away"),
        pytest.param(thirty(starts=40), [], [], id="over before it begins"),
    ],
)
def test_what_staff_change(grant, held, frozen):
    times = effective(grant)
    assert (told(times.open), told(times.frozen)) == (held, frozen)
    assert grant.ends_at in (day(30), None), "what was sold stays"


def test_days_paid_in_advance_and_frozen_are_not_lost():
    month = thirty("5 freeze", "25 unfreeze")
    assert sum((end - begin for begin, end in effective(month).open), dt.timedelta()) == dt.timedelta(days=30)


# --- the laws ---------------------------------------------------------------------------------------------------------

days = st.integers(-5, 40).map(lambda n: after(days=n))
lengths = st.integers(1, 15)
changes = st.lists(
    st.one_of(
        st.builds(Adjustment, st.sampled_from(["extend", "freeze"]), days, lengths),
        st.builds(Adjustment, st.sampled_from(["extend", "freeze"]), days, st.none(), days),
        st.builds(Adjustment, st.sampled_from(["freeze", "unfreeze", "end"]), days),
    ),
    max_size=6,
)
grants = st.builds(GrantView, st.just(AccessTerms()), days, st.none() | days, st.none() | days, changes.map(tuple))


@given(grants, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(grant, luck):
    rows = list(grant.adjustments)
    luck.shuffle(rows)
    shuffled = GrantView(grant.terms, grant.starts_at, grant.ends_at, grant.revoked_at, tuple(rows))
    assert effective(shuffled) == effective(grant)


@given(grants)
def test_spans_are_in_order_and_apart(grant):
    times = effective(grant)
    both = sorted(times.open + times.frozen, key=lambda span: span[0])
    for begin, end in both:
        assert grant.starts_at <= begin
        assert end is None or begin < end
        assert grant.revoked_at is None or (end is not None and end <= grant.revoked_at)
    for (_begin, end), (next_begin, _end) in pairwise(both):
        assert end is not None and end <= next_begin


@given(grants, days, lengths)
def test_extending_takes_nothing_away(grant, at, more):
    latest = max([at, *(one.at for one in grant.adjustments)])
    longer = GrantView(
        grant.terms, grant.starts_at, grant.ends_at, grant.revoked_at,
        (*grant.adjustments, Adjustment("extend", latest, more)),
    )  # fmt: skip
    for moment in (after(days=half / 2) for half in range(-12, 200)):
        assert decide([longer], None, moment) or not decide([grant], None, moment)


@given(days, st.none() | days, days, lengths)
def test_a_freeze_moves_the_end_by_its_length(starts, ends, at, length):
    sold = GrantView(AccessTerms(), starts, ends)
    frozen = GrantView(AccessTerms(), starts, ends, None, (Adjustment("freeze", at, length),))
    bites = effective(frozen).frozen
    lost = sum((end - begin for begin, end in bites), dt.timedelta())
    assert lost <= dt.timedelta(days=length)
    if effective(sold).open and ends is not None:
        assert effective(frozen).ends_at == ends + lost
        assert sum((end - begin for begin, end in effective(frozen).open), dt.timedelta()) == ends - starts


# --- lessons ----------------------------------------------------------------------------------------------------------


def short(grant: GrantView, at: float, lesson: Lesson | None = None) -> tuple:
    answer = decide([grant], lesson, after(days=at))
    return answer.why, None if answer.when is None else (answer.when - START) / dt.timedelta(days=1)


def test_a_frozen_grant_says_that_it_is_paused():
    grant = thirty("5 freeze 7")
    assert short(grant, 4) == ("open", None)
    assert short(grant, 5) == ("frozen", 12)
    assert "Your access is paused until" in str(decide([grant], None, after(days=5)).message)
    assert short(grant, 12) == ("open", None)
    assert short(grant, 37) == ("ended", 37)
    assert decide([grant], None, after(days=4)).until == after(days=5)
    paused = thirty("5 freeze")
    assert short(paused, 400) == ("paused", None)
    assert str(decide([paused], None, after(days=6)).message) == "Your access is paused."
    assert short(thirty("5 freeze 9", starts=7, ends=30), 5) == ("not_started", 14)
    assert decide([paused, thirty()], None, after(days=6)), "another grant is not frozen"


def test_time_stops_for_lessons_that_open_one_by_one():
    weekly = thirty("5 freeze 7", release=Release.every(7))
    assert short(weekly, 13, Lesson("b", 1)) == ("not_released", 14)
    assert short(weekly, 14, Lesson("b", 1)) == ("open", None)
    assert short(weekly, 6, Lesson("b", 1)) == ("not_released", 14)
    assert short(thirty("5 freeze", release=Release.every(7)), 9, Lesson("b", 1)) == ("paused", None)
    course = thirty("5 freeze 7", release=Release())
    assert short(course, 13, Lesson("b", 1, delay=dt.timedelta(days=7))) == ("not_released", 14)


def test_the_calendar_does_not_stop():
    dated = thirty("5 freeze 7", release=Release.dated({"b": after(days=15).date()}))
    assert short(dated, 13, Lesson("b", 1)) == ("not_released", 14.5)


def test_a_lesson_that_waits_for_the_one_before():
    grant = thirty(release=Release.after_previous())
    assert short(grant, 1, Lesson("a", 0)) == ("open", None)
    waiting = decide([grant], Lesson("b", 1), after(days=1))
    assert (waiting.state, waiting.when) == ("not_yet", None)
    assert str(waiting.message) == "This lesson opens once you have finished the one before."
    assert short(grant, 1, Lesson("b", 1, previous_done=True)) == ("open", None)
    assert decide([grant, thirty(release=Release.at_once())], Lesson("b", 1), after(days=1))
    assert short(grant, 30, Lesson("b", 1)) == ("ended", 30)
