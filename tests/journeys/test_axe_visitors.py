"""Axe looks at every page that visitors see, in every state: light and dark, wide and narrow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.journeys import axe
from tests.journeys.visitors import every_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # Wagtail leaves the temporary file of a rendition to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]

KINDS = {
    "wide-light": {"viewport": {"width": 1280, "height": 900}},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


@pytest.fixture
def addresses(browser, live_server) -> dict[str, str]:
    found = every_page()
    return {name: url if url.startswith("http") else live_server.url + url for name, url in found.items()}


@pytest.fixture(params=KINDS)
def tab(request, browser) -> Iterator[tuple[str, Page]]:
    context = browser.new_context(locale="en-GB", **KINDS[request.param])
    yield request.param, context.new_page()
    context.close()


def faults(page: Page, name: str) -> list[str]:
    found = axe.violations(page)
    return [f"{name}: {one['id']}: {node['target']} {node['html'][:160]}" for one in found for node in one["nodes"]]


def keep(page: Page, name: str) -> None:
    """A picture of the page, where somebody wants to look at them: ``KWIGA_SHOTS`` names the folder."""
    if folder := os.environ.get("KWIGA_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_nothing_is_found_on_any_page(addresses, live_server, tab):
    kind, page = tab
    found, too_wide = [], []
    for name, address in addresses.items():
        page.goto(address)
        assert page.url.startswith(live_server.url)
        found += faults(page, name)
        wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if wide > room:
            too_wide.append((name, wide))
        keep(page, f"{name}.{kind}")
    page.goto(addresses["offer"])
    page.get_by_role("button", name="Order and pay").last.click()
    page.get_by_role("alert").wait_for()
    found += faults(page, "offer, refused")
    keep(page, f"offer-refused.{kind}")
    page.goto(addresses["unsubscribe"])
    page.get_by_role("button").click()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    found += faults(page, "unsubscribed")
    assert not found, "\n".join(found)
    assert too_wide == []
