"""The package in a site with its own ways: it fits in, takes nothing over, and its links lead where they should."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.install

SCHOOL, ATELIER = "http://school.example", "https://atelier.example"
OFFER = f"{ATELIER}/de/kurse/aquarell/"


def well(page, at="", speaks="de"):
    """A page answered, in the site's own base, in its language, where it was expected."""
    assert page["status"] == 200, page
    assert page["in_their_base"], page["at"]
    assert page["speaks"] == speaks, page
    assert page["at"].startswith(at), page["at"]
    return page


class TestSetUp:
    def test_checks_say_what_is_so_and_nothing_else(self, difficult):
        done = difficult.manage("check", "--database", "default")
        assert done.returncode == 0, done.stdout
        # W011 (no worker) comes and goes with what other tests have ordered in this site.
        ids = [one for one in re.findall(r"\((\w+\.[A-Z]\d+)\)", done.stdout) if one != "wagtail_kwiga.W011"]
        assert sorted(ids) == ["wagtail_kwiga.W003", "wagtail_kwiga.W003", "wagtail_kwiga.W012"], done.stdout
        for words in ("bulk is more than 1", "queue_limit is not the number of workers", "no words in: fr"):
            assert words in done.stdout

    def test_pages_that_let_no_offer_stand_below_them_are_told_of(self, difficult):
        done = difficult.manage("check", "--tag", "wagtail_kwiga", NO_OFFERS_HERE="1")
        assert "(wagtail_kwiga.W013)" in done.stdout
        assert "subpage_types" in done.stdout

    def test_nothing_to_migrate(self, difficult):
        """Neither ours for their models nor theirs for ours, whatever picture, document and user models they have."""
        assert "No changes detected" in difficult.must("makemigrations", "--check", "--dry-run")

    def test_what_was_there_is_left_alone(self, told):
        before = told["before"]
        assert before["sales"] == ["access_admin", "add_picture"]
        assert before["members"] == ["boss@school.example"]
        assert {"Sales", "Kwiga: Sales", "Kwiga: Editors"} <= set(before["groups"])
        assert before["schedules"] == ["Kwiga: sweep", "library: nightly"]
        assert before["sites"] == ["atelier.example", "school.example"]

    def test_the_worker_works(self, told):
        assert told["worker"] == []


class TestVisitors:
    def test_the_offer_on_both_sites_in_their_base(self, told):
        for url, page in told["offers"].items():
            german = "/de/" in url
            well(page, at=url, speaks="de" if german else "en")
            seller = "The Atelier" if url.startswith(ATELIER) else "The School"
            for words in (seller, "Malen mit Wasser" if german else "Paint with water"):
                assert words in page["text"], url
            assert "120,00 €" in page["text"] if german else "€120.00" in page["text"]
            assert url in page["addresses"], "canonical"

    def test_the_languages_know_each_other(self, told):
        for url in (f"{ATELIER}/en/courses/watercolour/", OFFER):
            addresses = told["offers"][url]["addresses"]
            assert {f"{ATELIER}/en/courses/watercolour/", OFFER} <= set(addresses)
            assert not [each for each in addresses if each.startswith(SCHOOL)]

    def test_their_pictures_and_documents(self, told):
        addresses = told["offers"][OFFER]["addresses"]
        assert [each for each in addresses if "/images/teal" in each], addresses
        assert [each for each in addresses if each.startswith("/documents/") and "materials" in each], addresses

    def test_an_order_belongs_to_its_site_and_its_language(self, told):
        paid = told["paid"]
        assert (paid["language"], paid["site"]) == ("de", "atelier.example")
        assert paid["led"].startswith(f"{ATELIER}/de/shop/sandbox-gateway/")
        assert paid["gateway"]["status"] == 200
        assert paid["gateway"]["speaks"] == "de"

    def test_webhooks_come_in(self, told):
        paid = told["paid"]
        assert paid["heard"] == [400, 200, 200]
        assert paid["status"] == "paid"
        well(paid["back"], at=f"{ATELIER}/de/shop/return/")

    @pytest.mark.parametrize("name", ["pay", "order", "resume"])
    def test_links_lead_to_the_site_in_the_language_of_the_order(self, told, name):
        """Whatever language the browser that opens them asks for."""
        assert told["unpaid_links"][name].startswith(f"{ATELIER}/de/shop/{name}/")
        well(told["unpaid"][name], at=OFFER if name == "resume" else f"{ATELIER}/de/shop/{name}/")

    def test_the_shop_beside_the_languages(self, difficult, told):
        pages = difficult.tell("without_language", SHOP_WITHOUT_LANGUAGE="1")
        for page, at in zip(pages, (f"{ATELIER}/shop/pay/", f"{ATELIER}/shop/order/", OFFER), strict=True):
            well(page, at=at)

    def test_a_page_that_mirrors_another(self, told):
        """What wagtail-localize makes of a page that nobody has translated yet: it sells, in the shop's German."""
        mirror = told["mirror"]
        for page in mirror.values():
            assert "Paint with water" in well(page)["text"] or "/shop/order/" in page["at"]
        assert mirror["order"]["at"].startswith(f"{SCHOOL}/de/shop/order/")
        assert "Nach The School" not in mirror["order"]["text"], "a word of wagtail.contrib.redirects"
        assert told["offers_known"] == 2

    def test_a_language_that_the_shop_does_not_speak(self, told):
        french = told["french"]
        assert french["language"] == "fr"
        assert french["led"].startswith(f"{SCHOOL}/fr/shop/order/")
        for page in (french["page"], french["order"]):
            well(page, speaks="fr")
            assert "Sold by The School" in page["text"]

    def test_a_language_that_the_site_has_dropped(self, told):
        for name in ("pay", "order"):
            well(told["dropped"][name], at=f"{SCHOOL}/en/shop/{name}/", speaks="fr")
        well(told["dropped"]["resume"], at=f"{SCHOOL}/en/courses/watercolour/", speaks="en")


@pytest.fixture(scope="session")
def misspelt(difficult, told):
    """What ``scripts/misspelt.py`` found; after the walk, because it changes e-mails."""
    return difficult.tell("misspelt")


class TestATranslatorWhoMisspellsPlaceholders:
    """In wagtail-localize's own editor, which knows nothing of them."""

    def test_nothing_of_it_is_published(self, misspelt):
        assert len(misspelt["editor"]) == 4
        for tried in misspelt["editor"]:
            assert (tried["status"], tried["refused"], tried["unchanged"]) == (200, True, True), tried

    def test_it_says_what_is_wrong_at_its_place(self, misspelt):
        subject, heading, button, text = (tried["told"] for tried in misspelt["editor"])
        for words in (subject, button):
            assert "There is no placeholder “order.titel”. Did you mean “order.title”?" in words
        assert "“contact.first_nmae”" in heading and "“contact.first_name”" in heading
        assert text == "", "pieces of running text have one place for all of them"

    def test_mended_it_is_published(self, misspelt):
        assert misspelt["mended"] == [[200, False, None]] * 4

    def test_where_it_is_live_all_the_same_readers_get_the_language_before_it(self, misspelt):
        assert misspelt["faults"] == []
        assert misspelt["live"]["mails"] == ["15% off Aquarell"]
        assert [reason for _state, reason in misspelt["live"]["runs"]] == [""]

    def test_a_person_is_told_in_words_of_their_own_language(self, misspelt):
        told = misspelt["attention"]
        assert [len(entries) for entries in told.values()] == [1, 1, 1]
        assert "There is no placeholder “order.titel”" in told["en"][0]
        assert "order.titel" in told["de"][0] and "There is no placeholder" not in told["de"][0]
        assert "There is no placeholder “order.titel”" in told["fr"][0], "a language that we do not speak"
        assert misspelt["screen"] == [200, True, False]

    def test_mended_in_that_editor_it_is_sent_and_nobody_need_look(self, misspelt):
        assert misspelt["published"] == [200, "{{ coupon.size }} weniger für {{ order.title }}"]
        assert misspelt["afterwards"]["mails"] == ["15 % weniger für Aquarell"]
        assert misspelt["attention_left"] == []

    def test_who_waits_for_an_email_that_no_language_can_send_goes_on_once_it_is_mended(self, misspelt):
        assert misspelt["waiting"]["mails"] == []
        assert [state for state, _reason in misspelt["waiting"]["runs"]] == ["active"]
        assert misspelt["went_on"] == ["15 % weniger für Aquarell"]


class TestMails:
    def test_the_receipt(self, told):
        (mail,) = (each for each in told["mails"] if "paid@example.com>" in each["to"] and "unpaid" not in each["to"])
        assert "vielen Dank" in mail["subject"]
        assert mail["from"] == '"The Atelier" <hello@atelier.example>'
        for url, page in mail["links"].items():
            well(page, at=url)
            assert url.startswith(f"{ATELIER}/de/shop/order/")

    def test_the_mail_that_wins_back(self, told):
        """Translated in wagtail-localize, sent by the second site, in the language of the order."""
        _order_received, mail = (each for each in told["mails"] if "unpaid@example.com" in each["to"])
        assert mail["subject"].replace("\xa0", " ") == "15 % weniger für Aquarell"
        assert mail["from"] == '"The Atelier" <hello@atelier.example>'
        for words in (
            "Guten Tag Ada",
            "Ihre Bestellung von Aquarell wartet.",
            "COMEBACK15",
            "Zurück zu meiner Bestellung",
        ):
            assert words in mail["text"]
        assert mail["unsubscribe"].startswith(f"<{ATELIER}/de/shop/unsubscribe/")
        assert (
            [url for url in mail["pictures"] if url.startswith(f"{ATELIER}/de/shop/picture/")] == mail["pictures"] != []
        )
        resume, unsubscribe = sorted(mail["links"])
        assert resume.startswith(f"{ATELIER}/de/shop/resume/")
        page = well(mail["links"][resume], at=OFFER)
        assert "102,00 €" in page["text"]
        well(mail["links"][unsubscribe], at=f"{ATELIER}/de/shop/unsubscribe/")

    def test_nothing_in_a_mail_leads_to_the_other_site(self, told):
        for mail in told["mails"]:
            if "french" not in mail["to"]:
                assert SCHOOL not in mail["text"]


class TestAdmin:
    def test_every_entry_of_the_menu_answers_and_whatever_our_lists_lead_to(self, told):
        answers = told["admin"]
        assert answers["/admin/"] == 200
        assert len([path for path in answers if "kwiga" in path]) >= 40, answers
        assert {path: code for path, code in answers.items() if code != 200} == {}

    def test_the_link_to_copy_is_that_of_the_site_and_the_language(self, told):
        assert told["shared"] == f"{OFFER}?coupon=COMEBACK15"

    def test_somebody_who_logs_in_with_an_address_books_money(self, told):
        assert told["by_hand"] == ["paid", True]

    def test_the_optional_queue_is_not_there(self, told):
        """Neither site has wagtail-modeladmin; nothing asks for it."""
        assert [path for path in told["admin"] if "kwiga/queue" in path] == []

    def test_the_price_cannot_be_touched_on_a_translation(self, told):
        found = told["translation"]
        assert (found["price"], found["currency"]) == ("120.0000", "EUR")
        assert found["offer"] == ["120.0000", "EUR", "on_sale"]

    def test_a_translator_is_handed_words_and_nothing_else(self, told):
        assert told["translation"]["segments"] == ["body", "slug", "title"]
        assert told["translation"]["email"] == [True, "{{ coupon.size }} weniger für {{ order.title }}"]
