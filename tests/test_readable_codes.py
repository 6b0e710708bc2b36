"""Codes for people: one alphabet, groups, and the caller's own check."""

from __future__ import annotations

import re

import pytest

from wagtail_kwiga import readable_codes
from wagtail_kwiga.coupons import codes
from wagtail_kwiga.orders import numbers
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import references
from wagtail_kwiga.payments.models import Payment

#: Of each pair of look-alikes both are out, and with the vowels every word.
FORBIDDEN = set("0OQ1IL2Z5S8BUVAE")


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (codes.generate, r"\w{8}"),
        (numbers.new_number, r"\w{3}-\w{3}-\w{4}"),
        (references.new_reference, r"\w{4}-\w{4}"),
    ],
)
def test_whatever_people_type_has_no_look_alikes(make, shape):
    made = {make() for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(shape, code) for code in made)
    assert not FORBIDDEN & set("".join(made))
    assert len(set("".join(made)) - {"-"}) == 20


def test_they_fit_their_columns(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ORDER_NUMBER_PREFIX": "KURS-2027-"}
    assert numbers.new_number().startswith("KURS-2027-")
    assert len(numbers.new_number()) <= Order._meta.get_field("number").max_length
    assert len(references.new_reference()) <= Payment._meta.get_field("reference").max_length


def test_groups_prefix_and_separator():
    assert re.fullmatch(r"X-\w{2} \w \w{3}", readable_codes.generate((2, 1, 3), prefix="X-", separator=" "))


@pytest.mark.parametrize("groups", [(), (0,), (4, 0), (-1,)])
def test_a_code_without_chance_is_none(groups):
    with pytest.raises(ValueError, match="character"):
        readable_codes.generate(groups)


def test_a_taken_code_is_drawn_again():
    asked: list[str] = []

    def is_taken(code: str) -> bool:
        asked.append(code)
        return len(asked) < 4

    assert readable_codes.generate((3, 3), is_taken=is_taken) == asked[3]
    assert len(asked) == 4


def test_where_all_are_taken_it_says_so_instead_of_trying_for_ever():
    asked = []
    with pytest.raises(RuntimeError, match="taken"):
        readable_codes.generate((1,), is_taken=lambda code: asked.append(code) or True)
    assert len(asked) == readable_codes.MOST_TRIES
