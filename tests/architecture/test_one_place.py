"""One rule, one place: what is told, signed or drawn by chance in one module is done nowhere else."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "wagtail_kwiga"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)

#: What is imported or called → who may, and where everybody else goes.
RULES = {
    "django.core.signing": ({"signing.py"}, "signing"),
    "django.utils.crypto.salted_hmac": ({"signing.py"}, "signing"),
    # A provider's webhooks are signed with the provider's own secret.
    "hmac": ({"payments/providers/sandbox.py"}, "signing"),
    "secrets.choice": ({"readable_codes.py"}, "readable_codes"),
    "secrets.token_urlsafe": ({"signing.py"}, "signing.random_token"),
    "django.utils.formats.date_format": ({"formatting/instants.py"}, "formatting.instants"),
    "django.utils.timezone.localtime": (set(), "formatting.instants.local"),
    "django.template.defaultfilters.date": (set(), "formatting.instants"),
    "babel.dates": ({"formatting/instants.py", "formatting/durations.py"}, "formatting"),
    "babel": (
        {
            "formatting/instants.py", "formatting/durations.py", "formatting/languages.py", "formatting/money.py", "formatting/typed_amounts.py",
        },
        "formatting",
    ),
    "django.utils.translation.get_language_info": ({"formatting/languages.py"}, "formatting.languages"),
}  # fmt: skip


@cache
def uses(source: str) -> frozenset[str]:
    """The dotted names that a module imports, or reaches through a name it imported."""
    known: dict[str, str] = {}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {each.asname or each.name.partition(".")[0]: each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    reached = set(known.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in known:
                reached.add(f"{known[first]}{dot}{rest}")
    return frozenset(reached)


def users(name: str) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(used == name or used.startswith(f"{name}.") for used in uses(path.read_text()))
    }


@pytest.mark.parametrize("name", RULES)
def test_only_one_module(name):
    allowed, instead = RULES[name]
    assert users(name) == allowed, f"elsewhere, use {instead}"


def test_nobody_names_a_zone_by_itself():
    """``tzname()`` says “-03” in São Paulo, and “CET” to a German."""
    found = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "tzname"
    ]
    assert set(found) == {"formatting/instants.py"}


def test_the_look_sees_what_it_should():
    source = "from django.utils import timezone as tz\nimport secrets\nfrom django.core import signing\ntz.localtime(x)\nsecrets.choice(y)"
    assert {"django.utils.timezone.localtime", "secrets.choice", "django.core.signing"} <= uses(source)
