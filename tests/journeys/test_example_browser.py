"""An editor uses what a site has added by hooks, in a real browser: the example app's block and its step."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.desk import Desk
from tests.journeys.school import work
from tests.offers import making
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def write_page(desk: Desk, offer: m.OfferPage) -> None:
    page = desk.open(f"/admin/pages/{offer.pk}/edit/")
    block = desk.add_block("body", "Guarantee")
    block.locator("input[type=number]").fill("14")
    block.locator("input[type=text]").fill("Write to us and it is yours.")
    desk.publish()
    assert "published" in desk.told()
    expect(page.locator("body")).not_to_contain_text("could not be saved")


def write_scenario(desk: Desk) -> None:
    page = desk.menu("Sales", "Scenarios")
    page.get_by_role("link", name=re.compile("Add scenario")).first.click()
    page.locator("[name=title]").fill("Calls")
    calling = desk.add_block("steps", "Ask staff to call")
    calling.locator("input[type=text]").fill("the key")
    desk.publish()
    assert "ask staff to call about “the key”" in desk.told()


def test_the_block_and_the_step_of_a_site_are_used_like_ours(browser, desk, live_server):
    offer = making.make_page("Studio day", ask_phone="required")
    write_page(desk, offer)
    write_scenario(desk)

    visitor = browser.new_context(locale="en-GB")
    page = visitor.new_page()
    page.goto(live_server.url + offer.url)
    expect(page.get_by_text("14 days: Write to us and it is yours.")).to_be_visible()
    page.get_by_label("Your name").fill("Ada Buyer")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Phone number").fill("+48 600 100 200")
    page.get_by_role("button", name="Order and pay €120.00").click()
    page.wait_for_url("**/sandbox-gateway/**")
    visitor.close()

    work(after(minutes=31))
    order = m.Order.objects.get()
    (entry,) = writing.timeline(order.contact).filter(needs_attention=True)
    assert writing.sentence(entry) == "Call them on +48 600 100 200: the key"
