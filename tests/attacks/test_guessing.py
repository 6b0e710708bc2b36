"""Attacked: discount codes, by guessing. Limits per place and per address, by POST and by GET, and every way around them.

A limit answers 429 with ``Retry-After``, says so in words, and shows nothing of a code, right or wrong. Whoever has the right
code is not in anybody's way.
"""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.attacks.ground import holds
from tests.offers import making
from tests.offers.making import fields_of, fill_in, text_of
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

LIMIT = 3
HERE = "9.9.9.9"


@pytest.fixture
def shop(shopfront, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "COUPON_TRIES_PER_IP": LIMIT}
    return shopfront


@pytest.fixture
def guess(visitor, shop):
    """``guess(code, …)`` by GET, ``guess.apply(code, …)`` by the button; ``frm`` is where it comes from."""

    def look(code, frm=HERE, **extra):
        return holds(visitor.get(shop.url, {"coupon": code}, REMOTE_ADDR=frm, **extra), code)

    def apply(code, frm=HERE, email="", **extra):
        sent = {"apply": "1", "coupon": code, "email": email, "name": "Ada"}
        return holds(visitor.post(shop.url, sent, REMOTE_ADDR=frm, **extra), code)

    look.apply = apply
    return look


def is_limited(answer) -> bool:
    """Refused by the limit: with a status, a time and a sentence, and with no judgement of any code."""
    words = text_of(answer)
    if answer.status_code != 429:
        assert "Too many tries" not in words
        return False
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert "Too many tries from here. Please try again in" in words
    assert "We do not know this code" not in words
    assert "€96.00" not in words
    assert "€120.00" in words
    assert "private" in answer["Cache-Control"]
    return True


def test_wrong_codes_in_the_address_are_limited(guess):
    assert [is_limited(guess(f"NO{n}")) for n in range(5)] == [False, False, False, True, True]
    assert is_limited(guess("SPRING"))
    assert fields_of(guess("SPRING"))["coupon"] == ""
    making.set_clock(after(hours=1))
    assert not is_limited(guess("SPRING"))
    assert "€96.00" in text_of(guess("SPRING"))


def test_the_right_code_is_never_limited(guess):
    """A newsletter's whole audience behind one connection."""
    for _reader in range(3 * LIMIT):
        assert "€96.00" in text_of(guess("SPRING"))
    assert not is_limited(guess("NO"))


def test_looking_writes_nothing_however_often(guess):
    for code in ["NO"] * 2 * LIMIT + ["SPRING"]:
        with CaptureQueriesContext(connection) as queries:
            guess(code)
        assert [query["sql"] for query in queries if not query["sql"].lstrip("(").startswith("SELECT")] == []
    assert not m.RateLimitWindow.objects.exists()


def test_what_is_guessed_by_the_button_binds_looking_as_well(guess):
    assert [is_limited(guess.apply(f"NO{n}")) for n in range(4)] == [False, False, False, True]
    assert is_limited(guess("SPRING"))
    assert is_limited(guess.apply("SPRING"))


def test_a_head_is_a_look(visitor, shop):
    for n in range(LIMIT):
        visitor.head(shop.url, {"coupon": f"NO{n}"}, REMOTE_ADDR=HERE)
    assert visitor.head(shop.url, {"coupon": "SPRING"}, REMOTE_ADDR=HERE).status_code == 429


def test_the_limit_of_codes_stops_no_order(visitor, shop, guess):
    for n in range(2 * LIMIT):
        guess(f"NO{n}")
    _page, sent = fill_in(visitor, shop.url)
    assert visitor.post(shop.url, sent, REMOTE_ADDR=HERE).status_code == 302


@pytest.mark.parametrize("way", ["look", "apply"])
@pytest.mark.parametrize(
    ("around", "places"),
    [
        ("another address in the same /64", [f"2a00:1450:4001:81b::{n:x}" for n in range(1, 6)]),
        (
            "the same address, written otherwise",
            ["9.9.9.9", "::ffff:9.9.9.9", "::ffff:909:909", "9.9.9.9", "::FFFF:9.9.9.9"],
        ),
        ("a zone", ["2a00:1450:4001:81b::1", *(f"2a00:1450:4001:81b::1%eth{n}" for n in range(4))]),
    ],
)
def test_one_place_is_one_place(guess, way, around, places):
    send = guess if way == "look" else guess.apply
    assert [is_limited(send(f"NO{n}", frm=place)) for n, place in enumerate(places)] == [False] * 3 + [True] * 2, around
    assert not is_limited(send("NO", frm="8.8.8.8"))
    assert not is_limited(send("NO", frm="2a00:1450:4001:81c::1"))


@pytest.mark.parametrize("way", ["look", "apply"])
@pytest.mark.parametrize(
    "forged",
    [
        "{n}.2.3.4",
        "{n}.2.3.4, 5.6.7.{n}",
        "nonsense {n}",
        "2001:db8:{n}::1",
        "'{n}",
        "{n}.2.3.4,,",
    ],
)
def test_a_forged_list_in_front_of_what_the_proxy_writes(guess, settings, way, forged):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLIENT_IP_HEADER": "HTTP_X_FORWARDED_FOR"}
    send = guess if way == "look" else guess.apply
    told = [
        is_limited(send(f"NO{n}", frm="10.0.0.1", HTTP_X_FORWARDED_FOR=f"{forged.format(n=n + 1)}, {HERE}"))
        for n in range(5)
    ]
    assert told == [False] * 3 + [True] * 2


def test_headers_that_nobody_named_are_not_believed(guess):
    told = []
    for n in range(5):
        extra = {
            f"HTTP_{name}": f"1.2.3.{n}"
            for name in ("X_FORWARDED_FOR", "X_REAL_IP", "CLIENT_IP", "FORWARDED", "TRUE_CLIENT_IP")
        }
        told.append(is_limited(guess.apply(f"NO{n}", **extra)))
    assert told == [False] * 3 + [True] * 2


@pytest.mark.parametrize("code", ["no{n}", " NO{n}", "NO{n}\u200b", "ＮＯ{n}"])
def test_a_code_written_otherwise_is_a_try_as_well(guess, code):
    told = [is_limited(guess.apply(code.format(n=n))) for n in range(5)]
    assert told == [False] * 3 + [True] * 2


def test_every_door_of_the_form_counts(visitor, shop):
    """A form that is right, one that is not, one with the trap filled in, and the button: all are tries."""
    _page, sent = fill_in(visitor, shop.url)
    forms = [
        {**sent, "coupon": "NO1"},
        {**sent, "coupon": "NO2", "name": ""},
        {**sent, "coupon": "NO3", "website": "x"},
        {**sent, "coupon": "NO4", "apply": "1"},
        {"coupon": "NO5"},
        {"coupon": "SPRING", "shown": "forged", "name": "A", "email": "x@example.com"},
    ]
    told = [holds(visitor.post(shop.url, form, REMOTE_ADDR=HERE)).status_code == 429 for form in forms]
    assert told == [False] * 3 + [True] * 3
    assert not m.Order.objects.exists()


def test_behind_a_proxy_that_nobody_named_the_address_typed_is_counted(visitor, shop, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_ADDRESS": 1}
    told = []
    for spelling in ("ada@gmail.com", "ADA@gmail.com", "a.d.a@gmail.com", "ada+1@gmail.com", "ada@googlemail.com"):
        sent = {"apply": "1", "coupon": "NO", "email": spelling}
        told.append(visitor.post(shop.url, sent, REMOTE_ADDR="10.0.0.1").status_code)
    assert told == [200, 200, 200, 429, 429]


def test_generated_codes_are_not_worth_guessing():
    from wagtail_kwiga.coupons import codes

    made = {codes.generate() for _n in range(500)}
    assert len(made) == 500
    letters = set("".join(made))
    assert all(re.fullmatch(r"[A-Z0-9]{8,}", code) for code in made)
    assert len(letters) ** 8 >= 20**8  # at 60 tries an hour from a thousand places: half a century for all of them
