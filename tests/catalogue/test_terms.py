from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START
from wagtail_kwiga.catalogue.terms import AccessTerms, Length, Lessons, OfferTerms, ProductTerms, Release
from wagtail_kwiga.exceptions import KwigaError

UTC = dt.UTC
days = st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
keys = st.text(max_size=12)
counts = st.integers(1, 1000)
lengths = st.one_of(
    st.just(Length()), counts.map(Length.days), counts.map(Length.months), days.map(lambda day: Length.until(day))
)
lessons = st.one_of(
    st.just(Lessons()),
    st.lists(keys).map(lambda known: Lessons(known=tuple(known))),
    counts.map(Lessons.first),
    st.builds(lambda chosen, known: Lessons.chosen(chosen, known=known), st.lists(keys), st.lists(keys)),
)
releases = st.one_of(st.just(Release()), counts.map(Release.every), st.dictionaries(keys, days).map(Release.dated))
access = st.builds(
    AccessTerms,
    start=st.just("payment") | days.map(dt.date.isoformat),
    length=lengths,
    lessons=lessons,
    release=releases,
    auto_open_new=st.booleans(),
    practice=st.sampled_from(AccessTerms.PRACTICES),
    checkpoints=st.booleans(),
    comments=st.booleans(),
    certificate=st.booleans(),
    curators=st.lists(st.integers(1, 10**9) | st.uuids().map(str)).map(tuple),
)
offers = st.builds(
    OfferTerms,
    products=st.lists(
        st.builds(ProductTerms, product_id=st.integers(1, 10**9), title=st.text(max_size=200), access=access),
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
    for nothing in (None, {}, {"schema": 1}):
        assert AccessTerms.from_json(nothing) == AccessTerms()
        assert OfferTerms.from_json(nothing) == OfferTerms()
    assert AccessTerms.from_json({"length": {}, "lessons": None}) == AccessTerms()
    assert OfferTerms.from_json({"products": None}) == OfferTerms()


@pytest.mark.parametrize("kind", [OfferTerms, AccessTerms])
@pytest.mark.parametrize("schema", [0, 2, 99, "1", None])
def test_an_unknown_schema_is_refused(kind, schema):
    with pytest.raises(KwigaError) as caught:
        kind.from_json({"schema": schema})
    assert caught.value.code == "unknown_terms"
    assert caught.value.facts == {"schema": schema, "known": 1}
    assert "newer version" in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        [],
        "terms",
        {"start": "soon"},
        {"start": 5},
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
        {"curators": [""]},
        {"curators": [{"id": 7}]},
        {"curators": 7},
    ],
)
def test_terms_without_sense_are_refused(document):
    with pytest.raises(KwigaError) as caught:
        AccessTerms.from_json(document)
    assert caught.value.code == "bad_terms"


@pytest.mark.parametrize(
    "row", [{}, {"title": "No key"}, {"product_id": "x"}, None, 3, {"product_id": 1, "access": []}]
)
def test_a_product_that_nobody_could_name_is_refused(row):
    with pytest.raises(KwigaError) as caught:
        OfferTerms.from_json({"products": [row] if row is not None else 3})
    assert caught.value.code == "bad_terms"


def test_an_unknown_schema_inside_is_refused_as_such():
    with pytest.raises(KwigaError) as caught:
        OfferTerms.from_json({"products": [{"product_id": 1, "access": {"schema": 2}}]})
    assert caught.value.code == "unknown_terms"


def test_an_instant_is_no_date():
    with pytest.raises(ValueError, match="a date is needed"):
        Length.until(START)


def test_start():
    paid = at(2027, 9, 10, 8, 30)
    assert AccessTerms().starts_at(paid) == paid
    assert AccessTerms(start="2027-09-01").starts_at(paid) == at(2027, 9, 1)
    assert AccessTerms(start="2027-10-01").starts_at(paid) == at(2027, 10, 1)


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


def test_the_calendar_is_the_one_of_utc():
    just_february_in_warsaw = dt.datetime(2027, 2, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert AccessTerms(length=Length.months(1)).ends_at(just_february_in_warsaw) == at(2027, 2, 28, 23, 30)


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


def test_which_lessons():
    everything = AccessTerms()
    assert everything.includes("a", 0)
    assert everything.includes("new", 99)
    first = AccessTerms(lessons=Lessons.first(2))
    assert [first.includes(key, position) for position, key in enumerate("abc")] == [True, True, False]
    chosen = AccessTerms(lessons=Lessons.chosen(["a", "c"], known=["a", "b", "c"]))
    assert [chosen.includes(key, position) for position, key in enumerate("abcd")] == [True, False, True, True]
    closed = AccessTerms(lessons=Lessons.chosen(["a", "c"], known=["a", "b", "c"]), auto_open_new=False)
    assert [closed.includes(key, position) for position, key in enumerate("abcd")] == [True, False, True, False]
    # Without a record of what there was, nothing can be called new: nothing opens by itself.
    no_record = AccessTerms(lessons=Lessons.chosen(["a"]))
    assert [no_record.includes(key, position) for position, key in enumerate("ab")] == [True, False]
    of_that_day = AccessTerms(lessons=Lessons(known=("a",)), auto_open_new=False)
    assert [of_that_day.includes(key, position) for position, key in enumerate("ab")] == [True, False]


def test_release():
    start = at(2027, 3, 1, 12)
    assert Release().opens_at("a", 7, start) == start
    weekly = Release.every(7)
    assert [weekly.opens_at("x", position, start) for position in (0, 1, 4)] == [
        start,
        at(2027, 3, 8, 12),
        at(2027, 3, 29, 12),
    ]
    assert Release.every(10**9).opens_at("x", 10**6, start).year == 9999
    dated = Release.dated({"a": dt.date(2027, 3, 5), "b": "2027-01-01"})
    assert dated.opens_at("a", 0, start) == at(2027, 3, 5)
    assert dated.opens_at("b", 1, start) == start  # its day has passed: with the start
    assert dated.opens_at("c", 2, start) == start  # without a day of its own: with the start
    terms = AccessTerms(lessons=Lessons.first(1), release=dated)
    assert terms.lesson_opens_at("a", 0, start) == at(2027, 3, 5)
    assert terms.lesson_opens_at("b", 1, start) is None


@given(access, keys, st.integers(0, 500), instants)
def test_no_lesson_opens_before_access_starts(terms, key, position, start):
    opens = terms.lesson_opens_at(key, position, start)
    assert opens is None or opens >= start
    assert (opens is not None) == terms.includes(key, position)
