"""Axe looks at every screen of the Sales menu that a click leads to: empty and filled, light and dark, wide and narrow."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from playwright.sync_api import ViewportSize, expect

from tests.journeys import axe
from tests.journeys.desk import PASSWORD, Desk
from tests.journeys.school import make_school, work
from tests.journeys.walking import screens
from tests.offers.making import offer_of
from tests.orders.shop import order_for
from tests.support import after, make_contact
from wagtail_kwiga import background, installation
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.menu import SalesGroup

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Wagtail's own parts, as (rule, what the marked element holds): no heading of the first level on screens for editing, rich
#: text without a label, the toggle of the page's outline, the links to the very field in the table of where something is used
#: (one line of small type below the other: whether they are far enough apart goes by the fonts of the machine), two blocks of
#: one kind in a StreamField that opens with them.
WAGTAILS_OWN = [
    ("page-has-heading-one", "<html"),
    ("aria-input-field-name", "public-DraftEditor-content"),
    ("target-size", "w-minimap"),
    ("target-size", "#:w:contentpath="),
    ("landmark-unique", "w-panel--nested"),
]
#: What can go wrong by width and colours alone.
LOOKS = {
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable", "button-name",
                   "link-name", "aria-hidden-focus", "nested-interactive"],
    }
}  # fmt: skip
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}


def listings() -> list[str]:
    """The lists of the Sales menu."""
    menu = SalesGroup()
    return [
        reverse(viewset.get_url_name("list" if hasattr(viewset, "chooser_viewset") else "index"))
        for viewset in menu.registerables
    ]


def faults(desk: Desk, rules: dict[str, Any]) -> list[str]:
    """What axe finds on the page that is open."""
    return [
        f"{desk.page.url}: {one['id']}: {node['target']} {node['html'][:200]}"
        for one in axe.violations(desk.page, rules)
        for node in one["nodes"]
        if not any(one["id"] == rule and part in node["html"] for rule, part in WAGTAILS_OWN)
    ]


@pytest.fixture
def chief():
    return get_user_model().objects.create_superuser("chief", "chief@example.com", PASSWORD)


@pytest.fixture
def everything(chief) -> dict[str, str]:
    """A shop with something in every list, and every screen of it."""
    school = make_school(now=after())
    order_for(make_contact("ada@example.com"), school.offer, now=after())
    work(after(minutes=31))
    client = Client()
    client.force_login(chief)
    found = screens(client, *listings())
    # The preview's frame holds only Wagtail's message as long as nobody has typed anything.
    return {name: address for name, address in found.items() if "/preview/" not in address}


def test_every_screen(browser, live_server, chief, everything):
    """Wide and light first; then the same screen, narrow and dark, by the rules that look at layout and colours."""
    assert len(everything) > 40
    context = browser.new_context(viewport=WIDE)
    desk = Desk(context, live_server.url, chief)
    found = []
    for address in everything.values():
        desk.page.set_viewport_size(WIDE)
        desk.page.emulate_media(color_scheme="light")
        desk.open(address)
        found += faults(desk, axe.RULES)
        desk.page.set_viewport_size(NARROW)
        desk.page.emulate_media(color_scheme="dark")
        desk.page.evaluate("Promise.all(document.getAnimations().map(each => each.finished.catch(() => null)))")
        found += faults(desk, LOOKS)
    context.close()
    assert not found, "\n".join(found)
    assert desk.complaints == []


def test_a_copied_installation(browser, live_server, chief, settings):
    """What is said on every screen while somebody has to decide, and where that is done."""
    make_school(now=after())
    installation.settle(is_unused=lambda: False)
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    background.beat(background.SWEEP, at=after())
    decide = reverse("wagtail_kwiga_installation:decide")
    context = browser.new_context(viewport=WIDE)
    desk = Desk(context, live_server.url, chief)
    found = []
    for address in [reverse("wagtailadmin_home"), listings()[0], decide, f"{decide}?choice=production"]:
        for scheme, size in (("light", WIDE), ("dark", NARROW)):
            desk.page.set_viewport_size(size)
            desk.page.emulate_media(color_scheme=scheme)
            assert "This database is that of another installation" in desk.open(address).content() or "?" in address
            found += faults(desk, axe.RULES)
    context.close()
    assert not found, "\n".join(found)


def test_what_is_asked_or_refused(browser, live_server, chief, everything):
    """Screens that no link leads to: a form sent back, and what is asked before something is broken."""
    offer, order = m.Offer.objects.get(), m.Order.objects.get()
    page, coupon = m.OfferPage.objects.get(), m.Coupon.objects.get()
    asked = {
        reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk]): ({"percent": "5"}, "was told"),
        reverse("wagtailadmin_pages:unpublish", args=[page.pk]): ({}, "was told"),
        reverse("wagtail_kwiga_orders:money_arrived", args=[order.pk]): ({"amount": "1,200.00"}, "is to be paid"),
        reverse("wagtail_kwiga_offers:emails", args=[offer.pk]): ({"paid-mode": "own"}, "Choose the e-mail"),
    }
    context = browser.new_context(viewport=WIDE)
    desk = Desk(context, live_server.url, chief)
    found = []
    for address, (typed, said) in asked.items():
        desk.page.set_viewport_size(WIDE)
        desk.page.emulate_media(color_scheme="light")
        desk.open(address)
        for name, value in typed.items():
            box = desk.page.locator(f"[name={name}]")
            if box.first.get_attribute("type") == "radio":
                desk.page.locator(f"[name={name}][value={value}]").check()
            else:
                box.fill(value)
        desk.page.locator("#main form:not([role=search]) :is(button, input)[type=submit]:visible").first.click()
        expect(desk.page.locator("#main")).to_contain_text(said, timeout=20_000)
        desk.page.evaluate("Promise.all(document.getAnimations().map(each => each.finished.catch(() => null)))")
        found += faults(desk, axe.RULES)
        desk.page.set_viewport_size(NARROW)
        desk.page.emulate_media(color_scheme="dark")
        desk.page.evaluate("Promise.all(document.getAnimations().map(each => each.finished.catch(() => null)))")
        found += faults(desk, LOOKS)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], address
    context.close()
    assert not found, "\n".join(found)
    assert (offer_of(page).state, m.OutgoingEmail.objects.exclude(promise_ended_at=None).count()) == ("on_sale", 0)


def test_every_empty_list(browser, live_server, chief):
    context = browser.new_context(viewport=WIDE)
    desk = Desk(context, live_server.url, chief)
    found = []
    for address in listings():
        desk.open(address)
        found += faults(desk, axe.RULES)
    context.close()
    assert not found, "\n".join(found)
