"""The established site sells: made by its people, bought through Django's test client and in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.install.established_site.browsing import ORIGIN

pytestmark = [pytest.mark.install, pytest.mark.browser]

FOREIGN = re.compile(r"basket|b a s k e t", re.IGNORECASE)


@pytest.fixture(scope="module")
def made(selling):
    return selling.recorded("made.json")


class TestMaking:
    def test_what_an_editor_submits_is_on_sale_once_a_moderator_lets_it_through(self, made):
        assert made["product"][0] == 302
        assert made["form"] == 200
        assert made["waiting"] == [302, False, "draft", 404]
        assert made["approved"] == [302, True, "on_sale", "1250.0000"]
        assert made["who"] == ["editors@atelier.example", True]

    def test_one_form_makes_the_recovery(self, made):
        status, live, words = made["recovery"]
        assert (status, live) == (302, True), words

    def test_numbers_have_four_digits(self, made):
        """Else what follows would not notice a separator in an address or a hidden field."""
        assert min(made["numbers"]) > 1000


class TestBuying:
    """By bank transfer, through the test client."""

    @pytest.mark.parametrize("name", ["offer", "order", "pay", "resume", "paid"])
    def test_pages_show_ours_and_nothing_of_the_context_processors(self, bought, name):
        page = bought[name]
        assert page["status"] == 200
        assert not FOREIGN.search(page["text"]), page["text"]
        assert "Watercolour" in page["text"]

    def test_amounts_have_their_separator_and_addresses_have_none(self, bought):
        for name in ("offer", "order", "pay"):
            assert "€1,250.00" in bought[name]["text"]
        for page in (each for each in bought.values() if isinstance(each, dict)):
            assert not [address for address in page["addresses"] if "," in address]

    def test_addresses_are_those_of_the_site_over_tls(self, bought):
        assert bought["order"]["at"].startswith(f"{ORIGIN}/shop/order/")
        absolute = [each for each in bought["offer"]["addresses"] if "atelier" in each]
        assert set(absolute) == {f"{ORIGIN}/watercolour/"}

    def test_static_files_bear_their_hash(self, bought):
        for name in ("offer", "order", "pay"):
            files = [each for each in bought[name]["addresses"] if each.startswith("/static/")]
            assert len(files) == 2
            assert all(re.search(r"\.[0-9a-f]{12}\.(css|js)$", file) for file in files)

    def test_money_arrives(self, bought):
        status, number, total, words = bought["booked"]
        assert (status, total) == ("paid", "1250.00 EUR")
        assert number > 1000
        assert "boss@atelier.example" in words
        assert f"{ORIGIN}/about/" in bought["paid"]["addresses"], "the way in"


def link(message, word):
    html = message.get_body(("html",)).get_content()
    return next(url for url in re.findall(r'href="([^"]+)"', html) if f"/{word}" in url).replace("&amp;", "&")


def test_the_sites_own_people_work_at_its_own_screens(selling):
    told = selling.tell("staff")
    assert told["order"] == [302, 302, 200, 200, 200, "A-4", "1300.50", 302, False]
    assert told["bulk"] == [302, ["REGULAR"]]
    assert told["settings"] == [302, "+43 1 999"]
    assert told["page"] == [302, "Notes, again", True]
    assert told["groups"] == [302, 302, True], "saved as they stand, groups keep every permission"
    assert told["user"] == [302, ["Kwiga: Sales"]]
    assert told["answers"] == [200, True]


class TestChromium:
    def test_from_an_order_to_the_mail_and_back_for_less(self, selling, letterbox, tab):
        page = tab.open("/watercolour/")
        expect(page.get_by_role("heading", name="Your order")).to_be_visible()
        page.get_by_label("Your name").fill("Ada Buyer")
        page.get_by_label("E-mail address").fill("card@example.com")
        page.get_by_text("Card (test)").click()
        page.get_by_role("button", name="Order and pay €1,250.00").click()
        expect(page.get_by_role("heading", name="€1,250.00")).to_be_visible()
        assert page.url.startswith(f"{ORIGIN}/shop/sandbox-gateway/")

        (selling.folder / "minutes").write_text("31")
        told = selling.must("kwiga_work")
        assert ": failed:" not in told, told
        letters, _ = letterbox
        in_writing, mail = letters.to("card@example.com")
        assert in_writing["List-Unsubscribe"] is None  # the order itself, at once
        assert "15" in mail["Subject"]
        assert mail["List-Unsubscribe"].strip().startswith(f"<{ORIGIN}/shop/unsubscribe/")
        assert "€1,062.50" in mail.get_body(("plain",)).get_content().replace("\xa0", " ")

        page = tab.open(link(mail, "shop/resume"))
        assert page.url.startswith(f"{ORIGIN}/watercolour/")
        expect(page.get_by_label("E-mail address")).to_have_value("card@example.com")
        page.get_by_text("Card (test)").click()
        page.get_by_role("button", name="Order and pay €1,062.50").click()
        page.get_by_role("button", name="Decline decline").click()
        expect(page.get_by_role("heading", name="The payment did not go through")).to_be_visible()
        page.get_by_role("link", name="Try again").click()
        expect(page.get_by_role("heading", name="Pay for “Watercolour”")).to_be_visible()
        assert not FOREIGN.search(tab.words())
        page.get_by_text("Card (test)").click()
        page.get_by_role("button", name="Pay €1,062.50").click()
        page.get_by_role("button", name="Pay success").click()
        expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible()
        page.get_by_role("link", name="To your order").click()
        expect(page.get_by_text("€1,062.50").first).to_be_visible()
        assert not FOREIGN.search(tab.words())
        way_in = page.get_by_role("link", name="Open “Watercolour”")
        assert way_in.get_attribute("href") == f"{ORIGIN}/about/"
        selling.must("kwiga_work")
        (receipt,) = (each for each in letters.to("card@example.com") if "thank you" in each["Subject"])
        assert link(receipt, "about") == f"{ORIGIN}/about/"

        tab.open(link(mail, "shop/unsubscribe"))
        page.get_by_role("button", name="Yes, unsubscribe me").click()
        expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
        assert tab.violations == []
        assert tab.complaints == []
        assert selling.faults == ""
