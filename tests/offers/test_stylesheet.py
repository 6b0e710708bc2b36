"""The stylesheet stays in its place: one layer, below one class, small, and from nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

FILE = Path(finders.find("wagtail_kwiga/kwiga.css"))
TEXT = re.sub(r"/\*.*?\*/", "", FILE.read_text(), flags=re.DOTALL)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(what stands before the brace, what stands inside) of each block on the outermost level of ``text``."""
    depth, begin, head = 0, 0, ""
    for place, sign in enumerate(text):
        if sign == "{":
            if depth == 0:
                head, begin = text[begin:place].strip(), place + 1
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                yield head, text[begin:place]
                begin = place + 1
    assert depth == 0
    assert text[begin:].strip() == "", "nothing stands outside of a block"


def rules(text: str) -> Iterator[tuple[str, str]]:
    """(selector, declarations) of each rule in the layer, those in a media query among them."""
    for head, inside in blocks(text):
        if head.startswith("@"):
            assert head.startswith("@media "), head
            yield from rules(inside)
        else:
            yield head, inside


((LAYER, INSIDE),) = blocks(TEXT)
RULES = list(rules(INSIDE))


def selectors(head: str) -> list[str]:
    """The selectors of a list; a comma in parentheses parts nothing."""
    return [each.strip() for each in re.split(r",(?![^(]*\))", re.sub(r"\s+", " ", head))]


def test_everything_is_in_the_layer():
    assert LAYER == "@layer kwiga"
    assert len(RULES) > 100


@pytest.mark.parametrize("head", [head for head, _inside in RULES])
def test_every_selector_begins_below_the_class(head):
    simple = head.removeprefix(":where(") if head.startswith(":where(.kwiga-own") else head
    for selector in selectors(simple):
        first = re.split(r"[ >+~]", selector)[0]
        assert re.search(r"\.kwiga(?![\w])(-[\w-]+)?", first), selector


def test_custom_properties_bear_the_name_of_the_package():
    found = set(re.findall(r"(?<![\w-])(--[\w-]+)", INSIDE))
    assert found
    assert {name for name in found if not name.startswith("--kwiga-")} == set()


def test_nothing_comes_from_elsewhere():
    assert "url(" not in TEXT
    assert "@import" not in TEXT
    assert "@font-face" not in TEXT


def test_it_is_small():
    assert FILE.stat().st_size < 20_000


def test_braces_in_the_wrong_place_would_be_noticed():
    with pytest.raises(AssertionError):
        list(blocks("@layer kwiga { .kwiga { color: red } } body { color: red } stray"))
