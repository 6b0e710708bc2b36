"""Visitor pages on a site whose context processors use the names that our templates ask for: they show ours, or nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

import wagtail_kwiga
from tests.journeys import visitors

pytestmark = pytest.mark.django_db

FOLDER = Path(wagtail_kwiga.__file__).parent / "templates" / "wagtail_kwiga"
#: Django's and Wagtail's own, which every site gives; ours, which bear our name; what every page of Wagtail's is given.
GIVEN = {
    "request", "csrf_token", "messages", "perms", "user", "debug", "sql_queries", "settings", "forloop", "block", "page",
    "self", "value", "kwiga_settings", "kwiga_title",
}  # fmt: skip
TOKEN = re.compile(r'(csrfmiddlewaretoken" value=")[A-Za-z0-9]{64}')


def names() -> set[str]:
    """Every name that a template of a visitor page might look up in its context."""
    found: set[str] = set()
    for folder in ("", "offers", "payments", "mailing"):
        for path in (FOLDER / folder).glob("*.html"):
            code = re.sub(r"{#.*?#}", "", path.read_text())
            for part in re.findall(r"{[{%](.*?)[%}]}", code):
                part = re.sub(r"\"[^\"]*\"|'[^']*'", "", part)
                found |= set(re.findall(r"(?<![\w.|:])([a-z_]+)\b(?!=)", part))
    return found - GIVEN


def foreign(request: Any) -> dict[str, str]:
    """The context processor of such a site."""
    return dict.fromkeys(names(), "theirs")


@pytest.fixture
def addresses(settings, monkeypatch) -> dict[str, str]:
    monkeypatch.setattr(
        visitors, "picture", lambda: None
    )  # what is drawn anew leaves open files to the garbage collector
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    return visitors.every_page()


def look(address: str) -> tuple[int, str]:
    answer = Client().get(address.removeprefix("http://localhost"))
    return answer.status_code, TOKEN.sub(r"\1", answer.content.decode())


def test_names_of_a_site_never_show_in_our_pages(settings, addresses):
    assert {"order", "lines", "changes", "error", "offer", "visit", "bought"} <= names()
    alone = {name: look(address) for name, address in addresses.items()}
    assert len(alone) > 25
    (engine,) = settings.TEMPLATES
    options = engine["OPTIONS"]
    processors = [*options["context_processors"], f"{__name__}.foreign"]
    settings.TEMPLATES = [{**engine, "OPTIONS": {**options, "context_processors": processors}}]
    differing = {}
    for name, address in addresses.items():
        code, text = look(address)
        lines = sorted(set(text.splitlines()) ^ set(alone[name][1].splitlines()))
        if lines or code != alone[name][0]:
            differing[name] = [code, *lines]
    assert differing == {}
