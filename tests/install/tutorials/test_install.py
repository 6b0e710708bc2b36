"""*Install into an existing site*, followed to the letter: every sample pasted, every page walked."""

from __future__ import annotations

import pytest

from tests.install.tutorials.conftest import INSTALL, mail_to, wait_for
from tests.install.tutorials.reading import samples

pytestmark = pytest.mark.install


def test_every_sample_says_where_it_goes():
    files = [sample.file for sample in samples(INSTALL) if sample.file]
    assert len(files) == 7
    assert "home/views.py" in files


def test_the_commands_do_what_they_should(installed):
    assert "wagtail_kwiga-" in installed["make wheel"]
    assert "no issues" in installed["python manage.py check"]
    assert "Applying wagtail_kwiga.0001_initial... OK" in installed["python manage.py migrate"]
    assert "Kwiga: Editors" in installed["python manage.py kwiga_setup"]


def test_a_page_sells(sold):
    assert "updated. Edit" in sold["site"]
    assert "Sales settings updated" in sold["seller"]
    assert "Watercolour for beginners" in sold["product"]
    assert sold["short name"] == "watercolour"
    assert "published" in sold["published"]
    for words in ("120.00", "Bank transfer", "Card (test)"):
        assert words in sold["page"], words


def test_the_first_order_by_transfer(sold, worker):
    assert "DE02 1203 0000 0000 2020 51" in sold["ordered"]
    assert "School of Watercolour" in sold["ordered"]
    assert "open" in sold["open"].lower()
    assert "The order is now “paid”" in sold["arrived"]
    receipt = mail_to(wait_for(worker, "<ada@example.com>"), "ada@example.com")
    words = receipt.get_body(("plain",)).get_content()
    assert "Your receipt" in words
    assert "http://localhost:8000/course/" in words


def test_the_second_by_card(sold):
    assert "success: the shop is told at once" in sold["bank"]
    assert "Paid. Thank you!" in sold["paid"]


def test_buyers_are_let_in_and_nobody_else(let_in):
    status, path, text = let_in["buyer"]
    assert (status, path, text) == (200, "/course/", "Welcome to the course.")
    assert let_in["other"][0] == 403
    assert let_in["staff"] == 403
