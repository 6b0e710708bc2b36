"""What axe finds on a page, by one release of axe: the one that the requirements of the tests pin."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

#: The axe inside of the pinned axe-playwright-python. Another finds other things: whoever raises it looks at what it finds,
#: and writes its number here (docs/explanation/dependencies.md).
VERSION = "4.12.1"
#: Everything but experiments.
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


def violations(
    page: Page, rules: dict[str, Any] = RULES, context: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What is wrong on the page that is open, as axe reports it; ``context`` is axe's own, such as what to leave out."""
    told = Axe().run(page, context=context, options=rules).response
    assert told["testEngine"]["version"] == VERSION, "this is not the axe that the tests were written with"
    found: list[dict[str, Any]] = told["violations"]
    return found
