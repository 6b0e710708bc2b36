"""The shop's clock: what it understands, where it is kept, and that a broken file never breaks the shop."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import clock


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KWIGA_DEMO_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+31m", dt.timedelta(minutes=31)),
        ("+26h", dt.timedelta(hours=26)),
        ("+2d", dt.timedelta(days=2)),
        (" +1m ", dt.timedelta(minutes=1)),
    ],
)
def test_spans_that_it_understands(text, span):
    assert clock.parse(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "31m", "+31", "-31m", "+31s", "+ 31m", "+3.5h", "tomorrow", "+1234567m", "+0m", "+٣m", "+31m\n+1m", "reset"],
)
def test_garbage_is_refused_with_words(text):
    with pytest.raises(clock.BadSpan, match=r"\w"):
        clock.parse(text)


@given(st.text(max_size=12))
def test_any_text_is_a_span_or_refused(text):
    with contextlib.suppress(clock.BadSpan):
        assert clock.parse(text) > dt.timedelta(0)


def test_it_starts_at_the_real_time_and_moves_ahead():
    assert clock.offset() == dt.timedelta(0)
    clock.set_offset(dt.timedelta(minutes=31))
    ahead = clock.now() - clock.real_now()
    assert abs(ahead - dt.timedelta(minutes=31)) < dt.timedelta(seconds=2)
    clock.reset()
    clock.reset()  # twice is no error
    assert clock.offset() == dt.timedelta(0)


@pytest.mark.parametrize("span", [dt.timedelta(minutes=-1), clock.FURTHEST + dt.timedelta(seconds=1)])
def test_it_goes_neither_back_nor_too_far(span):
    clock.set_offset(dt.timedelta(hours=1))
    with pytest.raises(clock.BadSpan):
        clock.set_offset(span)
    assert clock.offset() == dt.timedelta(hours=1)


@pytest.mark.parametrize("content", [b"", b"soon", b"nan", b"1e999", b"\xff\xfe"])
def test_a_broken_file_counts_as_not_moved(tmp_path, content):
    (tmp_path / "clock").write_bytes(content)
    assert clock.offset() == dt.timedelta(0)
    assert clock.now().tzinfo is not None


def test_it_can_be_held_for_telling_the_past():
    long_ago = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    with clock.reserved_at(long_ago):
        assert clock.now() == long_ago
    assert clock.now() != long_ago


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (dt.timedelta(minutes=31), [(31, "minute")]),
        (dt.timedelta(hours=26), [(1, "day"), (2, "hour")]),
        (dt.timedelta(hours=26, minutes=31), [(1, "day"), (2, "hour")]),
        (dt.timedelta(hours=24), [(1, "day")]),
        (dt.timedelta(seconds=20), []),
    ],
)
def test_a_span_in_its_two_largest_parts(span, words):
    assert clock.spoken(span) == words
