"""The story in a real browser: on a phone, in the dark, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from wagtail.models import Site

from tests.journeys.confirmations import besides_confirmations, confirmations
from tests.journeys.school import School, make_school
from tests.offers import making
from tests.payments.shop import bank_data
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 390, "height": 844}
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: Everything that can be typed into, ticked or pressed and that is there to be seen.
CONTROLS = "input:not([type=hidden]), select, textarea, button, summary, a[href]"

#: For each control that is not hidden from people: what it is, and whether it has a name.
NAMELESS = """selector => [...document.querySelectorAll(selector)].filter(each => {
  if (each.closest('[aria-hidden=true], .kwiga-hidden')) return false;
  const words = [...(each.labels || [])].map(label => label.textContent).join(' ') + each.textContent;
  const needsLabel = ['INPUT', 'SELECT', 'TEXTAREA'].includes(each.tagName);
  return needsLabel ? !(each.labels && each.labels.length && words.trim()) : !words.trim();
}).map(each => each.outerHTML.slice(0, 120))"""

#: What has the focus, and whether that can be seen: on the thing itself or on the label that holds it.
FOCUSED = """() => {
  const each = document.activeElement;
  if (!each || each === document.body) return null;
  const box = each.getBoundingClientRect();
  const seen = [each, each.closest('label')].filter(Boolean).some(element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  });
  return {tag: each.tagName, name: each.name || each.innerText || '', seen, size: box.width * box.height};
}"""

#: Text whose contrast to what lies under it is below WCAG AA (4.5, large text 3).
PALE = """() => {
  const ink = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    ink.clearRect(0, 0, 1, 1); ink.fillStyle = color; ink.fillRect(0, 0, 1, 1);
    return [...ink.getImageData(0, 0, 1, 1).data];
  };
  const light = color => color.slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const under = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = rgba(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, style, .kwiga-hidden') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(under(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < enough) pale.push([walker.currentNode.data.trim(), (a + 0.05) / (b + 0.05)]);
  }
  return pale;
}"""


@pytest.fixture
def school(settings, transactional_db, live_server) -> School:
    """The school of the story, at the address of the live server."""
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())
    host, _, port = live_server.url.removeprefix("http://").partition(":")
    site = Site.objects.get(is_default_site=True)
    site.hostname, site.port = host, int(port)
    site.save()
    school = make_school()
    bank_data()
    return school


@pytest.fixture
def visit(school, live_server, chromium, monkeypatch) -> Iterator[Callable[..., Visit]]:
    """Opens browsers, each with cookies of its own; at the end none of them may have complained or left the site."""
    # Playwright's synchronous interface runs an event loop in this thread, and Django would refuse us the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    visits: list[Visit] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)

        def begin(**options: Any) -> Visit:
            visits.append(Visit(browser.new_context(viewport=PHONE, locale="en-GB", **options), live_server.url))
            return visits[-1]

        yield begin
        for each in visits:
            each.context.close()
        browser.close()
        # While that loop runs, Django gives us other connections than the test's own; nobody else would close them.
        connections.close_all()
    for each in visits:
        assert each.complaints == []
        assert each.strangers == []


class Visit:
    """One browser with one tab."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context, self.origin = context, origin
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        # The icon in the browser's tab is the site's own, and the test site has none.
        if message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico"):
            self.complaints.append(f"{message.text} ({message.location})")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.strangers.append(request.url)

    def open(self, url: str) -> Page:
        response = self.page.goto(url)
        assert response is not None
        assert response.status == 200
        fragment = self.page.url.partition("#")[2]
        if fragment:
            expect(self.page.locator(f"#{fragment}-heading")).to_be_in_viewport()
        self.look_over()
        return self.page

    def press(self, button: str) -> Page:
        """Press the button with this name; the page that follows is looked over."""
        before = self.page.url
        self.page.get_by_role("button", name=re.compile(button)).click()
        self.page.wait_for_url(lambda url: url != before)
        self.look_over()
        return self.page

    def look_over(self) -> None:
        """What must be so on every page."""
        page = self.page
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room == PHONE["width"], page.url
        assert page.evaluate(NAMELESS, CONTROLS) == [], page.url
        assert page.evaluate(PALE) == [], page.url
        self._walk_by_keyboard()

    def _walk_by_keyboard(self) -> None:
        """Tab through the page: each stop can be seen, and each field that is shown is a stop."""
        page = self.page
        page.evaluate("document.activeElement?.blur()")
        stops = []
        for _press in range(60):
            page.keyboard.press("Tab")
            stop = page.evaluate(FOCUSED)
            if stop is None or stop in stops:
                break
            assert stop["seen"], (page.url, stop)
            assert stop["size"] > 100, (page.url, stop)  # what is hidden until it has the focus is shown then
            stops.append(stop)
        shown = page.locator("input:visible").evaluate_all(
            "all => all.filter(each => !each.closest('[aria-hidden=true], .kwiga-hidden')).map(each => each.name)"
        )
        assert set(shown) <= {stop["name"] for stop in stops}, page.url
        assert "website" not in {stop["name"] for stop in stops}
        page.evaluate("document.activeElement?.blur()")


def work(**span: float) -> None:
    """It is so much later than the beginning, and a worker comes by."""
    making.set_clock(after(**span))
    call_command("kwiga_work", stdout=StringIO())


KINDS = {
    "on a phone": {},
    "in the dark": {"color_scheme": "dark"},
    "without JavaScript": {"java_script_enabled": False},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_an_unpaid_order_is_won_back(school, live_server, visit, options):
    ada = visit(**options)
    page = ada.open(live_server.url + school.page.url)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(part => part < 60)")
    assert dark == ("color_scheme" in options)
    page.get_by_label("Your name").fill("Ada Buyer")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Phone number").fill("+48 600 100 200")
    expect(page.get_by_label("Card (test)")).to_be_checked()
    bank = ada.press(r"Order and pay €120\.00")
    assert "/shop/sandbox-gateway/" in bank.url
    expect(bank.get_by_role("heading", level=1)).to_contain_text("€120.00")
    ada.context.close()

    work(minutes=29)
    assert besides_confirmations() == []
    assert [each.to for each in confirmations()] == [['"Ada Buyer" <ada@example.com>']]
    work(minutes=30)
    (message,) = besides_confirmations()
    (link,) = re.findall(rf"{live_server.url}/shop/resume/\S+", message.body)

    back = visit(**options)
    making.set_clock(after(hours=2))
    page = back.open(link)
    assert page.url.endswith("#order")
    expect(page.get_by_role("heading", name="Your order")).to_have_id("order-heading")
    order = page.locator("#order")
    expect(order.locator(".kwiga-price__now")).to_contain_text("€102.00")
    expect(order.locator(".kwiga-price__old")).to_contain_text("€120.00")
    expect(order).to_contain_text("−15%")
    expect(order).to_contain_text("This price is yours until March 2, 2027, 1:30 p.m. CET")
    expect(page.get_by_label("Your name")).to_have_value("Ada Buyer")
    expect(page.get_by_label("E-mail address")).to_have_value("ada@example.com")
    expect(page.get_by_label("Phone number")).to_have_count(0)
    assert "600 100 200" not in page.content()
    bank = back.press(r"Order and pay €102\.00")
    expect(bank.get_by_role("heading", level=1)).to_contain_text("€102.00")
    thanks = back.press("^Pay success")
    expect(thanks.get_by_role("heading", level=1)).to_have_text("Paid. Thank you!")
    expect(thanks.get_by_role("link", name="Open “Watercolour for beginners”")).to_have_attribute(
        "href", f"{live_server.url}/course/"
    )
    thanks.get_by_role("link", name="To your order").click()
    back.page.wait_for_url("**/order/**")
    back.look_over()
    assert m.Order.objects.get(status="paid").total_amount == 102

    work(hours=2)
    assert [each.to for each in besides_confirmations()] == [message.to] * 2  # and the receipt
    page = back.open(link)
    expect(page.get_by_role("heading", name="You have it")).to_have_id("order-heading")
    expect(page.locator("#order").get_by_role("link", name="Watercolour for beginners")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    work(hours=50)
    assert len(besides_confirmations()) == 2


def test_what_is_missing_is_told_at_the_field_by_the_page_itself(school, live_server, visit):
    ada = visit()
    page = ada.open(live_server.url + school.page.url)
    page.get_by_label("Your name").fill("Ada Buyer")
    page.get_by_role("button", name="Order and pay").click()
    expect(page.get_by_role("alert")).to_be_focused()
    ada.look_over()
    page.get_by_role("link", name="Please give your e-mail address.").click()
    expect(page.get_by_label("E-mail address")).to_be_focused()
    expect(page.get_by_label("E-mail address")).to_have_accessible_description(re.compile("Please give your e-mail"))
    expect(page.get_by_label("Your name")).to_have_value("Ada Buyer")
    assert not m.Order.objects.exists()
