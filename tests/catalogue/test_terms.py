from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START
from wagtail_kwiga.catalogue.access_rules import Length, Lesson, Lessons, Release, Start
from wagtail_kwiga.catalogue.terms import AccessTerms, OfferTerms, ProductTerms
from wagtail_kwiga.exceptions import KwigaError

UTC = dt.UTC
days = st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
keys = st.text(max_size=12)
counts = st.integers(1, 1000)
lengths = st.one_of(
    st.just(Length()),
    st.builds(Length.days, counts, extends=st.booleans()),
    st.builds(Length.months, counts, extends=st.booleans()),
    days.map(Length.until),
)
lessons = st.one_of(
    st.just(Lessons()),
    st.lists(keys).map(lambda known: Lessons(known=tuple(known))),
    counts.map(Lessons.first),
    st.builds(
        lambda *names: Lessons.chosen(names[0], modules=names[1], known=names[2], new_in=names[3]),
        *[st.lists(keys, max_size=4)] * 4,
    ),
)
starts = st.one_of(st.just(Start()), days.map(Start.on), days.map(Start.not_before), counts.map(Start.days_after))
zones = st.sampled_from(["UTC", "Europe/Warsaw", "America/New_York", "Pacific/Auckland"])
releases = st.one_of(
    st.sampled_from([Release(), Release.at_once(), Release.after_previous()]),
    counts.map(Release.every),
    st.dictionaries(keys, days).map(Release.dated),
)
access = st.builds(
    AccessTerms,
    start=starts,
    length=lengths,
    lessons=lessons,
    release=releases,
    auto_open_new=st.booleans(),
    practice=st.sampled_from(AccessTerms.PRACTICES),
    checkpoints=st.booleans(),
    comments=st.booleans(),
    certificate=st.booleans(),
    instructors=st.lists(st.integers(1, 10**9) | st.uuids().map(str)).map(tuple),
    zone=zones,
)
offers = st.builds(
    OfferTerms,
    products=st.lists(
        st.builds(
            ProductTerms,
            product_id=st.integers(1, 10**9),
            title=st.text(max_size=200),
            access=access,
            price_share=st.none() | st.decimals(Decimal("0.0001"), 10**9, places=4),
        ),
        max_size=4,
    ).map(tuple),
)
instants = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(UTC))


def at(*when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=UTC)


@given(offers)
def test_to_json_and_back_is_the_same(terms):
    assert OfferTerms.from_json(json.loads(json.dumps(terms.to_json()))) == terms


@given(access)
def test_access_terms_stand_on_their_own(terms):
    assert AccessTerms.from_json(json.loads(json.dumps(terms.to_json()))) == terms
    assert hash(AccessTerms.from_json(terms.to_json())) == hash(terms)


@given(access, st.data())
def test_a_missing_key_means_its_default_and_an_unknown_one_is_left_alone(terms, data):
    document = terms.to_json()
    gone = data.draw(st.sets(st.sampled_from(sorted(document))))
    read = AccessTerms.from_json({key: value for key, value in document.items() if key not in gone} | {"novelty": 1})
    for name in AccessTerms.__dataclass_fields__:
        assert getattr(read, name) == getattr(AccessTerms() if name in gone else terms, name)


def test_nothing_at_all_gives_the_defaults():
    for nothing in (None, {}, {"schema": 2}):
        assert AccessTerms.from_json(nothing) == AccessTerms()
        assert OfferTerms.from_json(nothing) == OfferTerms()
    assert AccessTerms.from_json({"length": {}, "lessons": None}) == AccessTerms()
    assert OfferTerms.from_json({"products": None}) == OfferTerms()


@pytest.mark.parametrize("kind", [OfferTerms, AccessTerms])
@pytest.mark.parametrize("schema", [0, 1, 3, 99, "2", None])
def test_an_unknown_schema_is_refused(kind, schema):
    with pytest.raises(KwigaError) as caught:
        kind.from_json({"schema": schema})
    assert caught.value.code == "unknown_terms"
    assert caught.value.facts == {"schema": schema, "known": 2}
    assert "newer version" in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        [],
        "terms",
        {"start": "payment"},
        {"start": 5},
        {"start": {"kind": "soon"}},
        {"start": {"kind": "date"}},
        {"start": {"kind": "not_before", "day": "tomorrow"}},
        {"start": {"kind": "days_after"}},
        {"length": {"kind": "until", "last_day": "2027-12-31", "extends": True}},
        {"length": {"extends": True}},
        {"zone": "Europe/Atlantis"},
        {"zone": "../../etc/passwd"},
        {"zone": ""},
        {"zone": None, "practice": "curator"},
        {"length": {"kind": "fortnights"}},
        {"length": {"kind": "days", "n": 0}},
        {"length": {"kind": "days", "n": "30"}},
        {"length": {"kind": "months", "n": True}},
        {"length": {"kind": "until", "last_day": "31.12.2027"}},
        {"length": "unlimited"},
        {"lessons": {"kind": "first"}},
        {"lessons": {"kind": "some"}},
        {"release": {"kind": "every"}},
        {"release": {"kind": "dated", "dates": {"one": "tomorrow"}}},
        {"release": {"kind": "weekly"}},
        {"practice": "peers"},
        {"instructors": [""]},
        {"instructors": [{"id": 7}]},
        {"instructors": 7},
    ],
)
def test_terms_without_sense_are_refused(document):
    with pytest.raises(KwigaError) as caught:
        AccessTerms.from_json(document)
    assert caught.value.code == "bad_terms"


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"title": "No key"},
        {"product_id": "x"},
        None,
        3,
        {"product_id": 1, "access": []},
        {"product_id": 1, "price_share": "much"},
        {"product_id": 1, "price_share": "0"},
        {"product_id": 1, "price_share": "NaN"},
    ],
)
def test_a_product_that_nobody_could_name_is_refused(row):
    with pytest.raises(KwigaError) as caught:
        OfferTerms.from_json({"products": [row] if row is not None else 3})
    assert caught.value.code == "bad_terms"


def test_an_unknown_schema_inside_is_refused_as_such():
    with pytest.raises(KwigaError) as caught:
        OfferTerms.from_json({"products": [{"product_id": 1, "access": {"schema": 1}}]})
    assert caught.value.code == "unknown_terms"


def test_an_instant_is_no_date():
    with pytest.raises(ValueError, match="a date is needed"):
        Length.until(START)


@pytest.mark.parametrize(
    ("start", "zone", "starts"),
    [
        (Start(), "UTC", at(2027, 9, 10, 8, 30)),
        (Start.on("2027-09-01"), "UTC", at(2027, 9, 1)),
        (Start.on("2027-10-01"), "UTC", at(2027, 10, 1)),
        (Start.on("2027-10-01"), "Europe/Warsaw", at(2027, 9, 30, 22)),
        (Start.on("2027-12-01"), "Europe/Warsaw", at(2027, 11, 30, 23)),
        (Start.on("2027-12-01"), "America/New_York", at(2027, 12, 1, 5)),
        (Start.not_before("2027-10-01"), "Europe/Warsaw", at(2027, 9, 30, 22)),
        (Start.not_before("2027-09-01"), "Europe/Warsaw", at(2027, 9, 10, 8, 30)),
        (Start.not_before("2027-09-10"), "America/New_York", at(2027, 9, 10, 8, 30)),
        (Start.not_before("2027-09-11"), "America/New_York", at(2027, 9, 11, 4)),
        (Start.days_after(3), "Europe/Warsaw", at(2027, 9, 13, 8, 30)),
        (Start.days_after(10**12), "UTC", dt.datetime.max.replace(tzinfo=UTC)),
        (Start.on("0001-01-01"), "Europe/Warsaw", dt.datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_start(start, zone, starts):
    assert AccessTerms(start=start, zone=zone).starts_at(at(2027, 9, 10, 8, 30)) == starts


def test_what_extends_starts_when_the_access_there_is_ends():
    paid, month = at(2027, 3, 21), AccessTerms(length=Length.days(30, extends=True))
    assert month.starts_at(paid, present_end=at(2027, 3, 31)) == at(2027, 3, 31)
    assert month.starts_at(paid, present_end=at(2027, 3, 1)) == paid
    assert month.starts_at(paid) == paid
    assert AccessTerms(length=Length.days(30)).starts_at(paid, present_end=at(2027, 3, 31)) == paid


@pytest.mark.parametrize(
    ("length", "start", "end"),
    [
        (Length(), at(2027, 1, 31, 9), None),
        (Length.days(1), at(2027, 2, 28, 9), at(2027, 3, 1, 9)),
        (Length.days(30), at(2027, 3, 14, 9), at(2027, 4, 13, 9)),  # over a clock change of Europe: days in UTC
        (Length.months(1), at(2027, 1, 31, 9), at(2027, 2, 28, 9)),
        (Length.months(1), at(2028, 1, 31, 9), at(2028, 2, 29, 9)),
        (Length.months(12), at(2028, 2, 29, 9), at(2029, 2, 28, 9)),
        (Length.months(1), at(2027, 12, 15, 9), at(2028, 1, 15, 9)),
        (Length.months(11), at(2027, 1, 31, 9), at(2027, 12, 31, 9)),
        (Length.until("2027-06-30"), at(2027, 1, 1), at(2027, 7, 1)),
        (Length.until("2020-06-30"), at(2027, 1, 1), at(2020, 7, 1)),
        (Length.days(10**9), at(2027, 1, 1), None),
        (Length.months(10**6), at(2027, 1, 1), None),
        (Length.until("9999-12-31"), at(2027, 1, 1), None),
    ],
)
def test_end(length, start, end):
    assert AccessTerms(length=length).ends_at(start) == end


WARSAW, NEW_YORK, SANTIAGO, AUCKLAND = "Europe/Warsaw", "America/New_York", "America/Santiago", "Pacific/Auckland"


@pytest.mark.parametrize(
    ("length", "zone", "start", "end"),
    [
        # The clock goes forward in Warsaw on 28 March 2027 at 2 o'clock, back on 31 October at 3.
        (Length.until("2027-03-27"), WARSAW, at(2027, 1, 1), at(2027, 3, 27, 23)),
        (Length.until("2027-03-28"), WARSAW, at(2027, 1, 1), at(2027, 3, 28, 22)),
        (Length.until("2027-10-30"), WARSAW, at(2027, 1, 1), at(2027, 10, 30, 22)),
        (Length.until("2027-10-31"), WARSAW, at(2027, 1, 1), at(2027, 10, 31, 23)),
        # In New York on 14 March at 2, and on 7 November at 2.
        (Length.until("2027-03-13"), NEW_YORK, at(2027, 1, 1), at(2027, 3, 14, 5)),
        (Length.until("2027-03-14"), NEW_YORK, at(2027, 1, 1), at(2027, 3, 15, 4)),
        (Length.until("2027-11-06"), NEW_YORK, at(2027, 1, 1), at(2027, 11, 7, 4)),
        (Length.until("2027-11-07"), NEW_YORK, at(2027, 1, 1), at(2027, 11, 8, 5)),
        # In Santiago midnight itself is left out: 5 September 2027 begins at 1 o'clock.
        (Length.until("2027-09-04"), SANTIAGO, at(2027, 1, 1), at(2027, 9, 5, 4)),
        # Months keep the time of day: 10:30 in Warsaw before and after.
        (Length.months(1), WARSAW, at(2027, 2, 28, 9, 30), at(2027, 3, 28, 8, 30)),
        (Length.months(1), WARSAW, at(2027, 10, 1, 8, 30), at(2027, 11, 1, 9, 30)),
        (Length.months(1), NEW_YORK, at(2027, 2, 14, 15), at(2027, 3, 14, 14)),
        (Length.months(1), NEW_YORK, at(2027, 10, 7, 14), at(2027, 11, 7, 15)),
        # 2:30 is left out on 28 March and comes twice on 31 October: the first of them.
        (Length.months(1), WARSAW, at(2027, 2, 28, 1, 30), at(2027, 3, 28, 1, 30)),
        (Length.months(1), WARSAW, at(2027, 9, 30, 0, 30), at(2027, 10, 30, 0, 30)),
        (Length.months(3), WARSAW, at(2027, 7, 31, 0, 30), at(2027, 10, 31, 0, 30)),
        (Length.months(1), NEW_YORK, at(2027, 2, 14, 7, 30), at(2027, 3, 14, 7, 30)),
        # The last day of the month is the one of the zone: in Auckland it is 1 February already.
        (Length.months(1), AUCKLAND, at(2027, 1, 31, 12), at(2027, 2, 28, 12)),
        (Length.months(1), "UTC", at(2027, 1, 31, 12), at(2027, 2, 28, 12)),
        (Length.months(1), WARSAW, at(2027, 1, 31, 23, 30), at(2027, 2, 28, 23, 30)),
        # Days are 24 hours, whatever the clock does.
        (Length.days(1), WARSAW, at(2027, 3, 27, 12), at(2027, 3, 28, 12)),
    ],
)
def test_days_and_months_are_those_of_the_zone(length, zone, start, end):
    assert AccessTerms(length=length, zone=zone).ends_at(start) == end


def test_a_month_from_the_first_of_february_in_warsaw():
    just_february_in_warsaw = dt.datetime(2027, 2, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert AccessTerms(length=Length.months(1)).ends_at(just_february_in_warsaw) == at(2027, 2, 28, 23, 30)
    # In UTC it is January still, whose 31st has no counterpart in February; in Warsaw it is the first of March.
    assert AccessTerms(length=Length.months(1), zone=WARSAW).ends_at(at(2027, 3, 31, 22, 30)) == at(2027, 4, 30, 22, 30)
    assert AccessTerms(length=Length.months(1), zone="UTC").ends_at(at(2027, 3, 31, 22, 30)) == at(2027, 4, 30, 22, 30)
    assert AccessTerms(length=Length.months(1), zone=WARSAW).ends_at(at(2027, 4, 30, 22, 30)) == at(2027, 5, 31, 22, 30)
    assert AccessTerms(length=Length.months(1), zone="UTC").ends_at(at(2027, 4, 30, 22, 30)) == at(2027, 5, 30, 22, 30)


@given(instants, st.integers(1, 600))
def test_months_keep_the_time_of_day_and_never_skip_a_month(start, n):
    end = Length.months(n).end(start)
    assert end.timetz() == start.timetz()
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == n
    assert end.day == start.day or (end.day < start.day and (end + dt.timedelta(days=1)).day == 1)


@given(instants, counts)
def test_access_that_counts_from_its_start_lasts(start, n):
    for length in (Length.days(n), Length.months(n)):
        assert length.end(start) > start


def included(terms: AccessTerms, lessons: str) -> str:
    """Which of ``lessons`` (``a b:I`` is a lesson a, and a lesson b of module I) are sold."""
    told = [one.partition(":") for one in lessons.split()]
    asked = [Lesson(key, place, module) for place, (key, _colon, module) in enumerate(told)]
    return " ".join(lesson.key for lesson in asked if terms.includes(lesson))


@pytest.mark.parametrize(
    ("lessons", "open_new", "there_are", "sold"),
    [
        (Lessons(), True, "a new", "a new"),
        (Lessons.first(2), True, "a b c", "a b"),
        (Lessons.chosen(["a", "c"], known=["a", "b", "c"]), True, "a b c new", "a c new"),
        (Lessons.chosen(["a", "c"], known=["a", "b", "c"]), False, "a b c new", "a c"),
        # Without a record of what there was, nothing can be called new: nothing opens by itself.
        (Lessons.chosen(["a"]), True, "a b", "a"),
        (Lessons(known=("a",)), False, "a b", "a"),
        (Lessons.chosen(modules=["I"]), True, "a:I b:II new:I", "a new"),
        (Lessons.chosen(["b"], modules=["I"]), True, "a:I b:II c:II", "a b"),
        (Lessons.chosen(modules=["I"], known=["a", "b"]), True, "a:I b:II new:I newer:II", "a new newer"),
        (Lessons.chosen(modules=["I"], known=["a", "b"]), False, "a:I b:II new:I newer:II", "a"),
        # Only those of chosen modules open by themselves.
        (Lessons.chosen(modules=["I"], known=["a", "b"], new_in=["I"]), True, "a:I b:II new:I newer:II", "a new"),
        (Lessons(known=("a", "b"), new_in=("II",)), True, "a:I b:II new:I newer:II", "a b newer"),
        # A module that was empty: what comes into it opens where later lessons do, and only there.
        (Lessons.chosen(modules=["III"], known=["a", "b"]), True, "a:I b:II new:III", "new"),
        (Lessons.chosen(modules=["III"], known=["a", "b"]), False, "a:I b:II new:III", ""),
        (Lessons.chosen(), True, "a b:I", ""),
    ],
)
def test_which_lessons(lessons, open_new, there_are, sold):
    assert included(AccessTerms(lessons=lessons, auto_open_new=open_new), there_are) == sold


def test_release():
    start = at(2027, 3, 1, 12)
    one, week = Lesson("a", 0), dt.timedelta(days=7)
    assert Release().opens_at(Lesson("a", 7), start) == start
    assert Release().opens_at(Lesson("a", 7, delay=week), start) == at(2027, 3, 8, 12)
    assert Release().opens_at(Lesson("a", 7, not_before=at(2027, 3, 5)), start) == at(2027, 3, 5)
    assert Release().opens_at(Lesson("a", 7, not_before=at(2027, 2, 5)), start) == start
    slow = Lesson("a", 7, delay=week, not_before=at(2027, 6, 1))
    assert Release.at_once().opens_at(slow, start) == start, "what the course says does not count"
    weekly = Release.every(7)
    assert [weekly.opens_at(Lesson("x", position, delay=week), start) for position in (0, 1, 4)] == [
        start,
        at(2027, 3, 8, 12),
        at(2027, 3, 29, 12),
    ]
    assert Release.every(10**9).opens_at(Lesson("x", 10**6), start).year == 9999
    dated = Release.dated({"a": dt.date(2027, 3, 5), "b": "2027-01-01", "s": "2027-03-28"})
    assert dated.opens_at(one, start) == at(2027, 3, 5)
    assert dated.opens_at(one, start, WARSAW) == at(2027, 3, 4, 23)
    assert dated.opens_at(one, start, NEW_YORK) == at(2027, 3, 5, 5)
    assert dated.opens_at(Lesson("s", 3), start, WARSAW) == at(2027, 3, 27, 23)
    assert dated.opens_at(Lesson("b", 1), start) == start  # its day has passed: with the start
    assert dated.opens_at(Lesson("c", 2), start) == start  # without a day of its own: with the start


def test_a_lesson_that_waits_for_the_one_before():
    release, start = Release.after_previous(), at(2027, 3, 1)
    assert release.opens_at(Lesson("a", 0), start) == start
    assert release.opens_at(Lesson("b", 1), start) is None
    assert release.opens_at(Lesson("b", 1, previous_done=True), start) == start
    assert Release.at_once().opens_at(Lesson("b", 1), start) == start


@given(access, st.builds(Lesson, keys, st.integers(0, 500), keys, st.booleans()), instants)
def test_no_lesson_opens_before_access_starts(terms, lesson, start):
    opens = terms.release.opens_at(lesson, start, terms.zone)
    assert opens is None or opens >= start
    assert (opens is None) == terms.release.waits(lesson)
