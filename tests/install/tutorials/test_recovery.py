"""*The first recovery*, followed to the letter on the site of the other tutorial: in one form, and by hand."""

from __future__ import annotations

import pytest

from tests.install.tutorials.conftest import RECOVERY, mail_to, resume_link
from tests.install.tutorials.reading import samples, section

pytestmark = pytest.mark.install


def test_every_sample_says_where_it_goes():
    assert [sample.file for sample in samples(RECOVERY)] == ["mysite/settings/dev.py", ""]


def test_everything_is_filled_in_and_one_press_starts_it(left_unpaid):
    for words in ("15", "30", "24", "What will happen"):
        assert words in left_unpaid["form"], words
    assert "It is live." in left_unpaid["live"]
    sentence = (
        "30 minutes after an unpaid order for Watercolour for beginners, unless paid: 15% for 24 hours, one e-mail."
    )
    assert sentence in section(RECOVERY, "In one form").replace("\n", " ")
    assert sentence in left_unpaid["live"]
    assert "Test payment. No money moves." in left_unpaid["bank"]


def test_the_mail_arrives_half_an_hour_later(half_an_hour_later):
    mail = mail_to(half_an_hour_later, "lin@example.com")
    assert mail["Subject"] == "15% off Watercolour for beginners: your order is still here"


def test_its_button_leads_to_the_form_filled_in_and_the_lower_price(came_back):
    assert "€102.00 for you instead of €120.00 , until" in came_back["page"]
    assert came_back["address"] == "lin@example.com"
    assert "Paid. Thank you!" in came_back["paid"]


def test_the_seller_sees_who_was_inside_and_what_was_sent(came_back):
    assert "left Wait 24 hours Paid: this purchase is made" in came_back["people"]
    assert "15% off Watercolour for beginners: your order is still here" in came_back["mail"]


def test_the_same_by_hand(by_hand):
    assert "'Come back' created" in by_hand["list"]
    assert "Works for nobody: the list “Come back” is empty." in by_hand["coupon"]
    assert "No offer takes the coupon COMEBACK15" in by_hand["coupon"]
    assert "has been published" in by_hand["gate"]
    assert "created and published" in by_hand["email"]
    assert "30 minutes after an unpaid order for Ink, unless paid: 15% for 24 hours, one e-mail." in by_hand["scenario"]


def test_and_its_mail_arrives_as_well(reader, by_hand):
    (line,) = (sample.text for sample in samples(section(RECOVERY, "See it happen")) if not sample.file)
    shown = reader.run(line)
    assert "COMEBACK15" in mail_to(shown, "mo@example.com").get_body(("plain",)).get_content()
    assert "http://localhost:8000/shop/resume/" in resume_link(shown, "mo@example.com")
