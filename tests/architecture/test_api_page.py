"""The public names: one list, the page made of it, and nobody outside who needs more than the list."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import api_page

ROOT = Path(__file__).resolve().parents[2]
NAMES = api_page.names()
OUTSIDE = sorted(
    path
    for folder in ("tests/example", "sandbox")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_every_name_is_listed_once():
    assert [name for name in NAMES if NAMES.count(name) > 1] == []
    assert len(NAMES) > 150


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_says_what_it_is(name):
    """A name that is gone raises; one without a sentence would stand bare on the page."""
    code, sentence = api_page.entry(name)
    assert code
    assert sentence


def test_the_page_is_up_to_date():
    """Otherwise: ``make api``."""
    assert api_page.PAGE.read_text() == api_page.page()


def test_samples_on_the_page_are_code():
    for block in re.findall(r"^```python\n(.*?)^```", api_page.PAGE.read_text(), re.MULTILINE | re.DOTALL):
        ast.parse(block)


# --- who uses what ----------------------------------------------------------------------------------------------------


def key(path: str) -> str:
    """The same for every way to import a class or function; for another value, and for what is not there, the path."""
    try:
        _module, _name, found = api_page.resolve(path)
    except (AttributeError, ModuleNotFoundError):
        return path
    if inspect.isclass(found) or inspect.isfunction(found):
        return f"{found.__module__}.{found.__qualname__}"
    return path


@cache
def public() -> set[str]:
    return {key(name) for name in NAMES}


def used(source: str) -> set[str]:
    """Dotted paths inside the package that ``source`` imports, or reaches through a module that it imports."""
    tree = ast.parse(source)
    paths, modules = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == api_page.PACKAGE:
            for alias in node.names:
                path = f"{node.module}.{alias.name}".partition(".")[2]
                try:
                    api_page.resolve(path)
                except AttributeError:
                    modules[alias.asname or alias.name] = path
                else:
                    paths.add(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            paths.add(f"{modules[node.value.id]}.{node.attr}")
    named = re.findall(rf"[\"']{api_page.PACKAGE}\.((?:[a-z_]+\.)+[A-Z]\w+)[\"']", source)
    return paths | set(named)


def test_uses_are_found():
    source = """
from wagtail_kwiga import locking as held, models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.pricing.money import Money
provider = "wagtail_kwiga.payments.providers.transfer.TransferProvider"
def f():
    with held.atomic_write():
        return directory.lock(m.Order.objects.get().contact_id)
"""
    assert used(source) == {
        "contacts.directory.lock",
        "locking.atomic_write",
        "models.Order",
        "payments.providers.transfer.TransferProvider",
        "pricing.money.Money",
    }


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_demo_and_the_example_use_public_names_only(path):
    assert {name for name in used(path.read_text()) if key(name) not in public()} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_samples_use_public_names_only(path):
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    assert {name for block in blocks for name in used(block) if key(name) not in public()} == set()
