"""The README pasted into a site in use: whatever was there stays as it was."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.install

PEOPLE = ("editors", "moderators", "boss")


@pytest.fixture(scope="module")
def was(installed):
    return installed.recorded("before.json")


@pytest.fixture(scope="module")
def now(installed):
    return installed.recorded("after.json")


class TestSite:
    def test_nothing_to_migrate(self, installed):
        assert "No changes detected" in installed.must("makemigrations", "--check", "--dry-run")

    def test_checks_for_a_public_site_find_nothing(self, installed):
        told = installed.must("check", "--deploy", "--database", "default", "--fail-level", "INFO")
        assert "no issues" in told, told

    def test_pages_answer_byte_for_byte_as_before(self, was, now):
        for address, answer in was["visits"].items():
            assert now["visits"][address] == answer, address

    def test_what_was_compared_is_a_site_in_use(self, was):
        visits = was["visits"]
        codes = {address: answer["status"] for address, answer in visits.items()}
        assert codes.pop("/not-there/") == 404
        assert [codes.pop(path) for path in ("/about", "/who-we-are/", "/old-shop/pay/", "http")] == [
            301,
            301,
            302,
            301,
        ]
        assert set(codes.values()) == {200}, codes
        for address, words in {
            "/about/": "A studio by the water", "/contact/": "csrfmiddlewaretoken", "/journal/2025/": "Notes of 2025",
            "/search/?query=brush": "Start here", "/orders/": "A-1: Portrait, 1,250.00", "sent": "Thank you",
            "/sitemap.xml": "https://atelier.example/journal/notes-2024/", "/de/": "Startseite",
        }.items():  # fmt: skip
            assert words in visits[address]["body"], address
        assert "1,234,567" in visits["/"]["body"]

    def test_rows_of_the_site_are_all_there_and_no_more(self, was, now):
        ours = {kind: number - was["rows"].get(kind, 0) for kind, number in now["rows"].items()}
        assert {kind: number for kind, number in ours.items() if number} == {}
        assert (was["sites"], was["collections"]) == (now["sites"], now["collections"])
        assert was["rows"]["wagtailcore.page"] >= 10


class TestPeople:
    def test_groups_keep_members_and_permissions(self, was, now):
        for name, group in was["rights"].items():
            assert now["rights"][name] == group, name
        assert set(now["rights"]) - set(was["rights"]) == {"Kwiga: Editors", "Kwiga: Sales"}
        assert {"Editors", "Moderators", "Sellers"} == set(was["rights"])
        assert was["rights"]["Editors"]["pages"] and was["rights"]["Editors"]["members"] == ["editors@atelier.example"]

    def test_new_groups_have_nothing_of_the_sites(self, now):
        for name in ("Kwiga: Editors", "Kwiga: Sales"):
            group = now["rights"][name]
            assert group["pages"] == group["collections"] == group["members"] == []
            kinds = {each.partition(".")[0] for each in group["permissions"]}
            assert kinds == {"wagtail_kwiga", "wagtailadmin"}

    @pytest.mark.parametrize("name", PEOPLE)
    def test_screens_of_the_site_answer(self, was, now, name):
        before, after = was["staff"][name]["screens"], now["staff"][name]["screens"]
        assert {path: code for path, code in before.items() if code != 200 and "/settings/" not in path} == {}
        assert {path: code for path, code in after.items() if "kwiga" not in path and path in before} == before
        assert {after[path] for path in set(after) - set(before)} <= {200, 302}

    @pytest.mark.parametrize("name", ("editors", "moderators"))
    def test_who_is_not_in_our_groups_sees_no_difference(self, was, now, name):
        before, after = was["staff"][name], now["staff"][name]
        assert before["menu"] == after["menu"] != []
        assert before["panels"] == after["panels"]
        # Wagtail puts the admin's style sheets into its user bar; that of our screens goes along.
        sheet = re.compile(r'<link rel="stylesheet" href="/static/wagtail_kwiga/backoffice\.[0-9a-f]{12}\.css">')
        assert before["about"] == sheet.sub("", after["about"], count=1)

    def test_an_administrator_sees_ours_beside_the_sites_own(self, was, now):
        before, after = was["staff"]["boss"]["menu"], now["staff"]["boss"]["menu"]
        assert [entry for entry in after if "kwiga" not in entry[1]] == before
        assert ["Orders", "/admin/orders/"] in before
        labels = [label for label, address in after if "kwiga" in address]
        assert {"Orders", "Products", "Coupons", "Offers"} <= set(labels)


class TestFiles:
    def test_every_static_file_of_ours_is_found_under_its_hashed_name(self, installed, wheel_names):
        hashed = json.loads((installed.folder / "static" / "staticfiles.json").read_text())["paths"]
        ours = [name.removeprefix("wagtail_kwiga/static/") for name in wheel_names if "/static/" in name]
        assert len(ours) >= 8
        for name in ours:
            assert re.search(r"\.[0-9a-f]{12}\.\w+$", hashed[name]), name
            assert (installed.folder / "static" / hashed[name]).is_file()

    def test_nothing_was_logged_as_an_error(self, installed):
        assert installed.faults == ""
