"""A counted walk in a real browser: from a published offer to a live recovery, and on to the order that it wins back."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from tests.journeys import axe
from tests.journeys.confirmations import besides_confirmations
from tests.journeys.desk import Desk, make_editor
from tests.offers import making
from tests.offers.making import make_page, translate
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_SCREENS, MOST_DECISIONS = 1, 5
#: Wagtail's own: its screens with a form have no heading of the first level.
WAGTAILS_OWN = {"page-has-heading-one"}


def form_of(page: Any) -> str:
    return f"/admin/kwiga/offers/win-back/{making.offer_of(page).pk}/"


def work(**span: float) -> None:
    making.set_clock(after(**span))
    call_command("kwiga_work", stdout=StringIO())


def test_one_screen_and_five_decisions_to_a_live_recovery(desk, browser, live_server):
    offer_page = make_page(ask_phone="no")
    admin = desk.open(f"/admin/pages/{offer_page.pk}/edit/")
    seen: list[str] = []
    admin.on("framenavigated", lambda frame: seen.append(frame.url) if frame == admin.main_frame else None)

    admin.locator(".w-slim-header").get_by_role("button", name="Actions").click()
    admin.get_by_role("link", name="Win back unpaid orders").click()
    expect(admin.get_by_role("heading", name="What will happen")).to_be_visible()
    form = admin.locator("#w-editor-form")
    numbers = form.get_by_role("spinbutton")
    expect(numbers).to_have_count(3)  # discount, wait, hours
    words = form.locator("#words-section").get_by_role("textbox")
    asked = [*numbers.all(), *words.all()]
    assert all(one.input_value() for one in asked), "everything is filled in"
    # Each number is a decision, all the words together are one, and so is pressing the button.
    assert numbers.count() + 1 + 1 <= MOST_DECISIONS
    expect(form.get_by_text("30 minutes after an unpaid order for Watercolour, unless paid: 15%")).to_be_visible()
    expect(form.frame_locator("iframe").first.get_by_role("heading", name="Hello Ada")).to_be_visible()
    form.get_by_role("button", name="Publish all").click()
    expect(admin.get_by_role("heading", name="This is live")).to_be_visible()

    between = [url for url in dict.fromkeys(seen) if url != admin.url]
    assert between == [live_server.url + form_of(offer_page)]
    assert len(between) <= MOST_SCREENS
    assert m.Scenario.objects.get().live

    # The very page that was published wins an order back.
    code = m.Coupon.objects.get().code
    ada = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB").new_page()
    ada.goto(live_server.url + offer_page.url)
    ada.get_by_label("Your name").fill("Ada Buyer")
    ada.get_by_label("E-mail address").fill("ada@example.com")
    ada.get_by_role("button", name="Order and pay €120.00").click()
    ada.wait_for_url("**/sandbox-gateway/**")
    work(minutes=29)
    assert besides_confirmations() == []
    work(minutes=31)
    (message,) = besides_confirmations()
    assert code in message.body
    (link,) = re.findall(rf"{live_server.url}/shop/resume/\S+", message.body)
    ada.goto(link)
    expect(ada.get_by_role("button", name="Order and pay €102.00")).to_be_visible()


def test_what_is_typed_is_shown_at_once_and_drafts_are_one_press_away(desk):
    admin = desk.open(form_of(make_page()))
    expect(admin.get_by_role("button", name="Show the mail anew")).to_be_hidden()
    admin.get_by_label("Discount in percent").fill("25")
    expect(admin.get_by_text("unless paid: 25% for 24 hours")).to_be_visible()
    admin.get_by_label("Words on the button").fill("Take me back")
    expect(admin.frame_locator("iframe").first.get_by_role("link", name="Take me back")).to_be_visible()
    admin.get_by_label("Wait, in minutes").fill("5")
    expect(admin.get_by_text("Mend what is marked")).to_be_visible()
    admin.get_by_label("Wait, in minutes").fill("50")
    expect(admin.get_by_text("50 minutes after an unpaid order")).to_be_visible()
    assert not m.Scenario.objects.exists()
    admin.get_by_role("button", name="More actions").click()
    admin.get_by_role("button", name="Save as drafts").click()
    expect(admin.get_by_role("heading", name="These are drafts")).to_be_visible()
    assert not m.Scenario.objects.get().live
    desk.press("Publish all")
    expect(admin.get_by_role("heading", name="This is live")).to_be_visible()
    admin.get_by_role("link", name="Unpublish the scenario").click()
    admin.get_by_role("button", name="Yes, unpublish it").click()
    expect(admin.locator(".messages")).to_contain_text("unpublished")
    assert not m.Scenario.objects.get().live


def test_without_javascript_the_form_does_it_all(browser, live_server):
    offer_page = make_page()
    desk = Desk(browser.new_context(java_script_enabled=False), live_server.url, make_editor())
    admin = desk.open(form_of(offer_page))
    admin.locator("[name=percent]").fill("25")
    admin.locator("[name=show]").click()
    assert "25% for 24 hours" in admin.content()
    admin.locator("noscript [name=draft]").click()
    assert "These are drafts" in admin.content()


def faults(admin: Any) -> list[str]:
    # Wagtail's messages fade in, and while they do they are pale.
    found = axe.violations(admin, context={"exclude": [[".messages"]]})
    return [
        f"{admin.url}: {one['id']}: {node['html'][:160]}"
        for one in found
        if one["id"] not in WAGTAILS_OWN
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    "options",
    [{"viewport": {"width": 1280, "height": 900}}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}],
    ids=["wide and light", "narrow and dark"],
)
def test_axe_finds_nothing(browser, live_server, options):
    offer_page = make_page()
    translate(offer_page, "de", title="Aquarell")
    desk = Desk(browser.new_context(**options), live_server.url, make_editor())
    admin = desk.open(form_of(offer_page))
    found = faults(admin)
    admin.locator("[name=wait]").fill("5")
    admin.locator("[name=subject]").fill("{{ nobody.knows }}")
    desk.press("Publish all")
    expect(admin.get_by_role("alert").first).to_be_visible()
    found += faults(admin)
    admin.locator("[name=wait]").fill("30")
    admin.locator("[name=subject]").fill("Still there?")
    admin.get_by_role("button", name="More actions").click()
    admin.get_by_role("button", name="Save as drafts").click()
    expect(admin.get_by_role("heading", name="These are drafts")).to_be_visible()
    found += faults(admin)
    drafts = admin.url
    admin.get_by_role("link", name="Remove these drafts").click()
    expect(admin.get_by_role("button", name="Yes, delete")).to_be_visible()
    found += faults(admin)
    admin.goto(drafts)
    desk.press("Publish all")
    expect(admin.get_by_role("heading", name="This is live")).to_be_visible()
    found += faults(admin)
    desk.open(form_of(offer_page))
    found += faults(admin)
    assert admin.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert not found, "\n".join(found)
    assert desk.complaints == []
