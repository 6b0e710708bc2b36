"""An editor makes the five objects by hand in Wagtail's admin, and the story is walked to the paid order."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command
from playwright.sync_api import expect
from wagtail.models import Locale, Site

from tests.journeys.confirmations import besides_confirmations
from tests.journeys.desk import Desk, may_translate
from tests.journeys.school import make_school
from tests.journeys.test_story_browser import PHONE
from tests.offers import making
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def work(**span: float) -> None:
    making.set_clock(after(**span))
    call_command("kwiga_work", stdout=StringIO())


def what_was_decided() -> list[object]:
    """For the message of a test that waits for a mail: what is published, what was ordered, and what became of it."""
    runs = m.Run.objects.values_list("state", "position", "reason", "error", "due_at")
    steps = m.StepRecord.objects.values_list("kind", "outcome", "reason")
    scenarios = m.Scenario.objects.values_list("title", "live", "version__definition")
    orders = m.Order.objects.values_list("status", "offer", "payment_kind", "placed_at")
    return [*scenarios, *orders, *runs, *steps, *m.OutgoingEmail.objects.values_list("purpose", "status", "why")]


def make_list(desk: Desk) -> None:
    page = desk.menu("Sales", "Contact lists")
    page.get_by_role("link", name=re.compile("Add contact list")).first.click()
    page.locator("[name=title]").fill("Come back")
    desk.press("Save")
    assert "Come back" in desk.told()


def make_coupon(desk: Desk) -> None:
    page = desk.menu("Sales", "Coupons")
    page.get_by_role("link", name=re.compile("Add coupon")).first.click()
    page.locator("[name=code]").fill("COMEBACK15")
    page.locator("[name=percent]").fill("15")
    page.get_by_label("Come back").check()
    desk.press("Save")
    assert "COMEBACK15" in desk.told()


def make_product(desk: Desk) -> None:
    page = desk.menu("Sales", "Products")
    page.get_by_role("link", name=re.compile("Add product")).first.click()
    page.locator("[name=title]").fill("Watercolour for beginners")
    page.locator("[name=slug]").fill("watercolour")
    page.locator("[name=entry_url]").fill("/course/")
    desk.press("Save")


def make_offer_page(desk: Desk) -> None:
    root = Site.objects.get(is_default_site=True).root_page
    page = desk.open(f"/admin/pages/add/wagtail_kwiga/offerpage/{root.pk}/")
    page.locator("[name=title]").fill("Watercolour for beginners")
    hero = desk.add_block("body", "Text")
    desk.write(hero, "Six weeks, one hour a day, and a jar of water.")
    page.get_by_role("tab", name="Selling").click()
    page.locator("[name=price]").fill("120")
    page.locator("[name=currency]").fill("EUR")
    product = desk.add_block("products", "Product")
    desk.choose(product, "Watercolour for beginners")
    page.locator("[name=coupon_mode]").select_option("only")
    coupon = desk.add_block("coupons", "Coupon")
    desk.choose(coupon, "COMEBACK15")
    desk.publish()
    assert "published" in desk.told(), desk.faults()


def make_email(desk: Desk) -> None:
    page = desk.menu("Sales", "E-mails")
    page.get_by_role("link", name=re.compile("Add e-mail")).first.click()
    page.locator("[name=title]").fill("Come back")
    page.locator("[name=subject]").fill("{{ coupon.size }} off {{ order.title }}")
    # A new e-mail begins with what such a mail needs: heading, text, coupon card, button, summary of the order.
    blocks = page.locator("[data-contentpath=body] [data-streamfield-child]")
    blocks.first.locator("input[type=text]").first.fill('Hello {{ contact.first_name | default: "there" }}')
    added = desk.add_block("body", "Text")
    desk.write(added, "We kept {{ order.title }} for you.")
    desk.publish()
    assert "published" in desk.told(), desk.faults()


def make_scenario(desk: Desk) -> None:
    page = desk.menu("Sales", "Scenarios")
    page.get_by_role("link", name=re.compile("Add scenario")).first.click()
    page.locator("[name=title]").fill("Win back")
    # A new scenario begins with an unpaid order and a wait of half an hour.
    start = page.locator("[data-contentpath=start] [data-streamfield-child]")
    start.get_by_label("Watercolour for beginners").check()
    wait = page.locator("[data-contentpath=steps] [data-streamfield-child]")
    expect(wait.locator("input[type=number]")).to_have_value("30")
    adding = desk.add_block("steps", "Add to list")
    desk.choose(adding, "Come back")
    sending = desk.add_block("steps", "Send e-mail")
    desk.choose(sending, "Come back")
    waiting = desk.add_block("steps", "Wait")
    waiting.locator("input[type=number]").fill("24")
    waiting.locator("select").select_option("hours")
    expect(waiting.locator("input[type=number]")).to_have_value("24")  # a block that slides open may lose what is typed
    expect(waiting.locator("select")).to_have_value("hours")
    removing = desk.add_block("steps", "Remove from list")
    desk.choose(removing, "Come back")
    desk.publish()
    assert "published" in desk.told(), desk.faults()


def test_five_objects_by_hand_win_back_an_order(browser, desk, live_server):
    make_list(desk)
    make_coupon(desk)
    make_product(desk)
    make_offer_page(desk)
    make_email(desk)
    make_scenario(desk)

    ada = browser.new_context(viewport=PHONE, locale="en-GB")
    page = ada.new_page()
    page.goto(live_server.url + m.OfferPage.objects.get().url)
    page.get_by_label("Your name").fill("Ada Buyer")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_role("button", name="Order and pay €120.00").click()
    page.wait_for_url("**/sandbox-gateway/**")
    work(minutes=31)
    assert len(besides_confirmations()) == 1, what_was_decided()
    (message,) = besides_confirmations()
    assert message.subject == "15% off Watercolour for beginners"
    (link,) = re.findall(rf"{live_server.url}/shop/resume/\S+", message.body)
    page.goto(link)
    page.get_by_role("button", name="Order and pay €102.00").click()
    page.wait_for_url("**/sandbox-gateway/**")
    page.get_by_role("button", name=re.compile("^Pay success")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Paid. Thank you!")
    ada.close()
    work(hours=30)
    assert m.Order.objects.get(status="paid").total_amount == 102
    assert len(besides_confirmations()) == 2  # and the receipt


def translate_in_admin(desk: Desk, path: str) -> None:
    """*Translate* in the menu of actions on the screen at ``path``, into German; what opens is the German draft."""
    page = desk.open(path)
    page.get_by_role("button", name=re.compile("^(Actions|More options for)")).first.click()
    page.get_by_role("link", name="Translate").first.click()
    page.wait_for_load_state()
    page.get_by_label("Deutsch").check()
    desk.press("Submit")


def test_a_translated_page_is_bought_in_german_with_a_german_mail(browser, desk, live_server):
    school = make_school(now=after())
    german_home = Site.objects.get(is_default_site=True).root_page.copy_for_translation(
        Locale.objects.create(language_code="de")
    )
    german_home.save_revision().publish()
    may_translate(desk.user, german_home)
    translate_in_admin(desk, f"/admin/pages/{school.page.pk}/edit/")
    desk.page.locator("[name=title]").fill("Aquarell für Anfänger")
    assert desk.page.locator("[name=price]").count() == 0  # the source page decides
    desk.publish()
    assert "published" in desk.told(), desk.faults()
    translate_in_admin(desk, "/admin/kwiga/emails/")
    desk.page.locator("[name=subject]").fill("{{ coupon.size }} Rabatt auf {{ order.title }}")
    desk.page.locator("[data-contentpath=body] [data-contentpath=text] input[type=text]").first.fill("Hallo!")
    desk.publish()
    assert "published" in desk.told(), desk.faults()

    ada = browser.new_context(viewport=PHONE, locale="de-DE")
    page = ada.new_page()
    german = m.OfferPage.objects.get(locale__language_code="de")
    page.goto(live_server.url + german.url)
    assert page.locator("html").get_attribute("lang") == "de"
    page.get_by_label("Ihr Name").fill("Ada Käufer")
    page.get_by_label("E-Mail-Adresse").fill("ada@example.com")
    page.get_by_label("Telefonnummer").fill("+49 30 1234567")
    page.get_by_role("button", name=re.compile(r"Zahlungspflichtig bestellen.*120,00")).click()
    page.wait_for_url("**/sandbox-gateway/**")
    work(minutes=31)
    (message,) = besides_confirmations()
    assert re.fullmatch(r"15\s%\sRabatt auf Aquarell für Anfänger", message.subject)
    assert "Hallo!" in message.body
    (link,) = re.findall(rf"{live_server.url}/shop/resume/\S+", message.body)
    page.goto(link)
    page.get_by_role("button", name=re.compile("102,00")).click()
    page.wait_for_url("**/sandbox-gateway/**")
    page.locator("button").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bezahlt")
    ada.close()
    order = m.Order.objects.get(status="paid")
    assert (order.language, order.total_amount) == ("de", 102)
    work(hours=2)
    receipt = besides_confirmations()[1]
    assert "Rechnung" in receipt.body or "Bestellung" in receipt.body
