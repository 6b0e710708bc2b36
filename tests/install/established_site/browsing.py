"""A browser on the established site, which tells of everything it was kept from doing."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page

ORIGIN = "https://atelier.example"
#: Told to us from every frame of every page, enforced or only reported.
LISTEN = """document.addEventListener("securitypolicyviolation", event => window.told({
  directive: event.effectiveDirective, blocked: event.blockedURI.slice(0, 60), sample: event.sample,
  disposition: event.disposition, at: location.href,
}))"""


class Tab:
    """One browser with one tab and cookies of its own."""

    def __init__(self, context: BrowserContext) -> None:
        self.violations: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        context.expose_binding("told", lambda _source, told: self.violations.append(told))
        context.add_init_script(LISTEN)
        context.on("request", self._asked)
        context.on("response", self._answered)
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        """Where scripts are forbidden, as in the frame that shows a mail, only the console tells of what was stopped."""
        text = message.text
        if (
            "Content Security Policy" in text
            and "report-only" not in text.lower()
            and "[report only]" not in text.lower()
        ):
            self.complaints.append(text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{ORIGIN}/", "data:", "blob:", "about:")):
            self.complaints.append(f"asked a stranger: {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def open(self, path: str) -> Page:
        self.page.goto(path if path.startswith("https:") else ORIGIN + path)
        self.page.wait_for_load_state()
        return self.page

    @property
    def enforced(self) -> list[dict[str, Any]]:
        return [each for each in self.violations if each["disposition"] == "enforce"]

    def words(self) -> str:
        return re.sub(r"\s+", " ", self.page.locator("body").inner_text())
